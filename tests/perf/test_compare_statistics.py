"""Intervals hold what they promise, and what samples cannot carry is not said."""

from __future__ import annotations

import sys
from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.perf.compare.location import locate, t_quantile
from penstock.perf.compare.statistics import percentiles, quantile, samples_min, typical

POSITIVE = st.floats(1e-3, 1e3)


def test_the_centre_is_the_median_of_pairwise_means() -> None:
    assert locate([1.0, 2.0, 9.0]).centre == 3.5  # of 1, 1.5, 2, 5, 5.5, 9


def test_the_error_below_eight_values_is_that_of_the_mean() -> None:
    one = locate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert one.error == pytest.approx((2.5 / 5) ** 0.5)
    assert one.freedom == 4


def test_one_disturbed_run_of_ten_hardly_moves_the_centre_nor_widens_the_interval() -> None:
    quiet = [-0.04, -0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03, 0.04, 0.05]
    disturbed = [*quiet[:-1], 1.1]
    calm, upset = locate(quiet), locate(disturbed)
    assert abs(upset.centre - calm.centre) < 0.01
    assert upset.half_width(0.95) < 1.2 * calm.half_width(0.95)


def test_one_value_has_no_finite_interval() -> None:
    assert locate([0.3]).half_width(0.95) == float("inf")


def test_the_t_quantile_is_the_textbooks() -> None:
    assert t_quantile(0.975, 4) == pytest.approx(2.776, abs=5e-4)
    assert t_quantile(0.9975, 11) == pytest.approx(3.497, abs=5e-4)


def test_without_scipy_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ConfigError) as caught:
        t_quantile(0.975, 4)
    assert caught.value.hint == "pip install 'penstock[perf]'"


def test_a_quantity_is_its_geometric_middle_with_its_interval() -> None:
    one = typical([90.0, 100.0, 110.0, 100.0, 100.0])
    assert one.value == pytest.approx(100, rel=0.01)
    assert one.low is not None
    assert one.high is not None
    assert one.low < 100 < one.high
    assert one.n == 5


def test_runs_without_a_value_do_not_count() -> None:
    assert typical([None, 0.0, 4.0, float("nan"), 4.0]).n == 2
    assert typical([None, 0.0], nothing="the system does not tell").note == "the system does not tell"
    assert typical([]).value is None


def test_one_run_has_a_value_and_no_interval() -> None:
    one = typical([5.0])
    assert (one.low, one.high) == (None, None)
    assert one.value == pytest.approx(5)
    assert "no interval" in one.note


@given(st.lists(POSITIVE, min_size=2, max_size=12), st.floats(0.01, 100))
def test_another_unit_scales_value_and_interval(values: list[float], factor: float) -> None:
    one, other = typical(values), typical([value * factor for value in values])
    assert other.value == pytest.approx((one.value or 0) * factor, rel=1e-9)
    assert other.high == pytest.approx((one.high or 0) * factor, rel=1e-6)


@pytest.mark.parametrize("n", [5, 8, 12])
def test_the_interval_of_a_quantity_covers_the_truth(n: int) -> None:
    rng = Random(n)
    hits = 0
    for _ in range(600):
        one = typical([exp(rng.gauss(log(50), 0.05)) for _ in range(n)])
        hits += one.low is not None and one.high is not None and one.low <= 50 <= one.high
    assert 0.92 <= hits / 600 <= 0.98


def test_a_quantile_is_linear_between_samples() -> None:
    assert quantile([float(k) for k in range(101)], 0.95) == pytest.approx(95.0)
    assert quantile([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.5) == 2.5
    assert quantile([0.0] * 59, 0.95) is None


def test_percentiles_need_three_samples_beyond_them() -> None:
    assert [samples_min(q) for q in (0.5, 0.95, 0.99)] == [6, 60, 300]
    found = percentiles([[0.01] * 15])
    assert found.p50.value == pytest.approx(0.01)
    assert found.p95.value is None
    assert found.p95.note == "too few: n = 15, p95 needs at least 60"
    assert found.p95.n == 15
    assert percentiles([]).p50.value is None


def test_one_run_has_percentiles_without_an_interval() -> None:
    found = percentiles([[k / 1000 for k in range(1000)]])
    assert found.p99.value == pytest.approx(0.98901)
    assert found.p99.low is None
    assert "no interval" in found.p99.note


def test_an_interval_that_would_pass_the_slowest_sample_is_not_made_up() -> None:
    found = percentiles([[k / 100 for k in range(70)], [k / 90 for k in range(70)]])
    assert found.p95.value is not None
    assert (found.p95.low, found.p95.high) == (None, None)
    assert found.p95.note


@given(st.lists(st.lists(st.floats(1e-4, 10), min_size=30, max_size=60), min_size=2, max_size=5))
def test_a_percentile_lies_in_its_interval_and_they_are_in_order(runs: list[list[float]]) -> None:
    found = percentiles(runs)
    for one in (found.p50, found.p95):
        assert one.value is not None
        if one.low is not None and one.high is not None:
            assert one.low <= one.value <= one.high
    assert (found.p50.value or 0) <= (found.p95.value or 0)


def test_runs_that_differ_widen_the_interval_of_a_percentile() -> None:
    rng = Random(3)
    alike = [[exp(rng.gauss(0, 0.3)) for _ in range(200)] for _ in range(6)]
    apart = [[value * exp(0.3 * (number - 2.5)) for value in run] for number, run in enumerate(alike)]
    narrow, wide = percentiles(alike).p50, percentiles(apart).p50
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.low is not None
    assert wide.high is not None
    assert log(wide.high / wide.low) > 3 * log(narrow.high / narrow.low)


def test_percentile_intervals_cover_the_truth_though_runs_differ_and_neighbours_are_alike() -> None:
    rng, hits, said = Random(11), 0, 0
    # ln of a sample is normal with variance 0.3² + 0.05²; its p95 is 1.6449 deviations up.
    truth = exp(1.6449 * (0.3**2 + 0.05**2) ** 0.5)
    for _ in range(250):
        found = percentiles([_correlated(rng, 150) for _ in range(8)]).p95
        if found.low is not None and found.high is not None:
            said += 1
            hits += found.low <= truth <= found.high
    assert said > 240
    assert hits / said >= 0.92


def _correlated(rng: Random, n: int) -> list[float]:
    run_effect, value, samples = rng.gauss(0, 0.05), rng.gauss(0, 1), []
    for _ in range(n):
        value = 0.3 * value + rng.gauss(0, (1 - 0.09) ** 0.5)
        samples.append(exp(0.3 * value + run_effect))
    return samples
