"""Nothing outlives the one who measures: not when it is killed, idle or in a run, nor when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from measured_kit import calls, wait_until_ended, workload_of

from penstock.perf.measure.model import AlternativeError, RunRequest
from penstock.perf.measure.process import MeasuredProcess
from penstock.perf.workload.model import Strategy

pytestmark = pytest.mark.slow

PARENT = """
import sys, time
from penstock.perf.measure.model import RunRequest
from penstock.perf.measure.process import MeasuredProcess
from penstock.perf.workload.model import Alternative, Workload

strategy, function, item, begins = sys.argv[1:]
workload = Workload("theirs", "", (item,), concurrency=1, processes=2)
measured = MeasuredProcess(Alternative("theirs", strategy, function=function), workload)
measured.start()
print(measured.pid, *measured.worker_ids, flush=True)
if begins == "run":
    measured.run(RunRequest(items=1))
sys.stdin.read()
"""


def start_parent(folder: Path, strategy: Strategy, begins: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A program that measures, and the ids of the processes that it made."""
    announcement = folder / "announcement"
    if not announcement.exists():
        os.mkfifo(announcement)
    function = calls(folder, "announces", strategy).function
    assert function is not None
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, strategy, function, str(announcement), begins],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    if begins == "run":
        announcement.read_text()  # returns when an item has begun
    return parent, pids


@pytest.mark.parametrize("strategy", ["sync", "threads", "processes"])
@pytest.mark.parametrize("begins", ["run", "nothing"])
def test_a_parent_that_is_killed_takes_all_processes_with_it(tmp_path: Path, strategy: Strategy, begins: str) -> None:
    parent, pids = start_parent(tmp_path, strategy, begins)
    assert len(pids) == (3 if strategy == "processes" else 1)
    try:
        parent.kill()
        wait_until_ended(pids)
    finally:
        parent.communicate()


@pytest.mark.parametrize("strategy", ["sync", "processes"])
def test_an_interrupt_in_a_run_is_told_by_the_parent_alone(tmp_path: Path, strategy: Strategy) -> None:
    parent, pids = start_parent(tmp_path, strategy, "run")
    os.killpg(parent.pid, signal.SIGINT)  # as the terminal does with Ctrl-C
    _, errors = parent.communicate()
    wait_until_ended(pids)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("strategy", ["sync", "processes"])
def test_an_interrupt_to_the_processes_themselves_is_ignored(tmp_path: Path, strategy: Strategy) -> None:
    with MeasuredProcess(calls(tmp_path, "echo", strategy), workload_of("a")) as measured:
        for pid in (measured.pid, *measured.worker_ids):
            os.kill(pid, signal.SIGINT)
        assert measured.run(RunRequest(items=3)).items == 3


def test_a_pool_that_is_killed_leaves_no_semaphores(tmp_path: Path) -> None:
    """Its workers stand still, so that it can only be ended by force."""
    if sys.platform != "linux":
        pytest.skip("only Linux shows semaphores as files")
    workload = workload_of("a", item_s_max=0.1)
    with MeasuredProcess(calls(tmp_path, "echo", "processes"), workload, grace_s=0.1) as measured:
        own = semaphores_of(measured.pid)
        assert own
        assert all(path.exists() for path in own)
        for pid in measured.worker_ids:
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(AlternativeError, match="no item had ended"):
            measured.run(RunRequest(items=1))
    assert not any(path.exists() for path in own)


def semaphores_of(pid: int) -> set[Path]:
    """Each is a file of shared memory, mapped under another name (glibc links it in place), so the inode tells."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    inodes = {int(line.split()[4]) for line in maps.splitlines() if "/dev/shm/" in line}
    with os.scandir("/dev/shm") as entries:
        return {Path(entry.path) for entry in entries if entry.name.startswith("sem.") and entry.inode() in inodes}
