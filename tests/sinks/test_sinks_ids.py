"""Ranges and bitmaps say the same as sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.sinks.ids import bitmap_of, bitmap_of_ranges, first_gap, ranges_of

IDS = st.sets(st.one_of(st.integers(0, 60), st.integers(0, 2**62)))


@given(IDS)
def test_ranges_hold_exactly_the_ids_and_are_as_few_as_can_be(ids: set[int]) -> None:
    ranges = ranges_of(ids)
    assert set(bitmap_of_ranges(ranges)) == ids
    assert all(first <= last for first, last in ranges)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(ranges))


@given(IDS, IDS)
def test_several_range_lists_are_united(left: set[int], right: set[int]) -> None:
    assert set(bitmap_of_ranges(ranges_of(left), ranges_of(right))) == left | right


@given(IDS, st.integers(0, 70))
def test_the_first_gap_is_the_lowest_missing_id(ids: set[int], start: int) -> None:
    expected = next(i for i in range(start, start + len(ids) + 1) if i not in ids)
    assert first_gap(bitmap_of(ids), start) == expected


def test_a_billion_ids_cost_one_range() -> None:
    assert ranges_of([]) == []
    assert first_gap(bitmap_of_ranges([[0, 10**9]])) == 10**9 + 1
