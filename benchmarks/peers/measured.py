"""Runs one command as a child and says what it cost: CPU of the whole process tree, wall time, peak memory.

CPU is user + system from wait4, which counts every descendant that was waited for. Peak memory is VmHWM, sampled:
ru_maxrss would carry over the size of this process from before exec. Rule: only the child's own group is ever killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.nginx import pinned_to


@dataclass(frozen=True)
class Usage:
    """What one finished child cost. `peak_rss_bytes` is 0 unless sampling was asked for."""

    cpu_s: float
    wall_s: float
    exit_code: int
    stdout: str
    stderr: str
    is_timeout: bool = False
    peak_rss_bytes: int = 0

    @property
    def trouble(self) -> str:
        """Why the run does not count, in one line; empty when the child ended with 0 in time."""
        if self.is_timeout:
            return f"stopped after {self.wall_s:.0f} s"
        if self.exit_code != 0:
            lines = [line for line in (self.stderr or self.stdout).strip().splitlines() if line.strip()]
            return f"exit {self.exit_code}: {lines[-1].strip()[:200] if lines else 'no message'}"
        return ""


def measure(
    command: list[str],
    *,
    folder: Path,
    core: int | None,
    timeout_s: float,
    rss_interval_s: float | None = None,
) -> Usage:
    """Run `command` in `folder`, pinned to `core`, and wait for its end; after `timeout_s` its group is killed.

    Its output goes to files in `folder` (a pipe would cost wake-ups). With `rss_interval_s` the peak resident set of
    the largest process of the tree is sampled that often. Raises OSError when the command cannot be started.
    """
    out_path, err_path = folder / "stdout.txt", folder / "stderr.txt"
    with out_path.open("wb") as out, err_path.open("wb") as err:
        start_s = time.monotonic()
        process = subprocess.Popen(
            [*pinned_to(core), *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        peak_rss_bytes, is_timeout = _wait(process.pid, start_s + timeout_s, rss_interval_s)
        if is_timeout:
            kill_group(process.pid)
        _, status, rusage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - start_s
    process.returncode = os.waitstatus_to_exitcode(status)
    kill_group(process.pid)  # what the child left behind in its group must not disturb the next run
    return Usage(
        cpu_s=rusage.ru_utime + rusage.ru_stime,
        wall_s=wall_s,
        exit_code=process.returncode,
        stdout=_tail(out_path),
        stderr=_tail(err_path),
        is_timeout=is_timeout,
        peak_rss_bytes=peak_rss_bytes,
    )


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to the process group that `measure` made for this child; nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def tree_peak_rss_bytes(pid: int) -> int:
    """The largest VmHWM in the process tree under `pid`, itself included; 0 when it has ended."""
    peak = 0
    waiting = [pid]
    while waiting:
        process_id = waiting.pop()
        try:
            status = Path(f"/proc/{process_id}/status").read_text()
            children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
        except OSError:  # ended between two looks
            continue
        peak = max(peak, hwm_bytes(status))
        waiting.extend(int(child) for child in children.split())
    return peak


def hwm_bytes(status: str) -> int:
    """VmHWM of the text of /proc/<pid>/status, in bytes; 0 for a zombie, which has none."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _wait(pid: int, deadline_s: float, rss_interval_s: float | None) -> tuple[int, bool]:
    """Sleep until the child ends, without reaping it. Returns the sampled peak and whether time ran out first."""
    peak = 0
    descriptor = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        while (left_s := deadline_s - time.monotonic()) > 0:
            pause_s = left_s if rss_interval_s is None else min(left_s, rss_interval_s)
            if poller.poll(pause_s * 1000):
                return peak, False
            if rss_interval_s is not None:
                peak = max(peak, tree_peak_rss_bytes(pid))
        return peak, True
    finally:
        os.close(descriptor)


def _tail(path: Path, limit_bytes: int = 65_536) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - limit_bytes))
        return file.read().decode("utf-8", "replace")
