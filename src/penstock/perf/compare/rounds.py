"""Whether another round is worth its time, and the one rate at which all alternatives are offered work.

Pure: who runs them asks after each round. The rule: looking more often must not make a wrong verdict likelier, which
`pairs.LEVEL` pays for; so rounds beyond 12 are not for asking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log

from penstock.perf.compare.location import locate
from penstock.perf.compare.pairs import ROUNDS_MIN, judge
from penstock.perf.measure.model import RunResult

ROUNDS_MAX = 12
RATE_SHARE = 0.6
"""Of the slowest alternative that counts: busy, and still without a queue that only randomness makes."""
COUNTS_FROM = 0.25
"""Alternatives below this share of the best throughput do not hold the rate down."""


def throughputs(closed: Mapping[str, Sequence[RunResult]]) -> dict[str, list[float | None]]:
    """Items per second of each alternative, by round."""
    return {name: [one.throughput_per_s or None for one in runs] for name, runs in closed.items()}


def another_round(
    closed: Mapping[str, Sequence[RunResult]], *, rounds_min: int = ROUNDS_MIN, rounds_max: int = ROUNDS_MAX
) -> bool:
    """Whether to run all alternatives once more.

    True below `rounds_min` rounds (the shortest alternative's count), False from `rounds_max`. Between, True while a
    pair's throughputs are neither decided nor likely within the margin. `rounds_max` above 12 weakens the verdicts'
    error level in proportion. Fewer than two alternatives are never settled before `rounds_max`, but stop at
    `rounds_min`: there is nothing to decide.
    """
    rounds = min((len(runs) for runs in closed.values()), default=rounds_max)
    if rounds < rounds_min:
        return rounds < rounds_max
    if rounds >= rounds_max or len(closed) < 2:
        return False
    judged = judge(throughputs(closed))
    return any(not one.is_settled for one in judged.values())


def open_rate_per_s(closed: Mapping[str, Sequence[RunResult]]) -> float | None:
    """The rate of the open loop, items per second: 0.6 of the lowest closed-loop throughput among the alternatives
    that reach a quarter of the best. None when no alternative ended an item."""
    centres = [one for one in map(throughput_centre, closed.values()) if one is not None]
    if not centres:
        return None
    return RATE_SHARE * min(one for one in centres if one >= COUNTS_FROM * max(centres))


def sustains(closed: Sequence[RunResult], rate_per_s: float) -> bool:
    """Whether an alternative's closed-loop throughput reaches `rate_per_s` at all. One that does not need not be run
    in the open loop, where its backlog would take long to work off: `conclude` shows it as not keeping up."""
    centre = throughput_centre(closed)
    return centre is not None and centre >= rate_per_s


def throughput_centre(runs: Sequence[RunResult]) -> float | None:
    """Typical items per second over the runs; None when no run ended an item."""
    logs = [log(one.throughput_per_s) for one in runs if one.throughput_per_s > 0]
    return exp(locate(logs).centre) if logs else None
