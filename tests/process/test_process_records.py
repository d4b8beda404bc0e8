"""records_from accepts exactly dict, list of dict and None; failure_from names the user's own line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import Failure
from penstock.process.records import failure_from, is_interrupt, records_from


def iter_one() -> Iterator[dict[str, object]]:
    yield {}


values = st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.floats(allow_nan=False))
columns = st.dictionaries(st.text(), values)
anything = st.recursive(
    st.one_of(values, st.sets(st.integers()), st.tuples(st.integers())),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner)),
    max_leaves=6,
)


@given(columns)
def test_a_dict_is_one_record_and_is_not_copied(record: dict[str, object]) -> None:
    records = records_from(record)
    assert isinstance(records, list)
    assert len(records) == 1
    assert records[0] is record


@given(st.lists(columns, min_size=1))
def test_a_list_of_dicts_is_as_many_records_in_order(records: list[dict[str, object]]) -> None:
    assert records_from(records) == records


@pytest.mark.parametrize("result", [None, []])
def test_none_and_the_empty_list_are_a_skip(result: object) -> None:
    assert records_from(result) is None


@given(anything)
def test_any_other_value_is_a_process_failure_and_never_an_exception(result: object) -> None:
    as_list = result if isinstance(result, list) else [result]
    is_valid = all(isinstance(record, dict) and all(isinstance(name, str) for name in record) for record in as_list)
    got = records_from(result)
    if result is None or is_valid:
        assert not isinstance(got, Failure)
    else:
        assert isinstance(got, Failure)
        assert got.kind == "process"
        assert got.message.startswith("expected ")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (42, "expected dict, list of dict, or None; the process function returned int 42"),
        (
            "x" * 99,
            f"expected dict, list of dict, or None; the process function returned str {'x' * 60!r}… (length 99)",
        ),
        ([{}, 7], "expected dict, list of dict, or None; the process function returned int 7 at index 1 of the list"),
        (({"a": 1},), "; hint: return list(...) of it"),
        (iter_one(), "; hint: return list(...) of it, or build the list"),
        ({1: 2}, "expected column names of type str, got int 1"),
        ([{}, {"a": 1, None: 2}], "expected column names of type str, got NoneType None in record 1 of the list"),
        pytest.param(
            10**5000, "expected dict, list of dict, or None; the process function returned int", id="huge-int"
        ),
    ],
)
def test_the_message_says_what_was_expected_and_what_came(result: object, message: str) -> None:
    got = records_from(result)
    assert isinstance(got, Failure)
    assert message in got.message


def test_a_coroutine_from_a_plain_function_is_closed_and_the_hint_names_async_def() -> None:
    async def forgotten() -> None: ...

    got = records_from(forgotten())
    assert isinstance(got, Failure)
    assert "async def" in got.message


def test_an_exception_becomes_its_type_text_and_the_users_last_line() -> None:
    def parse() -> object:
        return json.loads("{")  # raises inside the standard library: the line to show is this one

    try:
        parse()
    except ValueError as error:
        failure = failure_from(error)
    line = parse.__code__.co_firstlineno + 1
    assert failure.kind == "process"
    assert failure.message.startswith("JSONDecodeError: Expecting property name")
    assert failure.message.endswith(f"({__file__}:{line}, in parse)")


def test_a_function_in_an_installed_package_is_named_by_its_own_line() -> None:
    namespace: dict[str, object] = {}
    code = compile("import json\ndef parse():\n    json.loads('{')\n", "/x/site-packages/parser.py", "exec")
    exec(code, namespace)
    parse = namespace["parse"]
    assert callable(parse)
    try:
        parse()
    except ValueError as error:
        failure = failure_from(error, parse.__code__)  # type: ignore[attr-defined]  # a function made by exec
    assert failure.message.endswith("(/x/site-packages/parser.py:3, in parse)")


def test_an_exception_whose_text_raises_or_is_endless_is_still_a_failure() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "<str() of it raised RuntimeError>" in failure_from(Broken()).message
    assert len(failure_from(ValueError("x" * 10**6)).message) < 3000
    assert failure_from(ValueError()).message == "ValueError"


def test_only_the_default_handler_makes_a_keyboard_interrupt_an_interrupt() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert is_interrupt(KeyboardInterrupt())
        assert not is_interrupt(SystemExit())
        signal.signal(signal.SIGINT, lambda *_: None)
        assert not is_interrupt(KeyboardInterrupt())
    finally:
        signal.signal(signal.SIGINT, before)
