"""Method, headers and body cells: what is used, and what could break the request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sources.request_fields import FieldError, parse_body, parse_headers, parse_method


def refusal(parse: Callable[[object], object], cell: object) -> str:
    with pytest.raises(FieldError) as caught:
        parse(cell)
    return caught.value.kind


def test_methods_are_put_in_upper_case_only_when_standard() -> None:
    assert [parse_method(cell) for cell in ("get", " Post ", "PROPFIND", "MyMethod", "", None)] == [
        "GET",
        "POST",
        "PROPFIND",
        "MyMethod",
        "",
        "",
    ]


@pytest.mark.parametrize("cell", ["GET /x", "CONNECT", "connect", "G\r\nET", "(", 1, b"GET", "A" * 65, "   "])
def test_what_is_no_method_is_a_bad_row(cell: object) -> None:
    assert refusal(parse_method, cell) == "bad_row"


@pytest.mark.parametrize(
    ("cell", "pairs"),
    [
        (None, ()),
        ("", ()),
        ("{}", ()),
        ('{"A": "1", "b": " x "}', (("A", "1"), ("b", "x"))),
        ('[["A", "1"], ["A", "2"]]', (("A", "1"), ("A", "2"))),
        ({"A": "1", "B": None}, (("A", "1"),)),
        ([("A", "1"), ("B", None)], (("A", "1"),)),
        ('{"A": "\\t\u00e9 ok"}', (("A", "\u00e9 ok"),)),
    ],
)
def test_headers_are_read_from_json_mappings_and_pairs(cell: object, pairs: tuple[tuple[str, str], ...]) -> None:
    assert parse_headers(cell) == pairs


@pytest.mark.parametrize(
    "cell",
    [
        "A: 1",
        "[1]",
        "1",
        "null",
        '"A"',
        '{"A": 1}',
        '{"A": ["1"]}',
        '{"A": "1\\r\\nB: 2"}',
        '{"A": "1\\n"}',
        '{"A": "\\u0000"}',
        '{"A": "\\ud800"}',
        '{"A\\r\\nB": "1"}',
        '{"A B": "1"}',
        '{"": "1"}',
        '{"Content-Length": "5"}',
        '{"transfer-encoding": "chunked"}',
        "[" * 100_000,
        7,
        [("A",)],
        [["A", "1", "2"]],
    ],
)
def test_headers_that_could_break_the_request_are_refused(cell: object) -> None:
    assert refusal(parse_headers, cell) == "bad_headers"


def test_body_is_utf8_text_or_binary() -> None:
    assert [parse_body(cell) for cell in ("\u00e9", b"\xff", "", b"", None)] == [
        "\u00e9".encode(),
        b"\xff",
        None,
        None,
        None,
    ]
    assert refusal(parse_body, {"a": 1}) == "bad_row"
    assert refusal(parse_body, "\ud800") == "bad_encoding"


@given(st.text())
def test_any_text_as_headers_gives_safe_pairs_or_a_refusal(text: str) -> None:
    try:
        pairs = parse_headers(text)
    except FieldError:
        return
    assert not any(set(name + value) & set("\r\n\0") for name, value in pairs)


@given(st.dictionaries(st.text(), st.text()))
def test_no_mapping_smuggles_a_line_break(fields: dict[str, str]) -> None:
    try:
        pairs = parse_headers(fields)
    except FieldError:
        return
    assert [name for name, _ in pairs] == list(fields)
    assert not any(set(name + value) & set("\r\n\0") for name, value in pairs)
