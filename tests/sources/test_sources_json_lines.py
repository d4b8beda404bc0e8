"""JSON Lines: types kept, columns known from the start, later keys not lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_kit import kinds_of, rows_of, values_of, write

from penstock.sources import open_source
from penstock.sources.json_lines import JsonLinesDecoder
from penstock.sources.lines import read_line_blocks
from penstock.sources.rows import UnreadableRow

_NO_REQUEST_KEYS: frozenset[str] = frozenset()


def test_values_keep_their_json_types(tmp_path: Path) -> None:
    row = {"url": "http://a/", "i": 7, "f": 1.5, "b": True, "n": None, "l": [1, "x"], "o": {"k": {}}, "big": 2**80}
    source = open_source([write(tmp_path / "a.jsonl", json.dumps(row))])
    assert source.columns == tuple(row)
    assert source.schema is None
    (item,) = rows_of(source.read())
    assert item.row == tuple(row.values())
    assert [type(value) for value in item.row] == [type(value) for value in row.values()]


def test_columns_are_the_union_of_the_keys_in_order_of_appearance(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", '{"url": "http://a/", "x": 1}\n\n{"y": 2, "url": "http://b/"}\n')
    source = open_source([path])
    assert source.columns == ("url", "x", "y")
    assert values_of(rows_of(source.read())) == [("http://a/", 1, None), ("http://b/", None, 2)]


def test_a_key_after_the_sampled_rows_goes_into_the_extra_column(tmp_path: Path) -> None:
    lines = [{"url": f"http://a/{n}", "_extra": n} for n in range(1000)]
    lines += [{"url": "http://b/", "late": [1, "\u00e9"], "_extra": 5}, {"url": "http://c/"}]
    source = open_source([write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))])
    assert source.columns == ("url", "_extra", "__extra")
    rows = values_of(rows_of(source.read()))
    assert rows[999] == ("http://a/999", 999, None)
    assert rows[1000:] == [("http://b/", 5, '{"late": [1, "\u00e9"]}'), ("http://c/", None, None)]


def test_a_late_method_makes_its_row_bad_instead_of_changing_the_request(tmp_path: Path) -> None:
    lines = [{"url": "http://a/"}] * 1000 + [{"url": "http://b/", "method": "DELETE"}]
    rows = rows_of(open_source([write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))]).read())
    assert kinds_of(rows) == [""] * 1000 + ["bad_row"]
    assert rows[-1].url == "http://b/"


def test_a_file_that_grew_a_key_after_opening_gives_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path, '{"url": "http://a/"}\n')
    source = open_source([str(path)])
    write(path, '{"url": "http://a/"}\n{"url": "http://b/", "new": 1}\n')
    rows = rows_of(source.read())
    assert kinds_of(rows) == ["", "bad_row"]
    assert "new" in rows[1].raw


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("nope", "bad_row"),
        ('{"url": ', "bad_row"),
        ("[1]", "bad_row"),
        ('"http://x/"', "bad_row"),
        ("null", "bad_row"),
        ('{"url": ' + "[" * 200_000, "bad_row"),
        ('{"url": ' + "9" * 5000 + "}", "bad_row"),
        ('{"url": "http://x/\\ud800"}', "bad_encoding"),
        (b'{"url": "http://x/\xff"}', "bad_encoding"),
        ('{"x": 1}', "bad_url"),
        ('{"url": null}', "bad_url"),
        ('{"url": 3}', "bad_url"),
        ('{"url": "http://x/", "headers": {"A": 1}}', "bad_headers"),
        ('{"url": "http://x/", "method": ["GET"]}', "bad_row"),
        ('{"url": "http://x/", "method": "PUT", "body": {}}', "bad_row"),
    ],
)
def test_a_bad_line_costs_only_itself(tmp_path: Path, line: str | bytes, kind: str) -> None:
    data = line.encode() if isinstance(line, str) else line
    path = write(tmp_path / "a.jsonl", b'{"url": "http://a/"}\n' + data + b'\n{"url": "http://b/"}\n')
    rows = rows_of(open_source([path]).read())
    assert kinds_of(rows) == ["", kind, ""]
    assert f"{path}:2: " in rows[1].failure.message


def test_headers_and_body_of_a_row_make_the_request(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", '{"url": "http://a/", "method": "put", "headers": {"X-A": "1"}, "body": "\u00e9"}'
    )
    (item,) = rows_of(open_source([path]).read())
    assert (item.method, item.headers, item.body) == ("PUT", (("X-A", "1"),), "\u00e9".encode())


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.tuples(_TEXT, _VALUES), max_size=10), st.booleans(), st.integers(1, 40))
def test_any_value_comes_back_as_it_was(rows: list[tuple[str, object]], is_ascii: bool, chunk_bytes: int) -> None:
    data = "\n".join(json.dumps({"t": t, "v": v}, ensure_ascii=is_ascii) for t, v in rows).encode()
    chunks = [data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)]
    decode = JsonLinesDecoder(("t", "v"), False, _NO_REQUEST_KEYS)
    assert [row for block in decode(read_line_blocks(iter(chunks)), "", 3) for row in block.rows] == rows


@given(st.binary() | st.text('{}[]":,a1\\u\n').map(str.encode))
def test_any_bytes_give_one_row_a_line(data: bytes) -> None:
    decode = JsonLinesDecoder(("url", "_extra"), True, _NO_REQUEST_KEYS)
    rows = [row for block in decode(read_line_blocks(iter([data] if data else [])), "", 3) for row in block.rows]
    assert len(rows) == sum(1 for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip())
    assert all(isinstance(row, UnreadableRow) or len(row) == 2 for row in rows)
