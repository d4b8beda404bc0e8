"""CSV and TSV: verbatim strings, quoted newlines, and one bad row costing one row."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_kit import kinds_of, rows_of, values_of, write

from penstock.errors import ConfigError
from penstock.sources import SourceOptions, open_source
from penstock.sources import delimited as delimited_module
from penstock.sources.csv_record import RecordParser
from penstock.sources.delimited import DelimitedDecoder
from penstock.sources.lines import read_line_blocks
from penstock.sources.rows import UnreadableRow


def test_values_are_verbatim_strings(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'url,id,text\r\nhttp://a/,007," x, ""y""\r\nz "\r\n\r\nhttp://b/,, 5" pipe \r\n')
    source = open_source([path])
    assert source.columns == ("url", "id", "text")
    assert [str(column.type) for column in source.schema] == ["string"] * 3
    assert values_of(rows_of(source.read())) == [("http://a/", "007", ' x, "y"\r\nz '), ("http://b/", "", ' 5" pipe ')]


def test_tsv_is_delimited_by_tabs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'url\tn\nhttp://a/?x,y\t"1\t2"\n')
    assert values_of(rows_of(open_source([path]).read())) == [("http://a/?x,y", "1\t2")]


def test_wrong_column_count_is_a_bad_row_with_its_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "url,n\nhttp://a/\nhttp://b/,1,2\nhttp://c/,3\n")
    rows = rows_of(open_source([path]).read())
    assert kinds_of(rows) == ["bad_row", "bad_row", ""]
    assert [(row.url, row.raw, row.failure.message) for row in rows[:2]] == [
        ("http://a/", "http://a/", f"{path}:2: expected 2 columns, got 1"),
        ("http://b/", "http://b/,1,2", f"{path}:3: expected 2 columns, got 3"),
    ]


def test_a_quote_that_never_closes_costs_its_own_line_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'url,n\n"http://a/,1\n' + "http://b/,2\n" * 3000)
    rows = rows_of(open_source([path]).read())
    assert kinds_of(rows) == ["bad_row"] + [""] * 3000
    assert rows[0].raw == '"http://a/,1'


def test_an_open_quote_is_given_up_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_module, "OPEN_RECORD_BYTES_MAX", 1000)
    path = write(tmp_path / "a.csv", 'url,n\n"http://a/,1\n' + "http://b/,2\n" * 3000 + '"http://c/",3\n')
    source = open_source([path])
    batches = list(source.read())
    rows = rows_of(batches)
    assert kinds_of(rows) == ["bad_row"] + [""] * 3001
    for batch in batches:
        assert rows_of(source.read(batch.first_id, batch.position)) == rows[batch.first_id :]


def test_an_open_quote_holds_no_more_lines_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_module, "OPEN_RECORD_BYTES_MAX", 1000)
    chunks = iter([b'"http://a/,1\n', *[b"http://b/,2\n"] * 3000])
    next(DelimitedDecoder(",", 2)(read_line_blocks(chunks), "", 1024))
    assert sum(1 for _ in chunks) > 2900, "the row was given up long before the end of the input"


def test_positions_stay_true_behind_rows_that_were_given_up(tmp_path: Path) -> None:
    stray = '"http://a/,1\nhttp://b/,2\nhttp://c/,"3"x\n'
    path = write(tmp_path / "a.csv", "url,n\r\n" + stray * 20)
    source = open_source([path], SourceOptions(batch_rows=1))
    batches = list(source.read())
    rows = rows_of(batches)
    assert kinds_of(rows) == ["bad_row", "", "bad_row"] * 20
    for batch in batches:
        assert rows_of(source.read(batch.first_id, batch.position)) == rows[batch.first_id :]


def test_text_after_a_closing_quote_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'url,n\nhttp://a/,"1"x\nhttp://b/,2\n')
    rows = rows_of(open_source([path]).read())
    assert kinds_of(rows) == ["bad_row", ""]
    assert "closing quote of field 2" in rows[0].failure.message


def test_many_stray_quotes_do_not_cost_quadratic_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line closes the quote of the line before and opens another; a naive reader starts over at every line."""
    fed = 0
    feed = RecordParser.feed

    def count(parser: RecordParser, line: str) -> bool:
        nonlocal fed
        fed += 1
        return feed(parser, line)

    monkeypatch.setattr(RecordParser, "feed", count)
    data = b'a","b\n' * 20_000
    rows = [row for block in DelimitedDecoder(",", 3)(read_line_blocks(iter([data])), "", 1024) for row in block.rows]
    assert len(rows) == 20_000
    assert fed <= 4 * 20_000
    assert all(isinstance(row, UnreadableRow) for row in rows)


def test_bad_utf8_costs_its_row_also_within_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'url,n\nhttp://a/,\xff\nhttp://b/,"1\n\xfe2"\nhttp://c/,\xc3\xa9\n')
    rows = rows_of(open_source([path]).read())
    assert kinds_of(rows) == ["bad_encoding", "bad_encoding", ""]
    assert values_of(rows) == [("http://a/", "\ufffd"), ("http://b/", "1\n\ufffd2"), ("http://c/", "\u00e9")]


def test_a_header_may_be_quoted_and_begin_with_a_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'\xef\xbb\xbf\r\n"url","a\nb"\nhttp://a/,1\n')
    source = open_source([path])
    assert source.columns == ("url", "a\nb")
    (row,) = rows_of(source.read())
    assert row.row == ("http://a/", "1")


@pytest.mark.parametrize(
    ("header", "said"),
    [(b"url,url,n\n", "'url' 2 times"), (b"url,\xff\n", "UTF-8"), (b'"url\nhttp://a/\n', "never closes")],
)
def test_a_header_that_is_none_is_a_config_error(tmp_path: Path, header: bytes, said: str) -> None:
    path = write(tmp_path / "a.csv", header)
    with pytest.raises(ConfigError, match=said) as caught:
        open_source([path])
    assert path in str(caught.value)


_ROWS = st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text('",\n\r\t a')), max_size=20)


@given(_ROWS, st.sampled_from([",", "\t"]), st.sampled_from(["\n", "\r\n"]), st.integers(1, 40))
def test_whatever_python_writes_as_csv_comes_back_verbatim(
    rows: list[tuple[str, str]], delimiter: str, end: str, chunk_bytes: int
) -> None:
    file = io.StringIO(newline="")
    # Python 3.11 leaves a CR unquoted when lines end in LF alone; at the end of a line that reads as CR LF.
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(("k", *row) for row in rows)
    data = file.getvalue().encode()
    chunks = [data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)]
    blocks = DelimitedDecoder(delimiter, 3)(read_line_blocks(iter(chunks)), "", 7)
    assert [row for block in blocks for row in block.rows] == [("k", *row) for row in rows]


@given(st.binary() | st.text('a,"\n\r').map(str.encode), st.integers(1, 5), st.integers(1, 40))
def test_any_bytes_give_rows_and_no_line_is_lost(data: bytes, width: int, chunk_bytes: int) -> None:
    chunks = [data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)]
    blocks = list(DelimitedDecoder(",", width)(read_line_blocks(iter(chunks)), "", 3))
    whole = list(DelimitedDecoder(",", width)(read_line_blocks(iter([data] if data else [])), "", 3))
    rows = [row for block in blocks for row in block.rows]
    assert rows == [row for block in whole for row in block.rows], "chunk borders change nothing"
    for row in rows:
        if not isinstance(row, UnreadableRow):
            assert len(row) == width
    seen = "".join(row.raw if isinstance(row, UnreadableRow) else "".join(map(str, row)) for row in rows)
    assert seen.count("a") == data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").count("a")


def test_request_columns_are_used_and_travel_on(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        'url,method,headers,body,n\nhttp://a/,post,"{""X-A"": ""1""}",hello,1\n'
        "http://b/,,,ignored,2\nhttp://c/,GET,A: 1,,3\n",
    )
    rows = rows_of(open_source([path]).read())
    first, second, third = rows
    assert (first.method, first.headers, first.body) == ("POST", (("X-A", "1"),), b"hello")
    assert first.row == ("http://a/", "post", '{"X-A": "1"}', "hello", "1")
    assert (second.method, second.headers, second.body) == ("GET", (), None), "no method: no body is sent"
    assert third.failure.kind == "bad_headers"
    off = SourceOptions(method_column="", headers_column="", body_column="")
    assert [(row.method, row.headers, row.body) for row in rows_of(open_source([path], off).read())] == [
        ("GET", (), None)
    ] * 3
