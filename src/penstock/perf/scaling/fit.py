"""Fits the four laws to a sweep's runs, in log space, and weighs them by AICc.

Residuals are ln X - ln X(N), so each run counts the same at 10 and at 10,000 items per second. The rule: it says which
law describes best, never what concurrency to choose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.perf.scaling.laws import LAWS, Array, bounds, jacobian, log_throughput, named, parameter_count
from penstock.perf.scaling.many import Bounds, aicc, flat_bounds, start
from penstock.perf.scaling.model import Fit, Law, SweepRun
from penstock.perf.scaling.sample import Sample, sample_of

_NO_ROOM = np.array([0.0, 0.0, 1e-6])
_SCALE = 3.0  # in deviations: residuals beyond it count linearly


@dataclass(frozen=True)
class _Found:
    law: Law
    theta: Array
    loss: float
    free: int


@dataclass(frozen=True)
class Fitted:
    """A `Fit` with its parameters as the laws take them, shape (p,)."""

    fit: Fit
    theta: Array


def fit_all(runs: Sequence[SweepRun]) -> tuple[Fit, ...]:
    """The four laws, best first. Raises ValueError with fewer than 6 levels or 3 runs at one of them."""
    return tuple(one.fit for one in fit_sample(sample_of(runs)))


def fit_sample(sample: Sample) -> tuple[Fitted, ...]:
    """As `fit_all`, with parameters."""
    scale = loss_scale(sample)
    found = [_fit(law, sample, scale) for law in LAWS]
    scores = [_score(one, sample) for one in found]
    best = min(scores)
    total = sum(math.exp((best - score) / 2.0) for score in scores)
    fits = []
    for one, score in zip(found, scores, strict=True):
        sigma = math.sqrt(one.loss / max(len(sample.logs) - one.free, 1))
        weight = math.exp((best - score) / 2.0) / total
        fits.append(Fitted(Fit(one.law, named(one.law, one.theta), score, sigma, weight), one.theta))
    return tuple(sorted(fits, key=lambda one: one.fit.aicc))


def loss_scale(sample: Sample) -> float:
    """Where the soft L1 loss turns from quadratic to linear, in ln X."""
    return max(_SCALE * sample.deviation, 0.01)


def _fit(law: Law, sample: Sample, scale: float) -> _Found:
    """The two-line law with a flat second line where AICc says so, as in `many.py`."""
    full = _Found(law, *_solved(law, sample, scale, bounds(law, sample.levels)), parameter_count(law))
    if law != "two_line":
        return full
    lowest, highest = flat_bounds(sample.levels)
    # SciPy wants room between bounds
    theta, loss = _solved(law, sample, scale, (lowest - _NO_ROOM, highest + _NO_ROOM))
    theta[2] = 0.0
    flat = _Found(law, theta, loss, parameter_count(law) - 1)
    return flat if _score(flat, sample) <= _score(full, sample) else full


def _score(found: _Found, sample: Sample) -> float:
    return float(aicc(np.array([found.loss]), np.array([found.free]), len(sample.logs))[0])


def _solved(law: Law, sample: Sample, scale: float, limits: Bounds) -> tuple[Array, float]:
    from scipy.optimize import least_squares

    lowest, highest = limits
    room = 1e-9 * (highest - lowest)
    first = np.clip(start(law, sample.run_levels, sample.logs[None, :], limits)[0], lowest + room, highest - room)
    solution = least_squares(
        lambda theta: log_throughput(law, theta[None, :], sample.run_levels)[0] - sample.logs,
        first,
        jac=lambda theta: jacobian(law, theta[None, :], sample.run_levels)[0],
        bounds=(lowest, highest),
        loss="soft_l1",
        f_scale=scale,
        x_scale="jac",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
        max_nfev=400,
    )
    return np.asarray(solution.x, dtype=np.float64), 2.0 * float(solution.cost)
