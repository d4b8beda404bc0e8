"""`penstock compare` as typed: real child processes, a real origin; what it says, writes and returns."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from penstock.perf.compare.asjson import from_json
from penstock.perf.origin.process import OriginProcess

GIVE_UP_S = 100
QUICK = ("--run-seconds", "0.05", "--progress", "none", "--rate", "none", "--seed", "1")
CODE = """
import asyncio, os, random, sys, threading, time

def good(item):
    time.sleep(0.002)
    return {"item": item}

async def agood(item):
    await asyncio.sleep(0.002)
    return {"item": item}

async def other(item):
    return {"item": item + "!"}

def raises(item):
    raise ValueError("no title in " + item)

async def raises_at_100(item):
    await asyncio.sleep(0.0001)
    if item == "100":
        raise ValueError("the hundredth")
    return item

def hangs_in_threads(item):
    while threading.current_thread() is not threading.main_thread():
        time.sleep(1)
    return {"item": item}

async def never(item):
    await asyncio.Event().wait()

def leaves(item):
    os._exit(7)

def exits(item):
    sys.exit(7)

def prints(item):
    print("printed", item)
    os.write(1, b"raw output\\n")
    time.sleep(0.002)
    return {"item": item}

def two(item, other):
    return item

def random_output(item):
    return random.random()

def an_object(item):
    return object()

def differs_late(item):
    return "late" if item == "150" and threading.current_thread() is not threading.main_thread() else item

values = [1, 2]
"""


def penstock(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", "compare", *words]
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=GIVE_UP_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("raise RuntimeError('at import')\ndef f(item): return item\n")
    return tmp_path


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused comparison says, on one line: no verdict, a hint, exit code 1."""
    said = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no verdict: " in said
    assert "hint: " in said
    assert "recommended" not in said
    assert not re.search(r"\b(faster|slower) [\d<]", said)
    assert "Traceback" not in done.stdout + done.stderr
    return said


# --- what it does


@pytest.mark.slow
def test_a_preset_is_compared_with_table_json_markdown_and_html(tmp_path: Path) -> None:
    words = ("--preset", "io-20ms", "--strategy", "sync", "--strategy", "asyncio", "--run-seconds", "0.2")
    files = ("--json", "a.json", "--markdown", "a.md", "--html", "a.html")
    done = penstock(*words, *files, "--progress", "plain", "--seed", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^sync .* slower 0\.\d+×$", done.stdout, flags=re.MULTILINE)
    assert "recommended: asyncio" in done.stdout
    assert "from the intended start" in done.stdout
    assert "io-20ms · starting sync" in done.stderr
    (comparison,) = from_json(json.loads((tmp_path / "a.json").read_text("utf-8")))
    assert (comparison.workload, comparison.seed, comparison.refusal) == ("io-20ms", 3, None)
    assert comparison.rounds >= 5
    by_name = {summary.name: summary for summary in comparison.summaries}
    assert by_name["asyncio"].concurrency == 32
    # 32 wait at once: far from sync's 50 a second, whatever the machine does besides.
    assert (by_name["asyncio"].throughput_per_s.value or 0) > 3 * (by_name["sync"].throughput_per_s.value or 1e9)
    assert "io-20ms" in (tmp_path / "a.md").read_text("utf-8")
    assert "<html" in (tmp_path / "a.html").read_text("utf-8")


@pytest.mark.slow
def test_functions_of_both_kinds_run_under_all_strategies(folder: Path) -> None:
    done = penstock("mine.py:good", "mine.py:agood", *QUICK, "--runs", "5", "--json", "-", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (comparison,) = from_json(json.loads(done.stdout))
    assert [summary.strategy for summary in comparison.summaries] == [
        *("sync", "threads", "processes"),
        *("asyncio", "uvloop", "penstock"),
    ]
    assert {summary.function for summary in comparison.summaries} == {"mine.py:good", "mine.py:agood"}
    assert "recommended" in done.stderr  # the table gives way to the JSON


@pytest.mark.slow
def test_functions_get_the_urls_or_the_lines_that_are_given(folder: Path) -> None:
    (folder / "urls.txt").write_text("http://127.0.0.1:1/a\nhttp://127.0.0.1:1/b\n")
    (folder / "lines.txt").write_text("one\n\ntwo\nthree\n")
    for words, item in ((("--urls", "urls.txt"), "http://127.0.0.1:1/a"), (("--items", "lines.txt"), "one")):
        done = penstock("mine.py:raises", *QUICK, *words, cwd=folder)
        assert f"item 0 ({item})" in refused(done)
        assert f"no title in {item}" in refused(done)


@pytest.mark.slow
def test_what_a_function_prints_stays_out_of_the_data(folder: Path) -> None:
    done = penstock("mine.py:prints", "mine.py:agood", *QUICK, "--json", "-", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert from_json(json.loads(done.stdout))[0].refusal is None


@pytest.mark.slow
def test_the_same_seed_and_the_time_limit_are_obeyed(folder: Path) -> None:
    words = ("--strategy", "sync", "--strategy", "threads", "--max-seconds", "1", "--json", "-")
    done = penstock("mine.py:good", *QUICK, *words, "--run-seconds", "0.4", cwd=folder)
    assert done.returncode == 1
    (comparison,) = from_json(json.loads(done.stdout))
    assert comparison.refusal is not None
    assert comparison.refusal.kind == "too_few_runs"
    assert any("time limit of 1 s" in note for note in comparison.notes)


# --- what it refuses to judge


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mine.py:good", "mine.py:other"), "different outputs for 8 of 8 items"),
        (("mine.py:good", "mine.py:other"), "{'item': '0!'}"),
        (("mine.py:raises",), "ValueError: no title in 0"),
        (("mine.py:raises_at_100", "--items", "200"), "ValueError: the hundredth"),
        (("mine.py:raises_at_100", "--items", "200"), "item 100 (100)"),
        (("mine.py:leaves",), "ended with exit code 7"),
        (("mine.py:exits",), "SystemExit: 7"),
        (("mine.py:random_output",), "different outputs in two runs"),
        (("mine.py:an_object",), "expected a value that can be compared, got a value of type object"),
        (("mine.py:differs_late", "--items", "200"), "different outputs for"),
    ],
)
def test_code_that_cannot_be_compared_is_refused_with_what_happened(
    folder: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in refused(penstock(*words, *QUICK, cwd=folder))


@pytest.mark.slow
def test_a_function_that_hangs_under_one_strategy_is_named_and_the_others_too(folder: Path) -> None:
    said = refused(penstock("mine.py:hangs_in_threads", *QUICK, "--timeout", "0.3", cwd=folder))
    assert "hangs_in_threads · threads: expected every item within 0.3 s" in said
    assert "hangs_in_threads · sync, hangs_in_threads · processes: 8 items, all well" in said


@pytest.mark.slow
def test_too_few_runs_give_the_numbers_but_no_verdict(folder: Path) -> None:
    said = refused(penstock("mine.py:good", *QUICK, "--runs", "2", cwd=folder))
    assert "2 rounds in random order" in said
    assert "expected at least 5 rounds of every alternative, got 2" in said
    assert re.search(r"good · sync +\d", said)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["5,5", "20,20"], ids=["in the check", "in a run"])
def test_a_server_that_limits_the_rate_is_refused(tmp_path: Path, limit: str) -> None:
    with OriginProcess({"defaults": {"limit": limit}}, is_logging=False) as origin:
        (tmp_path / "urls.txt").write_text("".join(f"{origin.url}/page/{k}\n" for k in range(40)))
        words = ("--urls", "urls.txt", "--strategy", "threads", "--strategy", "asyncio")
        said = refused(penstock(*words, *QUICK, cwd=tmp_path))
    assert "429 or 503" in said


@pytest.mark.slow
def test_a_server_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with OriginProcess(is_logging=False) as origin:
        gone = origin.url
    (tmp_path / "urls.txt").write_text(f"{gone}/page/1\n")
    said = refused(penstock("--urls", "urls.txt", "--strategy", "sync", "--strategy", "asyncio", *QUICK, cwd=tmp_path))
    assert "connect" in said.lower()


# --- what cannot be asked for


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("broken.py:f",), "importing it raised RuntimeError: at import"),
        (("mine.py:good", "mine.py:goood"), "did you mean good"),
        (("mine.py:two",), "got the signature two(item, other)"),
        (("mine.py:values",), "expected something callable"),
        (("missing.py:f",), "expected a Python file"),
        (("no_such_module:f",), "no module named 'no_such_module'"),
    ],
)
def test_functions_that_cannot_be_loaded_are_told_before_anything_runs(
    folder: Path, words: tuple[str, ...], said: str
) -> None:
    done = penstock(*words, *QUICK, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert "hint: " in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "io-30ms"), "did you mean io-20ms?"),
        (("--strategy", "asyncio"), "at least two alternatives to compare, got asyncio"),
        (("--strategy", "trio"), "strategy: expected one of sync"),
        (("--client", "urllib"), "client: expected one of curl"),
        (("--items", "5"), "items: expected functions to give them to"),
        (("json:loads", "--client", "httpx"), "client: expected none with functions"),
        (("json:loads", "--process", "json:loads"), "process: expected none with functions"),
        (("json:loads", "--items", "3", "--urls", "x"), "items: expected one kind"),
        (("json:loads", "--items", "0"), "items: expected 1 to"),
        (("--rate", "fast"), "expected auto, none or items per second such as 200/s, got 'fast'"),
        (("--rate", "-5"), "rate: expected items per second above 0"),
        (("--runs", "0"), "--runs"),
        (("--runs", "8", "--runs-max", "6"), "rounds_max: expected at least 8, got 6"),
        (("--run-seconds", "0"), "--run-seconds"),
        (("-j", "100000"), "concurrency: expected 1 to 10000"),
        (("--json", "-", "--markdown", "-"), "expected one on standard output"),
        (("--json", "nowhere/a.json"), "--json: expected a file that can be written"),
        (("--urls", "nowhere.txt"), "nowhere.txt"),
        (("--preset", "io-20ms", "--process", "mine"), "process function: expected module:function"),
    ],
)
def test_words_that_make_no_sense_are_told_before_anything_runs(
    command: Callable[..., object], words: tuple[str, ...], said: str
) -> None:
    done = command("compare", *words)
    assert done.code == 2  # type: ignore[attr-defined]  # Said, of the conftest beside
    assert said in done.err  # type: ignore[attr-defined]  # as above
    assert done.out == ""  # type: ignore[attr-defined]  # as above


def test_without_scipy_it_says_what_to_install(command: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import util

    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "scipy" else found(name, *rest))
    done = command("compare")
    assert done.code == 2  # type: ignore[attr-defined]  # Said, of the conftest beside
    assert "not installed: scipy" in done.err  # type: ignore[attr-defined]  # as above
    assert "pip install 'penstock[perf]'" in done.err  # type: ignore[attr-defined]  # as above


# --- what is interrupted


def interrupted(folder: Path, said: str, *words: str) -> tuple[int, str, str]:
    """Ctrl-C for the whole process group, as a terminal sends it, once stderr has said `said`; nobody is left."""
    command = [sys.executable, "-m", "penstock", "compare", *words, "--progress", "plain"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        read = ""
        for line in process.stderr:
            read += line
            if said in line:
                break
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        out, rest = process.communicate(timeout=GIVE_UP_S)
    assert family
    _, alive = psutil.wait_procs(family, timeout=GIVE_UP_S)
    assert alive == []
    return process.returncode, out, read + rest


@pytest.mark.slow
def test_without_a_word_it_takes_a_preset_and_ctrl_c_while_starting_leaves_nothing(folder: Path) -> None:
    code, out, err = interrupted(folder, "starting")
    assert code == 130
    assert out == ""
    assert "no workload named: comparing on --preset io-20ms" in err
    assert "io-20ms · starting sync" in err
    assert "interrupted" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_ctrl_c_after_some_rounds_shows_what_was_measured(folder: Path) -> None:
    # A round takes longer than the two seconds between plain lines, so that one says when the third is over.
    words = ("mine.py:good", "--strategy", "sync", "--strategy", "threads", "--runs", "60", "--json", "a.json")
    code, out, err = interrupted(folder, "· round 4", *words, "--run-seconds", "1.1")
    assert code == 130
    assert "Traceback" not in err
    (comparison,) = from_json(json.loads((folder / "a.json").read_text("utf-8")))
    assert comparison.rounds in {3, 4}  # the fourth may have ended meanwhile
    assert f"interrupted after {comparison.rounds} rounds" in out
    assert f"no verdict: expected at least 5 rounds of every alternative, got {comparison.rounds}" in out
