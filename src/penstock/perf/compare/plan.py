"""Who runs when: the random, balanced order of alternatives in each round, the first item of a round, the time left.

Pure; everything follows from the seed. The rule: all alternatives run once in each round, and begin at the same item.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

from penstock.perf.workload.model import Alternative, Workload

CHECKED_ITEMS_MAX = 8
"""Items that every alternative does before anything is timed, to see that their outputs agree."""

_OPEN_ITEMS = 15
_OPEN_RUN_S_MAX = 1.0


def concurrency_of(alternative: Alternative, workload: Workload) -> int:
    """Items at once: 1 for sync, one for each worker of the process pool, else the workload's concurrency."""
    match alternative.strategy:
        case "sync":
            return 1
        case "processes":
            return workload.processes
        case _:
            return workload.concurrency


def open_run_s(rate_per_s: float, least_s: float) -> float:
    """Length of a run of the open loop: `least_s`, or longer at low rates (to 1 s), so that five runs can say a p95."""
    return max(least_s, min(_OPEN_RUN_S_MAX, _OPEN_ITEMS / rate_per_s))


def orders(names: Sequence[str], seed: int) -> Iterator[tuple[str, ...]]:
    """Endless rounds, each a permutation of `names`.

    Blocks of len(names) rounds (twice as many when that is odd) are Williams designs with random labels and shuffled
    rows: in a block each alternative stands equally often at each place, and follows each other one equally often, so
    that neither a warming machine nor what ran before favours one. Which of two comes first in a round is a fair coin.
    Source: E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments,
    Australian Journal of Chemistry 2 (1949).
    """
    rng = random.Random(f"order {seed}")
    while True:
        labels = list(names)
        rng.shuffle(labels)
        rows = _williams(len(labels))
        rng.shuffle(rows)
        for row in rows:
            yield tuple(labels[place] for place in row)


def first_items(items: int, seed: int) -> Iterator[int]:
    """The number of the first item of each round: 0, then random, so that slow alternatives meet all items too."""
    rng = random.Random(f"first {seed}")
    return itertools.chain([0], (rng.randrange(items) for _ in itertools.count()))


class Remaining:
    """How long it may still take, from the time that the steps so far took. A step's weight is its nominal seconds."""

    def __init__(self, weight: float) -> None:
        self._whole = weight
        self._done = 0.0

    def did(self, weight: float) -> None:
        """A step ended, or will not be needed any more."""
        self._done += weight

    def skip(self, weight: float) -> None:
        """A step that was planned will not come."""
        self._whole = max(self._done, self._whole - weight)

    @property
    def share(self) -> float:
        """Of the work done, 0 to 1."""
        return min(1.0, self._done / self._whole) if self._whole > 0 else 1.0

    def left_s(self, elapsed_s: float) -> float | None:
        """At most about so many seconds; None before the first step has ended."""
        if self._done <= 0:
            return None
        return max(0.0, (self._whole - self._done) * elapsed_s / self._done)


def _williams(n: int) -> list[tuple[int, ...]]:
    """Rows of numbers 0 … n - 1: the cyclic shifts of 0, 1, n-1, 2, n-2, …, and for odd n their mirror images."""
    if n == 1:
        return [(0,)]
    first = [0, *((step + 1) // 2 if step % 2 else n - step // 2 for step in range(1, n))]
    rows = [tuple((place + shift) % n for place in first) for shift in range(n)]
    return rows if n % 2 == 0 else rows + [tuple(reversed(row)) for row in rows]
