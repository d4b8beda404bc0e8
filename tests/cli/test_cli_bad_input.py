"""Everything that is wrong before a run starts: exit 2, a message with what, where and a hint, and nothing created."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

FUNCTIONS = """
value = 7
def good(response):
    return {}
def two(response, other):
    return {}
"""
# Each: what is typed after `fetch`, and words that the message must hold: what was expected, what came, and where.
BAD: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "missing file": (["nowhere.txt"], ("nowhere.txt", "expected a file")),
    "a folder": (["folder"], ("folder", "expected")),
    "unknown column": (["list.csv", "--url-column", "link"], ("list.csv", "'link'", "url, shop")),
    "no column that is one": (["other.csv"], ("other.csv", "'url'", "address, shop")),
    "same column twice": (["twice.csv"], ("twice.csv", "'url'", "2 times")),
    "no parquet": (["broken.parquet"], ("broken.parquet", "expected")),
    "cut gzip": (["cut.csv.gz"], ("cut.csv.gz", "expected")),
    "unknown input format": (["list.csv", "--input-format", "xml"], ("--input-format", "'xml'", "csv")),
    "standard input twice": (["-", "-"], ("'-'", "once", "again")),
    "concurrency 0": (["list.csv", "-j", "0"], ("--concurrency", "whole number", "'0'")),
    "concurrency text": (["list.csv", "-j", "many"], ("--concurrency", "whole number", "'many'")),
    "concurrency huge": (["list.csv", "-j", "1000000"], ("--concurrency", "65536", "'1000000'")),
    "per host": (["list.csv", "--max-per-host", "-1"], ("--max-per-host", "whole number", "'-1'")),
    "rate": (["list.csv", "--rate", "fast"], ("--rate", "fast")),
    "rate 0": (["list.csv", "--rate-per-host", "0/s"], ("--rate-per-host", "0/s")),
    "timeout": (["list.csv", "--timeout", "soon"], ("--timeout", "a time", "'soon'")),
    "timeout 0": (["list.csv", "--connect-timeout", "0"], ("--connect-timeout", "a time", "'0'")),
    "timeout below 0": (["list.csv", "--read-timeout", "-1s"], ("--read-timeout", "a time", "'-1s'")),
    "size": (["list.csv", "--max-filesize", "big"], ("--max-filesize", "a size", "'big'")),
    "size over memory": (["list.csv", "--max-filesize", "1G"], ("--max-filesize", "--memory", "1,073,741,824")),
    "retries": (["list.csv", "--retries", "-1"], ("--retries", "at least 0", "-1")),
    "statuses": (["list.csv", "--retry-on-http-error", "teapot"], ("--retry-on-http-error", "HTTP statuses", "teapot")),
    "a status that is none": (["list.csv", "--retry-on-http-error", "200"], ("300 to 599", "200")),
    "header": (["list.csv", "-H", "no colon"], ("--header", "'Name: value'", "'no colon'")),
    "header with line break": (["list.csv", "-H", "X: a\r\nY: b"], ("--header", "one line", "'X'")),
    "cidr": (["list.csv", "--allow-private", "10.0.0.1/8"], ("--allow-private", "10.0.0.0/8")),
    "resolve": (["list.csv", "--resolve", "name=1.2.3.4"], ("--resolve", "HOST:PORT:ADDRESS", "name=1.2.3.4")),
    "cacert": (["list.csv", "--cacert", "nowhere.pem"], ("--cacert", "a file that exists", "nowhere.pem")),
    "format": (["list.csv", "--format", "xml"], ("--format", "'xml'", "parquet")),
    "durability": (["list.csv", "--durability", "none"], ("--durability", "'none'", "power")),
    "shard rows": (["list.csv", "--shard-rows", "0"], ("--shard-rows", "at least 1", "0")),
    "http version": (["list.csv", "--http", "3"], ("--http", "'3'", "1.1")),
    "resume and overwrite": (["list.csv", "--resume", "--overwrite"], ("--resume", "--overwrite", "both")),
    "workers": (["list.csv", "--process-workers", "0"], ("--process-workers", "at least 1", "0")),
    "unknown option": (["list.csv", "--concurency", "3"], ("--concurency", "--concurrency")),
    "config file": (["list.csv", "--config", "nowhere.toml"], ("--config", "a file that exists", "nowhere.toml")),
    "no toml": (["list.csv", "--config", "list.csv"], ("list.csv", "expected TOML")),
    "unknown key": (["list.csv", "--config", "typo.toml"], ("typo.toml", "long flag names", "concurency")),
    "bad value in file": (["list.csv", "--config", "bad.toml"], ("bad.toml", "retries", "'many'")),
    "process: no module": (["list.csv", "--process", "nomodule:f"], ("nomodule:f", "no module named")),
    "process: no file": (["list.csv", "--process", "f2.py:good"], ("f2.py", "f.py")),
    "process: no function": (["list.csv", "--process", "f.py:goood"], ("f.py:goood", "good")),
    "process: not named": (["list.csv", "--process", "f.py"], ("f.py", "expected")),
    "process: no callable": (["list.csv", "--process", "f.py:value"], ("f.py:value", "expected", "int")),
    "process: two arguments": (["list.csv", "--process", "f.py:two"], ("f.py:two", "expected", "argument")),
    "process: syntax": (["list.csv", "--process", "syntax.py:f"], ("syntax.py", "SyntaxError")),
    "process: import fails": (["list.csv", "--process", "fails.py:f"], ("fails.py", "boom")),
    "process: exits": (["list.csv", "--process", "exits.py:f"], ("exits.py", "SystemExit")),
    "process timeout inline": (
        ["list.csv", "--process", "f.py:good", "--process-mode", "inline", "--process-timeout", "5"],
        ("process", "timeout"),
    ),
    "foreign shards": (["list.csv", "-o", "foreign"], ("foreign", "expected an empty folder", "00000.parquet")),
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    files: dict[str, str | bytes] = {
        "list.csv": "url,shop\nhttp://127.0.0.1:1/,a\n",
        "other.csv": "address,shop\nhttp://127.0.0.1:1/,a\n",
        "twice.csv": "url,url\nhttp://127.0.0.1:1/,a\n",
        "broken.parquet": "this is no Parquet file",
        "cut.csv.gz": gzip.compress(b"url,shop\n" + b"http://127.0.0.1:1/,a\n" * 500)[:12],
        "f.py": FUNCTIONS,
        "syntax.py": "def f(:\n",
        "fails.py": "raise RuntimeError('boom')\n",
        "exits.py": "import sys; sys.exit(3)\n",
        "typo.toml": "concurency = 3\n",
        "bad.toml": 'retries = "many"\n',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "00000.parquet").write_bytes(b"somebody else's")
    return tmp_path


def listing(folder: Path) -> list[str]:
    """Every path, but for what Python keeps of the modules it has read."""
    return sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in str(path))


@pytest.mark.parametrize("name", BAD)
def test_bad_input_exits_2_with_a_message_and_creates_nothing(
    command: Command, here: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, words = BAD[name]
    if "-o" not in arguments:
        arguments = [*arguments, "-o", "out"]
    before = listing(here)
    with open(os.devnull, "rb") as nothing:
        keep = os.dup(0)
        os.dup2(nothing.fileno(), 0)
        try:
            said = command("fetch", *arguments)
        finally:
            os.dup2(keep, 0)
            os.close(keep)
    assert said.code == 2, said
    assert said.out == ""
    for word in words:
        assert word in said.err, (word, said.err)
    assert "hint: " in said.err or "Try '" in said.err, said.err  # the latter is the command line library's
    assert "Traceback" not in said.err
    assert listing(here) == before


@pytest.mark.parametrize("out", ["list.csv", "list.csv/below"])
def test_an_output_that_cannot_be_written_exits_2(command: Command, here: Path, out: str) -> None:
    before = listing(here)
    said = command("fetch", "list.csv", "-o", out)
    assert said.code == 2, said
    assert "expected a folder that can be written" in said.err
    assert out in said.err
    assert "hint: " in said.err
    assert listing(here) == before


def test_problems_are_reported_together(command: Command, here: Path) -> None:
    said = command("fetch", "list.csv", "-o", "out", "--timeout", "x", "--rate", "y", "-H", "z", "--allow-private", "q")
    assert said.code == 2
    for flag in ("--timeout", "--rate", "--header", "--allow-private"):
        assert flag in said.err
    said = command("fetch", "nowhere.txt", "other.csv", "nowhere.jsonl", "-o", "out")
    assert said.code == 2
    for file in ("nowhere.txt", "other.csv", "nowhere.jsonl"):
        assert file in said.err


def test_a_secret_in_a_bad_header_is_not_shown(command: Command, here: Path) -> None:
    said = command("fetch", "list.csv", "-o", "out", "-H", "Bad Name: s3cret", "--proxy", "ftp://ada:s3cret@host:1")
    assert said.code == 2
    assert "s3cret" not in said.err


@pytest.mark.slow
def test_the_run_of_another_input_is_not_touched_without_a_word(command: Command, here: Path) -> None:
    quick = ["-o", "out", "--retries", "0", "-q", "--allow-private", "127.0.0.1"]
    assert command("fetch", "list.csv", *quick).code == 1
    (here / "list2.csv").write_text("url,shop\nhttp://127.0.0.1:1/other,b\n")
    before = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
    said = command("fetch", "list2.csv", *quick)
    assert said.code == 2
    for word in ("another input", "list.csv", "list2.csv", "--overwrite", "--resume", "hint: "):
        assert word in said.err
    after = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
    assert after == before
    assert command("fetch", "list2.csv", *quick, "--overwrite").code == 1
    letters = (here / "out/failed/00000.jsonl").read_text().splitlines()
    assert [json.loads(line)["url"] for line in letters] == ["http://127.0.0.1:1/other"]


@pytest.mark.parametrize("name", ["retry", "status", "verify"])
def test_commands_on_what_is_no_run_exit_2(command: Command, here: Path, name: str) -> None:
    for out in ("nowhere", "folder", "list.csv"):
        said = command(name, out)
        assert said.code == 2, said
        assert "expected the output folder of a run" in said.err
        assert out in said.err
    assert not (here / "nowhere").exists()
    assert list((here / "folder").iterdir()) == []


def test_an_unknown_failure_kind_is_told_with_the_known_ones(command: Command, here: Path) -> None:
    said = command("retry", "folder", "--kind", "http_6xx")
    assert (said.code, "http_6xx" in said.err, "timeout_idle" in said.err) == (2, True, True)
