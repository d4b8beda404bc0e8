"""The band: deterministic, as wide as the noise asks, and it holds the truth about nine times in ten."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scaling_kit import LEVELS, amdahl, linear, sweep, two_line, usl

from penstock.perf.scaling.band import Band, band_of
from penstock.perf.scaling.fit import fit_sample
from penstock.perf.scaling.misfit import SIZES, size_weights
from penstock.perf.scaling.sample import sample_of


def band(runs, seed: int = 1, replicates: int = 200) -> Band:
    sample = sample_of(runs)
    return band_of(sample, fit_sample(sample), seed=seed, replicates=replicates)


def test_the_same_runs_and_seed_give_the_same_band() -> None:
    runs = sweep(usl, noise=0.05, seed=2)
    one, other = band(runs), band(random.Random(1).sample(runs, len(runs)))
    assert np.array_equal(one.curves, other.curves)
    assert not np.array_equal(one.curves, band(runs, seed=2).curves)


def test_the_grid_holds_every_level_and_places_between() -> None:
    one = band(sweep(usl, noise=0.05))
    assert one.grid[one.at_levels] == pytest.approx(LEVELS)
    assert (np.diff(one.grid) > 0).all()
    assert len(one.grid) > 3 * len(LEVELS)


def test_without_noise_the_band_is_the_curve() -> None:
    one = band(sweep(usl))
    low, high = one.interval()
    assert np.exp(one.curve) == pytest.approx([usl(n) for n in one.grid], rel=1e-4)
    assert (high - low).max() < 1e-3


def test_more_noise_makes_it_wider_and_more_runs_narrower() -> None:
    def width(noise: float, repetitions: int) -> float:
        low, high = band(sweep(amdahl, noise=noise, repetitions=repetitions, seed=4)).interval()
        return float((high - low).mean())

    assert width(0.10, 3) > 1.5 * width(0.03, 3)
    assert width(0.05, 12) < 0.7 * width(0.05, 3)


def test_a_larger_share_has_a_wider_interval_and_both_hold_the_curve() -> None:
    one = band(sweep(two_line, noise=0.05))
    (low, high), (lower, higher) = one.interval(0.5), one.interval(0.9)
    assert (lower <= low).all()
    assert (high <= higher).all()
    assert ((low <= one.curve) & (one.curve <= high)).all()


def test_what_no_law_describes_bends_the_curve_to_the_points() -> None:
    def step(n: float) -> float:
        return amdahl(n) * (0.7 if n == 16 else 1.0)

    one = band(sweep(step, noise=0.005))
    at_16 = float(np.exp(one.curve[one.at_levels[4]]))
    assert at_16 == pytest.approx(step(16), rel=0.05)


def test_without_misfit_its_size_is_most_likely_small() -> None:
    sample = sample_of(sweep(linear, noise=0.05, seed=1))
    linear_fit = next(fit for fit in fit_sample(sample) if fit.fit.law == "linear")
    calm = size_weights("linear", linear_fit.theta, sample, knee=20.0)
    assert calm.sum() == pytest.approx(1.0)
    assert float(calm @ np.array(SIZES)) < 0.03
    bent = sample_of(sweep(two_line, noise=0.02, seed=1))
    bent_fit = next(fit for fit in fit_sample(bent) if fit.fit.law == "linear")
    assert float(size_weights("linear", bent_fit.theta, bent, knee=20.0) @ np.array(SIZES)) > 0.05


def test_the_maximum_of_a_plateau_is_not_the_luckiest_point() -> None:
    errors = []
    for seed in range(20):
        one = band(sweep(two_line, noise=0.05, seed=seed), replicates=80)
        errors.append((float(one.curve @ one.tops) - np.log(800.0), float(one.curve.max()) - np.log(800.0)))
    weighed, highest = np.mean(errors, axis=0)
    assert abs(weighed) < 0.02
    assert weighed < highest


@pytest.mark.slow
@pytest.mark.parametrize("curve", [amdahl, usl, two_line])
def test_the_band_holds_the_truth_about_nine_times_in_ten(curve) -> None:
    inside = []
    for seed in range(60):
        one = band(sweep(curve, noise=0.05, seed=seed))
        low, high = one.interval()
        truth = np.log([curve(n) for n in one.grid])
        inside.append(((low <= truth) & (truth <= high)).mean())
    assert 0.82 < np.mean(inside) < 0.99
