"""Rounds go on while they can still decide something; the open loop's rate is one that good alternatives sustain."""

from __future__ import annotations

from itertools import pairwise
from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs_kit import run

from penstock.perf.compare.openloop import keeping
from penstock.perf.compare.pairs import judge_pairs
from penstock.perf.compare.rounds import another_round, open_rate_per_s, sustains, throughputs
from penstock.perf.measure.model import RunResult


def closed(*throughputs: list[float]) -> dict[str, list[RunResult]]:
    return {str(number): [run(value) for value in row] for number, row in enumerate(throughputs)}


def test_the_least_number_of_rounds_always_runs() -> None:
    assert another_round({}) is False
    assert another_round(closed([], []))
    assert another_round(closed([100.0] * 4, [500.0] * 4))
    assert not another_round(closed([100.0] * 5, [500.0] * 5))


def test_rounds_end_when_every_pair_is_decided_or_likely_the_same() -> None:
    assert not another_round(closed([100, 101, 99, 100, 100], [100, 100, 101, 100, 99], [200, 201, 199, 200, 200]))


def test_rounds_go_on_while_a_pair_is_open_but_not_past_the_most() -> None:
    unsure = ([100.0, 130, 90, 120, 100], [100.0, 100, 110, 95, 100])
    assert another_round(closed(*unsure))
    assert not another_round(closed(*unsure), rounds_max=5)
    assert not another_round(closed(*(row + row + row[:2] for row in unsure)))


def test_the_shortest_alternative_counts() -> None:
    assert another_round(closed([100.0] * 12, [200.0] * 3))


def test_one_alternative_alone_stops_at_the_least() -> None:
    assert another_round(closed([100.0] * 4))
    assert not another_round(closed([100.0] * 5))


def test_an_alternative_that_ends_nothing_does_not_keep_rounds_going() -> None:
    runs = closed([100.0] * 5, [200.0] * 5)
    idle = run(100.0)
    del idle.end_s[:]
    runs["idle"] = [idle] * 5
    assert not another_round(runs)


def test_optional_stopping_rarely_ends_on_a_difference_that_is_none() -> None:
    rng, told = Random(9), 0
    for _ in range(60):
        runs: dict[str, list[RunResult]] = {name: [] for name in "abc"}
        while another_round(runs):
            for row in runs.values():
                row.append(run(100 * exp(rng.gauss(0, 0.1)), wall_s=0.2))
        told += any(pair.verdict != "cannot tell" for pair in judge_pairs("throughput", throughputs(runs)))
    assert told <= 3


def test_the_rate_is_what_the_slowest_that_counts_does_with_ease() -> None:
    runs = closed([1000.0] * 5, [400.0] * 5, [100.0] * 5)
    assert open_rate_per_s(runs) == pytest.approx(240, rel=0.01)


def test_there_is_no_rate_when_nothing_ended() -> None:
    idle = run(100.0)
    del idle.end_s[:]
    assert open_rate_per_s({"a": [idle], "b": []}) is None
    assert not sustains([idle], 1)


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=6))
def test_the_best_always_sustains_the_rate(middles: list[float]) -> None:
    runs = {str(number): [run(value, wall_s=1.5)] * 5 for number, value in enumerate(middles)}
    rate = open_rate_per_s(runs)
    assert rate is not None
    assert sustains(runs[str(middles.index(max(middles)))], rate)


def open_run(capacity_per_s: float, *, rate_per_s: float = 400, seed: int = 1, wall_s: float = 0.25) -> RunResult:
    return run(capacity_per_s, loop="open", rate_per_s=rate_per_s, wall_s=wall_s, jitter=Random(seed))


def test_a_steady_queue_keeps_up() -> None:
    kept = keeping([open_run(500, seed=seed) for seed in range(5)], [run(500)], 400)
    assert kept.keeps_up


def test_a_growing_queue_does_not_and_tells_what_it_manages() -> None:
    kept = keeping([open_run(100, seed=seed) for seed in range(5)], [run(100)], 400)
    assert not kept.keeps_up
    assert kept.managed_per_s == pytest.approx(100, rel=0.1)


def test_one_stall_in_five_runs_is_no_backlog() -> None:
    runs = [open_run(500, seed=seed) for seed in range(5)]
    runs[2] = open_run(80)
    assert keeping(runs, [run(500)], 400).keeps_up


def test_short_runs_are_taken_together() -> None:
    runs = [open_run(2, rate_per_s=10, seed=seed, wall_s=0.6) for seed in range(5)]
    assert all(one.items < 12 for one in runs)
    assert not keeping(runs, [run(2)], 10).keeps_up
    assert keeping([open_run(50, rate_per_s=10, seed=seed, wall_s=0.6) for seed in range(5)], [], 10).keeps_up


def test_without_open_runs_the_closed_loop_tells() -> None:
    assert keeping([], [run(500)] * 5, 400).keeps_up
    slow = keeping([], [run(50)] * 5, 400)
    assert not slow.keeps_up
    assert slow.managed_per_s == pytest.approx(50)
    assert keeping([], [], 400).managed_per_s is None


def test_more_capacity_never_turns_keeping_up_into_falling_behind() -> None:
    verdicts = [keeping([open_run(capacity)] * 3, [], 400).keeps_up for capacity in (50, 200, 300, 380, 450, 800)]
    assert all(not earlier or later for earlier, later in pairwise(verdicts))
    assert verdicts[0] is False
    assert verdicts[-1] is True
