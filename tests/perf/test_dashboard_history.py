"""What a page that comes late is told of a long run: bounded, in order, and without losing a count."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.dashboard.history import History, row_of
from penstock.telemetry.window import COLUMNS, Window


def window(number: int, ended: int = 1) -> Window:
    return Window(end_s=float(number), span_s=1.0, ended=ended, in_flight=4.0, loop_lag_s_max=number / 1000)


def rows_of(rows: bytes) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in json.loads(rows)]


@given(counts=st.lists(st.integers(0, 1000), max_size=300), fine_max=st.integers(1, 20), coarse_max=st.integers(2, 20))
def test_a_history_is_bounded_ordered_and_loses_no_count(counts: list[int], fine_max: int, coarse_max: int) -> None:
    history = History(fine_max, coarse_max)
    for number, count in enumerate(counts, 1):
        each = window(number, count)
        history.add(each, row_of(each))
        assert len(rows_of(history.coarse_rows())) <= coarse_max
    history.close()
    assert [row["ended"] for row in rows_of(history.fine_rows())] == counts[-fine_max:]
    coarse = rows_of(history.coarse_rows())
    assert sum(row["ended"] for row in coarse) == sum(counts)
    assert math.isclose(sum(row["span_s"] for row in coarse), len(counts))
    for earlier, later in pairwise(coarse):
        assert math.isclose(later["end_s"] - later["span_s"], earlier["end_s"]), "a gap, or windows that overlap"


@given(counts=st.lists(st.integers(0, 1000), max_size=120), coarse_max=st.integers(2, 20))
def test_a_page_that_follows_the_rows_knows_what_a_late_one_is_told(counts: list[int], coarse_max: int) -> None:
    history, followed = History(5, coarse_max), []
    for number, count in enumerate(counts, 1):
        each, coarse_s = window(number, count), history.coarse_s
        row = history.add(each, row_of(each))
        if history.coarse_s != coarse_s:
            followed = json.loads(history.coarse_rows())  # the hub sends the whole again
        elif row is not None:
            followed.append(json.loads(row))
    last = history.close()
    followed += [json.loads(last)] if last is not None else []
    assert followed == json.loads(history.coarse_rows())


def test_all_times_of_a_long_run_are_told_equally_well() -> None:
    history = History(fine_max=10, coarse_max=50)
    for number in range(1, 20_001):
        each = window(number)
        history.add(each, row_of(each))
    spans = [row["span_s"] for row in rows_of(history.coarse_rows())]
    assert max(spans) == min(spans) == history.coarse_s
    assert 25 <= len(spans) <= 50


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_does_not_have_is_null(value: float) -> None:
    row = dict(zip(COLUMNS, json.loads(row_of(Window(1.0, 1.0, in_flight=value))), strict=True))
    assert row["in_flight"] is None


def test_a_row_keeps_five_digits_and_whole_counts() -> None:
    each = Window(end_s=123_456.789, span_s=1.0, bytes_body=12_345_678_901, in_flight=12.3456789)
    row = dict(zip(COLUMNS, json.loads(row_of(each)), strict=True))
    assert (row["end_s"], row["bytes_body"], row["in_flight"]) == (123_456.789, 12_345_678_901, 12.346)
