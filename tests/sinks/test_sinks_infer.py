"""Types that nobody declared: found, widened, never narrowed; and no value is ever changed on the way."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sinks.infer import WIDENINGS_MAX, Inferred, encode, field_of, inferred_from

CASES = [
    ([1, 2], pa.int64()),
    ([1, 2.5], pa.float64()),
    ([None, "a"], pa.string()),
    ([None, None], pa.null()),
    ([b"a", None], pa.binary()),
    ([True], pa.bool_()),
    ([[1], []], pa.list_(pa.int64())),
    ([dt.date(2026, 1, 1)], pa.date32()),
    ([{"a": 1}, {"b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
]


@pytest.mark.parametrize(("values", "expected"), CASES)
def test_a_type_is_found_from_the_values(values: list[object], expected: pa.DataType) -> None:
    array, inferred = encode(values, None)
    assert inferred == Inferred(expected)
    assert array.type == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([None], [1], pa.int64()),
        ([1], [None], pa.int64()),
        ([1], [2.5], pa.float64()),
        ([2.5], [1], pa.float64()),
        ([[None]], [["a"]], pa.list_(pa.string())),
        ([{"a": 1}], [{"b": 2}], pa.struct([("a", pa.int64()), ("b", pa.int64())])),
        ([{"a": 1}], [{"a": 2.5}], pa.struct([("a", pa.float64())])),
        ([b"a"], ["b"], pa.binary()),
    ],
)
def test_types_widen(first: list[object], second: list[object], expected: pa.DataType) -> None:
    _, known = encode(first, None)
    array, wide = encode(second, known)
    assert (wide.type, wide.is_mixed) == (expected, False)
    again, same = encode(first, wide)
    assert same == wide
    assert array.type == again.type == expected


def test_a_struct_never_loses_a_field_that_it_did_not_know() -> None:
    """`pa.array(values, struct type)` drops unknown fields without a word."""
    _, known = encode([{"a": 1}], None)
    array, _ = encode([{"a": 1, "b": 2}], known)
    assert array.to_pylist() == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["plain text"], [5], "5"),
        ([5], ["plain text"], "plain text"),
        ([True], [1], "1"),
        ([5], [{"a": [1, b"x"]}], '{"a": [1, "eA=="]}'),
        ([1.5], [2**60], str(2**60)),
        ([1], [2**70], str(2**70)),
        (["a"], [None], None),
    ],
)
def test_types_that_cannot_meet_become_text(first: list[object], second: list[object], expected: str | None) -> None:
    _, known = encode(first, None)
    array, wide = encode(second, known)
    assert wide.type == pa.string()
    assert array.to_pylist() == [expected]
    if wide.is_mixed:
        assert encode([5, "five"], wide)[0].to_pylist() == ["5", "five"]


def test_an_empty_object_is_text_because_parquet_has_no_type_for_it() -> None:
    array, inferred = encode([{}, {}], None)
    assert inferred.is_mixed
    assert array.to_pylist() == ["{}", "{}"]
    assert encode([[{}]], None)[1].is_mixed


def test_free_form_keys_become_text_in_the_end() -> None:
    inferred = None
    for number in range(WIDENINGS_MAX + 2):
        _, inferred = encode([{f"key{number}": 1}], inferred)
    assert inferred == Inferred(pa.string(), is_mixed=True)


@pytest.mark.parametrize("values", [[object()], [1, object()], ["\ud800"], [{"a": 1j}]])
def test_what_cannot_be_stored_in_any_way_is_refused(values: list[object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(values, None)


@pytest.mark.parametrize("inferred", [Inferred(pa.int64()), Inferred(pa.string(), is_mixed=True)])
def test_a_resumed_run_knows_what_the_last_shard_knew(inferred: Inferred) -> None:
    assert inferred_from(field_of("x", inferred)) == inferred


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.lists(st.integers(0, 9), max_size=2),
)


@given(st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=4))
def test_no_sequence_of_batches_fails_or_narrows_and_numbers_stay_equal(batches: list[list[object]]) -> None:
    known: Inferred | None = None
    for values in batches:
        array, wide = encode(values, known)
        assert len(array) == len(values)
        assert array.type == wide.type
        if known is not None and known.is_mixed:
            assert wide == known
        if not wide.is_mixed:
            assert array.to_pylist() == values
        known = wide
