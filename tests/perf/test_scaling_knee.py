"""Knee and peak: told when the data identify them, else not, with the reason."""

from __future__ import annotations

import math

import pytest
from scaling_kit import amdahl, linear, sweep, two_line, usl

from penstock.perf.scaling.band import band_of
from penstock.perf.scaling.fit import fit_sample
from penstock.perf.scaling.knee import bound_knee, knee_of, peak_of
from penstock.perf.scaling.sample import sample_of

SHORT = (1, 2, 4, 8, 12, 16)


def found(curve, **options):
    sample = sample_of(sweep(curve, **options))
    fits = fit_sample(sample)
    band = band_of(sample, fits, seed=1, replicates=200)
    return sample, fits, band


def test_the_knee_of_two_lines_is_found_with_an_interval_around_it() -> None:
    for seed in range(5):
        knee = knee_of(*found(two_line, noise=0.05, seed=seed))
        assert knee.value == pytest.approx(20.0, rel=0.15)
        assert knee.low <= knee.value <= knee.high
        assert knee.high / knee.low < 2.0


def test_a_straight_line_has_no_knee() -> None:
    knee = knee_of(*found(linear, noise=0.05))
    assert knee.value is None
    assert "without a bend" in knee.note or "beyond" in knee.note


def test_a_knee_at_the_end_of_the_range_is_not_told() -> None:
    assert knee_of(*found(two_line, levels=(1, 2, 4, 8, 16, 21), noise=0.05)).value is None


def test_the_bounds_meet_where_the_knee_is() -> None:
    _, _, band = found(two_line, noise=0.02)
    assert bound_knee(band) == pytest.approx(20.0, rel=0.1)


def test_a_peak_that_was_passed_is_told_with_an_interval() -> None:
    held = 0
    for seed in range(12):
        peak = peak_of(*found(usl, noise=0.05, seed=seed))
        assert peak.is_seen
        assert peak.estimate.value == pytest.approx(44.0, rel=0.2)
        assert math.isfinite(peak.estimate.high)
        held += peak.estimate.low <= 44.0 <= peak.estimate.high
    assert held >= 9


@pytest.mark.parametrize("seed", range(6))
def test_a_range_that_ends_before_the_peak_tells_none(seed: int) -> None:
    peak = peak_of(*found(usl, levels=SHORT, noise=0.05, seed=seed))
    assert not peak.is_seen
    assert peak.estimate.value is None
    assert "no concurrency past a maximum" in peak.estimate.note


@pytest.mark.parametrize("seed", range(6))
def test_no_peak_is_invented_where_there_is_none(seed: int) -> None:
    assert peak_of(*found(amdahl, noise=0.05, seed=seed)).estimate.value is None


def test_a_fall_that_is_not_the_usls_is_seen_but_gets_no_number() -> None:
    def cliff(n: float) -> float:
        return two_line(n, knee=16.0, slope=-0.6)

    peak = peak_of(*found(cliff, noise=0.01))
    assert peak.is_seen
    assert peak.estimate.value is None
    assert "fits better" in peak.estimate.note
