"""What a process holds that outlives a test by mistake: threads, child processes, open descriptors.

Linux tells all three through /proc; elsewhere only threads and (through multiprocessing) children are seen.
The rule: cheap when nothing leaked (well under a millisecond), patient for what is about to end by itself.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

_FD_DIR = Path("/proc/self/fd")
_TASK_DIR = Path("/proc/self/task")
# What is slow to end although everything was shut down gets this long; a leak costs it once, a clean test nothing.
PATIENCE_S = 2.0
# Opened once by the interpreter or a library and kept for good.
_KEPT_TARGETS = ("/dev/null", "/dev/urandom", "/dev/random", "/proc/", "/sys/", "/dev/shm/", "/dev/pts/", "/dev/tty")


@dataclass(frozen=True)
class Snapshot:
    threads: frozenset[threading.Thread]
    children: frozenset[int]
    descriptors: dict[int, str]


@dataclass(frozen=True)
class Leftovers:
    """What is there after a test and was not before."""

    threads: tuple[threading.Thread, ...]
    children: tuple[int, ...]
    descriptors: dict[int, str]

    @classmethod
    def since(cls, before: Snapshot) -> Leftovers:
        left = _compare(before, snapshot())
        if not left.describe():
            return left
        gc.collect()  # objects in cycles close their files only now
        for thread in left.threads:
            thread.join(PATIENCE_S / len(left.threads))
        for child in multiprocessing.active_children():  # reaps what has ended
            if child.pid in left.children:
                child.join(PATIENCE_S / len(left.children))
        return _compare(before, snapshot())

    def describe(self) -> list[str]:
        return [
            *(f"thread {thread.name!r}{' (daemon)' if thread.daemon else ''}" for thread in self.threads),
            *(f"child process {pid}: {_command(pid)}" for pid in self.children),
            *(f"descriptor {fd} -> {target}" for fd, target in self.descriptors.items()),
        ]


def snapshot() -> Snapshot:
    return Snapshot(frozenset(threading.enumerate()), frozenset(_children()), _descriptors())


def _compare(before: Snapshot, after: Snapshot) -> Leftovers:
    helpers, helper_fds = _multiprocessing_helpers()
    return Leftovers(
        threads=tuple(after.threads - before.threads),
        children=tuple(sorted(after.children - before.children - helpers)),
        descriptors={
            fd: target
            for fd, target in after.descriptors.items()
            if before.descriptors.get(fd) != target and fd not in helper_fds and not target.startswith(_KEPT_TARGETS)
        },
    )


def _children() -> set[int]:
    if not _TASK_DIR.is_dir():
        return {child.pid for child in multiprocessing.active_children() if child.pid is not None}
    pids: set[int] = set()
    for task in os.listdir(_TASK_DIR):
        try:
            pids.update(map(int, (_TASK_DIR / task / "children").read_text().split()))
        except OSError:
            continue  # the thread ended meanwhile, or the kernel does not tell
    return pids


def _descriptors() -> dict[int, str]:
    if not _FD_DIR.is_dir():
        return {}
    found: dict[int, str] = {}
    for name in os.listdir(_FD_DIR):
        try:
            found[int(name)] = os.readlink(_FD_DIR / name)
        except OSError:
            continue  # the listing's own descriptor
    return found


def _multiprocessing_helpers() -> tuple[set[int], set[int]]:
    """Process ids and descriptors of multiprocessing's resource tracker and fork server: one each, kept for good."""
    pids: set[int] = set()
    fds: set[int] = set()
    for module, name, pid_name in (
        ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
        ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
    ):
        helper = getattr(sys.modules.get(module), name, None)
        pid = getattr(helper, pid_name, None)
        if pid is not None:
            pids.add(pid)
        for fd_name in ("_fd", "_forkserver_alive_fd"):
            fd = getattr(helper, fd_name, None)
            if fd is not None:
                fds.add(fd)
    return pids, fds


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    return b" ".join(words).decode(errors="replace").strip() or "ended, but nobody waited for it"
