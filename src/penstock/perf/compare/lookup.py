"""The verdicts of a comparison, looked up either way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.perf.compare.model import Estimate, Metric, Pair, Summary, Verdict

_MIRRORED: dict[Verdict, Verdict] = {"faster": "slower", "slower": "faster", "cannot tell": "cannot tell"}


@dataclass(frozen=True)
class Verdicts:
    """`pairs` holds each pair once; `of` answers for both orders."""

    pairs: Sequence[Pair]

    def of(self, a: str, b: str, metric: Metric) -> Pair | None:
        """`a` against `b`; None when they were not compared by this metric."""
        for pair in self.pairs:
            if pair.metric == metric and {pair.a, pair.b} == {a, b}:
                return pair if pair.a == a else mirrored(pair)
        return None

    def is_better(self, a: str, b: str, metric: Metric) -> bool:
        """Whether it was decided that `a` is better than `b`."""
        pair = self.of(a, b, metric)
        return pair is not None and pair.verdict == "faster"

    def ranked(self, summaries: Sequence[Summary]) -> list[Summary]:
        """Those that have a throughput, best first: fewest decided to be faster, then most throughput. So the first is
        not one that a verdict puts behind another, even if the middle of its runs is higher."""
        known = [one for one in summaries if one.throughput_per_s.value is not None]

        def standing(one: Summary) -> tuple[int, float]:
            ahead = sum(self.is_better(other.name, one.name, "throughput") for other in known)
            return ahead, -(one.throughput_per_s.value or 0.0)

        return sorted(known, key=standing)


def mirrored(pair: Pair) -> Pair:
    """The same pair from the other side: ratios are 1 over, bounds swapped."""
    one = pair.ratio
    ratio = Estimate(_over(one.value), _over(one.high), _over(one.low), one.n, one.note)
    return Pair(pair.b, pair.a, pair.metric, _MIRRORED[pair.verdict], ratio, pair.note)


def _over(value: float | None) -> float | None:
    return None if value is None else 1 / value
