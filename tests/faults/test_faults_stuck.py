"""A process function that never returns: three signals always end the program, and what was committed stays."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from faults_kit import fetch_command
from oracle import assert_exactly_once

from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow
STUCK = """
import pathlib, time
def stuck(response):
    if response.item_id == 200:
        pathlib.Path(__file__).with_name("is-stuck").touch()
        time.sleep(600)
    return {"ok": True}
"""


def wait_for(path: Path, process: subprocess.Popen[bytes], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not path.exists():
        assert process.poll() is None, "the run ended before its function was stuck"
        assert time.monotonic() < deadline_s
        time.sleep(0.02)  # between two looks; what is waited for is the file


@pytest.mark.parametrize(("mode", "codes"), [("inline", {130}), ("thread", {130, 75})])
def test_three_interrupts_end_a_run_whose_function_is_stuck(
    mode: str, codes: set[int], tmp_path: Path, urls: list[str], origin: OriginProcess
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    command = fetch_command(tmp_path, "--process", f"{tmp_path / 'stuck.py'}:stuck", "--process-mode", mode)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(tmp_path / "is-stuck", process)
        for _ in range(3):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.2)  # signals sent at once are merged into one
        assert process.wait(timeout=30) in codes
    finally:
        process.kill()
        process.wait()
    if (tmp_path / "out").exists():
        assert_exactly_once(tmp_path / "out", urls, origin, is_complete=False)
