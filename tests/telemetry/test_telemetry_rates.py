"""Rates and time left, from looks that are unevenly apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry.rates import Ewma, Rates


@given(st.lists(st.floats(0.01, 60.0), min_size=1, max_size=30), st.integers(0, 5000))
def test_a_steady_rate_is_shown_exactly_from_the_second_look_on(gaps_s: list[float], rate: int) -> None:
    ewma = Ewma(5.0)
    ewma.update(100.0, 0)
    now_s, count = 100.0, 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        count += rate * gap_s
        ewma.update(now_s, round(count))
    # Half an item of rounding at each look, over the shortest gap.
    assert ewma.per_s == pytest.approx(rate, abs=1.0 / min(gaps_s) + 1e-6)


def test_one_look_says_nothing() -> None:
    ewma = Ewma(5.0)
    ewma.update(1.0, 50)
    assert ewma.per_s is None
    ewma.update(1.0, 70)
    assert ewma.per_s is None, "no time has gone"


def test_a_change_is_mostly_seen_after_one_time_constant() -> None:
    ewma = Ewma(5.0)
    count = 0
    for second in range(100):
        ewma.update(float(second), count)
        count += 100
    for second in range(100, 105):
        ewma.update(float(second), count)
        count += 200
    assert ewma.per_s == pytest.approx(100 + 100 * (1 - 2.718281828 ** (-4 / 5)), abs=2)


def test_eta_counts_this_process_only_and_is_unknown_when_nothing_moves() -> None:
    rates = Rates()
    rates.update(0.0, ended=0, bytes_body=0, left=1000)
    assert rates.eta_s is None
    rates.update(1.0, ended=100, bytes_body=5_000, left=900)
    assert rates.items_per_s == pytest.approx(100.0)
    assert rates.bytes_per_s == pytest.approx(5000.0)
    assert rates.eta_s == pytest.approx(9.0)
    rates.update(2.0, ended=200, bytes_body=5_000, left=None)
    assert rates.eta_s is None, "the total is not known"


def test_a_stalled_run_has_no_eta() -> None:
    rates = Rates()
    rates.update(0.0, ended=5, bytes_body=0, left=10)
    rates.update(1.0, ended=5, bytes_body=0, left=10)
    assert rates.items_per_s == 0.0
    assert rates.eta_s is None


def test_an_eta_of_years_is_not_shown() -> None:
    rates = Rates()
    rates.update(0.0, ended=0, bytes_body=0, left=10)
    rates.update(1.0, ended=1, bytes_body=0, left=10**9)
    assert rates.eta_s is None
