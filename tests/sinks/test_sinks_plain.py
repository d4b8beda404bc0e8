"""Values written as JSON come back as they were."""

from __future__ import annotations

import datetime as dt
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sinks.plain import from_plain, mark_plain, to_plain

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC])),
    st.dates(),
    st.times(),
    st.timedeltas(min_value=dt.timedelta(days=-1000), max_value=dt.timedelta(days=1000)),
    st.decimals(allow_nan=False),
)
KEYS = st.text(max_size=4).filter(lambda key: not key.startswith("$"))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@given(VALUES)
def test_every_value_survives_json(value: object) -> None:
    plain, mark = mark_plain(value)
    assert from_plain(json.loads(json.dumps(plain, allow_nan=False)), mark) == value


@given(VALUES)
def test_unmarked_values_are_json_too(value: object) -> None:
    json.dumps(to_plain(value), allow_nan=False)


def test_nan_is_text_and_comes_back() -> None:
    plain, mark = mark_plain([math.nan, 1.5])
    assert plain == [{"$float": "nan"}, 1.5]
    back = from_plain(plain, mark)
    assert isinstance(back, list)
    assert math.isnan(back[0])
    assert to_plain([b"\x00", math.inf]) == ["AA==", "inf"]


def test_an_unknown_object_is_kept_as_its_repr_in_dead_letters_and_refused_in_data() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    assert mark_plain(1j) == ("1j", "repr")
    assert mark_plain(Odd())[0] == "<Odd: its repr raised RuntimeError>"
    with pytest.raises(TypeError, match="got complex"):
        to_plain({"a": [1j]})


def test_endless_nesting_ends() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert mark_plain(loop)[1] == "nested"
    with pytest.raises(TypeError):
        to_plain(loop)


def test_a_value_edited_by_hand_comes_back_as_it_stands() -> None:
    assert from_plain("not base64!", "base64") == "not base64!"
    assert from_plain("yesterday", "date") == "yesterday"
    assert from_plain("x", "decimal") == "x"
