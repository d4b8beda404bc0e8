"""Where a resume has to start reading: the position of the earliest batch of which some item is not durable. Pure.

Keeps one entry for each batch with unfinished items, so at most as many as there are credits, whatever the input.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class LowWater:
    """Fed with each batch that is admitted and each id that is acknowledged, once each, in any order of ids."""

    def __init__(self) -> None:
        self._first_ids: list[int] = []
        self._remaining: list[int] = []
        self._positions: list[str] = []
        self._newest: tuple[int, str] | None = None

    def admit(self, first_id: int, position: str, unfinished: int) -> None:
        """A batch, in input order; `unfinished` of its rows are not durable yet. Without a position it is not kept."""
        if not position:
            return
        if unfinished:
            self._first_ids.append(first_id)
            self._remaining.append(unfinished)
            self._positions.append(position)
        self._newest = (first_id, position)

    def acknowledge(self, ids: Iterable[int]) -> None:
        """These are durable now. O(log batches) each."""
        first_ids, remaining = self._first_ids, self._remaining
        finished: list[int] = []
        for item_id in ids:
            index = bisect_right(first_ids, item_id) - 1
            if index < 0:
                continue  # of a batch without a position
            remaining[index] -= 1
            if remaining[index] == 0:
                finished.append(index)
        for index in sorted(finished, reverse=True):
            del first_ids[index], remaining[index], self._positions[index]

    @property
    def checkpoint(self) -> tuple[int, str] | None:
        """(first id, position) to resume from: every id below is durable. None before the first batch."""
        if self._first_ids:
            return self._first_ids[0], self._positions[0]
        return self._newest
