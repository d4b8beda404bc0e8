"""A sweep's runs as arrays: ln throughput by level, and how much runs of one level differ.

Real runs are disturbed now and then, by far more than their usual noise: such a run counts no more than 2.5 deviations
from the others of its level. The rule: deviations are those of repetitions, so no law is assumed; each level's is
moderated by that of all levels, because three runs alone say little of a variance (empirical Bayes, Smyth 2004).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.perf.scaling.laws import Array, Places
from penstock.perf.scaling.levels import LEVELS_MIN, REPEATS_MIN
from penstock.perf.scaling.model import SweepRun

_PRIOR_RUNS = 6.0  # the pooled variance counts as much as this many degrees of freedom of a level's own
_DEVIATION_MIN = 1e-6
_ODD = 2.5
_SHAMOS = 0.9539  # median of |a - b| for two draws with deviation 1: sqrt(2) times 0.6745
_DRAWS = 30


@dataclass(frozen=True)
class Sample:
    """`levels` (k,) distinct concurrencies, ascending. `run_levels`, `logs` (m,): each run's level and ln X, `odd` of
    them drawn in, sorted by level and then by value, so that the order of the runs changes nothing. `level_of` (m,):
    index into `levels`. `means`, `counts`, `deviations` (k,): mean of ln X, number of runs and moderated deviation of
    one run, by level. `deviation`: pooled; `freedom`: its degrees of freedom."""

    levels: Array
    run_levels: Array
    logs: Array
    level_of: Places
    means: Array
    counts: Array
    deviations: Array
    deviation: float
    freedom: int
    odd: int


def sample_of(runs: Sequence[SweepRun]) -> Sample:
    """Of runs with throughput above zero. Raises ValueError with fewer than 6 levels or 3 runs at one of them."""
    pairs = sorted((float(run.concurrency), math.log(run.throughput_per_s)) for run in runs)
    run_levels = np.array([level for level, _ in pairs])
    logs = np.array([value for _, value in pairs])
    levels, level_of = np.unique(run_levels, return_inverse=True)
    counts = np.bincount(level_of, minlength=len(levels)).astype(np.float64)
    if len(levels) < LEVELS_MIN or counts.min() < REPEATS_MIN:
        least = int(counts.min()) if len(counts) else 0
        raise ValueError(
            f"expected at least {LEVELS_MIN} levels with {REPEATS_MIN} runs each, "
            f"got {len(levels)} levels with {least} runs or more"
        )
    inner = _drawn_in(logs, level_of)
    odd = int((inner != logs).sum())
    logs = inner
    means = np.bincount(level_of, logs) / counts
    squares = np.bincount(level_of, (logs - means[level_of]) ** 2)
    freedom = len(logs) - len(levels)
    pooled = float(squares.sum()) / freedom
    moderated = (_PRIOR_RUNS * pooled + squares) / (_PRIOR_RUNS + counts - 1.0)
    return Sample(
        levels=levels,
        run_levels=run_levels,
        logs=logs,
        level_of=level_of,
        means=means,
        counts=counts,
        deviations=np.maximum(np.sqrt(moderated), _DEVIATION_MIN),
        deviation=max(math.sqrt(pooled), _DEVIATION_MIN),
        freedom=freedom,
        odd=odd,
    )


def _drawn_in(logs: Array, level_of: Places) -> Array:
    """Runs beyond 2.5 deviations from the middle of their level, moved to there (Huber 1964).

    The deviation is the median difference of two runs of one level, over all levels (Shamos 1976): up to a quarter of
    the runs may be disturbed before it grows much. The middle is the mean of what is drawn in to it.
    """
    groups = [logs[level_of == level] for level in range(level_of.max() + 1)]
    differences = [abs(one - other) for some in groups for one, other in itertools.combinations(some, 2)]
    reach = _ODD * max(float(np.median(differences)) / _SHAMOS, _DEVIATION_MIN)
    moved = []
    for some in groups:
        middle = float(np.median(some))
        for _ in range(_DRAWS):
            middle = float(np.clip(some, middle - reach, middle + reach).mean())
        moved.append(np.clip(some, middle - reach, middle + reach))
    return np.concatenate(moved)
