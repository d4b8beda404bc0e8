"""Medians and their intervals, from the order statistics alone: no normality, no resampling, no seed.

For n independent values the number below the true median is binomial(n, 1/2), so the interval between the k-th smallest
and the k-th largest value covers the median with probability 1 - 2 P(B < k) (David & Nagaraja, Order Statistics, §7.1).
With few values 95 % cannot be reached (n = 5 reaches 93.75 %, n = 2 reaches 50 %): the coverage is always reported.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["yes", "no", "cannot tell"]


@dataclass(frozen=True)
class Estimate:
    """A median of `n` values with its interval; `coverage`, 0 to 1, is the probability that the interval really has."""

    median: float
    low: float
    high: float
    coverage: float
    n: int


def median_estimate(values: Sequence[float], level: float = 0.95) -> Estimate:
    """The median of `values` and the narrowest symmetric order-statistic interval that covers at least `level`.

    When even the widest one, minimum to maximum, covers less than `level`, that one is returned with its own
    coverage. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("a median needs at least one value, got none")
    ordered = sorted(values)
    n = len(ordered)
    rank = _rank(n, level)
    return Estimate(
        median=statistics.median(ordered),
        low=ordered[rank - 1],
        high=ordered[n - rank],
        coverage=_coverage(n, rank),
        n=n,
    )


def paired_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Ratio of each round. Rounds whose denominator is not positive are left out (a difference of two noisy runs)."""
    return [top / bottom for top, bottom in zip(numerators, denominators, strict=True) if bottom > 0]


def at_least(estimate: Estimate, bound: float) -> Verdict:
    """Is the median at least `bound`? `cannot tell` while the interval holds values on both sides."""
    if estimate.low >= bound:
        return "yes"
    return "no" if estimate.high < bound else "cannot tell"


def at_most(estimate: Estimate, bound: float) -> Verdict:
    """Is the median at most `bound`? `cannot tell` while the interval holds values on both sides."""
    if estimate.high <= bound:
        return "yes"
    return "no" if estimate.low > bound else "cannot tell"


def _rank(n: int, level: float) -> int:
    rank = 1
    while rank + 1 <= (n + 1) // 2 and _coverage(n, rank + 1) >= level:
        rank += 1
    return rank


def _coverage(n: int, rank: int) -> float:
    below = sum(math.comb(n, k) for k in range(rank))
    return max(0.0, 1.0 - 2.0 * below / 2.0**n)
