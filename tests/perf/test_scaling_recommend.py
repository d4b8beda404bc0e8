"""Which concurrency is recommended: near the maximum, within the limit, never the peak for its own sake."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_kit import LEVELS, amdahl, linear, sweep, two_line, usl

from penstock.perf.scaling.band import Band, band_of
from penstock.perf.scaling.fit import fit_sample
from penstock.perf.scaling.points import points_of
from penstock.perf.scaling.recommend import Advice, advise, still_grows
from penstock.perf.scaling.sample import sample_of


def band(runs) -> Band:
    sample = sample_of(runs)
    return band_of(sample, fit_sample(sample), seed=1, replicates=200)


def advice(curve, slo_p95_s: float | None = None, **options) -> Advice:
    runs = sweep(curve, **options)
    return advise(band(runs), points_of(runs), slo_p95_s)


def test_the_smallest_level_past_a_hard_knee() -> None:
    one = advice(two_line)
    assert (one.concurrency, one.situation) == (32, "near maximum")
    assert one.share == pytest.approx(1.0, abs=0.01)
    assert one.maximum.value == pytest.approx(800.0, rel=0.01)


def test_it_stays_below_the_peak() -> None:
    one = advice(usl)
    assert one.concurrency == 32
    assert one.maximum_at == pytest.approx(44.0, rel=0.1)


def test_while_throughput_grows_the_largest_level_with_what_to_measure_next() -> None:
    one = advice(linear)
    assert (one.concurrency, one.situation) == (128, "still growing")
    assert one.to_measure == (256, 512)


def test_a_plateau_that_begins_just_before_the_end_does_not_grow() -> None:
    assert not still_grows(band(sweep(two_line, levels=(1, 2, 4, 8, 16, 20, 24, 28, 32))))
    assert still_grows(band(sweep(two_line, levels=(1, 2, 4, 8, 12, 16, 19))))


def test_the_limit_takes_the_smallest_level_with_most_of_what_it_leaves() -> None:
    # p95 is 37.5 ms up to the knee, then 60 ms at 32
    one = advice(two_line, slo_p95_s=0.05)
    assert (one.concurrency, one.situation) == (16, "limit binds")
    assert one.share == pytest.approx(0.8, abs=0.02)


def test_a_limit_that_holds_everywhere_changes_nothing() -> None:
    assert advice(two_line, slo_p95_s=10.0) == advice(two_line)


def test_a_limit_that_holds_nowhere_names_the_nearest() -> None:
    one = advice(usl, slo_p95_s=0.001)
    assert (one.concurrency, one.situation, one.nearest) == (None, "limit missed", 1)


def test_the_limit_may_leave_a_range_in_which_throughput_grows() -> None:
    one = advice(linear, slo_p95_s=0.0376)
    assert one.situation == "still growing"
    capped = advice(lambda n: 40.0 * n**0.5, slo_p95_s=0.2)
    assert capped.situation == "limit binds"
    assert capped.concurrency == 16


def test_a_gap_below_the_recommended_level_is_worth_measuring() -> None:
    assert advice(two_line).to_measure == (23,)
    assert advice(two_line, levels=(1, 2, 4, 8, 16, 20, 24, 48)).to_measure == ()


def test_a_sharp_peak_between_two_levels_is_said() -> None:
    levels = (1, 2, 4, 8, 16, 64, 128, 256)
    one = advice(lambda n: two_line(n, knee=32, slope=-1.0), levels=levels, noise=0.01)
    assert one.situation == "between levels"
    assert one.concurrency in {16, 64}
    assert one.share == pytest.approx(0.5, abs=0.1)
    assert 25 <= one.to_measure[0] <= 40


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 0.3), st.floats(4.0, 60.0), st.integers(0, 10_000))
def test_a_recommendation_is_measured_and_near_the_best(alpha: float, peak: float, seed: int) -> None:
    def curve(n: float) -> float:
        return usl(n, alpha, peak)

    one = advice(curve, noise=0.05, seed=seed)
    assert one.concurrency in LEVELS
    best = max(curve(n) for n in range(1, 129))
    best_measured = max(curve(n) for n in LEVELS)
    assert curve(one.concurrency) >= 0.85 * min(best, best_measured)
    assert 0.0 < one.share <= 1.0
    assert one.maximum.low <= one.maximum.value <= one.maximum.high


@pytest.mark.slow
def test_repeated_sweeps_of_one_system_agree() -> None:
    """The maximum of noisy points is too high, and a rule that compares with it jumps; this one must not."""
    sharp = [advice(two_line, noise=0.05, seed=seed).concurrency for seed in range(40)]
    assert sharp.count(32) >= 36
    falling = [advice(usl, noise=0.05, seed=seed).concurrency for seed in range(40)]
    assert falling.count(32) >= 36
    creeping = [advice(amdahl, noise=0.05, seed=seed, levels=(*LEVELS, 256)).concurrency for seed in range(40)]
    assert all(amdahl(level) >= 0.85 * amdahl(256) for level in creeping if level is not None)
    assert max(creeping) / min(creeping) <= 4
    assert math.isfinite(sum(creeping))
