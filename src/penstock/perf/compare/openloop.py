"""Whether an alternative keeps up when work arrives on a schedule, and what it manages when it does not.

Pure. The rule: judge by how the backlog grows, not by how long the run took to work it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from penstock.perf.compare.rounds import sustains, throughput_centre
from penstock.perf.measure.model import RunResult

GROWTH_MAX = 0.10
_ITEMS_MIN = 12


@dataclass(frozen=True, slots=True)
class Keeping:
    """`keeps_up`, and the items per second an alternative manages of those offered (None: not known)."""

    keeps_up: bool
    managed_per_s: float | None


def keeping(opened: Sequence[RunResult], closed: Sequence[RunResult], rate_per_s: float) -> Keeping:
    """Does it sustain `rate_per_s`? From the runs of the open loop, or without enough of them (12 items) from whether
    the closed loop reached the rate.

    Latency (end - intended) that stays the same is a queue that stays the same. One that grows by g seconds for each
    second of the schedule is a queue that grows, and work done at rate / (1 + g). It keeps up when g, the median over
    the runs, is below 0.10: a run is short, and single items vary. g of a run: median latency of the last third of its
    items less that of the first third, per second between their median due times; runs of fewer than 12 items are
    taken together.
    """
    whole = [one for one in opened if one.items >= _ITEMS_MIN]
    if whole:
        growths = [_growth([one]) for one in whole]
    elif sum(one.items for one in opened) >= _ITEMS_MIN:
        growths = [_growth(opened)]
    else:
        return Keeping(sustains(closed, rate_per_s), throughput_centre(closed))
    growth = median(growths)
    return Keeping(growth < GROWTH_MAX, min(rate_per_s, rate_per_s / (1 + max(growth, 0.0))))


def _growth(runs: Sequence[RunResult]) -> float:
    items = sorted((due, end - due) for one in runs for due, end in zip(one.intended_s, one.end_s, strict=True))
    third = len(items) // 3
    first, last = items[:third], items[-third:]
    passed_s = median(due for due, _ in last) - median(due for due, _ in first)
    if passed_s <= 0:
        return 0.0
    return (median(latency for _, latency in last) - median(latency for _, latency in first)) / passed_s
