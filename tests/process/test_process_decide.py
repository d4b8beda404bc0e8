"""decide: inline under 1 ms, else threads for what waits or releases the GIL, else processes; in doubt processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.process.decide import BLOCKING_S, Probe, Sample, decide, is_blocking, is_measured, is_probed, typical_s

seconds = st.floats(1e-7, 100)
samples = st.lists(st.builds(Sample, seconds, seconds), min_size=1, max_size=30)
probes = st.lists(st.builds(Probe, seconds, seconds, seconds, seconds), max_size=3)


def computing(wall_s: float, calls: int = 5) -> list[Sample]:
    return [Sample(wall_s, wall_s)] * calls


def test_a_quick_function_stays_inline() -> None:
    decision = decide(computing(0.0002, 20), cores=2)
    assert (decision.mode, decision.calls, decision.median_s) == ("inline", 20, 0.0002)
    assert "under 1 ms" in decision.reason


def test_a_slow_first_call_alone_moves_nothing() -> None:
    assert decide([Sample(0.3, 0.3), *computing(0.0001)], cores=2).mode == "inline"


def test_a_function_that_is_slow_on_every_tenth_item_leaves_the_loop() -> None:
    few_slow = [*computing(0.0001, 18), *computing(0.05, 2)]
    assert is_blocking(few_slow)
    assert decide(few_slow, cores=1).mode == "process"


@pytest.mark.parametrize(
    ("probe", "mode"),
    [
        (Probe(0.010, 0.005, 0.005, 0.005), "process"),  # the GIL passes to and fro: one processor's worth together
        (Probe(0.005, 0.005, 0.005, 0.005), "thread"),  # both ran all the time
        (Probe(0.020, 0.008, 0.020, 0.012), "process"),  # a neighbour on the machine took the rest: in doubt processes
        (Probe(0.0, 0.0, 0.0, 0.0), "process"),  # a clock that did not move proves nothing
    ],
)
def test_computing_goes_to_threads_only_when_two_threads_used_more_than_one_processor(probe: Probe, mode: str) -> None:
    assert decide(computing(0.005), [probe] * 3, cores=2).mode == mode


def test_waiting_goes_to_threads_when_others_could_run_meanwhile() -> None:
    waiting = [Sample(0.005, 0.0001)] * 5
    assert decide(waiting, [Probe(0.005, 0.0049, 0.0049, 0.0001)] * 3, cores=2).mode == "thread"
    assert decide(waiting, cores=1).mode == "thread"
    # the same on a busy machine: the counting thread queued for a processor most of the time
    assert decide(waiting, [Probe(0.030, 0.004, 0.0295, 0.0001)] * 3, cores=2).mode == "thread"
    # it waits while it holds the GIL (a C extension that forgot to release it)
    assert decide(waiting, [Probe(0.005, 0.0001, 0.0001, 0.0001)] * 3, cores=2).mode == "process"


def test_one_disturbed_probe_of_three_does_not_decide() -> None:
    good, disturbed = Probe(0.005, 0.005, 0.005, 0.005), Probe(0.020, 0.004, 0.004, 0.005)
    assert decide(computing(0.005), [good, disturbed, good], cores=2).mode == "thread"


def test_what_cannot_be_sent_to_a_process_goes_to_threads_and_says_why() -> None:
    decision = decide(computing(0.005), cannot_isolate="a lambda cannot be sent to another process", cores=2)
    assert decision.mode == "thread"
    assert "a lambda cannot be sent" in decision.reason


@given(samples, probes, st.one_of(st.none(), st.just("it is a lambda")), st.integers(1, 64))
def test_a_decision_is_inline_exactly_when_it_does_not_block_and_never_an_impossible_process(
    measured: list[Sample], probed: list[Probe], cannot_isolate: str | None, cores: int
) -> None:
    decision = decide(measured, probed, cannot_isolate, cores=cores)
    assert (decision.mode == "inline") == (not is_blocking(measured))
    assert not (cannot_isolate and decision.mode == "process")
    assert decision.calls == len(measured)


@given(samples)
def test_the_typical_time_lies_between_the_extremes(measured: list[Sample]) -> None:
    walls = [sample.wall_s for sample in measured]
    for value in typical_s(measured):
        assert min(walls) * (1 - 1e-9) <= value <= max(walls) * (1 + 1e-9)
    assert is_blocking(measured) == (max(typical_s(measured)) > BLOCKING_S)


@given(st.lists(st.builds(Sample, seconds, seconds), min_size=20, max_size=20), st.lists(seconds, min_size=3))
def test_measuring_and_probing_end(measured: list[Sample], walls: list[float]) -> None:
    assert is_measured(measured)
    assert is_probed([Probe(wall_s, 0, 0, 0) for wall_s in walls])
    assert not is_measured([])
    assert not is_probed([])


def test_slow_functions_are_measured_on_fewer_items() -> None:
    assert not is_measured(computing(0.01, 4))
    assert is_measured(computing(0.01, 5))
    assert not is_measured(computing(0.3, 2)), "two calls: the first may have paid for imports"
    assert is_measured(computing(1.5, 1)), "but three calls of a second each would block the loop too long"
