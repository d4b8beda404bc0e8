"""The strategies asyncio and uvloop: as many worker tasks as the concurrency, on one loop, in one thread.

That is a queue of N servers: each worker takes the next item, waits until it is due, and sees it through. What makes
an output of an answer runs on the loop, so CPU work stops every other item: that is the strategy's nature and the point
of comparing it. The rule: no retry, no time-out of its own; who never ends is ended from outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

from penstock.errors import ConfigError, PenstockError
from penstock.model import Failure
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.clients.asynchronous import async_client
from penstock.perf.strategy.loops import asyncio_loop, make_room, uvloop_factory
from penstock.perf.strategy.losses import ItemFailed, describe_failure, failure_of_error
from penstock.perf.strategy.model import AsyncClient
from penstock.perf.strategy.pacing import Pacer
from penstock.perf.strategy.phases import NO_SUMS, PhaseSums, mean_phases
from penstock.perf.workload.model import Alternative, Workload
from penstock.process.call import is_async

Attempt = Callable[[int, str], Awaitable[object]]


class AsyncioStrategy:
    """A `StrategyRunner` on asyncio's loop, or on uvloop's with `is_uvloop`.

    A SIGTERM ends the process at once, in the middle of an item too: no handler is installed. The harness's own cost
    is under 1 µs for each item (an async function that does nothing, CPython 3.11); for waits see `Pacer`.
    """

    def __init__(self, alternative: Alternative, workload: Workload, *, is_uvloop: bool) -> None:
        self._alternative = alternative
        self._workload = workload
        self._is_uvloop = is_uvloop
        self._runner: asyncio.Runner | None = None
        self._pacer: Pacer | None = None
        self._client: AsyncClient | None = None
        self._function: Callable[..., Any] = _nothing
        self._attempt: Attempt = _nothing
        self._phases = PhaseSums()

    def start(self) -> None:
        """Raises ConfigError for: no uvloop, no client library, a function that is missing or not async."""
        factory = uvloop_factory() if self._is_uvloop else asyncio_loop
        self._runner = asyncio.Runner(loop_factory=factory)
        try:
            self._runner.run(self._open())
        except BaseException:
            self.stop()
            raise

    def run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        """Raises ConfigError for an output that cannot be compared, or more connections than may be opened."""
        assert self._runner is not None, "start() comes first"
        make_room(concurrency)
        self._phases = PhaseSums()
        self._runner.run(self._run(schedule, recorder, concurrency))

    def worker_cpu_s(self) -> float:
        return 0.0

    def worker_ids(self) -> tuple[int, ...]:
        return ()

    def phases(self) -> Mapping[str, float]:
        return mean_phases([NO_SUMS], [self._phases.now()])

    def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        try:
            runner.run(self._close())
        finally:
            runner.close()

    async def _open(self) -> None:
        self._pacer = Pacer()
        if self._alternative.function is None:
            from penstock.perf.workload.work import output_function

            self._function = output_function(self._workload)
            self._client = async_client(self._alternative.client, self._workload)
            self._attempt = self._fetch
        else:
            self._function = async_function(self._alternative)
            self._attempt = self._call

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        pacer, self._pacer = self._pacer, None
        if pacer is not None:
            pacer.close()

    async def _run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        error: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self._work(schedule, recorder))
        except* PenstockError as errors:
            error = first_of(errors)
        if error is not None:
            raise error

    async def _work(self, schedule: Schedule, recorder: Recorder) -> None:
        assert self._pacer is not None
        attempt, items, until = self._attempt, self._workload.items, self._pacer.until
        is_open = schedule.request.loop == "open"
        while (taken := schedule.take()) is not None:
            number, due_s = taken
            if is_open:
                await until(due_s)
            start_s = perf_counter()
            try:
                output = await attempt(number, items[number % len(items)])
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code: whatever it is, it costs this item alone
                self._lose(recorder, number, error)
                continue
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise  # somebody cancels the run
                self._lose(recorder, number, error)  # the function raised it: the worker must not vanish
                continue
            recorder.ended(number, due_s, start_s, perf_counter(), output)

    def _lose(self, recorder: Recorder, number: int, error: BaseException) -> None:
        failure = failure_of_error(error, self._function)
        message, is_pushback = describe_failure(failure, self._workload.items[number % len(self._workload.items)])
        recorder.lost(number, message, is_pushback=is_pushback)

    async def _fetch(self, number: int, url: str) -> object:
        assert self._client is not None
        response = await self._client.get(number, url)
        if isinstance(response, Failure):
            raise ItemFailed(response)
        arrived_s = perf_counter()
        output = self._function(response)
        self._phases.add(response, perf_counter() - arrived_s)
        return output

    async def _call(self, _number: int, item: str) -> object:
        return await self._function(item)


def async_function(alternative: Alternative) -> Callable[[str], Awaitable[Any]]:
    """The user's function, which must be `async def`. Raises ConfigError."""
    from penstock.perf.workload.work import user_function

    assert alternative.function is not None
    function: Callable[[str], Any] = user_function(alternative.function)
    if not is_async(function):
        raise ConfigError(
            f"{alternative.function}: expected `async def` for the strategy {alternative.strategy}, got a plain `def`",
            hint="compare it under sync, threads or processes",
        )
    return function


def first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    """The first exception in a group that is none itself."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _nothing(*_: object) -> None:
    pass
