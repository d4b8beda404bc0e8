"""How many rounds and how long runs, so that a sweep ends in its time and within its number of requests. Pure.

The rule: what is cut is told, in this order: repetitions down to three, runs down to a seventh, levels between down
to six; and when that is not enough there is no sweep, rather than one that cannot conclude.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from penstock.perf.scaling.levels import (
    LEVELS_MIN,
    REPEATS_MIN,
    Look,
    first_near_best,
    interpolated,
    run_items,
    run_seconds,
)

_RUN_OVERHEAD_S = 0.05
_RUN_SHARE_MIN = 0.15
_RUN_SHRINK = 0.7


@dataclass(frozen=True)
class Plan:
    """`repeats` runs at each of `levels`, of about `run_s` seconds each; `seconds` and `items` in all, about."""

    levels: tuple[int, ...]
    repeats: int
    run_s: float
    seconds: float
    items: int


def plan_within(
    looks: Sequence[Look],
    levels: Sequence[int],
    repeats: int,
    run_s: float,
    *,
    seconds_max: float,
    items_max: int | None = None,
    is_fixed: bool = False,
) -> tuple[Plan, bool]:
    """The plan, cut as far as it must and may be, and whether it fits.

    `is_fixed`: the levels are the user's, none goes. `items_max` None: no limit. A plan that does not fit is the
    smallest that could conclude.
    """
    plan = _plan(looks, levels, repeats, run_s)
    for _ in range(1000):  # each step makes it smaller, and there are far fewer
        if plan.seconds <= seconds_max and (items_max is None or plan.items <= items_max):
            return plan, True
        if plan.repeats > REPEATS_MIN:
            plan = _plan(looks, plan.levels, plan.repeats - 1, plan.run_s)
        elif plan.run_s > run_s * _RUN_SHARE_MIN * 1.001:
            plan = _plan(looks, plan.levels, plan.repeats, max(plan.run_s * _RUN_SHRINK, run_s * _RUN_SHARE_MIN))
        elif len(plan.levels) > LEVELS_MIN and not is_fixed:
            plan = _plan(looks, _without_one(looks, plan.levels), plan.repeats, plan.run_s)
        else:
            break
    return plan, False


def told_cuts(plan: Plan, levels: Sequence[int], repeats: int, run_s: float) -> str | None:
    """What had to be cut, as a sentence; None: nothing."""
    cuts = []
    if plan.repeats < repeats:
        cuts.append(f"{plan.repeats} instead of {repeats} runs a level")
    if plan.run_s < run_s:
        cuts.append(f"runs of {plan.run_s:.2g} instead of {run_s:.2g} s")
    if len(plan.levels) < len(levels):
        cuts.append(f"{len(plan.levels)} instead of {len(levels)} levels")
    return f"to end in time: {', '.join(cuts)}" if cuts else None


def _plan(looks: Sequence[Look], levels: Sequence[int], repeats: int, run_s: float) -> Plan:
    expected = [interpolated(looks, level) for level in levels]
    seconds = repeats * sum(run_seconds(look, run_s) + _RUN_OVERHEAD_S for look in expected)
    return Plan(tuple(levels), repeats, run_s, seconds, repeats * sum(run_items(look, run_s) for look in expected))


def _without_one(looks: Sequence[Look], levels: tuple[int, ...]) -> tuple[int, ...]:
    """Without the level that tells least: of the inner ones but the knee, the one nearest to the one below it."""
    knee = first_near_best([replace(interpolated(looks, level), concurrency=level) for level in levels])
    places = [place for place in range(1, len(levels) - 1) if levels[place] != knee]
    goes = min(places, key=lambda place: levels[place] / levels[place - 1])
    return tuple(level for place, level in enumerate(levels) if place != goes)
