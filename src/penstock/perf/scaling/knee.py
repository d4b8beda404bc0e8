"""Where throughput stops growing with concurrency, said twice: by the two-line law, and by operational analysis.

It recommends nothing. The rule: a bend that many replicates lack, or that may lie at the range's end, is no knee.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from penstock.perf.compare.model import Estimate
from penstock.perf.scaling.band import Band
from penstock.perf.scaling.fit import Fitted
from penstock.perf.scaling.laws import Array
from penstock.perf.scaling.sample import Sample

_BENDS = 0.8  # the highest slope after the knee that counts as a bend
_SURE = 0.95
_MANY = 1e6  # degrees of freedom at which t is z


@dataclass(frozen=True)
class Peak:
    """`is_seen`: throughput at the largest level is below the maximum beyond doubt. `estimate`: the USL's N* with its
    95 % interval; its value is None, with the reason in the note, unless that is the law, the peak was seen and the
    interval ends below the largest level."""

    is_seen: bool
    estimate: Estimate


def knee_of(sample: Sample, fits: tuple[Fitted, ...], band: Band) -> Estimate:
    """The two-line law's κ with its 95 % interval; value None, with the reason, when the data show no bend."""
    bends = band.slopes < _BENDS
    if bends.mean() < _SURE:
        return Estimate(None, n=len(sample.logs), note="throughput grows without a bend over the measured range")
    value = next(one for one in fits if one.fit.law == "two_line").fit.parameters["knee"]
    low, high = _interval(band.knees[bends], value, sample)
    if high >= sample.levels[-2]:
        return Estimate(None, n=len(sample.logs), note=f"a bend, if any, lies beyond concurrency {low:.0f}")
    return Estimate(value, low, high, len(sample.logs))


def bound_knee(band: Band) -> float:
    """Where the asymptotic bounds of a closed system meet, Xmax · N1 / X(N1): the most items per second times the
    seconds one item takes alone (Denning & Buzen 1978), from the smallest level N1. An estimate if N1 is above 1."""
    return math.exp(float(band.curve @ band.tops - band.curve[0])) * float(band.grid[0])


def peak_of(sample: Sample, fits: tuple[Fitted, ...], band: Band) -> Peak:
    """What the data say about a maximum with a fall after it."""
    top = int(band.curve.argmax())
    falls = band.curves[:, -1] - band.curves[:, top]
    # a plateau's highest point is the luckiest, so a fall must also be large
    is_seen = bool(np.quantile(falls, 0.975) < 0.0 and band.curve[-1] - band.curve[top] < math.log(0.95))
    runs = len(sample.logs)
    if not is_seen:
        return Peak(False, Estimate(None, n=runs, note="no concurrency past a maximum was measured"))
    usl = next(one for one in fits if one.fit.law == "usl")
    if band.law != "usl":
        return Peak(
            True, Estimate(None, n=runs, note=f"throughput falls, but not as the USL says: {band.law} fits better")
        )
    beta = usl.fit.parameters["beta"]
    value = max(math.sqrt((1.0 - usl.fit.parameters["alpha"]) / beta), 1.0) if beta > 0 else math.inf
    low, high = _interval(band.peaks, value, sample)
    if not high < sample.levels[-1]:
        return Peak(True, Estimate(None, n=runs, note="the USL's maximum has no upper bound within the measured range"))
    return Peak(True, Estimate(value, low, high, runs))


def _interval(replicates: Array, value: float, sample: Sample) -> tuple[float, float]:
    """95 % of the replicates and the value, stretched in logarithms by Student's t over z, for the noise's size was
    estimated; infinite where the value or a fortieth of the replicates is."""
    from scipy.special import stdtrit

    low, high = (float(one) for one in np.quantile(replicates, [0.025, 0.975], method="nearest"))
    if not (math.isfinite(value) and math.isfinite(high)):
        return min(low, value), math.inf
    stretch = float(stdtrit(sample.freedom, 0.975) / stdtrit(_MANY, 0.975))
    return value * min(low / value, 1.0) ** stretch, value * max(high / value, 1.0) ** stretch
