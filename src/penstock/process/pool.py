"""Runs the process function in worker processes, so that a crash, a kill or an endless loop costs one item.

It decides which worker gets which response and whom a death is charged to. It does not talk to workers (link.py).
The one rule: an item is charged only with the death of the worker that was running it; one that was merely queued
there had not started, and runs again elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine

from penstock.errors import ProcessError
from penstock.model import Failure, Response
from penstock.process.link import Call, LinkEvents, WorkerLink
from penstock.process.options import Decision, InlineCall, Result
from penstock.process.worker import Setup

_START_FAILURES_MAX = 3  # in a row, without one worker becoming ready: then the stage cannot work
_QUICK_CALL_S = 0.020  # below this a second call waits at the worker, so that it need not wait for our event loop
_SMOOTHING = 0.1


class ProcessRunner:
    """At most `workers` processes, started when needed; at most two calls at each, the rest waits in `run`."""

    inline: InlineCall | None = None

    def __init__(self, setup: Setup, workers: int, timeout_s: float | None, decision: Decision) -> None:
        self.decision = decision
        self._setup = setup
        self._workers_max = workers
        self._timeout_s = timeout_s
        self._links: list[WorkerLink] = []
        self._waiting: deque[Call] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._start_failures = 0
        self._call_s = _QUICK_CALL_S  # running mean; until a call was quick, none is queued behind another
        self._broken: ProcessError | None = None
        self._is_closed = False
        self._events = LinkEvents(self._on_ready, self._on_answer, self._on_lost)

    async def run(self, response: Response) -> Result:
        """The result of one response. Raises ProcessError when no worker can be started, or after `aclose`."""
        if self._broken is not None:
            raise ProcessError(str(self._broken), hint=self._broken.hint)
        if self._is_closed:
            raise ProcessError("the process pool is closed")
        call = Call(response, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        self._dispatch()
        return await call.future

    async def aclose(self) -> None:
        """Kill the workers and wait until they are gone. Calls in flight are cancelled: their items stay pending."""
        self._is_closed = True
        for call in self._waiting:
            call.future.cancel()
        self._waiting.clear()
        for link in [*self._links]:
            for call in link.pending:
                call.future.cancel()
            if link.is_started and not link.is_lost:
                link.kill()  # one that is starting just now is killed by `_start`
        while self._links:
            # A killed worker is buried one loop turn after its connection has ended.
            await (asyncio.wait([*self._tasks]) if self._tasks else asyncio.sleep(0))

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are ready, for tests and diagnosis."""
        return [link.process.pid for link in self._links if link.is_ready and not link.is_lost]

    def _dispatch(self) -> None:
        while self._waiting:
            if self._waiting[0].future.done():  # cancelled while it waited
                self._waiting.popleft()
                continue
            link = self._least_loaded()
            if link is not None and not link.pending:
                link.send(self._waiting.popleft())
                continue
            starting = sum(not link.is_ready for link in self._links)
            if len(self._links) < self._workers_max and starting < len(self._waiting):
                self._start_one()
                continue
            if starting or link is None or len(link.pending) > 1 or self._call_s >= _QUICK_CALL_S:
                return
            link.send(self._waiting.popleft())

    def _least_loaded(self) -> WorkerLink | None:
        usable = [link for link in self._links if link.is_ready and not link.is_lost]
        return min(usable, key=lambda link: len(link.pending), default=None)

    def _start_one(self) -> None:
        link = WorkerLink(self._setup, self._timeout_s, self._events)
        self._links.append(link)
        self._spawn(self._start(link))

    async def _start(self, link: WorkerLink) -> None:
        try:
            await link.start()
        except Exception as error:  # noqa: BLE001 - callers wait for this worker: they must hear, whatever it is
            self._links.remove(link)
            if self._links:  # out of processes or descriptors, say: go on with the workers that there are
                self._workers_max = len(self._links)
                return
            message = f"a worker process cannot be started: {type(error).__qualname__}: {error}"
            self._break(message, "try --process-mode thread, or raise the limit on processes (ulimit -u)")
            return
        if self._is_closed:
            link.kill()

    def _on_ready(self, link: WorkerLink) -> None:
        self._start_failures = 0
        self._dispatch()

    def _on_answer(self, link: WorkerLink, duration_s: float) -> None:
        self._call_s += _SMOOTHING * (duration_s - self._call_s)
        self._dispatch()

    def _on_lost(self, link: WorkerLink) -> None:
        self._spawn(self._bury(link))

    async def _bury(self, link: WorkerLink) -> None:
        ending = await link.wait_dead()
        self._links.remove(link)
        if self._is_closed:
            return
        if not link.is_ready:
            self._count_failed_start(link, ending)
        elif link.pending:
            guilty = link.pending.popleft()
            if not guilty.future.done():
                guilty.future.set_result(link.verdict or Failure("process_crash", ending))
            self._waiting.extendleft(reversed(link.pending))
            link.pending.clear()
        self._dispatch()

    def _count_failed_start(self, link: WorkerLink, ending: str) -> None:
        if link.unusable is not None:
            text, _, hint = link.unusable.partition("\nhint: ")
            self._break(f"the process function cannot be loaded in a worker process: {text}", hint)
            return
        self._start_failures += 1
        if self._start_failures >= _START_FAILURES_MAX:
            ending = ending.replace(" inside the process function", "")
            message = (
                f"{self._start_failures} worker processes in a row died while they imported the function: {ending}"
            )
            self._break(message, "the module must import in a fresh Python process; see the worker's text on stderr")

    def _break(self, message: str, hint: str) -> None:
        self._broken = ProcessError(message, hint=hint)
        for call in self._waiting:
            if not call.future.done():
                call.future.set_exception(ProcessError(message, hint=hint))
        self._waiting.clear()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
