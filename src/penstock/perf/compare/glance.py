"""Several workloads at a glance: how fast each alternative is on each, who is recommended, who is as fast as the best.

Pure. The rule: a workload without a verdict says so instead of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.perf.compare.figures import known, standing
from penstock.perf.compare.model import Comparison
from penstock.telemetry.format import UNKNOWN, printable, rate_text


@dataclass(frozen=True, slots=True)
class Glance:
    """One alternative on one workload. `share`: of the highest throughput there, 0 to 1; None: unknown. `is_best`: the
    highest, or not to be told from it."""

    text: str
    share: float | None = None
    is_best: bool = False
    is_recommended: bool = False


def names_of_all(comparisons: Sequence[Comparison]) -> list[str]:
    """Every alternative once, in the order of their first appearance."""
    return list(dict.fromkeys(summary.name for comparison in comparisons for summary in comparison.summaries))


def glances(comparison: Comparison, names: Sequence[str]) -> list[Glance] | str:
    """One for each name; or, without a verdict, why in a few words."""
    rates = {summary.name: known(summary.throughput_per_s) for summary in comparison.summaries}
    most = max((rate for rate in rates.values() if rate), default=None)
    if comparison.refusal is not None:
        return f"no verdict: {printable(comparison.refusal.kind.replace('_', ' '), 60)}"
    if not most:
        return "nothing measured"
    best = standing(comparison, "throughput", rates)
    chosen = comparison.recommendation.name if comparison.recommendation else None
    return [
        Glance(UNKNOWN)
        if (rate := rates.get(name)) is None
        else Glance(rate_text(rate), rate / most, name in best, name == chosen)
        for name in names
    ]
