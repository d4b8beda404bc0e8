"""URL lists: one URL a line, and what becomes of lines that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources_kit import kinds_of, rows_of, values_of, write

from penstock.model import Item
from penstock.sources import lines as lines_module
from penstock.sources import open_source


def test_blank_lines_and_comments_take_no_id(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "# list\n\nhttp://a/\n   \n  # more\nhttp://b/\n")
    rows = rows_of(open_source([path]).read())
    assert rows == [
        Item(0, "http://a/", "http://a:80", row=("http://a/",)),
        Item(1, "http://b/", "http://b:80", row=("http://b/",)),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark_are_no_part_of_the_value(tmp_path: Path, end: str, mark: bytes) -> None:
    path = write(tmp_path / "a.txt", mark + f"http://a/{end}http://b/".encode())
    source = open_source([path])
    assert values_of(rows_of(source.read())) == [("http://a/",), ("http://b/",)]
    assert source.columns == ("url",)
    assert source.total is None


def test_the_value_stays_verbatim_while_the_wire_url_is_cleaned(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", " HTTP://A/x y#z \n")
    (item,) = rows_of(open_source([path]).read())
    assert (item.row, item.url) == ((" HTTP://A/x y#z ",), "http://a/x%20y")


def test_bad_lines_cost_only_themselves_and_say_where_they_stood(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"http://a/\nhttp://\xff/\n\nftp://x/\nno url\nhttp://b/\n")
    rows = rows_of(open_source([path]).read())
    assert kinds_of(rows) == ["", "bad_encoding", "bad_scheme", "bad_url", ""]
    messages = [getattr(row, "failure", None) and row.failure.message for row in rows]
    assert [
        str(message).startswith(f"{path}:{line}: ") for message, line in zip(messages[1:4], (2, 4, 5), strict=True)
    ] == [True] * 3
    assert rows[1].raw == "http://\ufffd/"
    assert rows[1].failure.is_unsent


def test_a_line_over_the_limit_is_one_bad_row_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LINE_BYTES_MAX", 600_000)
    path = write(tmp_path / "a.txt", b"http://a/\n" + b"x" * 2_000_000 + b"\nhttp://b/\nhttp://c/\n" + b"y" * 900_000)
    source = open_source([path])
    batches = list(source.read())
    rows = rows_of(batches)
    assert kinds_of(rows) == ["", "bad_row", "", "", "bad_row"]
    assert [len(row.raw) for row in rows if kinds_of([row]) == ["bad_row"]] == [65_536, 65_536]
    for batch in batches:
        assert rows_of(source.read(batch.first_id, batch.position)) == rows[batch.first_id :]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv", "a.jsonl", "a.txt.gz", "a.csv.zst"):
        path = write(tmp_path / name, b"")
        source = open_source([path])
        assert list(source.read()) == []
        assert source.columns == ("url",)
        assert source.estimate_total() == 0


def test_total_is_estimated_by_lines(tmp_path: Path) -> None:
    text = "http://a.example/page\n" * 5000
    assert open_source([write(tmp_path / "a.txt", text)]).estimate_total() == 5000
    assert open_source([write(tmp_path / "b.csv", "url\n" + text)]).estimate_total() == 5000
    assert open_source([write(tmp_path / "c.txt.gz", text)]).estimate_total() == 5000


def test_the_url_column_names_the_column_of_a_list(tmp_path: Path) -> None:
    from penstock.sources import SourceOptions

    listed = write(tmp_path / "a.txt", "http://a/\n")
    table = write(tmp_path / "b.csv", "link,n\nhttp://b/,1\n")
    source = open_source([listed, table, "http://c/"], SourceOptions(url_column="link"))
    assert source.columns == ("link", "n")
    assert values_of(rows_of(source.read())) == [("http://a/", None), ("http://b/", "1"), ("http://c/", None)]
