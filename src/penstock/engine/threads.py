"""One daemon thread that runs blocking calls in order, awaited from the loop: the reader's and the writer's.

Not an executor: those join their threads at exit, so a read of stdin that never returns would hang an interrupted run.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Caller(Protocol):
    """Runs blocking calls, one at a time, in order."""

    def call(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...

    def post(self, function: Callable[[], None]) -> None:
        """Run it after the calls before it; nobody waits for it."""
        ...

    def close(self) -> None: ...


class DaemonThread:
    """A `Caller` on a thread of its own. A call that is cancelled still runs to its end; its result is dropped."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """The function's result. What it raises is raised here, StopIteration as RuntimeError (PEP 479)."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]  # None only when T is

        def run() -> None:
            result, failed = None, None
            try:
                result = function(*args)
            except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
                failed = RuntimeError("StopIteration") if isinstance(error, StopIteration) else error
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(settle, result, failed)

        self._calls.put(run)
        return await done

    def post(self, function: Callable[[], None]) -> None:
        """Run `function` after the calls already given. What it raises is lost: it must not raise."""
        self._calls.put(function)

    def close(self) -> None:
        """Let the thread end after the calls already given. Does not wait for it."""
        self._calls.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; False if it has not within `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


class InlineCaller:
    """A `Caller` that runs the call at once on the loop's thread: for sinks that do not block, and virtual time."""

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)

    def post(self, function: Callable[[], None]) -> None:
        function()

    def close(self) -> None:
        """Nothing to release."""
