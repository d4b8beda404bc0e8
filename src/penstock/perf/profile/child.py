"""The child's side of a CPU profile: a Python process that a profiled one started samples itself into a journal.

`begin` is called at the start of such a process (startup/sitecustomize.py). The parent's side is children.py.
The rule: a child that cannot be sampled runs on as if nobody had asked.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

from penstock.perf.profile.cpusampler import CpuSampler
from penstock.perf.profile.cputimer import CpuTimer
from penstock.perf.profile.forks import ExecGuard, on_fork
from penstock.perf.profile.journal import SUFFIX, Journal
from penstock.perf.profile.stacks import Stacks

VARIABLE = "PENSTOCK_SAMPLED_BY"
"""Names, in a child's environment, the interval in seconds and the folder for its samples: `0.005:/tmp/…`."""

_LABEL_CHARS_MAX = 60


def begin() -> None:
    """Sample this process if its environment says so."""
    interval_s, _, folder = os.environ.get(VARIABLE, "").partition(":")
    if folder and os.path.isdir(folder):
        ChildSampler(Path(folder), float(interval_s), label_of(sys.orig_argv)).start()


def label_of(arguments: list[str]) -> str:
    """A short name of a Python process from its command line, the same for all of one kind."""
    words = arguments[1:]
    text = " ".join(words)
    if "penstock.process.worker" in text:
        return "pool worker"
    if "multiprocessing.forkserver" in text:
        return "multiprocessing fork server"
    if "multiprocessing.resource_tracker" in text:
        return "multiprocessing resource tracker"
    if "multiprocessing" in text:
        return "multiprocessing worker"
    if words[:1] == ["-m"]:
        return " ".join(words)[:_LABEL_CHARS_MAX]
    if words[:1] == ["-c"]:
        return "python -c"
    return os.path.basename(next((word for word in words if not word.startswith("-")), "python"))[:_LABEL_CHARS_MAX]


class ChildSampler:
    """Samples until the process ends, however it ends. A fork of it does the same under its own number."""

    def __init__(self, folder: Path, interval_s: float, label: str) -> None:
        self._folder = folder
        self._interval_s = interval_s
        self._label = label
        self._pid = 0
        self._guard = ExecGuard(lambda _: self._stop(), lambda: None)

    def start(self) -> None:
        if CpuTimer.obstacle() is not None:
            return
        self._begin_here()
        atexit.register(self._stop)
        on_fork(self)

    def _begin_here(self) -> None:
        self._pid = os.getpid()
        stacks = Stacks()
        self._journal = Journal(self._folder / f"{self._pid}{SUFFIX}", self._label, stacks)
        self._sampler = CpuSampler(stacks, self._journal.add, self._interval_s)
        self._guard.install()
        self._sampler.arm()

    def _stop(self) -> None:
        if self._pid == os.getpid():
            self._pid = 0
            self._sampler.disarm()
            self._journal.write()
            self._guard.remove()

    def after_fork(self, is_about_to_exec: bool) -> None:
        """In a fork of this process: begin anew, under its own number."""
        if not self._pid:
            return
        self._pid = 0
        self._guard.remove()
        self._sampler.after_fork()
        if not is_about_to_exec and self._folder.is_dir():
            self._begin_here()
