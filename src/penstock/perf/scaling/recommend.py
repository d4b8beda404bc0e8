"""Which concurrency to choose: the smallest measured one with throughput near the maximum and p95 within the limit.

Only measured concurrencies are recommended: each was run, its p95 is known, and the curve only smooths its throughput.
The rule: never the USL's N*. It is where throughput is highest, at a latency several times that of the knee, and no
data but those past the peak tell where it is.

| what the sweep shows | recommended |
|---|---|
| some level has 95 % of the maximum, and p95 within the limit | the smallest of them |
| p95 is within the limit only where throughput is lower | the smallest with 95 % of what the limit leaves |
| p95 is within the limit nowhere | none; the nearest is told |
| no level surely has 95 %: a sharp peak between two, or much noise | the best level, and what to measure |
| throughput still grows at the largest level, p95 is within the limit | the largest, "at least" |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from penstock.perf.compare.model import Estimate
from penstock.perf.scaling.band import Band
from penstock.perf.scaling.laws import Array, Places
from penstock.perf.scaling.model import Point

NEAR = 0.95
SAFE = 0.90
_SURE = 0.80
_GROWS_SURE = 0.90

Situation: TypeAlias = Literal["near maximum", "between levels", "limit binds", "limit missed", "still growing"]


@dataclass(frozen=True)
class Advice:
    """`concurrency` None: no level meets the limit. `share`, `share_at_last`: throughput at it and at the largest
    level, of the maximum, by the curve, 0 to 1. `maximum`: items per second with its 95 % interval. `nearest`: the
    level whose p95 is lowest, when the limit is missed. `to_measure`: concurrencies whose measurement would sharpen
    the advice."""

    situation: Situation
    concurrency: int | None
    share: float
    share_at_last: float
    maximum: Estimate
    maximum_at: float
    nearest: int | None
    to_measure: tuple[int, ...]


def advise(band: Band, points: Sequence[Point], slo_p95_s: float | None) -> Advice:
    """Of the points whose concurrency is one of the band's levels. `slo_p95_s`: the most p95 may be, or None."""
    levels = [round(level) for level in band.grid[band.at_levels]]
    p95s = {point.concurrency: point.p95_s.value for point in points}
    allowed = [slo_p95_s is None or _within(p95s[level], slo_p95_s) for level in levels]
    tops = band.tops
    runs = sum(point.runs for point in points)
    low, high = np.exp(np.quantile(band.curves @ tops, [0.025, 0.975]))
    most = math.exp(band.curve @ tops)
    maximum = Estimate(most, min(float(low), most), max(float(high), most), runs)
    shares = np.minimum(np.exp(band.curve[band.at_levels] - band.curve @ tops), 1.0)
    grows = still_grows(band)
    nearest = None
    if not any(allowed):
        situation: Situation = "limit missed"
        place = None
        nearest = min(levels, key=lambda level: math.inf if (p95 := p95s[level]) is None else p95)
    elif grows and allowed[-1]:
        situation, place = "still growing", len(levels) - 1
    else:
        near = _near(band, tops, band.at_levels)
        place = next((place for place, is_allowed in enumerate(allowed) if is_allowed and near[place]), None)
        situation = "near maximum"
        if place is None:
            place, situation = _best_allowed(band, allowed), "between levels" if all(allowed) else "limit binds"
    highest = float(band.grid[int(band.curve.argmax())])
    to_measure = _to_measure(levels, place, is_growing=grows)
    if situation == "between levels":
        to_measure = (round(highest),) if round(highest) not in levels else ()
    return Advice(
        situation=situation,
        concurrency=None if place is None else levels[place],
        share=0.0 if place is None else float(shares[place]),
        share_at_last=float(shares[-1]),
        maximum=maximum,
        maximum_at=highest,
        nearest=nearest,
        to_measure=to_measure,
    )


def still_grows(band: Band) -> bool:
    """Whether doubling the concurrency once more would bring over 5 %, beyond reasonable doubt (9 of 10 replicates):
    the last doubling did, and its second half had its part of that, so that it was not a knee in its first half."""
    last_doubling = band.curves[:, -1] - _at(band, band.grid[-1] / 2.0)
    second_half = band.curves[:, -1] - _at(band, band.grid[-1] / math.sqrt(2.0))
    grows = (last_doubling > -math.log(NEAR)) & (second_half > -math.log(NEAR) / 2.0)
    return bool(grows.mean() >= _GROWS_SURE)


def _at(band: Band, level: float) -> Array:
    """Each replicate at this concurrency, between places of the grid along ln N; shape (B,)."""
    above = int(np.searchsorted(band.grid, level).clip(1, len(band.grid) - 1))
    low, high = np.log(band.grid[above - 1]), np.log(band.grid[above])
    share = float((math.log(level) - low) / (high - low))
    return np.asarray((1.0 - share) * band.curves[:, above - 1] + share * band.curves[:, above])


def _near(band: Band, tops: Array, places: Places) -> list[bool]:
    """Which places of the grid have 95 % of the maximum, and surely (4 of 5 replicates) 90 % of it.

    `tops` (g,) are the weights of the places that make up the maximum, the same for all replicates.
    """
    is_near = band.curve[places] - band.curve @ tops >= math.log(NEAR)
    apart = band.curves[:, places] - (band.curves @ tops)[:, None]
    is_safe = np.quantile(apart, 1.0 - _SURE, axis=0) >= math.log(SAFE)
    return [bool(one) for one in is_near & is_safe]


def _best_allowed(band: Band, allowed: Sequence[bool]) -> int:
    """The smallest allowed level that has 95 % of the best allowed one."""
    levels = np.flatnonzero(allowed)
    best = levels[band.curve[band.at_levels[levels]].argmax()]
    tops = np.zeros(len(band.grid))
    tops[band.at_levels[best]] = 1.0
    near = _near(band, tops, band.at_levels[levels])
    return int(levels[near.index(True)])


def _within(p95_s: float | None, slo_p95_s: float) -> bool:
    return p95_s is not None and p95_s <= slo_p95_s


def _to_measure(levels: Sequence[int], place: int | None, *, is_growing: bool) -> tuple[int, ...]:
    """Above the range when it grows there; else between the recommended level and the one below it, when they are
    more than a quarter apart."""
    if is_growing and place == len(levels) - 1:
        return (2 * levels[-1], 4 * levels[-1])
    if place is None:
        return (max(1, levels[0] // 2),) if levels[0] > 1 else ()
    if place == 0:
        return ()
    low, high = levels[place - 1], levels[place]
    between = round(math.sqrt(low * high))
    return (between,) if high > 1.3 * low and low < between < high else ()
