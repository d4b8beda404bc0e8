"""A sweep of a known system, simulated: the levels as `penstock tune` chooses them, runs with multiplicative noise.

It judges nothing. The rule: the look, the levels and the conclusion are the product's own code.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.scaling.truths import Truth

from penstock.perf.scaling.levels import Look, measured_levels, next_look
from penstock.perf.scaling.model import SweepRun

CONCURRENCY_MAX = 256  # the default of `penstock tune`
_P95_OVER_MEAN = 1.6
_ITEMS = 500


def sweep_runs(
    truth: Truth,
    rng: random.Random,
    *,
    noise: float = 0.05,
    repetitions: int = 3,
    levels: Sequence[int] | None = None,
    slow_share: float = 0.0,
) -> list[SweepRun]:
    """`noise`: standard deviation of ln X of one run. `levels` None: as a sweep finds them, from noisy looks.
    `slow_share`: chance of a run to be disturbed, and to have 30 % less throughput."""
    chosen = found_levels(truth, rng, noise) if levels is None else levels
    runs = [_run(truth, level, repetition, rng, noise) for repetition in range(repetitions) for level in chosen]
    if not slow_share:
        return runs
    slow = [rng.random() < slow_share for _ in runs]
    return [
        replace(run, throughput_per_s=0.7 * run.throughput_per_s) if is_slow else run
        for run, is_slow in zip(runs, slow, strict=True)
    ]


def found_levels(truth: Truth, rng: random.Random, noise: float) -> tuple[int, ...]:
    """What the look of a sweep would choose."""
    looks: list[Look] = []
    while (level := next_look(looks, CONCURRENCY_MAX)) is not None:
        run = _run(truth, level, 0, rng, noise)
        assert run.p50_s is not None
        looks.append(Look(level, run.throughput_per_s, run.p50_s, run.p95_s))
    return measured_levels(looks, CONCURRENCY_MAX)


def _run(truth: Truth, level: int, repetition: int, rng: random.Random, noise: float) -> SweepRun:
    throughput_per_s = truth.throughput_per_s(level) * math.exp(rng.gauss(0.0, noise))
    response_s = truth.response_s(level)
    p95_s = _P95_OVER_MEAN * response_s * math.exp(rng.gauss(0.0, noise))
    wall_s = _ITEMS / throughput_per_s
    return SweepRun(level, repetition, throughput_per_s, response_s, p95_s, _ITEMS, 0.1 * wall_s, wall_s)
