"""What one run costs: CPU time, the most memory resident, context switches; of this process and its workers.

It reads counters before and after a run and nothing while it goes on. The rule: what a system does not tell is 0,
never a guess. CPU time is told everywhere; memory and the workers' switches on Linux.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

_RESET_PEAK = b"5"  # proc(5), /proc/pid/clear_refs: set VmHWM to the present VmRSS


@dataclass(frozen=True)
class Cost:
    """`cpu_s`: user and system. `rss_bytes`: the sum of each process's own peak, an upper bound for their common one;
    pages that processes share count in each. `switches`: voluntary and involuntary."""

    cpu_s: float
    rss_bytes: int
    switches: tuple[int, int]


class CostMeter:
    """`begin()` right before a run, `end()` right after it. `worker_ids` and `worker_cpu_s`: see StrategyRunner."""

    def __init__(self, worker_ids: Callable[[], tuple[int, ...]], worker_cpu_s: Callable[[], float]) -> None:
        self._worker_ids = worker_ids
        self._worker_cpu_s = worker_cpu_s
        self._cpu_s = 0.0
        self._memory_field = "VmHWM"
        self._rss_bytes = 0
        self._switches = (0, 0)

    def begin(self) -> None:
        ids = self._ids()
        # Where the peak cannot be reset, the larger of the memory before and after the run stands in for it.
        self._memory_field = "VmHWM" if all(_reset_peak(pid) for pid in ids) else "VmRSS"
        self._rss_bytes = self._memory_bytes(ids)
        self._switches = self._switches_so_far(ids[1:])
        self._cpu_s = used_cpu_s() + self._worker_cpu_s()

    def end(self) -> Cost:
        cpu_s = used_cpu_s() + self._worker_cpu_s() - self._cpu_s
        ids = self._ids()
        voluntary, involuntary = self._switches_so_far(ids[1:])
        return Cost(
            max(0.0, cpu_s),
            max(self._memory_bytes(ids), self._rss_bytes),
            (max(0, voluntary - self._switches[0]), max(0, involuntary - self._switches[1])),
        )

    def _ids(self) -> tuple[int, ...]:
        return (os.getpid(), *self._worker_ids())

    def _memory_bytes(self, ids: tuple[int, ...]) -> int:
        return 1024 * sum(status_number(f"/proc/{pid}/status", self._memory_field) for pid in ids)

    @staticmethod
    def _switches_so_far(workers: tuple[int, ...]) -> tuple[int, int]:
        counts = [_own_switches(), *(_worker_switches(pid) for pid in workers)]
        return sum(count[0] for count in counts), sum(count[1] for count in counts)


def used_cpu_s() -> float:
    """CPU seconds of this process so far, all its threads, and of its children that ended and were waited for. 1 µs."""
    return time.process_time() + ended_children_cpu_s()


def ended_children_cpu_s() -> float:
    """The part of `used_cpu_s` that is the children's; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0.0
    import resource

    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def status_number(path: str, name: str) -> int:
    """The number in the line `name:` of a Linux status file (kB for memory); 0 without such a file or line."""
    try:
        with open(path, "rb") as file:
            for line in file:
                if line.startswith(name.encode("ascii") + b":"):
                    return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass  # another system, or the process has just ended
    return 0


def _own_switches() -> tuple[int, int]:
    if sys.platform == "win32":
        return 0, 0
    import resource

    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_nvcsw, own.ru_nivcsw


def _reset_peak(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/clear_refs", "wb", buffering=0) as file:
            file.write(_RESET_PEAK)
    except OSError:
        return False
    return True


def _worker_switches(pid: int) -> tuple[int, int]:
    """A status file counts one thread, so those of all its threads are added up."""
    folder = f"/proc/{pid}/task"
    try:
        threads = os.listdir(folder)
    except OSError:
        return 0, 0
    paths = [f"{folder}/{thread}/status" for thread in threads]
    return (
        sum(status_number(path, "voluntary_ctxt_switches") for path in paths),
        sum(status_number(path, "nonvoluntary_ctxt_switches") for path in paths),
    )
