"""Where the seconds of a fetched item go: sums by phase while items end, means afterwards.

The rule: sums only grow, so that a run's own are the difference of two looks, and a worker process can send all it has
with each result and nothing is lost when one is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from penstock.model import Response

PHASES = ("dns", "connect", "tls", "ttfb", "body", "process")
Sums: TypeAlias = tuple[float, ...]
"""Items, then seconds for each of `PHASES`."""
NO_SUMS: Sums = (0.0,) * (len(PHASES) + 1)


class PhaseSums:
    """Of one thread."""

    __slots__ = ("_body_s", "_connect_s", "_dns_s", "_items", "_process_s", "_tls_s", "_ttfb_s")

    def __init__(self) -> None:
        self._items = 0
        self._dns_s = self._connect_s = self._tls_s = self._ttfb_s = self._body_s = self._process_s = 0.0

    def add(self, response: Response, process_s: float) -> None:
        """`body` is what is left of the whole attempt: mostly reading the answer, sending and waiting inside libcurl
        included. 0.4 µs."""
        before_body_s = response.dns_s + response.connect_s + response.tls_s + response.ttfb_s
        self._items += 1
        self._dns_s += response.dns_s
        self._connect_s += response.connect_s
        self._tls_s += response.tls_s
        self._ttfb_s += response.ttfb_s
        self._body_s += max(0.0, response.total_s - before_body_s)
        self._process_s += process_s

    def now(self) -> Sums:
        return (
            float(self._items),
            self._dns_s,
            self._connect_s,
            self._tls_s,
            self._ttfb_s,
            self._body_s,
            self._process_s,
        )


def mean_phases(before: Iterable[Sequence[float]], after: Iterable[Sequence[float]]) -> dict[str, float]:
    """Mean seconds per item by phase between two looks at the sums of all threads; empty when no item was counted."""
    before, after = list(before), list(after)
    # Exact sums: what no item of the run added to must come out as 0, not as what rounding left of the runs before.
    totals = [
        math.fsum([*(sums[column] for sums in after), *(-sums[column] for sums in before)])
        for column in range(len(NO_SUMS))
    ]
    items = totals[0]
    return {name: total / items for name, total in zip(PHASES, totals[1:], strict=True)} if items > 0 else {}
