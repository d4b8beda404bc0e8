"""A limit of 64 open files: the run goes on with fewer at once, loses nothing, and says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from faults_kit import fetch_command, run
from oracle import assert_exactly_once

from penstock.perf.origin.process import OriginProcess

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")]


def limited(command: list[str], files: int) -> list[str]:
    return ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *command]


def test_a_run_fits_itself_to_the_open_files_it_may_have(
    tmp_path: Path, urls: list[str], origin: OriginProcess
) -> None:
    slow = [f"{url}&latency=0.02" for url in urls]
    (tmp_path / "urls.txt").write_text("\n".join(slow) + "\n")
    done = run(limited(fetch_command(tmp_path, "-j", "200", "--max-per-host", "200"), 64))
    assert done.returncode == 1, done.stderr
    assert "concurrency lowered from 200 to 24" in done.stderr
    assert_exactly_once(tmp_path / "out", slow, origin)


def test_too_few_open_files_for_anything_is_said_before_anything_starts(tmp_path: Path, urls: list[str]) -> None:
    assert urls
    done = run(limited(fetch_command(tmp_path), 30))
    assert done.returncode == 2
    assert "ulimit -n" in done.stderr
