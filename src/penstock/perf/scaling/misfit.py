"""How far the true throughput may lie from a law, and the best guess of where: a Gaussian process over ln N.

No law is the truth; a band made of noise alone is too narrow (Kennedy & O'Hagan 2001, model discrepancy). The misfit's
size τ is not known either: it keeps a distribution over a few sizes. The rule: where the
data show no misfit, the law stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.perf.scaling.laws import Array, jacobian, log_throughput
from penstock.perf.scaling.model import Law
from penstock.perf.scaling.sample import Sample

SIZES: tuple[float, ...] = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)  # τ, in ln X
_PRIOR = 0.02  # τ is half-Cauchy around this
_LENGTH = 0.8  # ln N over which the misfit of neighbours is alike: a little more than one doubling
_AT_KNEE = 3.0  # the misfit is this much larger at the knee than far from it …
_KNEE_WIDTH = 0.5  # … falling off over this much of ln N


@dataclass(frozen=True)
class Correction:
    """For one size τ: `pull` (g, k) maps the level means' residuals to the misfit at the grid; `spread` (g, g) is a
    square root of the covariance of what that leaves out, noise apart."""

    pull: Array
    spread: Array


def corrections(sample: Sample, grid: Array, knee: float) -> tuple[Correction, ...]:
    """One for each of `SIZES`."""
    noise = np.diag(sample.deviations**2 / sample.counts)
    here, across, there = (
        _kernel(sample.levels, sample.levels, knee),
        _kernel(grid, sample.levels, knee),
        _kernel(grid, grid, knee),
    )
    made: list[Correction] = []
    for size in SIZES:
        if size == 0.0:
            made.append(Correction(np.zeros_like(across), np.zeros_like(there)))
            continue
        pull = np.linalg.solve(size**2 * here + noise, size**2 * across.T).T
        missed = size**2 * (there - across @ pull.T) - pull @ noise @ pull.T
        values, vectors = np.linalg.eigh((missed + missed.T) / 2.0)
        made.append(Correction(np.asarray(pull), np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))))
    return tuple(made)


def size_weights(law: Law, theta: Array, sample: Sample, knee: float) -> Array:
    """Probability of each of `SIZES`, given the level means' residuals from the law: restricted likelihood (the law's
    parameters projected out) times the half-Cauchy prior. Shape (len(SIZES),)."""
    residuals = sample.means - log_throughput(law, theta[None, :], sample.levels)[0]
    slopes = jacobian(law, theta[None, :], sample.levels)[0]
    slopes = slopes[:, np.abs(slopes).max(axis=0) > 1e-6]
    noise = np.diag(sample.deviations**2 / sample.counts)
    kernel = _kernel(sample.levels, sample.levels, knee)
    scores = np.array([_restricted_likelihood(size**2 * kernel + noise, slopes, residuals) for size in SIZES])
    sizes = np.array(SIZES)
    # each size stands for the span up to its neighbours
    widths = np.gradient(sizes)
    scores += np.log(widths / (1.0 + (sizes / _PRIOR) ** 2))
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def _restricted_likelihood(covariance: Array, slopes: Array, residuals: Array) -> float:
    inverse = np.linalg.inv(covariance)
    information = slopes.T @ inverse @ slopes + 1e-9 * np.eye(slopes.shape[1])
    explained = inverse @ slopes @ np.linalg.solve(information, slopes.T @ inverse)
    size = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
    return float(-0.5 * (size + residuals @ (inverse - explained) @ residuals))


def _kernel(left: Array, right: Array, knee: float) -> Array:
    """Matérn 3/2 over ln N, with a larger amplitude around the knee: systems bend there as no law does."""
    distance = np.abs(np.log(left)[:, None] - np.log(right)[None, :]) * np.sqrt(3.0) / _LENGTH
    return np.asarray(_amplitude(left, knee)[:, None] * (1.0 + distance) * np.exp(-distance) * _amplitude(right, knee))


def _amplitude(levels: Array, knee: float) -> Array:
    return np.asarray(1.0 + (_AT_KNEE - 1.0) * np.exp(-0.5 * (np.log(levels / knee) / _KNEE_WIDTH) ** 2))
