"""The digest of an output: equal exactly for equal outputs, whatever the process, the hash seed and the order."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import enum
import io
import math
import os
import pathlib
import random
import subprocess
import sys
import uuid
from collections import Counter, OrderedDict, namedtuple
from collections.abc import Callable
from fractions import Fraction
from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.model import Failure, Response
from penstock.perf.workload.digest import digest

UTC = datetime.UTC

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.sampled_from(["s" * 256, "s" * 257, b"s" * 256, b"s" * 257, "T", "[", "s1:a", ""])
)
keys = st.text(max_size=5) | st.integers(-3, 3) | st.none()
outputs = st.recursive(
    scalars | st.frozensets(st.integers(-3, 3) | st.text(max_size=2)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    """The oracle: what the table in `digest.py` says, for the values that are generated here."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is not type(b):
        return False
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict) and isinstance(b, dict):
        # Keys of one type that are equal are the same; 1 and True cannot both be keys.
        typed = {(type(key), key): value for key, value in b.items()}
        return len(a) == len(b) and all(
            (type(key), key) in typed and same(value, typed[type(key), key]) for key, value in a.items()
        )
    if isinstance(a, datetime.datetime) and isinstance(b, datetime.datetime):
        return (a.tzinfo is None) == (b.tzinfo is None) and a == b
    return a == b


def rearranged(value: object, rng: random.Random) -> object:
    """An equal value built in another order, with tuples for some lists."""
    if isinstance(value, dict):
        pairs = [(key, rearranged(inner, rng)) for key, inner in value.items()]
        rng.shuffle(pairs)
        return dict(pairs)
    if isinstance(value, list):
        return rng.choice((list, tuple))([rearranged(inner, rng) for inner in value])
    if isinstance(value, frozenset):
        elements = list(value)
        rng.shuffle(elements)
        return set(elements)
    return value


@given(outputs, outputs)
@example([["a"], "b"], [["a", "b"]])
@example({"a": {"b": 1}}, {"a": {}, "b": 1})
@example(["s1:a"], ["s1", "a"])
@example([1, True, 1.0], [True, 1, 1.0])
@example(0.0, -0.0)
def test_digests_are_equal_exactly_when_the_outputs_are(a: object, b: object) -> None:
    assert (digest(a) == digest(b)) is same(a, b)


@given(outputs, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_elements_and_tuples_for_lists_do_not_matter(output: object, rng: random.Random) -> None:
    assert digest(rearranged(output, rng)) == digest(output)


@given(outputs, st.data())
def test_one_changed_leaf_changes_the_digest(output: object, data: st.DataObject) -> None:
    def changed(value: object) -> object:
        if isinstance(value, list) and value:
            at = data.draw(st.integers(0, len(value) - 1))
            return [changed(inner) if place == at else inner for place, inner in enumerate(value)]
        if isinstance(value, dict) and value:
            at = data.draw(st.sampled_from(list(value)))
            return {key: changed(inner) if key == at else inner for key, inner in value.items()}
        return ["changed", value]

    assert digest(changed(output)) != digest(output)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Page:
    title: str
    links: list[str]
    took_s: float = dataclasses.field(default=0.0, compare=False)


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Page("x", ["y"], 0.1), Page("x", ["y"], 0.2)),
        (Pair(1, 2), (1, 2)),
        (range(3), [0, 1, 2]),
        (OrderedDict(a=1, b=2), {"b": 2, "a": 1}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (bytearray(b"x" * 300), b"x" * 300),
        (memoryview(b"xy"), b"xy"),
        (
            datetime.datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime.datetime(2026, 1, 1, 13, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        ),
        (float("nan"), float("-nan")),
    ],
)
def test_outputs_that_count_as_equal(a: object, b: object) -> None:
    assert digest({"output": a}) == digest({"output": b})


def test_outputs_that_count_as_different() -> None:
    day = datetime.datetime.fromisoformat("2026-01-01")
    outputs = [
        *(1, True, 1.0, 1 + 0j, "1", b"1", Number.ONE, Colour.RED, Colour.BLUE, Fraction(1)),
        *(decimal.Decimal("1.0"), decimal.Decimal("1.00"), [1], {1}, {1: None}, [[1]], (1, None)),
        *(day, day.replace(tzinfo=UTC), day.date(), day.time(), datetime.timedelta(365), day.isoformat()),
        *(
            Page("x", []),
            {"title": "x", "links": []},
            pathlib.PurePosixPath("a"),
            "a",
            uuid.UUID(int=0),
            str(uuid.UUID(int=0)),
        ),
        *(10**5000, -(10**5000), 10**5000 + 1, "\ud800", "?"),
    ]
    assert len({digest(output) for output in outputs}) == len(outputs)


def test_long_values_are_told_apart_by_their_last_byte() -> None:
    assert digest(b"x" * 5000 + b"a") != digest(b"x" * 5000 + b"b")
    assert digest("é" * 5000) != digest(("é" * 5000).encode())


def test_numpy_arrays_are_compared_by_type_shape_and_values() -> None:
    numpy = pytest.importorskip("numpy")
    arrays = [numpy.array([1, 2]), numpy.array([[1, 2]]), numpy.array([1.0, 2.0]), numpy.int64(1), numpy.float64(1)]
    assert [digest(array.copy()) for array in arrays] == [digest(array) for array in arrays]
    assert len({digest(value) for value in [*arrays, [1, 2], 1, 1.0]}) == 8
    with pytest.raises(ConfigError, match=r"output\['a'\]: expected .* got a NumPy array of Python objects"):
        digest({"a": numpy.array([Link("x")])})


EXAMPLE = {"title": "Page 1", "links": ["a", "b"], "n": 3, "share": 0.25, "tags": {"x", "y", "z"}, "none": None}


def test_the_digest_of_an_example_is_the_same_on_every_version() -> None:
    assert digest(EXAMPLE) == "66ee9a1a7842f66737cbc9a5b917c327"


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["0", "1", "2"])
def test_other_processes_with_other_hash_seeds_agree(hash_seed: str) -> None:
    program = f"from penstock.perf.workload.digest import digest; print(digest({EXAMPLE!r}))"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.strip() == digest(EXAMPLE)


class Link:
    def __init__(self, href: str) -> None:
        self.href = href


def a_generator() -> object:
    return (x for x in [1])


def a_response() -> object:
    return Response(0, "http://a.test/", "http://a.test/", 200, b"")


def an_arrow_table() -> object:
    import pyarrow

    return pyarrow.table({"a": [1]})


@pytest.mark.parametrize(
    ("make", "path", "got", "instead"),
    [
        (lambda: {"links": [1, Link("x")]}, "output['links'][1]", "test_workload_digest.Link", "a dict or a dataclass"),
        (lambda: [Page("x", [Link("y")])], "output[0].links[0]", "Link", "a dict or a dataclass"),  # type: ignore[list-item]  # wrong on purpose
        (lambda: {Link("x"): 1}, "output[a Link key]", "Link", "a dict or a dataclass"),
        (lambda: {3: {Link("x")}}, "output[3]{…}", "Link", "a dict or a dataclass"),
        (a_generator, "output", "generator", "a list"),
        (lambda: {"r": a_response()}, "output['r']", "Response", "response.body"),
        (lambda: Failure("dns", "x"), "output", "Failure", "raise an exception"),
        (lambda: ValueError("x"), "output", "ValueError", "raise the exception"),
        (lambda: print, "output", "builtin_function_or_method", "when it is called"),
        (lambda: Link, "output", "type", "when it is called"),
        (lambda: io.BytesIO(b""), "output", "BytesIO", "what was read"),
        (lambda: iter([1]), "output", "iterator", "a list"),
        (an_arrow_table, "output", "pyarrow.lib.Table", "to_pylist()"),
    ],
)
def test_what_cannot_be_compared_is_named_with_its_path(
    make: Callable[[], object], path: str, got: str, instead: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        digest(make())
    message = str(caught.value)
    assert message.startswith(f"{path}: expected a value that can be compared, got ")
    assert got in message
    assert "0x" not in message
    assert caught.value.hint is not None
    assert instead in caught.value.hint


def test_a_coroutine_that_was_not_awaited_says_which_strategies_await() -> None:
    pending = asyncio.sleep(0)
    try:
        with pytest.raises(ConfigError) as caught:
            digest(pending)
    finally:
        pending.close()
    assert "asyncio, uvloop and penstock" in str(caught.value.hint)


def test_an_output_that_contains_itself_is_refused() -> None:
    output: list[object] = []
    output.append(output)
    with pytest.raises(ConfigError, match="contains itself"):
        digest(output)
