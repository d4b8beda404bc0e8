"""Which alternative to take for this workload, and why, from the verdicts.

Pure. The rule: among those the comparison cannot tell apart, less CPU when that is decided, else the simpler one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from penstock.perf.compare.lookup import Verdicts
from penstock.perf.compare.model import Pair, Recommendation, Summary
from penstock.perf.compare.pairs import MARGIN
from penstock.perf.compare.wording import amount, interval, names_of, share, times
from penstock.perf.workload.model import Strategy
from penstock.telemetry.format import duration_text

_SIMPLER_FIRST: tuple[Strategy, ...] = get_args(Strategy)


def recommend(summaries: Sequence[Summary], pairs: Sequence[Pair]) -> Recommendation | None:
    """None with fewer than two alternatives that have a throughput, or without verdicts.

    The best by throughput, and all that are neither decided to be slower nor look slower by more than the margin, are
    equals. Of these, those go for which another one's CPU per item is decided to be less. Of the rest, the first in
    the order of `Strategy`, from simple to involved; then the first in the order given.
    """
    verdicts = Verdicts(pairs)
    measured = verdicts.ranked(summaries)
    if len(measured) < 2 or not pairs:
        return None
    best = measured[0]
    equals = [one for one in measured if one is best or _is_equal(best, one, verdicts)]
    thrifty = [one for one in equals if not any(verdicts.is_better(other.name, one.name, "cpu") for other in equals)]
    chosen = min(thrifty or equals, key=lambda one: _SIMPLER_FIRST.index(one.strategy))
    return Recommendation(chosen.name, _reason(chosen, equals, measured, verdicts))


def _is_equal(best: Summary, other: Summary, verdicts: Verdicts) -> bool:
    pair = verdicts.of(best.name, other.name, "throughput")
    if pair is None or pair.verdict != "cannot tell" or pair.ratio.value is None:
        return False
    return pair.ratio.value <= 1 + MARGIN


def _reason(chosen: Summary, equals: Sequence[Summary], measured: Sequence[Summary], verdicts: Verdicts) -> str:
    rate = f"{amount(chosen.throughput_per_s.value)} items/s"
    others = [one for one in equals if one is not chosen and _is_untold(chosen, one, verdicts)]
    if not others:
        return f"{rate}, {_lead(chosen, measured, verdicts)}"
    reason = f"{rate}, which cannot be told from {names_of(one.name for one in others)} within {share(MARGIN)}"
    dearer = [one for one in others if verdicts.is_better(chosen.name, one.name, "cpu")]
    simpler = [one for one in others if one not in dearer]
    because = []
    if dearer:
        because.append(_saves(chosen, dearer))
    if simpler:
        because.append(_why_not_the_others(chosen, simpler))
    return f"{reason}; {', and '.join(because)}"


def _is_untold(chosen: Summary, other: Summary, verdicts: Verdicts) -> bool:
    """Two equals of the best may differ from each other, decidedly."""
    pair = verdicts.of(chosen.name, other.name, "throughput")
    return pair is not None and pair.verdict == "cannot tell"


def _saves(chosen: Summary, dearer: Sequence[Summary]) -> str:
    worst = max(dearer, key=lambda one: one.cpu_s_per_1000.value or 0.0)
    ours, theirs = (duration_text((one.cpu_s_per_1000.value or 0.0) / 1000) for one in (chosen, worst))
    named = names_of(one.name for one in dearer)
    against = theirs if len(dearer) == 1 else f"{theirs} with {worst.name}"
    return f"an item takes less CPU than with {named}: {ours} against {against}"


def _why_not_the_others(chosen: Summary, others: Sequence[Summary]) -> str:
    rank = _SIMPLER_FIRST.index(chosen.strategy)
    later = [one.name for one in others if _SIMPLER_FIRST.index(one.strategy) > rank]
    if later:
        return f"it is simpler than {names_of(later)}"
    return f"there is no decided difference to {names_of(one.name for one in others)}"


def _lead(chosen: Summary, measured: Sequence[Summary], verdicts: Verdicts) -> str:
    """How far ahead of the next it is. It is the best alone, but not every lead need be decided."""
    second = next(one for one in measured if one is not chosen)
    pair = verdicts.of(chosen.name, second.name, "throughput")
    if pair is None or pair.ratio.value is None:
        return f"the most; against {second.name} there is no verdict"
    if pair.verdict == "faster":
        return f"{times(pair.ratio.value)} that of the next best, {second.name} {interval(pair.ratio)}"
    return f"the most seen; {times(pair.ratio.value)} that of {second.name} {interval(pair.ratio)} is not certain"
