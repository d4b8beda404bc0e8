"""SIGKILL at every step of the commit protocol, at random instants, in bursts and during recovery: 0 lost, 0 twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from faults_kit import fetch_command, run
from oracle import assert_exactly_once

from penstock.engine.recovery import RECOVERY_STEPS
from penstock.perf.origin.process import OriginProcess
from penstock.sinks.shard import COMMIT_STEPS

pytestmark = pytest.mark.slow
KILLED = -signal.SIGKILL
KILLED_RUN = Path(__file__).with_name("killed_run.py")


def kill_at(tmp_path: Path, step: str, occurrence: int) -> int:
    settings = ['allow_private=["127.0.0.0/8"]', "concurrency=16", "shard_rows=40", "retries=6"]
    names = [str(tmp_path / "urls.txt"), str(tmp_path / "out"), step, str(occurrence)]
    return run([sys.executable, str(KILLED_RUN), *names, *settings]).returncode


@pytest.mark.parametrize("step", [step for step in COMMIT_STEPS if not step.startswith("skipped.")])
def test_a_kill_at_every_step_of_a_commit_costs_nothing(
    step: str, tmp_path: Path, urls: list[str], origin: OriginProcess
) -> None:
    """The first and, where there is one, the third commit of the run; then the same command as a user gives it."""
    occurrences = (1, 3) if step.startswith("data.") else (1,)
    for occurrence in occurrences:
        assert kill_at(tmp_path, step, occurrence) == KILLED, f"{step} was not reached {occurrence} times"
        assert_exactly_once(tmp_path / "out", urls, origin, is_complete=False)
    assert run(fetch_command(tmp_path)).returncode == 1, "the 404s"
    assert_exactly_once(tmp_path / "out", urls, origin)


CRASHED_RECOVERIES = {
    "recovery.begin": "data.linked",
    "recovery.ledger_opened": "data.linked",
    "recovery.adopted": "data.linked",
    "recovery.temp_dropped": "data.temp_fsynced",
    "recovery.epoch_begun": "data.linked",
}


@pytest.mark.parametrize("step", CRASHED_RECOVERIES)
def test_a_kill_during_recovery_converges(step: str, tmp_path: Path, urls: list[str], origin: OriginProcess) -> None:
    assert step in RECOVERY_STEPS
    assert kill_at(tmp_path, CRASHED_RECOVERIES[step], 2) == KILLED
    assert kill_at(tmp_path, step, 1) == KILLED
    assert run(fetch_command(tmp_path)).returncode == 1
    assert_exactly_once(tmp_path / "out", urls, origin)


@pytest.mark.timeout(900)
def test_a_hundred_kills_at_random_instants_cost_nothing(
    tmp_path: Path, urls: list[str], origin: OriginProcess
) -> None:
    """Runs are killed after a random time, resumed, killed again, until they finish; then a new output. The ledger
    never shrinks in between. Delays aim at the whole of a run's life, from start-up to the last commit."""
    rng = random.Random(20_26)
    kills = finished = 0
    # Slow enough that kills land in the middle of the work.
    (tmp_path / "urls.txt").write_text("".join(f"{url}&latency=uniform:0.01,0.08\n" for url in urls))
    slow = [f"{url}&latency=uniform:0.01,0.08" for url in urls]
    out = tmp_path / "out"
    durable = 0
    for _ in range(400):
        process = subprocess.Popen(fetch_command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=rng.uniform(0.1, 1.6))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            kills += process.wait() == KILLED
        if out.exists():
            before, durable = durable, assert_exactly_once(out, slow, origin, is_complete=False)
            assert durable >= before, "the ledger shrank"
        if process.returncode in (0, 1):
            assert_exactly_once(out, slow, origin)
            finished += 1
            out.rename(tmp_path / f"out-{finished}")
            durable = 0
        if kills >= 100:
            break
    assert kills >= 100
    process_result = run(fetch_command(tmp_path))
    assert process_result.returncode == 1, process_result.stderr
    assert_exactly_once(out, slow, origin)
