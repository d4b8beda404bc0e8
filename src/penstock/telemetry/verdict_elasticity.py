"""What the probes say: how the throughput follows the limit, and which part of an answer grows with it.

Pure. Elasticity e = ln(X(C) / X(C')) / ln(C / C') for answers per second X at limits C and C': 1 when half the limit
gives half the answers, 0 when it gives as many. The rule: without a usable probe there is no number, not a guess.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from penstock.telemetry.window import Probe

_SD_MIN: Final = 0.06  # what a phase of half a second cannot do better than


@dataclass(frozen=True, slots=True)
class Elasticity:
    """Medians over the probes. `e` as above. `ttfb_growth_s` and `body_growth_s`: how much longer an answer takes at
    the normal limit than at the lowered one, until its first byte and from there to its end."""

    e: float
    ttfb_growth_s: float
    body_growth_s: float


def readings(probes: Sequence[Probe]) -> tuple[Elasticity, ...]:
    """One for each probe that can be read: both limits and rates above 0, and not equal limits."""
    return tuple(
        _reading(probe)
        for probe in probes
        if probe.limit > probe.limit_low > 0 and probe.answers_per_s > 0.0 and probe.answers_per_s_low > 0.0
    )


def middle(each: Sequence[Elasticity]) -> Elasticity | None:
    """None of none. The median: a moment in which the machine or the server did something else must not decide."""
    if not each:
        return None
    from statistics import median  # here: 5 ms, of which a run without probes needs nothing

    return Elasticity(
        median(one.e for one in each),
        median(one.ttfb_growth_s for one in each),
        median(one.body_growth_s for one in each),
    )


def draw(each: Sequence[Elasticity], rng: random.Random) -> Elasticity | None:
    """A resample of the probes, with what chance adds to so few of them: their spread (1.48 × the median deviation, at
    least 0.06; 0.12 for one probe alone) over √n."""
    n = len(each)
    if not n:
        return None
    from statistics import median

    drawn = middle([each[int(rng.random() * n)] for _ in range(n)])
    assert drawn is not None
    centre = median(one.e for one in each)
    spread = 1.48 * median(abs(one.e - centre) for one in each) if n > 1 else 2 * _SD_MIN
    return replace(drawn, e=drawn.e + rng.gauss(0.0, max(spread, _SD_MIN) / math.sqrt(n)))


def _reading(probe: Probe) -> Elasticity:
    """Two estimates of one number, averaged: from answers counted, and by Little's law from the time an answer takes
    (in-flight is the limit at both, so X(C) / X(C') = (C / C') · R(C') / R(C)); short phases cut counts roughly."""
    ln_limits = math.log(probe.limit / probe.limit_low)
    e = math.log(probe.answers_per_s / probe.answers_per_s_low) / ln_limits
    answer_s, answer_s_low = probe.ttfb_s + probe.body_s, probe.ttfb_s_low + probe.body_s_low
    if answer_s > 0.0 and answer_s_low > 0.0:
        e = (e + 1.0 - math.log(answer_s / answer_s_low) / ln_limits) / 2
    return Elasticity(max(-1.0, min(1.5, e)), probe.ttfb_s - probe.ttfb_s_low, probe.body_s - probe.body_s_low)
