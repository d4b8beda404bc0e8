"""Sweeps of known curves for the tests of `perf/scaling`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from penstock.perf.scaling.model import SweepRun

LEVELS = (1, 2, 4, 8, 16, 32, 64, 128)


def linear(n: float) -> float:
    return 40.0 * n


def amdahl(n: float, alpha: float = 0.05) -> float:
    return 40.0 * n / (1 + alpha * (n - 1))


def usl(n: float, alpha: float = 0.05, peak: float = 44.0) -> float:
    return 40.0 * n / (1 + alpha * (n - 1) + (1 - alpha) / peak**2 * n * (n - 1))


def two_line(n: float, knee: float = 20.0, slope: float = 0.0) -> float:
    return 40.0 * n if n <= knee else 40.0 * knee * (n / knee) ** slope


def sweep(
    curve: Callable[[float], float],
    *,
    levels: Sequence[int] = LEVELS,
    noise: float = 0.0,
    repetitions: int = 3,
    seed: int = 0,
) -> list[SweepRun]:
    """`noise`: deviation of ln X. p95 is one and a half times the mean of Little's law, without noise."""
    rng = random.Random(seed)
    runs = []
    for repetition in range(repetitions):
        for level in levels:
            rate_per_s = curve(level) * math.exp(rng.gauss(0.0, noise) if noise else 0.0)
            mean_s = level / curve(level)
            runs.append(SweepRun(level, repetition, rate_per_s, mean_s, 1.5 * mean_s, 500, 2.0, 500 / rate_per_s))
    return runs
