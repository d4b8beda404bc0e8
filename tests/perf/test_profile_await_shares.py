"""The await profile against the truth: workloads that measure their own task-seconds, with their own clock."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter
from typing import Any

import pytest
from timing_kit import one_of_three

from penstock.perf.profile.awaiting import AwaitRecorder
from penstock.perf.profile.model import Profile
from penstock.perf.profile.recorder import RecorderOptions

POINTS = 0.05
LOOPS = ["asyncio", pytest.param("uvloop", marks=pytest.mark.skipif("sys.platform == 'win32'"))]
pytestmark = pytest.mark.slow


class Truth:
    """Task-seconds by name, as the workload measured them, between `begins_s` and `ends_s`."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)
        self.begins_s, self.ends_s = 0.0, inf

    @contextmanager
    def counts(self, name: str) -> Iterator[None]:
        began_s = perf_counter()
        try:
            yield
        finally:
            self.spent_s[name] += max(0.0, min(perf_counter(), self.ends_s) - max(began_s, self.begins_s))

    def share(self, name: str, *among: str) -> float:
        return self.spent_s[name] / sum(self.spent_s[other] for other in among)


def recorded(loop: str, workload: Coroutine[Any, Any, None]) -> Profile:
    recorder = AwaitRecorder(RecorderOptions(seed=3))
    recorder.start()
    try:
        with asyncio.Runner(loop_factory=_factory(loop)) as runner:
            runner.run(workload)
    finally:
        profile = recorder.stop()
    assert profile.notes == []
    return profile


def _factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if loop == "asyncio":
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = pytest.importorskip("uvloop").new_event_loop
    return factory


@pytest.fixture(autouse=True, scope="module")
def _libuv_keeps_two_pipes_from_its_first_loop_on() -> None:
    if sys.platform != "win32":
        _factory("uvloop")().close()


def weight(profile: Profile, name: str, state: str = "") -> float:
    return sum(
        weight
        for stack, weight in profile.stacks.items()
        if any(frame.name == name for frame in stack) and (not state or stack[0].name == state)
    )


async def answered(event: asyncio.Event) -> None:
    await event.wait()


async def waiter(rounds: list[asyncio.Future[None]]) -> None:
    for answer in rounds:
        await answer


async def written(queue: asyncio.Queue[None]) -> None:
    await queue.get()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("tasks", "pause_s"), [(200, 0.05), (10_000, 3.0)])
@one_of_three
def test_two_awaits_of_many_workers_get_their_shares(loop: str, tasks: int, pause_s: float) -> None:
    truth = Truth()
    truth.begins_s = inf
    rng = random.Random(11)

    async def worker() -> None:
        running = asyncio.get_running_loop()
        while True:
            event: asyncio.Event = asyncio.Event()
            running.call_later(rng.uniform(0, pause_s), event.set)
            with truth.counts("answered"):
                await answered(event)
            queue: asyncio.Queue[None] = asyncio.Queue()
            running.call_later(rng.uniform(0, 3 * pause_s), queue.put_nowait, None)
            with truth.counts("written"):
                await written(queue)

    async def workload() -> Profile:
        workers = [asyncio.create_task(worker()) for _ in range(tasks)]
        await asyncio.sleep(pause_s / 2)
        recorder = AwaitRecorder(RecorderOptions(seed=3))
        recorder.start()
        truth.begins_s = perf_counter()
        try:
            await asyncio.sleep(3)
        finally:
            truth.ends_s = perf_counter()
            profile = recorder.stop()
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return profile

    with asyncio.Runner(loop_factory=_factory(loop)) as runner:
        profile = runner.run(workload())
    assert profile.notes == []
    found = weight(profile, "answered") / (weight(profile, "answered") + weight(profile, "written"))
    assert found == pytest.approx(truth.share("answered", "answered", "written"), abs=POINTS)
    assert profile.total == pytest.approx(sum(truth.spent_s.values()), rel=0.1)
    assert profile.numbers["own_cost_share"] < 0.03


@pytest.mark.parametrize("loop", LOOPS)
@one_of_three
def test_what_is_ready_while_another_task_computes_is_runnable(loop: str) -> None:
    """Ten tasks wait for an answer, which comes before a long computation: during it they are ready, not waiting."""
    truth = Truth()

    async def workload() -> None:
        running = asyncio.get_running_loop()
        rounds = [running.create_future() for _ in range(7)]
        waiters = [asyncio.create_task(waiter(rounds)) for _ in range(10)]
        for answer in rounds:
            with truth.counts("waiting"):
                await asyncio.sleep(0.15)
            answer.set_result(None)
            with truth.counts("runnable"):
                _compute(0.2)
        await asyncio.gather(*waiters)

    profile = recorded(loop, workload())
    states = {state: weight(profile, "task waiter", f"[{state}]") for state in ("runnable", "waiting")}
    share = states["runnable"] / sum(states.values())
    assert share == pytest.approx(truth.share("runnable", "runnable", "waiting"), abs=POINTS)
    computing = weight(profile, "_compute", "[running]") / profile.numbers["running_s"]
    assert computing > 0.9


@pytest.mark.parametrize("loop", LOOPS)
@one_of_three
def test_a_sleep_that_is_overdue_is_runnable(loop: str) -> None:
    """The timer of a sleep goes off in the loop, so while the loop is busy its future alone would say `waiting`."""

    late_s, asked_s = [], []

    async def sleeper() -> None:
        for _ in range(5):
            asleep_s = perf_counter()
            await asyncio.sleep(0.1)
            asked_s.append(0.1)
            late_s.append(perf_counter() - asleep_s - 0.1)

    async def workload() -> None:
        sleepers = [asyncio.create_task(sleeper()) for _ in range(5)]
        while not all(task.done() for task in sleepers):
            _compute(0.2)
            await asyncio.sleep(0)

    profile = recorded(loop, workload())
    found = weight(profile, "sleep", "[runnable]") / weight(profile, "sleep")
    assert found == pytest.approx(sum(late_s) / (sum(late_s) + sum(asked_s)), abs=POINTS)


@pytest.mark.parametrize("loop", LOOPS)
@one_of_three
def test_running_is_the_time_that_tasks_compute(loop: str) -> None:
    truth = Truth()

    async def workload() -> None:
        for _ in range(7):
            with truth.counts("running"):
                _compute(0.1)
            with truth.counts("waiting"):
                await asyncio.sleep(0.2)

    profile = recorded(loop, workload())
    assert profile.numbers["running_s"] / profile.total == pytest.approx(
        truth.share("running", "running", "waiting"), abs=POINTS
    )


@pytest.mark.parametrize("loop", LOOPS)
@one_of_three
def test_c_code_that_keeps_the_interpreter_is_charged_for_all_its_time(loop: str) -> None:
    truth = Truth()

    def holds_the_interpreter() -> None:
        sum(range(12_000_000))

    async def workload() -> None:
        with truth.counts("waiting"):
            await asyncio.sleep(0.3)
        with truth.counts("running"):
            for _ in range(4):
                holds_the_interpreter()
        with truth.counts("waiting"):
            await asyncio.sleep(0.3)

    profile = recorded(loop, workload())
    assert profile.numbers["running_s"] / profile.total == pytest.approx(
        truth.share("running", "running", "waiting"), abs=POINTS
    )


def _compute(seconds: float) -> None:
    until_s = perf_counter() + seconds
    while perf_counter() < until_s:
        pass
