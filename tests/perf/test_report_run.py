"""`penstock report` on real runs: finished, going on, killed; and what it says to wrong arguments."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_kit import slow_sink_windows, stats, write_run

from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow

_LIMIT_S = 60.0


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(answer_s_max=60) as running:
        yield running


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "penstock", *map(str, arguments)]


def penstock(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, check=False, timeout=_LIMIT_S, env=os.environ
    )


def fetch(*arguments: str | Path) -> list[str]:
    return command("fetch", *arguments, "--allow-private", "127.0.0.0/8", "--progress", "none")


def reported(folder: Path, out: str = "out") -> tuple[subprocess.CompletedProcess[str], str, str]:
    """The command's result, the page and the Markdown."""
    done = penstock(folder, "report", out)
    assert done.returncode == 0, done.stderr
    internal = folder / out / "_penstock"
    return done, (internal / "report.html").read_text("utf-8"), (internal / "report.md").read_text("utf-8")


def test_a_run_is_reported_as_it_was(origin: OriginProcess, tmp_path: Path) -> None:
    urls = [f"{origin.url}/page/{number}" for number in range(40)]
    urls += [f"{origin.url}/page/{number}?status=404&id={number}" for number in range(3)]
    (tmp_path / "urls.txt").write_text("\n".join(urls), encoding="utf-8")
    run = subprocess.run(
        fetch("urls.txt", "-o", "out", "--process", "penstock.perf.demo_page:parse_page"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    assert run.returncode == 1, run.stderr
    done, page, text = reported(tmp_path)
    assert done.stdout.splitlines()[:2] == ["out/_penstock/report.html", "out/_penstock/report.md"]
    assert done.stdout.splitlines()[2].startswith("verdict: ")
    assert done.stderr == "", "nothing is missing"
    assert "admitted 43 = written 40 + failed 3 + skipped 0 + pending 0" in text
    assert "adds up, counted by the run, compared with the ledger" in text
    assert "404 Not Found" in text
    assert "penstock retry out --kind http\\_4xx".replace("\\", "") in text
    for told in ("http_4xx", "penstock.perf.demo_page:parse_page", "run-model", "libcurl"):
        assert told in page
    assert len(page.encode()) < 1_000_000
    verified = penstock(tmp_path, "verify", "out")
    assert verified.returncode == 0, "the report changed nothing"


def test_a_run_is_reported_while_it_goes_on_and_after_it_was_killed(origin: OriginProcess, tmp_path: Path) -> None:
    urls = [f"{origin.url}/page/{number}?latency=0.3" for number in range(4_000)]
    (tmp_path / "urls.txt").write_text("\n".join(urls), encoding="utf-8")
    process = subprocess.Popen(
        fetch("urls.txt", "-o", "out", "-j", "8", "--shard-rows", "16"),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline_s = time.monotonic() + _LIMIT_S
        while not list((tmp_path / "out").glob("*.parquet")):  # its first shard
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        done, page, text = reported(tmp_path)
        assert "Still running" in page
        assert "still going on" in done.stderr
        assert "penstock status out" in text
        assert process.poll() is None, "the run was not disturbed"
    finally:
        process.kill()
        process.wait()
    done, page, text = reported(tmp_path)
    assert "Killed" in page
    assert "killed before it could write its statistics" in done.stderr
    assert done.stdout.splitlines()[2] == "verdict: none: it is made at the end of a run"
    assert "penstock fetch urls.txt -o out" in text


def test_a_folder_without_a_run_is_refused_with_a_hint(tmp_path: Path) -> None:
    done = penstock(tmp_path, "report", "nothing")
    assert done.returncode == 2
    assert "expected the output folder of a run" in done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "nothing").exists()


def test_the_page_goes_where_it_is_told_with_its_twin_beside(tmp_path: Path) -> None:
    write_run(tmp_path / "out", stats(slow_sink_windows(5)))
    done = penstock(tmp_path, "report", "out", "-o", "here.html")
    assert done.stdout.splitlines()[:2] == ["here.html", "here.md"]
    assert (tmp_path / "here.md").exists()
    assert not (tmp_path / "out" / "_penstock" / "report.html").exists()
    assert not list(tmp_path.glob(".here*")), "no temporary file is left"


@pytest.mark.parametrize(("name", "words"), [("missing/here.html", "No such file"), ("here.md", "ends in .md")])
def test_a_place_that_cannot_be_written_is_told_with_a_hint(tmp_path: Path, name: str, words: str) -> None:
    write_run(tmp_path / "out", stats(slow_sink_windows(5)))
    done = penstock(tmp_path, "report", "out", "-o", name)
    assert done.returncode == 2
    assert words in done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "here.md").exists()
