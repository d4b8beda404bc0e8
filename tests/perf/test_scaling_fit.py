"""Fitting the laws: parameters come back, the right law is chosen, units and order do not matter."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_kit import amdahl, linear, sweep, two_line, usl

from penstock.perf.scaling.fit import fit_all, fit_sample, loss_scale
from penstock.perf.scaling.laws import LAWS
from penstock.perf.scaling.many import fit_many
from penstock.perf.scaling.sample import sample_of


@pytest.mark.parametrize(
    ("curve", "law", "parameters"),
    [
        (linear, "linear", {"rate_per_s": 40.0}),
        (amdahl, "amdahl", {"rate_per_s": 40.0, "alpha": 0.05}),
        (usl, "usl", {"rate_per_s": 40.0, "alpha": 0.05, "beta": 0.95 / 44**2}),
        (two_line, "two_line", {"rate_per_s": 40.0, "knee": 20.0, "slope": 0.0}),
    ],
)
def test_without_noise_law_and_parameters_come_back(curve, law, parameters) -> None:
    best = fit_all(sweep(curve))[0]
    assert best.law == law
    assert best.parameters == pytest.approx(parameters, rel=1e-3, abs=1e-6)
    assert best.sigma < 1e-5


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.5), st.floats(5.0, 60.0), st.floats(0.1, 1e5))
def test_any_usl_comes_back(alpha: float, peak: float, rate: float) -> None:
    fits = fit_all(sweep(lambda n: rate * usl(n, alpha, peak)))
    found = next(fit for fit in fits if fit.law == "usl").parameters
    assert found["rate_per_s"] == pytest.approx(40.0 * rate, rel=1e-3)
    assert found["alpha"] == pytest.approx(alpha, rel=1e-2)
    assert found["beta"] == pytest.approx((1 - alpha) / peak**2, rel=1e-2)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-3, 1e4), st.integers(0, 1000))
def test_a_change_of_unit_moves_the_rate_only(factor: float, seed: int) -> None:
    runs = sweep(usl, noise=0.05, seed=seed)
    scaled = [replace(run, throughput_per_s=factor * run.throughput_per_s) for run in runs]
    before = {fit.law: fit for fit in fit_all(runs)}
    for fit in fit_all(scaled):
        other = before[fit.law]
        assert fit.parameters["rate_per_s"] == pytest.approx(factor * other.parameters["rate_per_s"], rel=1e-4)
        assert fit.sigma == pytest.approx(other.sigma, rel=1e-4)
        for name in set(fit.parameters) - {"rate_per_s"}:
            assert fit.parameters[name] == pytest.approx(other.parameters[name], rel=1e-2, abs=1e-6)


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_runs_does_not_matter(seed: int) -> None:
    runs = sweep(amdahl, noise=0.05, seed=seed)
    assert fit_all(random.Random(seed).sample(runs, len(runs))) == fit_all(runs)


def test_weights_sum_to_one_and_the_first_has_the_most() -> None:
    fits = fit_all(sweep(amdahl, noise=0.05))
    assert sum(fit.weight for fit in fits) == pytest.approx(1.0)
    assert [fit.aicc for fit in fits] == sorted(fit.aicc for fit in fits)
    assert fits[0].weight == max(fit.weight for fit in fits)


def test_one_run_that_was_disturbed_hardly_moves_the_law() -> None:
    runs = sweep(usl, noise=0.02, seed=3)
    hurt = [replace(runs[20], throughput_per_s=0.4 * runs[20].throughput_per_s), *runs[:20], *runs[21:]]
    found = next(fit for fit in fit_all(hurt) if fit.law == "usl").parameters
    assert ((1 - found["alpha"]) / found["beta"]) ** 0.5 == pytest.approx(44.0, rel=0.15)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("curve", [amdahl, usl, two_line])
def test_many_fits_at_once_are_as_good_as_scipys(law, curve) -> None:
    sample = sample_of(sweep(curve, noise=0.05, seed=5))
    one = next(fit for fit in fit_sample(sample) if fit.fit.law == law)
    theta, loss, free = fit_many(law, sample.run_levels, np.stack([sample.logs, sample.logs + 1.0]), loss_scale(sample))
    residuals_loss = one.fit.sigma**2 * (len(sample.logs) - free[0])
    assert loss == pytest.approx([residuals_loss, residuals_loss], rel=1e-3)
    assert theta[1, 0] - theta[0, 0] == pytest.approx(1.0, abs=1e-3)


def test_a_plateau_with_noise_stays_flat_and_a_real_slope_does_not() -> None:
    def slopes(slope: float) -> list[float]:
        every = [fit_all(sweep(lambda n: two_line(n, slope=slope), noise=0.05, seed=seed)) for seed in range(10)]
        return [next(fit.parameters["slope"] for fit in fits if fit.law == "two_line") for fits in every]

    assert sum(slope == 0.0 for slope in slopes(0.0)) >= 7
    assert min(slopes(0.3)) > 0.2


@pytest.mark.parametrize(("levels", "repetitions"), [((1, 2, 4, 8, 16), 3), ((1, 2, 4, 8, 16, 32), 2)])
def test_too_few_levels_or_repetitions_are_refused(levels, repetitions) -> None:
    with pytest.raises(ValueError, match="at least 6 levels with 3 runs"):
        fit_all(sweep(usl, levels=levels, repetitions=repetitions))
