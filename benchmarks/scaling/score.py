"""What a sweep's conclusion is worth, beside the truth. Pure.

The rule: what is counted is what a user reads: `recommended`, the band, the peak's interval.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.scaling.simulate import CONCURRENCY_MAX, sweep_runs
from benchmarks.scaling.truths import CONCURRENCY_MAX as TRUTH_MAX
from benchmarks.scaling.truths import Truth

from penstock.perf.scaling.conclude import conclude_sweep
from penstock.perf.scaling.model import SweepRun, Tuning

WITHIN = 0.90
_FALLS = 0.99


@dataclass(frozen=True)
class Case:
    """One simulated sweep.

    `share`: true throughput at the recommended concurrency over the most at any concurrency the sweep was allowed
    (`CONCURRENCY_MAX`); `share_anywhere`: over the most at any concurrency at all. `naive`: what the level means alone
    would choose, `usl_peak`: what the USL's N* would. `at_levels`, `between`: share of the band's places that hold the
    truth. `is_falling`: the truth falls by 1 % or more before the last level. `is_peak_right` None: no interval for the
    peak was told, or the truth has none. `excess`: the recommended concurrency over the smallest measured one whose
    true throughput is 95 % of the most.
    """

    shape: str
    levels: int
    last_level: int
    recommended: int
    naive: int
    share: float
    share_naive: float
    share_anywhere: float
    is_at_least: bool
    law: str
    at_levels: float
    between: float
    half_width: float
    is_falling: bool
    is_peak_seen: bool
    is_peak_told: bool
    is_peak_right: bool | None
    usl_peak: float
    excess: float


@dataclass(frozen=True)
class Disturbance:
    """How a sweep is simulated: see `sweep_runs`."""

    noise: float = 0.05
    repetitions: int = 3
    levels: tuple[int, ...] | None = None
    slow_share: float = 0.0


def run_case(truth: Truth, seed: int, how: Disturbance) -> Case | None:
    """One sweep of this system; None: refused for too few runs. Raises ValueError for any other refusal."""
    rng = random.Random(f"{truth.shape}-{truth.about}-{seed}")
    runs = sweep_runs(
        truth, rng, noise=how.noise, repetitions=how.repetitions, levels=how.levels, slow_share=how.slow_share
    )
    tuning = concluded(runs, seed)
    if tuning.refusal is not None and tuning.refusal.kind == "too_few_runs":
        return None
    return judged(truth, runs, tuning)


def concluded(runs: Sequence[SweepRun], seed: int) -> Tuning:
    return conclude_sweep(runs, target="simulated", strategy="penstock", seed=seed, elapsed_s=0.0, machine={})


def judged(truth: Truth, runs: Sequence[SweepRun], tuning: Tuning) -> Case:
    """Raises ValueError for a refused sweep."""
    if tuning.recommended is None or tuning.chosen is None or tuning.peak is None:
        raise ValueError(f"expected a conclusion, got {tuning.refusal or tuning.reason}")
    levels = sorted({run.concurrency for run in runs})
    inside = {one.concurrency: one.low <= truth.throughput_per_s(one.concurrency) <= one.high for one in tuning.curve}
    at = [inside[min(inside, key=lambda place: abs(place - level))] for level in levels]
    best = truth.best(levels[-1])
    naive = _naive(runs)
    allowed = truth.best(max(CONCURRENCY_MAX, levels[-1]))
    peak = tuning.peak
    is_peak_right = None
    if truth.peak is not None and peak.low is not None and peak.high is not None:
        is_peak_right = peak.low <= truth.peak <= peak.high
    return Case(
        shape=truth.shape,
        levels=len(levels),
        last_level=levels[-1],
        recommended=tuning.recommended,
        naive=naive,
        share=truth.throughput_per_s(tuning.recommended) / allowed,
        share_naive=truth.throughput_per_s(naive) / allowed,
        share_anywhere=truth.throughput_per_s(tuning.recommended) / truth.best(TRUTH_MAX),
        is_at_least=tuning.reason.startswith("at least"),
        law=tuning.chosen,
        at_levels=statistics.fmean(at),
        between=(sum(inside.values()) - sum(at)) / (len(inside) - len(at)),
        half_width=statistics.fmean((one.high - one.low) / 2 / one.throughput_per_s for one in tuning.curve),
        is_falling=truth.throughput_per_s(levels[-1]) < _FALLS * best,
        is_peak_seen=tuning.is_peak_seen,
        is_peak_told=peak.value is not None,
        is_peak_right=is_peak_right,
        usl_peak=_usl_peak(tuning),
        excess=tuning.recommended
        / next((n for n in levels if truth.throughput_per_s(n) >= 0.95 * allowed), levels[-1]),
    )


def _naive(runs: Sequence[SweepRun]) -> int:
    """What one would choose without a curve: the smallest level whose mean is 95 % of the highest level's mean."""
    levels = sorted({run.concurrency for run in runs})
    means = {
        level: statistics.fmean(run.throughput_per_s for run in runs if run.concurrency == level) for level in levels
    }
    return next(level for level in levels if means[level] >= 0.95 * max(means.values()))


def _usl_peak(tuning: Tuning) -> float:
    usl = next(fit.parameters for fit in tuning.fits if fit.law == "usl")
    return math.sqrt((1.0 - usl["alpha"]) / usl["beta"]) if usl["beta"] > 0 else math.inf
