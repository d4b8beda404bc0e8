"""Fits one law to many data sets at once: a grid for the start, then Levenberg-Marquardt with the soft L1 loss.

The bootstrap's engine; all data sets share their levels. One fit that is told to people is made by `fit.py` with SciPy.
The rule: nothing loops over data sets.

Loss: Σ 2s²(√(1 + (r/s)²) - 1), quadratic for residuals r well below the scale s, linear above (SciPy's `soft_l1`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from penstock.perf.scaling.laws import SHARE_MIN, Array, Places, bounds, jacobian, log_throughput, parameter_count
from penstock.perf.scaling.model import Law

Counts: TypeAlias = Places
Bounds: TypeAlias = tuple[Array, Array]

_GRID = 33
_DEVIATION_MIN = 1e-6  # without noise every law that contains the truth fits exactly: then the shorter law shall win
_STEPS_MAX = 25


def fit_many(law: Law, levels: Array, logs: Array, scale: float) -> tuple[Array, Array, Counts]:
    """Parameters (B, p), losses (B,) and the number of parameters that were free (B,), of the law for each row of
    `logs` (B, m), ln X at `levels` (m,).

    The two-line law's second line is flat, one parameter less, where AICc says so: a slope that is nothing but noise
    would make of every plateau a slow growth.
    """
    theta, loss = _refined(law, levels, logs, scale, bounds(law, levels))
    free = np.full(len(logs), parameter_count(law), dtype=np.intp)
    if law == "two_line":
        flat, flat_loss = _refined(law, levels, logs, scale, flat_bounds(levels))
        is_flat = aicc(flat_loss, free - 1, logs.shape[1]) <= aicc(loss, free, logs.shape[1])
        theta = np.where(is_flat[:, None], flat, theta)
        loss = np.where(is_flat, flat_loss, loss)
        free = free - is_flat
    return theta, loss, free


def aicc(losses: Array, free: Counts, runs: int) -> Array:
    """Akaike's criterion with the small-sample correction (Hurvich & Tsai 1989), n ln(loss/n) + 2k + 2k(k+1)/(n-k-1), k
    counting the free parameters and the noise's deviation; one per loss."""
    count = free + 1
    spread = np.log(np.maximum(losses / runs, _DEVIATION_MIN**2))
    return np.asarray(runs * spread + 2 * count + 2 * count * (count + 1) / (runs - count - 1))


def flat_bounds(levels: Array) -> Bounds:
    """As `laws.bounds` of the two-line law with a flat second line."""
    lowest, highest = bounds("two_line", levels)
    lowest[2] = highest[2] = 0.0
    return lowest, highest


def _refined(law: Law, levels: Array, logs: Array, scale: float, limits: Bounds) -> tuple[Array, Array]:
    lowest, highest = limits
    theta = np.clip(start(law, levels, logs, limits), lowest, highest)
    loss = soft_loss(logs - log_throughput(law, theta, levels), scale)
    damping = np.full(len(logs), 1e-3)
    for _ in range(_STEPS_MAX):
        residuals = logs - log_throughput(law, theta, levels)
        slopes = jacobian(law, theta, levels)
        weighted = slopes / np.sqrt(1.0 + (residuals / scale) ** 2)[:, :, None]
        normal = np.matmul(weighted.transpose(0, 2, 1), slopes)
        gradient = np.matmul(weighted.transpose(0, 2, 1), residuals[:, :, None])
        _freeze(normal, gradient[:, :, 0], theta, lowest, highest)
        diagonal = np.einsum("bii->bi", normal)
        diagonal *= 1.0 + damping[:, None]
        diagonal += 1e-12  # what does not matter at all, or is stuck, stays where it is
        trial = np.clip(theta + np.linalg.solve(normal, gradient)[:, :, 0], lowest, highest)
        trial_loss = soft_loss(logs - log_throughput(law, trial, levels), scale)
        is_better = trial_loss < loss
        is_done = ~is_better | (loss - trial_loss < 1e-9 * loss)
        theta = np.where(is_better[:, None], trial, theta)
        loss = np.where(is_better, trial_loss, loss)
        if (is_done & ((damping > 1e3) | is_better)).all():
            break
        damping = np.where(is_better, damping / 5.0, damping * 8.0)
    return theta, loss


def start(law: Law, levels: Array, logs: Array, limits: Bounds) -> Array:
    """Starting parameters (B, p): the best of a grid over all but ln λ (and, two_line, the slope), by least squares."""
    bare = logs - np.log(levels)
    centred = bare - bare.mean(axis=1, keepdims=True)
    if law == "linear":
        return np.asarray(bare.mean(axis=1, keepdims=True))
    if law == "two_line":
        return _start_two_line(levels, bare, centred, limits)
    shares = np.geomspace(SHARE_MIN * 100, 1.0, _GRID)
    grid = np.log(shares)[:, None]
    if law == "usl":
        grid = np.array([(a, b) for a in grid[:, 0] for b in grid[:, 0]])
    unit = np.column_stack([np.zeros(len(grid)), grid])
    shapes = log_throughput(law, unit, levels) - np.log(levels)
    flat = shapes - shapes.mean(axis=1, keepdims=True)
    distance = (flat**2).sum(axis=1) - 2.0 * centred @ flat.T
    best = distance.argmin(axis=1)
    return np.column_stack([(bare - shapes[best]).mean(axis=1), grid[best]])


def _freeze(normal: Array, gradient: Array, theta: Array, lowest: Array, highest: Array) -> None:
    """Take out of the equations, in place, what stands at a bound and is pushed against it: clipped after a joint step
    it would spoil the other parameters'."""
    is_stuck = ((theta <= lowest) & (gradient < 0.0)) | ((theta >= highest) & (gradient > 0.0))
    normal *= ~(is_stuck[:, :, None] | is_stuck[:, None, :])
    gradient *= ~is_stuck


def soft_loss(residuals: Array, scale: float) -> Array:
    """The loss of each row of residuals, in the units of their squares."""
    return np.asarray(2.0 * scale**2 * (np.sqrt(1.0 + (residuals / scale) ** 2) - 1.0).sum(axis=1))


def _start_two_line(levels: Array, bare: Array, centred: Array, limits: Bounds) -> Array:
    log_n = np.log(levels)
    span = np.linspace(log_n.min(), log_n.max(), 2 * _GRID + 2)[:-1]
    past = np.maximum(log_n - span[:, None], 0.0)
    flat = past - past.mean(axis=1, keepdims=True)
    power = np.maximum((flat**2).sum(axis=1), 1e-12)
    bend = np.clip(centred @ flat.T / power, limits[0][2] - 1.0, limits[1][2] - 1.0)
    best = (bend**2 * power - 2.0 * bend * (centred @ flat.T)).argmin(axis=1)
    rows = np.arange(len(bare))
    chosen = bend[rows, best]
    rate = (bare - chosen[:, None] * past[best]).mean(axis=1)
    return np.column_stack([rate, span[best], 1.0 + chosen])
