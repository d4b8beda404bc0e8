"""The histogram's error bound against exact quantiles, its definition of a percentile, and what it refuses."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Bug
from penstock.telemetry.histogram import LARGEST_S, RELATIVE_ERROR, SMALLEST_S, Histogram

durations = st.floats(min_value=SMALLEST_S, max_value=LARGEST_S)
# Shares whose product with small n is often a whole number, and any others.
shares = st.sampled_from([0.01, 0.05, 0.07, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0]) | st.floats(0.001, 1.0)


def filled(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value_s in values:
        histogram.record(value_s)
    return histogram


def exact_quantile(values: list[float], q: float) -> float:
    """Straight from the definition: the smallest value such that at least the share q is not larger."""
    for value in sorted(values):
        if sum(other <= value for other in values) / len(values) >= q - 1e-12:
            return value
    raise AssertionError("q is at most 1")


@given(st.lists(durations, min_size=1, max_size=60), shares)
def test_every_quantile_is_within_one_percent_of_the_exact_one(values: list[float], q: float) -> None:
    estimate = filled(values).quantile(q)
    assert estimate == pytest.approx(exact_quantile(values, q), rel=RELATIVE_ERROR * (1 + 1e-6))


@given(st.lists(durations, min_size=1, max_size=60))
def test_max_is_exact_and_is_the_quantile_one(values: list[float]) -> None:
    histogram = filled(values)
    assert histogram.max_s == max(values)
    assert histogram.quantile(1.0) == max(values)
    assert histogram.n == len(values)


@given(st.lists(durations, max_size=40), st.lists(durations, max_size=40), shares)
def test_merging_is_the_same_as_recording_everything_in_one(a: list[float], b: list[float], q: float) -> None:
    merged = filled(a)
    merged.merge(filled(b))
    together = filled(a + b)
    assert list(merged.buckets()) == list(together.buckets())
    assert merged.max_s == together.max_s
    assert merged.quantile(q) == together.quantile(q)


def test_merging_leaves_the_other_histogram_as_it_was() -> None:
    one, other = filled([1.0]), filled([2.0, 3.0])
    one.merge(other)
    one.record(9.0)
    assert (other.n, other.max_s) == (2, 3.0)


@given(st.integers(1, 400), st.sampled_from([(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)]))
def test_a_percentile_is_trusted_from_the_n_at_which_it_is_not_the_maximum(n: int, case: tuple[float, int]) -> None:
    q, n_needed = case
    values = [1.0 + i for i in range(n)]
    percentile = filled(values).percentile(q)
    assert percentile.n == n
    assert percentile.is_n_enough == (n >= n_needed)
    assert percentile.is_n_enough == (exact_quantile(values, q) < max(values))


def test_p99_of_99_samples_is_flagged_and_of_100_is_the_99th() -> None:
    values = [float(i) for i in range(1, 101)]
    few = filled(values[:99]).percentile(0.99)
    assert (few.value_s, few.is_n_enough) == (99.0, False)
    enough = filled(values).percentile(0.99)
    assert enough.is_n_enough
    assert enough.value_s == pytest.approx(99.0, rel=0.01)


def test_a_whole_rank_is_not_raised_by_rounding() -> None:
    assert 0.07 * 100 > 7, "the product that would pick the eighth sample"
    assert filled([float(i) for i in range(1, 101)]).quantile(0.07) == pytest.approx(7.0, rel=0.01)


def test_without_samples_there_is_no_quantile_and_no_trust() -> None:
    empty = Histogram()
    assert empty.quantile(0.5) is None
    assert empty.n == 0
    percentile = empty.percentile(0.5)
    assert (percentile.value_s, percentile.n, percentile.is_n_enough) == (None, 0, False)


@pytest.mark.parametrize("value_s", [0.0, -1e-9, 5e-7])
def test_durations_below_a_microsecond_count_as_zero(value_s: float) -> None:
    histogram = filled([value_s, value_s, 1.0])
    assert histogram.n == 3
    assert histogram.quantile(0.5) == 0.0


def test_durations_over_a_day_count_and_keep_the_maximum() -> None:
    histogram = filled([1e6, 1e9, 2e9])
    assert histogram.n == 3
    assert histogram.max_s == 2e9
    assert histogram.quantile(0.3) == pytest.approx(LARGEST_S, rel=0.03)


@pytest.mark.parametrize("value_s", [math.nan, math.inf])
def test_a_duration_that_is_no_number_is_our_bug(value_s: float) -> None:
    histogram = Histogram()
    with pytest.raises(Bug, match="expected a duration"):
        histogram.record(value_s)
    assert histogram.n == 0


@pytest.mark.parametrize("q", [0.0, -0.1, 1.01])
def test_a_share_outside_zero_to_one_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="0 < q <= 1"):
        Histogram().quantile(q)


def test_memory_does_not_grow_with_samples_or_their_range() -> None:
    histogram = Histogram()
    before = sys.getsizeof(histogram._counts)
    for i in range(20_000):
        histogram.record(10.0 ** (i % 11 - 6) * (1 + i / 20_000))
    assert sys.getsizeof(histogram._counts) == before
    assert len(list(histogram.buckets())) <= len(histogram._counts)


def test_bucket_bounds_hold_their_samples() -> None:
    (bound_s, count), (last_bound_s, _) = filled([0.5, 0.5, 4.0]).buckets()
    assert count == 2
    assert 0.5 <= bound_s <= 0.5 * 1.021
    assert 4.0 <= last_bound_s <= 4.0 * 1.021
