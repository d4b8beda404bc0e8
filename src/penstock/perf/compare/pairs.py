"""The verdict for each pair of alternatives: faster, slower or cannot tell, from rounds in which both ran.

Pure. The rule: an error, a gap or too little data is never an answer; and what a fresh start of the same program could
change by itself is no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, inf, isfinite, log, sqrt
from statistics import median

from penstock.perf.compare.location import Location, locate
from penstock.perf.compare.model import Estimate, Metric, Pair, Verdict

ROUNDS_MIN = 5
MARGIN = 0.10
"""A difference must look at least this large."""
UNSEEN = 0.03
"""… and be surely larger than this: what another start of the same program changes, which no interval of one sees."""
LEVEL = 0.995
"""Of the interval at each look at the data. With up to eight looks, 5 to 12 rounds, at least 95 % hold at all of them
(Bonferroni), so it is shown as the 95 % interval."""
SETTLED_LEVEL = 0.80
"""Of the interval that must lie within the margin for rounds to end without a decision. That stopping early costs no
false verdicts, only power: against 99.5 % it saves 2 to 3 of 10 rounds, and agreement and power stay within 0.6 and
2 points (simulated)."""
_PRIOR_MAX = 6
_OUTLYING = 50.0
"""A pair whose variance is this many times the usual has noise of its own (an alternative with two speeds, such as
threads that queue for the lock or do not), of which the others say nothing."""

Series = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair's ln ratio (a better than b: positive) and what follows from it. `half_width` of the interval on it."""

    location: Location
    half_width: float
    verdict: Verdict

    @property
    def is_within(self) -> bool:
        """Surely smaller than the margin."""
        return abs(self.location.centre) + self.half_width < log(1 + MARGIN)

    @property
    def is_settled(self) -> bool:
        """More rounds would hardly change the verdict: decided, or most likely smaller than the margin."""
        likely = abs(self.location.centre) + self.location.half_width(SETTLED_LEVEL)
        return self.verdict != "cannot tell" or likely < log(1 + MARGIN)


def judge(series: Mapping[str, Series]) -> dict[tuple[str, str], Judged]:
    """Judges each pair of names, in their order, from one positive number per round; larger is better.

    `series[name][i]` belongs to round i; a round where either has None, 0 or a number that is not finite does not
    count for that pair. A pair without a common round is left out.

    The rule. d_i = ln(a_i / b_i) of the same round, so that what the machine does to both cancels. Their centre and
    error are `locate`'s. The error is averaged (as variance) with the median over all pairs of the comparison, which
    counts as up to six degrees of freedom (fewer than seven pairs: their number less one; Smyth, "Linear models and
    empirical Bayes methods", SAGMB 3(1), 2004, shrinks in this form), for the noise is mostly the machine's; not where
    it is 50 times the usual, which is an alternative's own (with it, two speeds by coin gave a wrong verdict on equals
    five times in a hundred). a is
    faster when the centre is above ln 1.10 and the 99.5 % interval is above ln 1.03; slower is the mirror image;
    everything else is `cannot tell`.

    What was tried, by simulation (800 sets of six alternatives, 5 to 12 rounds; `benchmarks/strategies/
    simulate_verdicts.py` repeats the chosen one). Share of pairs with the same verdict in two repetitions, noise
    3 % / bursts / steal / unequal arms, and A against A `cannot tell` when each start adds 2 %:
      mean and t, margin 5 %              93.0 / 92.7 / 91.5 / 90.6      (t on means: 24 % power at 1.2 in bursts)
      this, margin 5 %                    92.6 / 87.4 / 91.7 / 90.4, A/A 88.7 %
      this, margin 8 %                    96.0 / 93.5 / 92.9 / 94.9, A/A 98.6 %
      this, margin 10 %, interval above 1 98.0 / 96.3 / 95.1 / 97.1, A/A 99.7 %
      this: margin 10 %, above 1.03       97.8 / 96.5 / 96.8 / 97.3, A/A 99.8 %
    A margin of 5 % cannot repeat: differences between good strategies, and between two starts of one, are that small.
    Wilcoxon's interval needs nine rounds before it can say anything at 99.5 %.
    """
    located = {}
    for a, b in combinations(series, 2):
        ratios = _ln_ratios(series[a], series[b])
        if ratios:
            located[a, b] = locate(ratios)
    known = [one.error**2 for one in located.values() if isfinite(one.error)]
    usual = median(known) if known else inf
    prior = min(_PRIOR_MAX, len(known) - 1) if known else 0
    return {names: _judged(_moderated(one, usual, prior)) for names, one in located.items()}


def judge_pairs(
    metric: Metric,
    series: Mapping[str, Series],
    *,
    is_less_better: bool = False,
    unsayable: Mapping[str, str] | None = None,
) -> tuple[Pair, ...]:
    """A `Pair` for each two names of `series`, for any metric. `unsayable`: names that cannot be judged, and why."""
    unsayable = unsayable or {}
    sayable = {name: one for name, one in series.items() if name not in unsayable}
    better = (
        {name: [1 / one if one else None for one in row] for name, row in sayable.items()}
        if is_less_better
        else sayable
    )
    judged = judge(better)
    pairs = []
    for a, b in combinations(series, 2):
        reasons = [unsayable[name] for name in (a, b) if name in unsayable]
        found = judged.get((a, b))
        if reasons:
            pairs.append(_unsaid(a, b, metric, "; ".join(reasons)))
        elif found is None:
            pairs.append(_unsaid(a, b, metric, "no round in which both have a value"))
        else:
            pairs.append(_pair(a, b, metric, found))
    return tuple(pairs)


def _ln_ratios(ours: Series, theirs: Series) -> list[float]:
    return [
        log(a / b)
        for a, b in zip(ours, theirs, strict=False)
        if a is not None and b is not None and isfinite(a) and isfinite(b) and a > 0 and b > 0
    ]


def _moderated(one: Location, usual: float, prior: int) -> Location:
    if not prior or not isfinite(one.error) or one.error**2 > _OUTLYING * usual:
        return one
    freedom = one.freedom + prior
    return Location(one.centre, sqrt((prior * usual + one.freedom * one.error**2) / freedom), freedom, one.n)


def _judged(one: Location) -> Judged:
    half = one.half_width(LEVEL)
    verdict: Verdict = "cannot tell"
    if one.n >= ROUNDS_MIN and abs(one.centre) > log(1 + MARGIN) and abs(one.centre) - half > log(1 + UNSEEN):
        verdict = "faster" if one.centre > 0 else "slower"
    return Judged(one, half, verdict)


def _pair(a: str, b: str, metric: Metric, found: Judged) -> Pair:
    one = found.location
    if isfinite(found.half_width):
        ratio = Estimate(exp(one.centre), exp(one.centre - found.half_width), exp(one.centre + found.half_width), one.n)
    else:
        ratio = Estimate(exp(one.centre), n=one.n, note="one round has no interval")
    return Pair(a, b, metric, found.verdict, ratio, _why_not(found))


def _why_not(found: Judged) -> str:
    if found.verdict != "cannot tell":
        return ""
    if found.location.n < ROUNDS_MIN:
        return f"too few rounds: {found.location.n}, needs at least {ROUNDS_MIN}"
    if found.is_within:
        return f"within {MARGIN * 100:.0f} %"
    if abs(found.location.centre) <= log(1 + MARGIN):
        return f"looks smaller than {MARGIN * 100:.0f} %, not surely"
    return "too noisy: the interval comes too near to 1"


def _unsaid(a: str, b: str, metric: Metric, why: str) -> Pair:
    return Pair(a, b, metric, "cannot tell", Estimate(None, note=why), why)
