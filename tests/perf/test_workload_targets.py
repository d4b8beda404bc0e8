"""URL lists and items of the user's: what `penstock fetch` reads is read here, bounded, and bad rows are refused."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.perf.workload.model import Workload
from penstock.perf.workload.targets import code_workload, url_workload


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_files_of_every_kind_give_their_urls() -> None:
    import pyarrow
    import pyarrow.parquet

    urls = ["http://a.test/1", "http://a.test/2"]
    Path("list.txt").write_text("\n".join(urls))
    Path("list.csv").write_text("id,url\n1,http://a.test/1\n2,http://a.test/2\n")
    Path("list.jsonl").write_text("".join(json.dumps({"url": url, "method": "get"}) + "\n" for url in urls))
    pyarrow.parquet.write_table(pyarrow.table({"link": urls}), "list.parquet")
    for name, column in (("list.txt", "url"), ("list.csv", "url"), ("list.jsonl", "url"), ("list.parquet", "link")):
        workload = url_workload(name, url_column=column)
        assert workload.items == tuple(urls)
        assert workload.name == name
        assert workload.about == f"2 URLs of {name}"
        assert Workload.from_json(workload.to_json()) == workload


def test_urls_themselves_are_a_workload() -> None:
    assert url_workload("http://a.test/").items == ("http://a.test/",)
    workload = url_workload(["http://a.test/1", "http://a.test/2"], concurrency=3, run_s=1.5)
    assert (workload.name, workload.about, workload.concurrency, workload.run_s) == ("urls", "2 URLs", 3, 1.5)


def test_no_more_than_the_limit_is_read() -> None:
    Path("list.txt").write_text("".join(f"http://a.test/{k}\n" for k in range(5000)) + "not a url\n")
    workload = url_workload("list.txt", items_max=1500)
    assert len(workload.items) == 1500
    assert workload.about == "the first 1,500 URLs of list.txt"
    assert len(url_workload("list.txt", items_max=5000).items) == 5000


def test_bad_rows_are_named_with_their_place() -> None:
    rows = ["url,method,headers,body", "http://a.test,POST,,", 'http://a.test,,"{""X"": ""y""}",', "nothing,,,"]
    Path("list.csv").write_text("\n".join([*rows, "http://user:secret@a.test/,,,", *["other"] * 9]))
    with pytest.raises(ConfigError) as caught:
        url_workload("list.csv")
    lines = str(caught.value).splitlines()
    assert lines[0] == "list.csv: expected rows with a URL to GET, got:"
    assert lines[1] == "  row 1: method POST"
    assert lines[2] == "  row 2: headers for the request"
    assert "list.csv:4" in lines[3]
    assert lines[-1] == "  … and 7 more of 13 rows"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nothing.txt", {}, "nothing.txt: expected a file"),
        ("empty.txt", {}, "expected at least one URL, got none"),
        ([], {}, "expected at least one input"),
        ("some.csv", {"url_column": "link"}, "expected a column 'link'"),
        ("some.csv", {"input_format": "xml"}, "input format: expected one of txt, csv"),
        ("some.csv", {"process": "nothing_there:parse"}, "process function nothing_there:parse: no module named"),
        ("some.csv", {"concurrency": 0, "run_s": 0.0}, "concurrency: expected 1 to 10000, got 0\nrun_s: expected 0.01"),
        ("some.csv", {"ca_file": "nothing.pem"}, "ca_file: expected a PEM file"),
        ("some.csv", {"items_max": 0}, "items_max: expected at least 1"),
    ],
)
def test_what_cannot_be_a_workload_is_refused(
    source: str | list[str], options: dict[str, object], message: str
) -> None:
    Path("empty.txt").write_text("")
    Path("some.csv").write_text("url\nhttp://a.test/\n")
    with pytest.raises(ConfigError) as caught:
        url_workload(source, **options)  # type: ignore[arg-type]  # as the command line's words come
    assert message in str(caught.value)


def test_the_process_function_is_part_of_the_workload() -> None:
    reference = "penstock.perf.workload.work:record"
    workload = url_workload(["http://a.test/"], process=reference)
    assert workload.process == reference
    assert workload.about == f"1 URL, given to {reference}"


def test_items_of_code_are_numbers_unless_others_are_given() -> None:
    assert code_workload().items == tuple(str(number) for number in range(64))
    assert code_workload(3).items == code_workload("3").items == ("0", "1", "2")
    assert code_workload(["b", "a"]).items == ("b", "a")
    assert code_workload(1).about == 'items "0"'
    assert code_workload(2, concurrency=5).concurrency == 5


def test_items_of_code_are_the_lines_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("items.txt").write_bytes("\ufeffone\r\n\n  two \nth\u00e9".encode())
    assert code_workload("items.txt").items == ("one", "  two ", "thé")
    cut = code_workload("items.txt", items_max=2)
    assert (cut.items, cut.about) == (("one", "  two "), "the first 2 lines of items.txt")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    assert code_workload("-").items == ("a", "b")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (0, "items: expected 1 to 10,000, got 0"),
        ("20000", "items: expected 1 to 10,000, got 20,000"),
        ("nothing.txt", "expected a number, or a file of lines, got 'nothing.txt'"),
        (".", "expected a number, or a file of lines, got '.'"),
        ("blank.txt", "expected at least one line"),
        ("latin.txt", "expected UTF-8 text with an item on each line, got byte 0xe9 after 1 items"),
        ("long.txt", "expected lines of at most 65536 bytes"),
        (["a", 1], "items: expected texts, got int"),
        ([], "items: expected 1 to 10,000 of them, got 0"),
    ],
)
def test_items_that_cannot_be_used_are_refused(items: int | str | list[str], message: str) -> None:
    Path("blank.txt").write_text(" \n\n")
    Path("latin.txt").write_bytes(b"one\ntwo \xe9\n")
    Path("long.txt").write_bytes(b"x" * 70_000)
    with pytest.raises(ConfigError) as caught:
        code_workload(items)
    assert message in str(caught.value)
