"""Auto: measures real items on a scripted clock, moves once, and runs each item exactly once on the way."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import process_stage_functions as functions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import Failure, Response
from penstock.process.auto import AutoRunner, Clocks, Places, probe_in_thread
from penstock.process.call import guarded
from penstock.process.decide import Probe
from penstock.process.inline import InlineRunner
from penstock.process.options import Decision, InlineCall, ProcessOptions, Result, Runner
from penstock.process.runner import make_runner


def response(item_id: int) -> Response:
    return Response(item_id, "http://a/", "http://a/", 200, b"")


@dataclass
class Script:
    """A clock that only the function moves: item k takes `durations[k]`, of which `busy` is processor time."""

    durations: list[float]
    busy: float = 1.0
    now_s: float = 0.0
    cpu_s: float = 0.0
    ran: list[int] = field(default_factory=list)
    moved_to: list[str] = field(default_factory=list)
    probed: int = 0

    def function(self, what: Response) -> dict[str, object]:
        self.ran.append(what.item_id)
        duration_s = self.durations[min(what.item_id, len(self.durations) - 1)]
        self.now_s += duration_s
        self.cpu_s += duration_s * self.busy
        return {"id": what.item_id}

    def runner(self, reading: Probe, cannot_isolate: str | None = None, cores: int = 2) -> AutoRunner:
        def probe(call: InlineCall, what: Response, clocks: Clocks) -> tuple[Result, Probe]:
            self.probed += 1
            return call(what), reading

        def move(mode: str) -> Callable[[Decision], Runner]:
            def make(decision: Decision) -> Runner:
                self.moved_to.append(mode)
                runner = InlineRunner(self.function, decision)
                runner.inline = None
                return runner

            return make

        places = Places(guarded(self.function), move("thread"), move("process"), cannot_isolate, cores)
        return AutoRunner(places, Clocks(lambda: self.now_s, lambda: self.cpu_s, lambda: self.cpu_s), probe)


def run_all(runner: Runner, count: int) -> list[Result]:
    """As the engine does: the plain function while there is one, else `run`."""

    async def body() -> list[Result]:
        results = []
        for index in range(count):
            call = runner.inline
            results.append(call(response(index)) if call is not None else await runner.run(response(index)))
        await runner.aclose()
        return results

    return asyncio.run(body())


HOLDS_GIL, RELEASES_GIL = Probe(0.01, 0.005, 0.005, 0.005), Probe(0.005, 0.005, 0.005, 0.005)


def test_a_quick_function_is_measured_on_twenty_items_and_stays() -> None:
    script = Script([0.0001])
    runner = script.runner(HOLDS_GIL)
    run_all(runner, 19)
    assert runner.decision.mode == "measuring"
    run_all(runner, 1)
    assert (runner.decision.mode, runner.decision.calls, script.probed, script.moved_to) == ("inline", 20, 0, [])


@pytest.mark.parametrize(("reading", "mode"), [(HOLDS_GIL, "process"), (RELEASES_GIL, "thread")])
def test_a_slow_function_is_probed_and_moved(reading: Probe, mode: str) -> None:
    script = Script([0.004])
    runner = script.runner(reading)
    results = run_all(runner, 40)
    assert (runner.decision.mode, script.moved_to, script.probed) == (mode, [mode], 3)
    assert runner.decision.calls == 13  # 50 ms of it
    assert runner.inline is None
    assert results == [[{"id": index}] for index in range(40)]


def test_on_one_core_nothing_is_probed() -> None:
    script = Script([0.004])
    run_all(script.runner(RELEASES_GIL, cores=1), 40)
    assert (script.moved_to, script.probed) == (["process"], 0)


def test_a_lambda_goes_to_threads_unprobed() -> None:
    script = Script([0.004])
    runner = script.runner(HOLDS_GIL, cannot_isolate="a lambda cannot be sent to another process")
    run_all(runner, 40)
    assert (script.moved_to, script.probed) == (["thread"], 0)
    assert "lambda" in runner.decision.reason


def test_a_function_that_becomes_slow_later_is_noticed_and_moved() -> None:
    script = Script([0.0001] * 500 + [0.004] * 300)
    runner = script.runner(HOLDS_GIL)
    run_all(runner, 800)
    assert script.moved_to == ["process"]
    assert script.ran == list(range(800))


def test_one_slow_call_later_is_looked_into_and_changes_nothing() -> None:
    # The 64th call after the decision is the timed one.
    script = Script([0.0001] * (20 + 63) + [0.5] + [0.0001] * 200)
    runner = script.runner(HOLDS_GIL)
    run_all(runner, 280)
    assert (runner.decision.mode, script.moved_to) == ("inline", [])


@given(
    st.lists(st.sampled_from([0.00001, 0.0009, 0.002, 0.03, 2.0]), min_size=1, max_size=200),
    st.sampled_from([HOLDS_GIL, RELEASES_GIL]),
    st.floats(0, 1),
)
def test_whatever_the_times_each_item_runs_once_in_order_and_it_moves_at_most_once(
    durations: list[float], reading: Probe, busy: float
) -> None:
    script = Script(durations, busy)
    results = run_all(script.runner(reading), 200)
    assert script.ran == list(range(200))
    assert results == [[{"id": index}] for index in range(200)]
    assert len(script.moved_to) <= 1


def test_a_probe_returns_the_items_result_even_when_it_raises() -> None:
    result, reading = probe_in_thread(guarded(functions.act), Response(0, "", "", 200, b"keyboard-interrupt"), Clocks())
    assert isinstance(result, Failure)
    assert reading.wall_s > 0


def test_a_function_that_works_only_in_its_own_thread_loses_no_item_to_the_probe() -> None:
    home = threading.get_ident()

    def function(what: Response) -> dict[str, object]:
        if threading.get_ident() != home:
            raise RuntimeError("objects created in a thread can only be used in that same thread")
        return {"id": what.item_id}

    script = Script([0.004])
    runner = script.runner(RELEASES_GIL)
    ticks = itertools.count()
    runner._clocks = Clocks(lambda: next(ticks) * 0.004, lambda: 0.0, lambda: 0.0)
    runner._probe = lambda call, what, clocks: (probe_in_thread(call, what, Clocks())[0], RELEASES_GIL)
    runner._places = dataclasses.replace(runner._places, call=guarded(function))
    results = run_all(runner, 30)
    assert (runner.decision.mode, script.moved_to) == ("process", ["process"])
    assert "fails in a thread" in runner.decision.reason
    assert results == [[{"id": index}] for index in range(30)]


def test_a_function_that_fails_anyway_is_probed_like_any_other() -> None:
    script = Script([0.004])

    def raising(what: Response) -> dict[str, object]:
        script.function(what)
        raise ValueError

    runner = script.runner(RELEASES_GIL)
    runner._places = dataclasses.replace(runner._places, call=guarded(raising))
    run_all(runner, 16)
    assert script.moved_to == ["thread"]


@pytest.mark.slow
def test_a_real_computation_leaves_the_loop_for_processes() -> None:
    # That it holds the GIL is seen on the busiest machine: two threads never use more than one processor.
    runner = make_runner(ProcessOptions(functions.compute, workers=1))
    results = run_all(runner, 30)
    assert runner.decision.mode == "process"
    assert results == [[functions.compute(response(0))]] * 30


@pytest.mark.slow
def test_a_real_function_that_waits_leaves_the_loop() -> None:
    runner = make_runner(ProcessOptions(functions.wait, workers=2))
    assert run_all(runner, 30) == [[{"id": index}] for index in range(30)]
    assert runner.decision.mode in ("thread", "process")  # a busy machine may send it to processes, the safe side


@pytest.mark.slow
def test_a_function_that_releases_the_gil_overlaps_more_than_one_that_holds_it() -> None:
    def overlap(function: Callable[[Response], object]) -> float:
        _, reading = probe_in_thread(guarded(function), response(0), Clocks())
        return (reading.counting_cpu_s + reading.function_cpu_s) / reading.wall_s

    # Interleaved, best of each: noise only ever lowers the number.
    pairs = [(overlap(functions.derive_key), overlap(functions.compute)) for _ in range(15)]
    assert max(held for _, held in pairs) < 1.25
    runner = make_runner(ProcessOptions(functions.derive_key, workers=1))
    run_all(runner, 40)
    assert runner.decision.mode in ("thread", "process")
    if runner.decision.mode == "thread":
        assert max(released for released, _ in pairs) > max(held for _, held in pairs)
