"""The command over every input and output format, with process functions, and the commands that look at a run."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from penstock.perf.origin.content import Content
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow

COUNT = 12
TABLE = pa.table({"shop": [f"shop {n}, ü" for n in range(COUNT)], "rank": pa.array(range(COUNT), pa.int32())})


def urls(origin: OriginProcess) -> list[str]:
    return [f"{origin.url}/page/{number}" for number in range(COUNT)]


def parquet_bytes(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def rows_of(origin: OriginProcess) -> list[dict[str, Any]]:
    return [{"url": url, **row} for url, row in zip(urls(origin), TABLE.to_pylist(), strict=True)]


def as_text(origin: OriginProcess) -> bytes:
    return "\n".join(["# a comment", "", *urls(origin)]).encode()


def as_delimited(origin: OriginProcess, mark: str) -> bytes:
    lines = [mark.join(("url", "shop", "rank"))]
    lines += [mark.join((row["url"], f'"{row["shop"]}"', str(row["rank"]))) for row in rows_of(origin)]
    return ("\r\n".join(lines) + "\r\n").encode()


def as_json_lines(origin: OriginProcess) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows_of(origin)).encode()


def as_parquet(origin: OriginProcess) -> bytes:
    return parquet_bytes(TABLE.append_column("url", pa.array(urls(origin))))


FORMATS: dict[str, Callable[[OriginProcess], bytes]] = {
    "txt": as_text,
    "csv": lambda origin: as_delimited(origin, ","),
    "tsv": lambda origin: as_delimited(origin, "\t"),
    "jsonl": as_json_lines,
    "parquet": as_parquet,
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def check(penstock: Any, kind: str, out: str = "out") -> None:
    """Every page stands there once, byte for byte, with the columns of its row."""
    table = penstock.table(out)
    assert table["item_id"].to_pylist() == list(range(COUNT))
    assert table["body"].to_pylist() == [Content(0).page(number) for number in range(COUNT)]
    if kind == "txt":
        return
    assert table["shop"].to_pylist() == TABLE["shop"].to_pylist()
    rank = TABLE["rank"].to_pylist() if kind in ("jsonl", "parquet") else [str(n) for n in range(COUNT)]
    assert table["rank"].to_pylist() == rank
    if kind == "parquet":
        assert table.schema.field("rank").type == pa.int32()


CASES = [(kind, packer) for kind in FORMATS for packer in PACKERS if kind != "parquet" or not packer]


@pytest.mark.parametrize(("kind", "packer"), CASES)
def test_every_input_format(penstock: Any, fresh: OriginProcess, kind: str, packer: str) -> None:
    penstock.write(f"list.{kind}{packer}", PACKERS[packer](FORMATS[kind](fresh)))
    penstock("fetch", f"list.{kind}{packer}", "-o", "out")
    check(penstock, kind)


def test_stdin_several_files_and_literal_urls(penstock: Any, fresh: OriginProcess) -> None:
    lines = urls(fresh)
    penstock.write("a.csv", "\n".join(["url", *lines[4:8]]))
    body = "url\n" + "\n".join(lines[9:]) + "\n"
    inputs = [*lines[:4], "a.csv", lines[8], "-", "--input-format", "csv"]
    penstock("fetch", *inputs, "-o", "out", stdin=body.encode())
    check(penstock, "txt")


@pytest.mark.parametrize("output_format", ["jsonl", "jsonl.zst"])
def test_json_lines_hold_the_same_as_parquet(penstock: Any, fresh: OriginProcess, output_format: str) -> None:
    penstock.write("list.csv", FORMATS["csv"](fresh))
    penstock("fetch", "list.csv", "-o", "out", "--format", output_format, "--shard-rows", "5")
    shards = sorted((penstock.folder / "out").glob(f"0*.{output_format}"))
    assert len(shards) == 3
    text = b""
    for shard in shards:
        data = shard.read_bytes()
        text += zstandard.ZstdDecompressor().decompressobj().decompress(data) if "zst" in output_format else data
    rows = sorted((json.loads(line) for line in text.splitlines()), key=lambda row: row["item_id"])
    assert [row["body"].encode() for row in rows] == [Content(0).page(number) for number in range(COUNT)]
    assert [row["shop"] for row in rows] == TABLE["shop"].to_pylist()
    penstock("verify", "out")


def test_no_body_leaves_the_column_out_and_keeps_its_digest(penstock: Any, fresh: OriginProcess) -> None:
    penstock("fetch", urls(fresh)[0], "-o", "out", "--no-body")
    (row,) = penstock.rows()
    assert "body" not in row
    assert row["content_length"] == len(Content(0).page(0))


FUNCTIONS = """
import os

def parse(response):
    number = int(response.url.rpartition("/")[2])
    if number == 3:
        raise ValueError("three is not welcome")
    if number == 4:
        return None
    if number == 5:
        return [{"part": 0}, {"part": 1}]
    return {"size": len(response.body), "shop_seen": response.input["shop"]}

async def parse_async(response):
    return parse(response)

def crash(response):
    if response.url.endswith("/3"):
        os._exit(9)
    return {"size": len(response.body)}
"""


@pytest.mark.parametrize(
    ("mode", "function"), [("inline", "parse"), ("inline", "parse_async"), ("thread", "parse"), ("process", "parse")]
)
def test_process_functions_add_columns_skip_and_fail_one_by_one(
    penstock: Any, fresh: OriginProcess, mode: str, function: str
) -> None:
    penstock.write("f.py", FUNCTIONS)
    penstock.write("list.csv", FORMATS["csv"](fresh))
    arguments = ["--process", f"f.py:{function}", "--process-mode", mode, "--process-workers", "2"]
    done = penstock("fetch", "list.csv", "-o", "out", *arguments, exit_code=1)
    assert f"admitted {COUNT} = written {COUNT - 2} + failed 1 + skipped 1 + pending 0" in done.stderr
    rows = penstock.rows()
    assert [row["item_id"] for row in rows] == [0, 1, 2, 5, 5, *range(6, COUNT)]
    assert [row["size"] for row in rows if row["item_id"] != 5] == [
        len(Content(0).page(n)) for n in (0, 1, 2, *range(6, COUNT))
    ]
    assert rows[0]["shop_seen"] == rows[0]["shop"]
    assert [row["part"] for row in rows if row["item_id"] == 5] == [0, 1]
    (letter,) = penstock.letters()
    assert letter["penstock"]["kind"] == "process"
    assert "ValueError: three is not welcome" in letter["penstock"]["error"]


def test_a_crashing_function_costs_its_item_alone(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("f.py", FUNCTIONS)
    penstock.write("list.csv", FORMATS["csv"](fresh))
    arguments = ["--process", "f.py:crash", "--process-mode", "process", "--process-workers", "2"]
    penstock("fetch", "list.csv", "-o", "out", *arguments, exit_code=1)
    assert [row["item_id"] for row in penstock.rows()] == [n for n in range(COUNT) if n != 3]
    assert [letter["penstock"]["kind"] for letter in penstock.letters()] == ["process_crash"]


def test_retry_status_and_verify_see_a_run_through(penstock: Any, fresh: OriginProcess) -> None:
    lines = urls(fresh)
    lines[3] += "?fail=1:404"
    lines[5] += "?fail=1:500"
    lines[7] += "?fail=always:403"
    penstock.write("list.txt", "\n".join([*lines, "ftp://x/", "no url"]))
    penstock("fetch", "list.txt", "-o", "out", "--retries", "0", exit_code=1)

    status = penstock.status()
    assert status["items"] == {"written": COUNT - 3, "failed": 5, "skipped": 0}
    assert status["failed_kinds"] == {"http_4xx": 2, "http_5xx": 1, "bad_scheme": 1, "bad_url": 1}
    assert (status["state"], status["items_total"], status["records"]) == ("complete", COUNT + 2, COUNT - 3)
    assert "written 9 + failed 5 + skipped 0 = 14" in penstock("status", "out").stdout
    shown = penstock("status", "out", "--failures", "http_4xx").stdout.splitlines()
    assert {line.split("\t")[0] for line in shown} == {"3", "7"}
    assert all("HTTP 40" in line for line in shown)
    everything = penstock("status", "out", "--failures", "all", "--json").stdout.splitlines()
    assert {json.loads(line)["kind"] for line in everything} == set(status["failed_kinds"])

    penstock("retry", "out", "--kind", "http_5xx", exit_code=1)  # others are still failed
    assert penstock.status()["items"] == {"written": COUNT - 2, "failed": 4, "skipped": 0}
    penstock("retry", "out", exit_code=1)
    assert penstock.status()["items"] == {"written": COUNT - 1, "failed": 3, "skipped": 0}
    rows = penstock.rows()
    assert [row["item_id"] for row in rows] == [n for n in range(COUNT) if n != 7]
    assert [row["body"] for row in rows] == [Content(0).page(n) for n in range(COUNT) if n != 7]
    assert [letter["penstock"]["item_id"] for letter in penstock.letters()] == [7, COUNT, COUNT + 1]

    report = json.loads(penstock("verify", "out", "--json").stdout)
    assert (report["is_ok"], report["admitted"], report["pending"]) == (True, COUNT + 2, 0)


def test_dead_letters_are_themselves_an_input(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.csv", f"url,shop\n{fresh.url}/page/1?fail=1:404,first\n{fresh.url}/page/2,second\n")
    penstock("fetch", "list.csv", "-o", "out", exit_code=1)
    penstock("fetch", "out/failed/00000.jsonl", "-o", "again")
    (row,) = penstock.rows("again")
    assert (row["shop"], row["body"]) == ("first", Content(0).page(1))


def test_the_same_command_again_fetches_nothing_again(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", "\n".join(urls(fresh)))
    penstock("fetch", "list.txt", "-o", "out")
    requests = fresh.stats()["requests"]
    again = penstock("fetch", "list.txt", "-o", "out")
    assert f"admitted {COUNT} = written {COUNT}" in again.stderr
    assert fresh.stats()["requests"] == requests
    penstock("fetch", "list.txt", "-o", "out", "--overwrite")
    assert fresh.stats()["requests"] == 2 * requests
    check(penstock, "txt")


def test_a_cut_body_is_fetched_again_and_never_written(penstock: Any, fresh: OriginProcess) -> None:
    faults = ("truncate", "truncate-chunked", "truncate-gzip", "reset-body")
    lines = [f"{fresh.url}/page/{n}?fail=1:{faults[n % 4]}" for n in range(COUNT)]
    penstock.write("list.txt", "\n".join([*lines, f"{fresh.url}/page/99?fault=truncate-gzip"]))
    penstock("fetch", "list.txt", "-o", "out", "--retries", "2", exit_code=1)
    check(penstock, "txt")
    assert [letter["penstock"]["kind"] for letter in penstock.letters()] == ["truncated"]


def test_a_dry_run_tells_and_touches_nothing(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.csv", FORMATS["csv"](fresh))
    plan = json.loads(penstock("fetch", "list.csv", "-o", "out", "--dry-run").stdout)
    assert plan["columns"] == ["url", "shop", "rank"]
    assert plan["first_rows"][0] == {"id": 0, "method": "GET", "url": urls(fresh)[0]}
    assert not (penstock.folder / "out").exists()
    assert fresh.stats()["requests"] == 0


def test_statistics_and_summary_as_json(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", "\n".join(urls(fresh)))
    done = penstock("fetch", "list.txt", "-o", "out", "--stats", "stats.json", "--log-format", "json")
    written = json.loads((penstock.folder / "stats.json").read_text())
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == ["run_started", "run_finished"]
    assert events[-1]["items"] == written["items"]
    assert events[-1]["attempts"] == written["attempts"]
    assert done.stdout == ""


def test_quiet_says_nothing_and_rows_that_fail_do_not_abort(penstock: Any, fresh: OriginProcess) -> None:
    rows = [
        b"url,headers",
        f"{fresh.url}/page/0,".encode(),
        b"not a url,",
        b"file:///etc/passwd,",
        f"{fresh.url}/page/1,{{broken".encode(),
        f"{fresh.url}/page/2,,too,many".encode(),
        f"{fresh.url}/page/3,\xff".encode("latin-1"),
        b",",
        f"{fresh.url}/page/4,".encode(),
    ]
    penstock.write("list.csv", b"\n".join(rows) + b"\n")
    done = penstock("fetch", "list.csv", "-o", "out", "-q", exit_code=1)
    assert (done.stdout, done.stderr) == ("", "")
    assert [row["item_id"] for row in penstock.rows()] == [0, 7]
    kinds = [letter["penstock"]["kind"] for letter in penstock.letters()]
    assert kinds == ["bad_url", "bad_scheme", "bad_headers", "bad_row", "bad_encoding", "bad_url"]


def test_private_addresses_are_refused_by_default(penstock: Any, fresh: OriginProcess, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(urls(fresh)[0])
    done = penstock("fetch", "list.txt", "-o", "out", exit_code=1, env={"PENSTOCK_FETCH_ALLOW_PRIVATE": ""})
    (letter,) = penstock.letters()
    assert letter["penstock"]["kind"] == "address_refused"
    assert "--allow-private" in letter["penstock"]["error"]
    assert "address_refused" in done.stderr
    assert fresh.stats()["requests"] == 0
