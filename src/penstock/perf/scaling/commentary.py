"""What a sweep shows, in three to six sentences made from its numbers. It decides nothing.

The rule: each sentence names the numbers it rests on; what the data cannot say is said to be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from penstock.perf.compare.model import Estimate
from penstock.perf.scaling.knee import Peak
from penstock.perf.scaling.model import Fit, Point
from penstock.perf.scaling.recommend import Advice

_SURE_WEIGHT = 0.9
_AGREES = 1.5


def reason(advice: Advice, points: Sequence[Point], slo_p95_s: float | None) -> str:
    """One sentence: why this concurrency."""
    limit = "" if slo_p95_s is None else f" and p95 within {seconds(slo_p95_s)}"
    p95 = _p95(points, advice.concurrency)
    match advice.situation:
        case "near maximum":
            reached = f"{_whole(advice.share)} of {rate(advice.maximum.value)}{p95}"
            return f"the smallest measured concurrency with at least 95 % of the maximum{limit}: {reached}"
        case "between levels":
            between = "" if not advice.to_measure else f", for example at {advice.to_measure[0]}; measure there"
            return (
                f"the best of the measured concurrencies{limit}{p95}; none surely has 95 % of the maximum, which may "
                f"lie between two of them{between}"
            )
        case "still growing":
            return (
                f"at least: throughput still grew at the largest concurrency measured{limit}{p95}; sweep further, "
                f"for example to {advice.to_measure[-1]}"
            )
        case "limit binds":
            assert slo_p95_s is not None
            return (
                f"no measured concurrency has both 95 % of the maximum{limit}; this one has the limit, and "
                f"{_whole(advice.share)} of {rate(advice.maximum.value)}{p95}"
            )
        case "limit missed":
            assert slo_p95_s is not None
            return (
                f"no measured concurrency has p95 within {seconds(slo_p95_s)}; the nearest is "
                f"{advice.nearest}{_p95(points, advice.nearest)}"
            )
        case _:
            assert_never(advice.situation)


def commentary(
    advice: Advice,
    points: Sequence[Point],
    fits: Sequence[Fit],
    knee: Estimate,
    bound: float,
    peak: Peak,
    slo_p95_s: float | None,
) -> tuple[str, ...]:
    """Law, maximum, knee, peak, what more concurrency would cost, and how sure the limit is met."""
    said = [_law(fits), _maximum(advice, points), _knee(knee, bound), _peak(advice, points, peak)]
    said += [_cost_of_more(advice, points), _limit(advice, points, slo_p95_s)]
    return tuple(sentence for sentence in said if sentence)


def rate(value: float | None) -> str:
    """Items per second with three digits."""
    if value is None:
        return "?"
    return f"{value:,.0f}/s" if value >= 100 else f"{value:.3g}/s"


def seconds(value: float | None) -> str:
    """Seconds in the unit that suits them, with three digits."""
    if value is None:
        return "?"
    if value >= 1:
        return f"{value:.3g} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def _law(fits: Sequence[Fit]) -> str:
    best, second = fits[0], fits[1]
    values = best.parameters
    match best.law:
        case "linear":
            what = f"Throughput grows in proportion to concurrency, {rate(values['rate_per_s'])} for each place"
        case "amdahl":
            what = (
                f"Throughput follows Amdahl's law: {rate(values['rate_per_s'])} at concurrency 1, of which "
                f"{_percent(values['alpha'])} of the work takes turns"
            )
        case "usl":
            what = (
                f"Throughput follows the universal scalability law: {rate(values['rate_per_s'])} at concurrency 1, "
                f"contention {_percent(values['alpha'])}, coherency {_percent(values['beta'])}"
            )
        case "two_line":
            then = "stays flat" if values["slope"] == 0.0 else f"goes as N to the power {values['slope']:+.2f}"
            what = (
                f"Throughput grows by {rate(values['rate_per_s'])} for each place up to a sharp knee, and then {then}"
            )
        case _:
            assert_never(best.law)
    sure = "" if best.weight >= _SURE_WEIGHT else f"; {second.law.replace('_', '-')} describes it nearly as well"
    return f"{what} (weight {best.weight:.2f} of 1 among four laws{sure})."


def _maximum(advice: Advice, points: Sequence[Point]) -> str:
    most = advice.maximum
    where = f"within the range measured, {points[0].concurrency} to {points[-1].concurrency}"
    return f"The most is {rate(most.value)} ({rate(most.low)} to {rate(most.high)}, 95 %) {where}."


def _knee(knee: Estimate, bound: float) -> str:
    if knee.value is None:
        return f"No knee can be told: {knee.note}."
    text = f"The curve bends at concurrency {_level(knee.value)} ({_level(knee.low)} to {_level(knee.high)}, 95 %)"
    agrees = max(bound / knee.value, knee.value / bound) <= _AGREES
    says = f"the bounds of operational analysis, maximum times the time of one item alone, meet at {_level(bound)}"
    if agrees:
        return f"{text}; {says}, which agrees."
    return f"{text}, but {says}: expect a gradual bend, or a first level that was not typical."


def _peak(advice: Advice, points: Sequence[Point], peak: Peak) -> str:
    estimate = peak.estimate
    if estimate.value is not None:
        return (
            f"Throughput is highest at about {_level(estimate.value)} ({_level(estimate.low)} to "
            f"{_level(estimate.high)}, 95 %) and falls beyond; that is no recommendation, for p95 grows all the way."
        )
    if peak.is_seen:
        return f"Throughput falls beyond about {advice.maximum_at:.0f}; where exactly it peaks, the data cannot say."
    last = points[-1].concurrency
    return (
        f"Whether throughput falls at some higher concurrency cannot be told from these data: none past a maximum was "
        f"measured; {2 * last} and {4 * last} would show it."
    )


def _cost_of_more(advice: Advice, points: Sequence[Point]) -> str:
    by_level = {point.concurrency: point for point in points}
    chosen, last = by_level.get(advice.concurrency or 0), points[-1]
    if chosen is None or chosen is last or chosen.p95_s.value is None or last.p95_s.value is None:
        return ""
    return (
        f"Concurrency {last.concurrency} instead of {chosen.concurrency} would take p95 from "
        f"{seconds(chosen.p95_s.value)} to {seconds(last.p95_s.value)}, and throughput from {_whole(advice.share)} to "
        f"{_whole(advice.share_at_last)} of the most."
    )


def _limit(advice: Advice, points: Sequence[Point], slo_p95_s: float | None) -> str:
    chosen = next((point.p95_s for point in points if point.concurrency == advice.concurrency), None)
    if slo_p95_s is None or chosen is None or chosen.high is None or chosen.high <= slo_p95_s:
        return ""
    return (
        f"p95 at {advice.concurrency} is within {seconds(slo_p95_s)} by little: its 95 % interval reaches "
        f"{seconds(chosen.high)}."
    )


def _p95(points: Sequence[Point], concurrency: int | None) -> str:
    point = next((one for one in points if one.concurrency == concurrency), None)
    return "" if point is None or point.p95_s.value is None else f", with p95 {seconds(point.p95_s.value)}"


def _level(concurrency: float | None) -> str:
    """A concurrency that need not be whole: 9.5, 21, 130."""
    if concurrency is None:
        return "?"
    return f"{concurrency:.2g}" if concurrency < 10 else f"{concurrency:,.0f}"


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
