"""Other programs' CPU time is told, our own children's is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.perf.measure.bystanders import Bystanders

TICKS = 1_000_000_000  # a machine that has been up for long: our own few ticks do not count


def proc_stat(folder: Path, user: int, idle: int, steal: int = 0) -> None:
    (folder / "stat").write_text(f"cpu {user} 0 0 {idle} 0 0 0 {steal} 0 0\n")


def notes(folder: Path, *, user: int, idle: int, steal: int = 0) -> tuple[str, ...]:
    proc_stat(folder, 0, 0)
    bystanders = Bystanders(proc=folder)
    bystanders._began_s -= 1e6  # so that this test's own CPU is as good as none
    proc_stat(folder, user, idle, steal)
    return bystanders.notes()


def test_a_machine_that_others_kept_busy_is_told(tmp_path: Path) -> None:
    others, stolen = notes(tmp_path, user=TICKS, idle=TICKS, steal=TICKS)
    assert others.startswith("other programs used 33 % of the machine meanwhile")
    assert stolen == "the hypervisor gave 33 % of the machine's time to others meanwhile"


def test_a_quiet_machine_gives_no_note(tmp_path: Path) -> None:
    assert notes(tmp_path, user=TICKS // 50, idle=TICKS) == ()


def test_a_system_that_tells_nothing_gives_no_note(tmp_path: Path) -> None:
    bystanders = Bystanders(proc=tmp_path)
    assert bystanders.notes() == ()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system does not tell")
def test_our_own_childs_work_is_ours(tmp_path: Path) -> None:
    """The child's CPU alone, on a machine that by its counters did nothing else, is no one else's."""
    bystanders = Bystanders()
    work = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    assert bystanders.own_cpu_s() >= 0.4
