from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.policy.probe import COST_SHARE, SET_EVERY_S, ElasticityProbe, Moment, ProbeResult, Reading


@dataclass
class FluidRun:
    """A run as a fluid: `limit` attempts in flight within one answer's time, answers at in-flight / answer_s(limit)."""

    answer_s: Callable[[float], float]
    limit: int = 32
    step_s: float = 0.1
    bytes_each: int = 1000

    def __post_init__(self) -> None:
        self.probe = ElasticityProbe()
        self.now_s = 0.0
        self.in_flight = float(self.limit)
        self.answers = self.ttfb_s = self.slot_s = 0.0
        self.limits: list[tuple[float, int]] = []

    def go(self, until_s: float, **moment: object) -> None:
        while self.now_s < until_s:
            self.now_s += self.step_s
            reading = Reading(int(self.answers), int(self.answers) * self.bytes_each, self.ttfb_s, 0.0, self.slot_s)
            p50: float | None = self.answer_s(self.limit)
            values: dict[str, object] = {
                "limit": self.limit, "fetch_busy": 1.0, "loop_busy": 0.2, "total_s_p50": p50, **moment
            }  # fmt: skip
            low = self.probe.step(self.now_s, reading, Moment(**values))  # type: ignore[arg-type]  # by name, checked there
            limit = self.limit if low is None else low
            self.limits.append((self.now_s, limit))
            self._flow(limit)

    def _flow(self, limit: int) -> None:
        answer_s = self.answer_s(self.in_flight)
        self.slot_s += self.in_flight * self.step_s
        ended = self.in_flight / answer_s * self.step_s
        self.answers += ended
        self.ttfb_s += ended * answer_s
        if limit < self.in_flight:  # nothing starts until enough have ended
            self.in_flight = max(float(limit), self.in_flight - ended)
        else:
            self.in_flight = float(limit)

    def lowered_s(self) -> float:
        return sum(self.step_s for _, limit in self.limits if limit < self.limit)


def go_until_low(run: FluidRun) -> None:
    for _ in range(200):
        run.go(run.now_s + 0.05)
        if run.probe.is_low:
            return
    raise AssertionError("never lowered")


def elasticity(result: ProbeResult) -> float:
    return math.log(result.answers_per_s / result.answers_per_s_low) / math.log(result.limit / result.limit_low)


def test_a_server_that_only_takes_time_answers_half_as_much_at_half_the_limit() -> None:
    run = FluidRun(answer_s=lambda in_flight: 0.1)
    run.go(15.0)
    assert len(run.probe.results) == 3
    for result in run.probe.results:
        assert (result.limit, result.limit_low) == (32, 16)
        assert elasticity(result) == pytest.approx(1.0, abs=0.05)
        assert result.ttfb_s_low == pytest.approx(result.ttfb_s, rel=0.05)
        assert result.bytes_per_s == pytest.approx(1000 * result.answers_per_s, rel=0.02)


def test_a_server_at_its_capacity_answers_as_much_at_half_the_limit_and_sooner() -> None:
    run = FluidRun(answer_s=lambda in_flight: max(0.02, in_flight / 100.0))
    run.go(20.0)
    assert len(run.probe.results) == 3
    for result in run.probe.results:
        assert elasticity(result) == pytest.approx(0.0, abs=0.1)
        assert result.ttfb_s_low < 0.7 * result.ttfb_s


def test_the_three_low_phases_stand_between_normal_ones() -> None:
    run = FluidRun(answer_s=lambda in_flight: 0.1)
    run.go(60.0)
    kinds = [limit for (_, before), (_, limit) in itertools.pairwise(run.limits) if limit != before]
    assert kinds == [16, 32, 16, 32, 16, 32]


def test_nothing_is_lowered_in_the_first_five_seconds() -> None:
    run = FluidRun(answer_s=lambda in_flight: 0.05)
    run.go(15.0)
    assert min(at_s for at_s, limit in run.limits if limit < 32) >= 5.0 - 1e-9


def test_where_hosts_have_limits_half_of_what_they_leave_is_probed() -> None:
    run = FluidRun(answer_s=lambda in_flight: 0.1, limit=16)  # 16 of 64 places, the limit of the only host
    run.go(15.0, limit=64, fetch_busy=0.25, fetch_host=0.75)
    assert [(result.limit, result.limit_low) for result in run.probe.results] == [(16, 8)] * 3
    assert all(elasticity(result) == pytest.approx(1.0, abs=0.05) for result in run.probe.results)


def test_a_lowered_limit_that_is_not_felt_gives_no_result() -> None:
    probe = ElasticityProbe()
    for tenth in range(300):
        now_s = tenth / 10
        reading = Reading(answers=tenth * 4, ttfb_s=tenth * 0.2, slot_s=now_s * 2.0)  # 2 in flight, whatever the limit
        probe.step(now_s, reading, Moment(32, 0.125, 0.1, 0.05, fetch_host=0.875))
    assert probe.results == []
    assert not probe.is_low


@pytest.mark.parametrize(
    "moment",
    [
        {"fetch_busy": 0.5},
        {"loop_busy": 0.8},
        {"is_ending": True},
        {"total_s_p50": None},
        {"total_s_p50": 4.0},
        {"limit": 3},
        {"fetch_busy": 0.05, "fetch_host": 0.95},
    ],
)
def test_it_does_not_probe_where_that_would_tell_nothing(moment: dict[str, object]) -> None:
    run = FluidRun(answer_s=lambda in_flight: 0.1)
    run.go(30.0, **moment)
    assert run.lowered_s() == 0.0
    assert run.probe.results == []


def test_the_normal_limit_is_back_the_moment_the_run_ends() -> None:
    run = FluidRun(answer_s=lambda in_flight: 0.1)
    go_until_low(run)
    run.go(run.now_s + 0.05, is_ending=True)
    assert run.limits[-1][1] == 32
    assert not run.probe.is_low


def test_a_limit_that_somebody_changes_ends_the_set() -> None:
    run = FluidRun(answer_s=lambda in_flight: 0.1)
    go_until_low(run)
    run.go(run.now_s + 5.0, limit=64)
    assert not run.probe.is_low
    assert run.probe.results == []


def test_a_phase_in_which_the_limit_was_not_reached_gives_no_result() -> None:
    probe = ElasticityProbe()
    for tenth in range(300):
        now_s = tenth / 10
        reading = Reading(answers=tenth * 10, ttfb_s=tenth * 1.0, slot_s=now_s * 5.0)  # 5 in flight, whatever the limit
        probe.step(now_s, reading, Moment(limit=32, fetch_busy=0.9, loop_busy=0.1, total_s_p50=0.05))
    assert probe.results == []


def test_a_set_that_came_to_nothing_is_tried_again_soon_but_not_for_ever() -> None:
    probe = ElasticityProbe()
    lowered_s: list[float] = []
    for tenth in range(3000):
        now_s = tenth / 10
        reading = Reading(answers=tenth * 10, ttfb_s=tenth * 1.0, slot_s=now_s * 20.0)  # 20 in flight at 32 and at 16
        if probe.step(now_s, reading, Moment(limit=32, fetch_busy=0.9, loop_busy=0.1, total_s_p50=0.05)) is not None:
            lowered_s.append(now_s)
    assert probe.results == []
    assert len(lowered_s) / 10 / 2 <= 0.30 * 30.0 + COST_SHARE * 300.0
    assert lowered_s[0] < 6.0 < 15.0 < min(at_s for at_s in lowered_s if at_s > 12.0) < 20.0


def test_slow_answers_are_probed_when_the_run_is_old_enough_to_afford_it() -> None:
    run = FluidRun(answer_s=lambda in_flight: 1.0)
    run.go(60.0)
    began_s = min(at_s for at_s, limit in run.limits if limit < 32)
    assert 15.0 < began_s < 30.0
    assert len(run.probe.results) == 3


@settings(max_examples=20, deadline=None)
@given(
    answer_s=st.floats(0.005, 3.0),
    limit=st.integers(4, 500),
    step_s=st.sampled_from([0.05, 0.1, 0.25]),
)
def test_a_long_run_loses_two_per_cent_at_most(answer_s: float, limit: int, step_s: float) -> None:
    run = FluidRun(answer_s=lambda in_flight: answer_s, limit=limit, step_s=step_s)
    run.go(1000.0)
    assert run.lowered_s() / 2 <= COST_SHARE * run.now_s + 1.0
    starts = [now for (_, before), (now, after) in itertools.pairwise(run.limits) if after < before]
    sets = starts[::3]
    assert all(later - earlier >= SET_EVERY_S - 30.0 for earlier, later in itertools.pairwise(sets))
    assert all(low == max(2, limit // 2) for _, low in run.limits if low != limit)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 500), st.floats(0, 50), st.integers(0, 99)), max_size=200))
def test_whatever_the_counters_do_the_limit_is_half_or_untouched(
    steps: list[tuple[float, int, float, int]],
) -> None:
    probe = ElasticityProbe()
    now_s, answers, slot_s = 4.0, 0, 0.0
    for span_s, more, in_flight, limit in steps:
        now_s, answers, slot_s = now_s + span_s, answers + more, slot_s + in_flight * span_s
        reading = Reading(answers, answers * 10, answers * 0.1, answers * 0.1, slot_s)
        low = probe.step(now_s, reading, Moment(limit, 1.0, 0.0, 0.1))
        assert low is None or low == max(2, limit // 2) < limit
    for result in probe.results:
        assert result.answers_per_s > 0.0
        assert result.answers_per_s_low > 0.0
