"""Sets of item ids as sorted ranges (in files) and as roaring bitmaps (in memory).

A run may hold a billion ids: never a Python set, never one row each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pyroaring import BitMap64

# Inclusive, ascending, not touching: [[0, 4], [7, 7]] is {0, 1, 2, 3, 4, 7}.
Ranges: TypeAlias = list[list[int]]
_SHORT = 32


def bitmap_of(ids: Iterable[int]) -> BitMap64:
    """A bitmap of `ids` (0 ≤ id < 2⁶⁴)."""
    from pyroaring import BitMap64

    return BitMap64(ids)


def bitmap_of_ranges(*many: Sequence[Sequence[int]]) -> BitMap64:
    """The union of several range lists. Cost grows with the number of ranges, not of ids."""
    # Short ranges are spelt out and taken in one call: a call each would make opening a large output slow.
    short = [ids for ranges in many for ids in ranges if ids[1] - ids[0] < _SHORT]
    bitmap = bitmap_of(chain.from_iterable([range(first, last + 1) for first, last in short]))
    for ranges in many:
        for first, last in ranges:
            if last - first >= _SHORT:
                bitmap.add_range(first, last + 1)
    return bitmap


def ranges_of(ids: Iterable[int]) -> Ranges:
    """Sorted inclusive ranges of `ids`; repeated ids count once. About 0.05 µs per id."""
    from pyroaring import BitMap64

    ordered = ids if isinstance(ids, BitMap64) else BitMap64(ids)
    ranges: Ranges = []
    first = last = -2
    for item_id in ordered:
        if item_id != last + 1:
            if last >= 0:
                ranges.append([first, last])
            first = item_id
        last = item_id
    if last >= 0:
        ranges.append([first, last])
    return ranges


def first_gap(ids: BitMap64, start: int = 0) -> int:
    """The lowest id ≥ `start` that is not in `ids`. Binary search, so cheap for any size."""
    if start not in ids:
        return start
    low, high = start, int(ids.max()) + 1  # low is present, high is absent
    below = int(ids.rank(start)) - 1
    while high - low > 1:
        middle = (low + high) // 2
        # all of [start, middle] present exactly when the rank says so
        if int(ids.rank(middle)) - below == middle - start + 1:
            low = middle
        else:
            high = middle
    return high
