"""What is done with one item where calls block: fetch it and make its output, or call the user's function.

The rule: whatever goes wrong with the item is a `Lost`, a value; only what is wrong with Penstock is raised. How many
items are done at once, and on what, is the strategies' business.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from penstock.errors import ConfigError
from penstock.model import Failure, Response
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.losses import describe_failure, failure_of_error
from penstock.perf.strategy.model import BlockingClient
from penstock.perf.strategy.phases import NO_SUMS, PhaseSums, Sums
from penstock.perf.workload.model import Alternative, Workload
from penstock.process.call import is_async


@dataclass(slots=True)
class Lost:
    """The item failed: one line that says how. `is_pushback`: the server answered 429 or 503."""

    message: str
    is_pushback: bool = False


class Task(Protocol):
    """Of one thread."""

    def do(self, number: int, item: str) -> object:
        """The item's output, or `Lost`."""
        ...

    def sums(self) -> Sums:
        """See `phases`."""
        ...

    def close(self) -> None: ...


TaskMaker: TypeAlias = Callable[[], Task]


def load_task(alternative: Alternative, workload: Workload) -> TaskMaker:
    """Import what the alternative's items need, once; each call of the result then makes one thread's own task.

    Raises ConfigError for a function that cannot be loaded, is async, or a client that is not installed.
    """
    if alternative.function is not None:
        from penstock.perf.workload.work import user_function

        function = user_function(alternative.function)
        if is_async(function):
            raise ConfigError(
                f"{alternative.function}: expected a function that blocks for strategy {alternative.strategy}, "
                "got an async one",
                hint="async functions run under --strategy asyncio, uvloop or penstock",
            )
        return lambda: _CodeTask(function)
    from penstock.perf.strategy.clients.blocking import blocking_client
    from penstock.perf.workload.work import output_function

    output = output_function(workload)
    return lambda: _FetchTask(blocking_client(alternative.client, workload), output)


def work_through(
    task: Task, items: tuple[str, ...], schedule: Schedule, recorder: Recorder, errors: list[BaseException]
) -> None:
    """Take items until the schedule has no more, one after another: wait until each is due, do it, tell the recorder.

    Ends early when `errors` is no longer empty. Costs about 2 µs per item above the item itself.
    """
    clock = time.perf_counter
    size = len(items)
    while not errors and (taken := schedule.take()) is not None:
        number, due_s = taken
        start_s = clock()
        if due_s > start_s:
            time.sleep(due_s - start_s)
            start_s = clock()
        output = task.do(number, items[number % size])
        end_s = clock()
        if type(output) is Lost:
            recorder.lost(number, output.message, is_pushback=output.is_pushback)
        else:
            recorder.ended(number, due_s, start_s, end_s, output)


class _CodeTask:
    def __init__(self, function: Callable[[str], object]) -> None:
        self._function = function

    def do(self, number: int, item: str) -> object:
        try:
            return self._function(item)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - the user's code may raise anything
            return _lost(failure_of_error(error, self._function), item)

    def sums(self) -> Sums:
        return NO_SUMS

    def close(self) -> None:
        """Nothing is held."""


class _FetchTask:
    def __init__(self, client: BlockingClient, output: Callable[[Response], object]) -> None:
        self._client = client
        self._output = output
        self._phases = PhaseSums()

    def do(self, number: int, item: str) -> object:
        response = self._client.get(number, item)
        if isinstance(response, Failure):
            return _lost(response, item)
        begun_s = time.perf_counter()
        try:
            output = self._output(response)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - the user's code may raise anything
            return _lost(failure_of_error(error, self._output), item)
        self._phases.add(response, time.perf_counter() - begun_s)
        return output

    def sums(self) -> Sums:
        return self._phases.now()

    def close(self) -> None:
        self._client.close()


def _lost(failure: Failure, item: str) -> Lost:
    message, is_pushback = describe_failure(failure, item)
    return Lost(message, is_pushback)
