"""Which concurrencies a sweep measures, in which order, and how many items each run has. Pure.

An ascending look (1, 2, 4, …) finds the range; then every level found, and some between them where throughput stops
growing, is measured in rounds, each in an order of its own. The rule: the look's runs are never evidence. They are
in ascending order, so they meet cold connections and caches at low levels only, which would bend the curve.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

LEVELS_MIN = 6
"""A law with two or three parameters cannot be told from another with fewer levels."""
REPEATS_MIN = 3
GROWTH_MIN = 1.05
"""A doubling that brings less than this factor has not grown throughput; also how a level counts as near the most."""
_STALLED_DOUBLINGS = 2
_RUN_STRETCH_MAX = 4.0
_WAVES_MIN = 8
ITEMS_MIN = 40
"""Two items lie above the 95th percentile of 40: with fewer it is the slowest item and nothing more."""


@dataclass(frozen=True)
class Look:
    """What one run of the ascending look saw at one concurrency; `p95_s` None: too few items to tell."""

    concurrency: int
    throughput_per_s: float
    p50_s: float
    p95_s: float | None = None


def next_look(looks: Sequence[Look], concurrency_max: int) -> int | None:
    """The next concurrency to look at, or None when the range is known or `concurrency_max` is reached.

    Twice the last, until two doublings in a row have brought less than 5 % over the best before them: noise makes one
    flat step anywhere, and the second is the point past the knee that shows whether throughput falls.
    """
    if not looks:
        return 1
    stalled = 0
    best_per_s = 0.0
    for look in looks:
        grows = look.throughput_per_s >= GROWTH_MIN * best_per_s
        stalled = 0 if grows else stalled + 1
        best_per_s = max(best_per_s, look.throughput_per_s)
    last = looks[-1].concurrency
    if stalled >= _STALLED_DOUBLINGS or last >= concurrency_max:
        return None
    return min(2 * last, concurrency_max)


def measured_levels(looks: Sequence[Look], concurrency_max: int, *, slo_p95_s: float | None = None) -> tuple[int, ...]:
    """The concurrencies to measure, ascending: all that were looked at, two below and two above the first that came
    within 5 % of the best, one where p95 crosses `slo_p95_s`, and what is missing to six.

    Never above `concurrency_max`; fewer than six only when there are no six whole numbers up to it.
    """
    levels = {look.concurrency for look in looks}
    ordered = sorted(levels)
    at = ordered.index(first_near_best(looks))
    if at > 0:
        low, high = ordered[at - 1], ordered[at]
        levels.update({_between(low, high, 1 / 3), _between(low, high, 2 / 3)})
    if at + 1 < len(ordered):
        low, high = ordered[at], ordered[at + 1]
        levels.update({_between(low, high, 1 / 3), _between(low, high, 2 / 3)})
    if slo_p95_s is not None:
        levels.update(_crossing(looks, slo_p95_s))
    while len(levels) < LEVELS_MIN and (more := _one_more(levels, concurrency_max)) is not None:
        levels.add(more)
    return tuple(sorted(levels))


def first_near_best(looks: Sequence[Look]) -> int:
    """The smallest concurrency looked at whose throughput is within 5 % of the most."""
    most_per_s = max(look.throughput_per_s for look in looks)
    return min(look.concurrency for look in looks if look.throughput_per_s * GROWTH_MIN >= most_per_s)


def shuffled_rounds(levels: Sequence[int], repeats: int, rng: random.Random) -> tuple[tuple[int, ...], ...]:
    """`repeats` rounds, each all levels in a random order of its own.

    Rounds rather than one long shuffle: drift of the machine then falls on all levels alike, and a sweep that is cut
    short has as many runs of each level, give or take one.
    """
    return tuple(tuple(rng.sample(list(levels), len(levels))) for _ in range(repeats))


def run_items(look: Look, run_s: float) -> int:
    """Items of one run at this level: what `run_s` seconds take, or longer, up to four times, for 40 items and for
    eight waves (of which the first and the last tell little). At least two waves, and always whole ones.

    Runs are bounded by items, not by time: a server that begins to refuse answers at once, and in a run bounded by
    time it would be asked as fast as it can refuse.
    """
    wanted = max(look.throughput_per_s * run_s, _WAVES_MIN * look.concurrency, ITEMS_MIN)
    bound = max(look.throughput_per_s * run_s * _RUN_STRETCH_MAX, 2 * look.concurrency)
    return math.ceil(min(wanted, bound) / look.concurrency) * look.concurrency


def run_seconds(look: Look, run_s: float) -> float:
    """How long that run will take, about: its items, and the last wave."""
    if look.throughput_per_s <= 0:
        return run_s * _RUN_STRETCH_MAX
    return run_items(look, run_s) / look.throughput_per_s + look.p50_s / 2


def interpolated(looks: Sequence[Look], concurrency: int) -> Look:
    """What to expect at a level between (or above) those looked at: log-log interpolation; Little's law for p50."""
    ordered = sorted(looks, key=lambda look: look.concurrency)
    exact = next((look for look in ordered if look.concurrency == concurrency), None)
    if exact is not None:
        return exact
    below = max((look for look in ordered if look.concurrency < concurrency), key=lambda x: x.concurrency, default=None)
    above = next((look for look in ordered if look.concurrency > concurrency), None)
    if below is None or above is None or min(below.throughput_per_s, above.throughput_per_s) <= 0:
        near = below or above or Look(concurrency, 1.0, 1.0)
        rate_per_s = near.throughput_per_s
    else:
        share = math.log(concurrency / below.concurrency) / math.log(above.concurrency / below.concurrency)
        rate_per_s = below.throughput_per_s ** (1 - share) * above.throughput_per_s**share
    return Look(concurrency, rate_per_s, concurrency / rate_per_s if rate_per_s > 0 else 0.0)


def _crossing(looks: Sequence[Look], slo_p95_s: float) -> set[int]:
    told = [look for look in looks if look.p95_s is not None]
    for lower, upper in itertools.pairwise(told):
        assert lower.p95_s is not None
        assert upper.p95_s is not None
        if lower.p95_s <= slo_p95_s < upper.p95_s:
            return {_between(lower.concurrency, upper.concurrency, 1 / 2)}
    return set()


def _one_more(levels: set[int], concurrency_max: int) -> int | None:
    """The middle of the widest gap (by ratio), else one above, else None."""
    ordered = sorted(levels)
    gaps = [(high / low, low, high) for low, high in itertools.pairwise(ordered) if high - low > 1]
    if gaps:
        _, low, high = max(gaps)
        return _between(low, high, 1 / 2)
    if ordered[-1] < concurrency_max:
        return min(2 * ordered[-1], concurrency_max)
    return ordered[0] - 1 if ordered[0] > 1 else None


def _between(low: int, high: int, share: float) -> int:
    """A whole number that lies `share` of the way from low to high in ratio; low itself when there is none between."""
    value = round(low * math.pow(high / low, share))
    return min(max(value, min(low + 1, high)), max(high - 1, low))
