"""Runs a sync process function in a bounded pool of threads: for functions that wait, or that release the GIL.

A thread cannot be stopped: there is no time limit here, and an endless loop keeps its thread until the program ends.
The one rule: at most twice as many calls as threads are inside the pool; the others wait in `run`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from penstock.errors import ProcessError
from penstock.model import Response
from penstock.process.call import guarded, marked
from penstock.process.marker import Marker
from penstock.process.options import Decision, InlineCall, Result

_CLOSE_TIMEOUT_S = 5.0


class ThreadRunner:
    """`workers` threads, 1 to 64 with a `marker` (each marks its own item). The marker is closed with the runner."""

    inline: InlineCall | None = None

    def __init__(
        self, function: Callable[..., object], workers: int, decision: Decision, marker: Marker | None = None
    ) -> None:
        self.decision = decision
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="penstock-process")
        self._entry = asyncio.Semaphore(2 * workers)
        self._marker = marker
        self._is_closed = False
        self._calls: set[Future[Result]] = set()
        calls = [guarded(function)] * workers
        if marker is not None:
            calls = [marked(function, marker, slot) for slot in range(workers)]
        self._free: deque[InlineCall] = deque(calls)  # never empty for a running thread: one entry per thread

    async def run(self, response: Response) -> Result:
        async with self._entry:
            if self._is_closed:
                raise ProcessError("the thread pool is closed")
            call = self._executor.submit(self._in_thread, response)
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            return await asyncio.wrap_future(call)

    async def aclose(self) -> None:
        """Drop what has not started and wait up to 5 s for what runs; a call that goes on is left behind."""
        if self._is_closed:
            return
        self._is_closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        running = [asyncio.wrap_future(call) for call in list(self._calls)]
        if running:
            _, running_still = await asyncio.wait(running, timeout=_CLOSE_TIMEOUT_S)
            if running_still:
                return  # the marker stays open: they are still at their items
        if self._marker is not None:
            self._marker.close()

    def _in_thread(self, response: Response) -> Result:
        call = self._free.pop()
        try:
            return call(response)
        finally:
            self._free.append(call)
