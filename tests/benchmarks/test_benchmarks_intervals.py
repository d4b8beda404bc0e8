"""The statistics behind the benchmark tables."""

from __future__ import annotations

import random
import statistics

import pytest
from benchmarks.peers.intervals import Estimate, at_least, at_most, median_estimate, paired_ratios
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def estimate(low: float, median: float, high: float) -> Estimate:
    return Estimate(median, low, high, 0.95, 9)


def test_five_values_give_their_range_and_admit_that_it_covers_less_than_95_percent() -> None:
    found = median_estimate([3.0, 1.0, 5.0, 2.0, 4.0])
    assert (found.median, found.low, found.high, found.n) == (3.0, 1.0, 5.0, 5)
    assert found.coverage == pytest.approx(1 - 2 / 2**5)  # 93.75 %


def test_six_values_reach_95_percent() -> None:
    assert median_estimate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).coverage == pytest.approx(0.96875)


def test_with_twenty_values_the_interval_is_that_of_the_table() -> None:
    # Binomial(20, 1/2): 6th to 15th smallest cover the median with 95.86 %, 7th to 14th with 88.5 %.
    found = median_estimate([float(number) for number in range(1, 21)])
    assert (found.low, found.high) == (6.0, 15.0)
    assert found.coverage == pytest.approx(0.9586, abs=1e-4)


def test_one_value_covers_nothing_and_says_so() -> None:
    assert median_estimate([7.0]) == Estimate(7.0, 7.0, 7.0, 0.0, 1)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        median_estimate([])


@given(NUMBERS, st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_the_interval_holds_the_median_and_reaches_the_level_or_is_the_whole_range(
    values: list[float], level: float
) -> None:
    found = median_estimate(values, level)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
    assert found.median == statistics.median(values)
    assert found.coverage >= level or (found.low, found.high) == (min(values), max(values))


def test_the_stated_coverage_is_the_real_one() -> None:
    rng = random.Random(7)
    trials = 4000
    hits = 0
    for _ in range(trials):
        found = median_estimate([rng.lognormvariate(0.0, 1.0) for _ in range(9)])
        hits += found.low <= 1.0 <= found.high  # the median of that distribution is 1
    claimed = median_estimate([0.0] * 9).coverage
    assert abs(hits / trials - claimed) < 4 * (claimed * (1 - claimed) / trials) ** 0.5


def test_a_bound_inside_the_interval_cannot_be_told() -> None:
    inside = estimate(3.5, 4.2, 4.9)
    assert (at_least(inside, 4.0), at_most(inside, 4.0)) == ("cannot tell", "cannot tell")
    assert (at_least(inside, 3.5), at_most(inside, 4.9)) == ("yes", "yes")
    assert (at_least(inside, 5.0), at_most(inside, 3.0)) == ("no", "no")


@given(NUMBERS, st.floats(-1e6, 1e6))
def test_at_least_and_at_most_never_both_say_no(values: list[float], bound: float) -> None:
    found = median_estimate(values)
    assert {at_least(found, bound), at_most(found, bound)} != {"no"}


def test_ratios_leave_out_rounds_without_a_positive_denominator() -> None:
    assert paired_ratios([10.0, 20.0, 30.0], [5.0, 0.0, -1.0]) == [2.0]
