"""Event-loop lag: the sliding window's p95, what one long block counts for, and the constant-time verdict."""

from __future__ import annotations

from math import ceil, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Bug
from penstock.telemetry.lag import LATE_S, LoopLag


def beats(lag: LoopLag, lags_s: list[float]) -> None:
    for number, late_s in enumerate(lags_s):
        lag.record(float(number), number + late_s)


def test_below_twenty_beats_nothing_is_claimed() -> None:
    lag = LoopLag()
    beats(lag, [0.015] * 19)
    assert lag.lag_s_p95 is None
    assert not lag.is_late
    beats(lag, [0.015])
    assert lag.lag_s_p95 == pytest.approx(0.015)


def test_a_loop_that_is_a_bit_late_all_the_time_is_late() -> None:
    lag = LoopLag()
    beats(lag, [0.021] * 25)
    assert lag.is_late


def test_a_few_late_beats_in_many_are_no_verdict() -> None:
    lag = LoopLag(interval_s=1.0, window_s=100.0)
    beats(lag, [0.001] * 95 + [0.5] * 5)
    assert not lag.is_late
    beats(lag, [0.5])
    assert lag.is_late


def test_one_block_of_five_seconds_makes_the_loop_late_until_it_leaves_the_window() -> None:
    lag = LoopLag()
    beats(lag, [0.0] * 500)
    lag.record(600.0, 605.0)
    assert lag.is_late, "250 beats were due in the block, not one"
    assert lag.lag_s_max == pytest.approx(5.0)
    assert lag.histogram.n == 500 + 250
    assert lag.histogram.quantile(0.999) == pytest.approx(5.0, rel=0.02)
    beats(lag, [0.0] * 200)
    assert lag.is_late
    beats(lag, [0.0] * 50)
    assert not lag.is_late
    assert lag.lag_s_p95 == 0.0


def test_a_night_of_suspend_is_counted_in_bounded_time() -> None:
    lag = LoopLag()
    lag.record(0.0, 30_000.0)
    assert lag.histogram.n == 251
    assert lag.lag_s_max == 30_000.0


def test_a_beat_before_its_time_is_on_time() -> None:
    lag = LoopLag()
    lag.record(1.0, 0.9)
    assert lag.histogram.n == 1
    assert lag.lag_s_max == 0.0


@given(st.lists(st.floats(0.0, 0.2), min_size=1, max_size=120), st.integers(20, 60))
def test_the_constant_time_verdict_agrees_with_the_exact_p95(lags_s: list[float], window: int) -> None:
    lag = LoopLag(interval_s=1.0, window_s=float(window))
    kept: list[float] = []
    for number, late_s in enumerate(lags_s):
        lag.record(0.0, late_s)
        kept = [*kept, late_s][-window:]
        if number + 1 < 20:
            assert lag.lag_s_p95 is None
            continue
        p95 = sorted(kept)[ceil(0.95 * len(kept) - 1e-9) - 1]
        assert lag.lag_s_p95 == p95
        assert lag.is_late == (p95 > LATE_S)


def test_a_window_too_short_for_a_p95_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 20 beats"):
        LoopLag(interval_s=1.0, window_s=19.0)


def test_a_time_that_is_no_number_is_our_bug() -> None:
    with pytest.raises(Bug, match="two times of one clock"):
        LoopLag().record(0.0, nan)
