"""`penstock tune` as it is typed: what it recommends on real servers, what it refuses, what it writes, how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.perf.origin.process import OriginProcess
from penstock.perf.scaling.asjson import from_json

Command = Callable[..., Any]

FUNCTIONS = """
import asyncio
async def nap(item):
    await asyncio.sleep(0.004)
    return item
async def breaks(item):
    raise ValueError("no such thing")
def plain(item):
    return item
"""
# Each: what is typed after `tune`, and words that the message must hold.
BAD: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "missing file": (["nowhere.txt"], ("nowhere.txt", "expected a file")),
    "no URL in the list": (["empty.txt"], ("empty.txt", "at least one URL")),
    "unknown preset": (["--preset", "slotz"], ("'slotz'", "did you mean slots")),
    "unknown function": (["pages.py:nothing"], ("nothing",)),
    "two kinds of items": (["list.txt", "--preset", "slots"], ("URLs and --preset",)),
    "items without a function": (["list.txt", "--items", "5"], ("items", "function")),
    "process with a function": (["pages.py:nap", "--process", "pages.py:plain"], ("process",)),
    "plain function on a loop": (["pages.py:plain", "--strategy", "asyncio"], ("pages.py:plain", "threads")),
    "a strategy without places": (["--strategy", "sync"], ("sync", "penstock")),
    "a client that penstock has not": (["--strategy", "penstock", "--client", "requests"], ("requests",)),
    "few levels": (["--levels", "1,2,4"], ("--levels", "at least 6", "1, 2, 4")),
    "levels that are none": (["--levels", "1,two"], ("--levels", "'1,two'")),
    "few repeats": (["--repeats", "2"], ("--repeats",)),
    "few places": (["--max-concurrency", "5"], ("--max-concurrency",)),
    "slo that is no time": (["--slo", "soon"], ("--slo", "'soon'")),
    "slo of zero": (["--slo", "0ms"], ("--slo", "over 0")),
    "config that is not TOML": (["--apply", "bad.toml"], ("bad.toml:2", "expected TOML")),
    "config in no folder": (["--apply", "no/where.toml"], ("folder that exists",)),
    "result in no folder": (["--json", "no/where.json"], ("--json", "no/where.json")),
    "two results on one stream": (["--json", "-", "--markdown", "-"], ("--json and --markdown",)),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_before_anything_is_measured(command: Command, case: str) -> None:
    Path("pages.py").write_text(FUNCTIONS)
    Path("empty.txt").write_text("\n")
    Path("list.txt").write_text("http://127.0.0.1:9/\n")
    Path("bad.toml").write_text("a = 1\nb = = 2\n")
    arguments, words = BAD[case]
    said = command("tune", *arguments)
    assert said.code == 2, said.err
    assert said.out == ""
    for word in words:
        assert word in said.err, said.err
    assert "Traceback" not in said.err


def test_the_help_says_what_is_tuned_and_what_it_may_cost(command: Command) -> None:
    said = command("tune", "--help")
    assert said.code == 0
    for words in ("--max-per-host", "--max-requests", "--slo", "--apply", "Exit 0", "pushes back"):
        assert words in said.out


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(is_logging=False) as running:
        yield running


def urls_of(origin: OriginProcess, query: str) -> Path:
    """A list of 32 URLs; virtual hosts keep the limits of one test from those of another."""
    path = Path("urls.txt")
    path.write_text("".join(f"{origin.url}/page/{number}?{query}\n" for number in range(32)))
    return path


QUICK = ("--run-seconds", "0.15", "--repeats", "3", "--levels", "1,2,4,6,8,16", "--seed", "1")


@pytest.mark.slow
def test_a_server_with_slots_gets_a_concurrency_near_its_knee(command: Command, origin: OriginProcess) -> None:
    Path("fetch.toml").write_text("# ours\nconcurrency = 64  # a guess\n")
    said = command(
        "tune", urls_of(origin, "latency=0.01&slots=4&bytes=1K"), *QUICK, "--apply", "fetch.toml",
        "--json", "tune.json", "--markdown", "tune.md", "--html", "tune.html",
    )  # fmt: skip
    assert said.code == 0, said.out + said.err
    tuning = from_json(json.loads(Path("tune.json").read_text()))
    assert tuning.recommended is not None
    assert 2 <= tuning.recommended <= 12
    assert f"recommended: concurrency {tuning.recommended}" in " ".join(said.out.split())
    assert "at most 100,000 requests, at most 16 at once" in " ".join(said.err.split())
    assert tomllib.loads(Path("fetch.toml").read_text()) == {"concurrency": tuning.recommended}
    assert Path("fetch.toml").read_text().startswith("# ours\n")
    assert f"concurrency 64 → {tuning.recommended}" in said.err
    assert str(tuning.recommended) in Path("tune.md").read_text()
    assert "<svg" in Path("tune.html").read_text()
    # And the product takes it: a real fetch with that file.
    fetched = command(
        "fetch", "urls.txt", "-o", "out", "--config", "fetch.toml", "--allow-private", "all", "-q", "--stats", "s.json"
    )
    assert fetched.code == 0, fetched.err


@pytest.mark.slow
def test_a_server_that_limits_its_rate_is_left_alone(command: Command) -> None:
    with OriginProcess(is_logging=False) as limited:
        said = command(
            "tune", urls_of(limited, "latency=0.02&limit=50,5"), "--json", "-", "--seed", "1", "--apply", "fetch.toml"
        )
        requests = limited.stats()["requests"]
    assert said.code == 1, said.err
    tuning = from_json(json.loads(said.out))
    assert tuning.refusal is not None
    assert tuning.refusal.kind == "pushback"
    assert "429" in tuning.refusal.message
    assert "--rate" in tuning.refusal.hint
    assert tuning.recommended is None
    assert not Path("fetch.toml").exists()
    assert "there is no recommendation to write" in said.err
    assert requests < 500


@pytest.mark.slow
def test_a_limit_of_p95_that_cannot_be_met_recommends_nothing(command: Command, origin: OriginProcess) -> None:
    said = command("tune", urls_of(origin, "latency=0.01&slots=4&bytes=2K"), *QUICK, "--slo", "1ms")
    assert said.code == 1, said.err
    assert "no recommendation" in said.out
    assert "p95 over 1.0 ms" in said.out


@pytest.mark.slow
def test_a_function_of_the_users_is_tuned_with_its_own_items(command: Command) -> None:
    Path("pages.py").write_text(FUNCTIONS)
    said = command("tune", "pages.py:nap", "--items", "10", *QUICK, "--max-concurrency", "16", "--json", "tune.json")
    assert said.code == 0, said.out + said.err
    tuning = from_json(json.loads(Path("tune.json").read_text()))
    assert tuning.recommended == 16  # sleeping has no limit: the most that was allowed
    assert tuning.strategy == "penstock"
    assert "requests" not in said.err


@pytest.mark.slow
def test_a_function_that_raises_is_refused_with_its_error(command: Command) -> None:
    Path("pages.py").write_text(FUNCTIONS)
    said = command("tune", "pages.py:breaks", *QUICK)
    assert said.code == 1
    assert "no such thing" in said.out
    assert "no recommendation" in said.out


@pytest.mark.slow
def test_interrupted_it_stops_its_processes_and_concludes_nothing_from_too_little(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock.cli.main", "tune", "--progress", "plain", "--json", "-"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        for line in process.stderr:
            if "looking at" in line or "round" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    tuning = from_json(json.loads(out))
    assert tuning.refusal is not None
    assert tuning.refusal.kind == "too_few_runs"
    assert "interrupted" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_interrupted_late_it_concludes_but_leaves_the_config_alone(tmp_path: Path) -> None:
    levels = ("--levels", "4,6,8,12,16,32", "--repeats", "60", "--run-seconds", "0.05", "--max-seconds", "100")
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock.cli.main", "tune", "--progress", "plain", "--apply", "fetch.toml", *levels],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        for line in process.stderr:
            if (told := re.search(r"round (\d+)", line)) and int(told[1]) > 4:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "recommended: concurrency" in out
    assert "note: interrupted" in out
    assert "the sweep was interrupted" in err
    assert not (tmp_path / "fetch.toml").exists()
