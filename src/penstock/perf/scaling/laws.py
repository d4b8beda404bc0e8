"""The four scaling laws: throughput against concurrency, in log space, with derivatives and bounds.

Every function takes many parameter sets at once: `theta` (B, p), `levels` (m,) give (B, m). It fits nothing. The rule:
a law's first parameter is ln λ, so that a change of unit moves that one and no other.

| law | X(N) | parameters | source |
|---|---|---|---|
| linear | λN | λ | |
| amdahl | λN / (1 + α(N-1)) | λ, α | Amdahl 1967 |
| usl | λN / (1 + α(N-1) + βN(N-1)) | λ, α, β | Gunther, Guerrilla Capacity Planning, 2007 |
| two_line | λN up to the knee κ, then λκ(N/κ)^s | λ, κ, s | asymptotic bounds, with a slope after the knee |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from penstock.perf.scaling.model import Law

Array: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.intp]

LAWS: tuple[Law, ...] = ("linear", "amdahl", "usl", "two_line")
SHARE_MIN = 1e-8  # α and β are fitted as logarithms; at or below this they count as zero
_SLOPE_MIN = -3.0
_RATE_LOG_MAX = 60.0


def parameter_count(law: Law) -> int:
    """Free parameters of the law, without the noise's deviation."""
    match law:
        case "linear":
            return 1
        case "amdahl":
            return 2
        case "usl" | "two_line":
            return 3
        case _:
            assert_never(law)


def log_throughput(law: Law, theta: Array, levels: Array) -> Array:
    """ln X for each parameter set (rows of `theta`) at each concurrency; shape (B, m).

    `theta`: ln λ, then ln α, ln β (amdahl, usl) or ln κ and s (two_line).
    """
    log_n = np.log(levels)
    straight = theta[:, :1] + log_n
    match law:
        case "linear":
            return straight
        case "amdahl" | "usl":
            return np.asarray(straight - np.log(_denominator(law, theta, levels)))
        case "two_line":
            past = np.maximum(log_n - theta[:, 1:2], 0.0)
            return np.asarray(straight - (1.0 - theta[:, 2:3]) * past)
        case _:
            assert_never(law)


def jacobian(law: Law, theta: Array, levels: Array) -> Array:
    """Derivatives of `log_throughput` by each parameter; shape (B, m, p)."""
    count = theta.shape[0]
    columns = [np.ones((count, len(levels)))]
    match law:
        case "linear":
            pass
        case "amdahl" | "usl":
            below = _denominator(law, theta, levels)
            columns.append(-np.exp(theta[:, 1:2]) * (levels - 1.0) / below)
            if law == "usl":
                columns.append(-np.exp(theta[:, 2:3]) * levels * (levels - 1.0) / below)
        case "two_line":
            past = np.log(levels) - theta[:, 1:2]
            columns.append(np.where(past > 0.0, 1.0 - theta[:, 2:3], 0.0))
            columns.append(np.maximum(past, 0.0))
        case _:
            assert_never(law)
    return np.stack(columns, axis=2)


def bounds(law: Law, levels: Array) -> tuple[Array, Array]:
    """Lowest and highest parameters, shape (p,) each: α and β up to 1, the knee within the levels, slope ≤ 1."""
    rate = (-_RATE_LOG_MAX, _RATE_LOG_MAX)
    share = (math.log(SHARE_MIN), 0.0)
    match law:
        case "linear":
            pairs = [rate]
        case "amdahl":
            pairs = [rate, share]
        case "usl":
            pairs = [rate, share, share]
        case "two_line":
            pairs = [rate, (math.log(levels.min()), math.log(levels.max())), (_SLOPE_MIN, 1.0)]
        case _:
            assert_never(law)
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def named(law: Law, theta: Array) -> Mapping[str, float]:
    """One parameter set, shape (p,), by the names that a `Fit` uses. Shares at their lowest bound become 0."""
    values = {"rate_per_s": math.exp(theta[0])}
    match law:
        case "linear":
            pass
        case "amdahl":
            values["alpha"] = _share(theta[1])
        case "usl":
            values |= {"alpha": _share(theta[1]), "beta": _share(theta[2])}
        case "two_line":
            values |= {"knee": math.exp(theta[1]), "slope": float(theta[2])}
        case _:
            assert_never(law)
    return values


def usl_peak(theta: Array) -> Array:
    """N* = √((1-α)/β) of each USL parameter set; infinite where β counts as zero, 1 where α leaves nothing to gain."""
    beta = np.exp(theta[:, 2])
    alpha = np.exp(theta[:, 1])
    peak = np.sqrt(np.maximum(1.0 - alpha, 0.0) / beta)
    return np.asarray(np.where(beta <= SHARE_MIN * 1.01, np.inf, np.maximum(peak, 1.0)))


def _denominator(law: Law, theta: Array, levels: Array) -> Array:
    below = 1.0 + np.exp(theta[:, 1:2]) * (levels - 1.0)
    if law == "usl":
        below = below + np.exp(theta[:, 2:3]) * levels * (levels - 1.0)
    return np.asarray(below)


def _share(log_value: float) -> float:
    value = math.exp(log_value)
    return 0.0 if value <= SHARE_MIN * 1.01 else value
