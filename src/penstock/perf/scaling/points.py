"""From runs to one point per concurrency: geometric means with 95 % intervals.

Works for sweeps of any size, also those too small to conclude from. The rule: the intervals of three runs borrow the
spread of all levels, in logarithms, because alone they would be four standard errors wide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from penstock.perf.compare.model import Estimate
from penstock.perf.scaling.model import Point, SweepRun

_LEVEL = 0.975
_PRIOR_RUNS = 6.0


def points_of(runs: Sequence[SweepRun]) -> tuple[Point, ...]:
    """One for each concurrency, ascending."""
    by_level: dict[int, list[SweepRun]] = {}
    for run in runs:
        by_level.setdefault(run.concurrency, []).append(run)
    levels = {level: by_level[level] for level in sorted(by_level)}
    throughputs = _estimates({level: [run.throughput_per_s for run in some] for level, some in levels.items()})
    p50s = _percentiles(levels, {level: [run.p50_s for run in some] for level, some in levels.items()})
    p95s = _percentiles(levels, {level: [run.p95_s for run in some] for level, some in levels.items()})
    costs = {level: [1000.0 * run.cpu_s / run.items for run in some if run.items > 0] for level, some in levels.items()}
    cpu = _estimates(costs)
    return tuple(
        Point(level, len(some), throughputs[level], p50s[level], p95s[level], cpu[level], _phases(some))
        for level, some in levels.items()
    )


def _percentiles(
    levels: Mapping[int, Sequence[SweepRun]], values: Mapping[int, Sequence[float | None]]
) -> dict[int, Estimate]:
    told = _estimates({level: [value for value in some if value is not None] for level, some in values.items()})
    made = {}
    for level, estimate in told.items():
        items = sum(run.items for run in levels[level])
        note = estimate.note if estimate.value is not None else f"too few items in a run ({items:,} in all)"
        made[level] = Estimate(estimate.value, estimate.low, estimate.high, items, note)
    return made


def _estimates(values: Mapping[int, Sequence[float]]) -> dict[int, Estimate]:
    """Geometric means of the positive values; the interval is Student's, with variances moderated as in `sample.py`."""
    from scipy.special import stdtrit

    logs = {level: [math.log(value) for value in some if value > 0] for level, some in values.items()}
    squares = {level: sum((one - fmean(some)) ** 2 for one in some) for level, some in logs.items() if some}
    freedom = sum(len(some) - 1 for some in logs.values() if some)
    pooled = sum(squares.values()) / freedom if freedom else 0.0
    factor = float(stdtrit(freedom, _LEVEL)) if freedom else 0.0
    made = {}
    for level, some in logs.items():
        if not some:
            seen = len(values[level])
            made[level] = Estimate(0.0 if seen else None, n=seen, note="nothing was measured" if not seen else "")
            continue
        middle = math.exp(fmean(some))
        if not freedom:
            made[level] = Estimate(middle, n=len(some), note="one run at each concurrency: no interval")
            continue
        variance = (_PRIOR_RUNS * pooled + squares[level]) / (_PRIOR_RUNS + len(some) - 1)
        reach = math.exp(factor * math.sqrt(variance / len(some)))
        made[level] = Estimate(middle, middle / reach, middle * reach, len(some))
    return made


def _phases(runs: Sequence[SweepRun]) -> dict[str, float]:
    """Mean seconds per item of each phase, weighed by the runs' items."""
    items = sum(run.items for run in runs)
    names = list(dict.fromkeys(name for run in runs for name in run.phases))
    if not items:
        return {}
    return {name: sum(run.phases.get(name, 0.0) * run.items for run in runs) / items for name in names}
