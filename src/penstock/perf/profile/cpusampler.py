"""Samples this process's stacks by CPU time, in a signal handler of the main thread. Which sink keeps the samples,
and what becomes of forks and notes, is decided by others (cpu.py, child.py).

The kernel's timer counts the CPU of all threads. Each tick is charged by clocks, not counted: the main thread's CPU
since the last tick to its stack, each other thread's to that thread's. So a long call of C code, after which the tick
is late, has its full weight at the line that called it. The rule: the sampler's own time is charged to nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias

from penstock.perf.profile.cputimer import CpuTimer
from penstock.perf.profile.stacks import RawStack, Stacks
from penstock.perf.profile.threadclocks import ThreadClocks

Add: TypeAlias = Callable[[str, RawStack, float], None]
"""Takes one sample: (root frame's name or "", stack, seconds of CPU)."""


_LATE_INTERVALS = 20


class CpuSampler:
    """Between `arm` and `disarm` calls `add` for every sample. Main thread only."""

    def __init__(self, stacks: Stacks, add: Add, interval_s: float) -> None:
        self._stacks = stacks
        self._add = add
        self._interval_s = interval_s
        self._timer = CpuTimer(self._on_tick, interval_s)
        self._threads = ThreadClocks(stacks)
        self._others_s = 0.0
        self._is_busy = False
        self.samples = 0
        self.sampled_s = 0.0
        self.own_s = 0.0
        self.coarse_s = 0.0  # CPU of other threads that was seen late, and so all at one stack

    def arm(self) -> None:
        """Start sampling, the clocks from now on. Raises OSError if the system has no timer left."""
        self.samples, self.sampled_s, self.own_s, self.coarse_s, self._others_s = 0, 0.0, 0.0, 0.0, 0.0
        self._threads = ThreadClocks(self._stacks)
        self._threads.prime()
        self._main_s = time.thread_time()
        self._process_s = self._began_s = time.process_time()
        self._timer.arm()

    def disarm(self) -> str | None:
        """Stop, and say what the program did to signal or timer meanwhile, if it did."""
        self.cpu_s = time.process_time() - self._began_s - self.own_s
        return self._timer.disarm()

    def after_fork(self) -> None:
        """In a forked child, where the timer is gone: stop, so that another sampler can `arm`."""
        self._timer.after_fork()

    def _on_tick(self, _: int, frame: FrameType | None) -> None:
        if self._is_busy:
            return  # the tick came inside this handler: its CPU is nobody's
        self._is_busy = True
        try:
            self._sample(frame)
        except RecursionError:
            pass  # the program is close to its limit; what it used is charged at the next tick
        finally:
            self._is_busy = False

    def _sample(self, frame: FrameType | None) -> None:
        main_s, process_s = time.thread_time(), time.process_time()
        self.samples += 1
        used_s = main_s - self._main_s
        self._others_s += max(0.0, process_s - self._process_s - used_s)
        self.sampled_s += used_s
        self._add("", self._stacks.take(frame), used_s)
        if self._others_s >= self._interval_s:
            if process_s - self._process_s > _LATE_INTERVALS * self._interval_s:
                self.coarse_s += self._others_s
            for root, raw, weight_s in self._threads.deltas(self._others_s):
                self.sampled_s += weight_s
                self._add(root, raw, weight_s)
            self._others_s = 0.0
        # By difference, so that work of other threads during this handler counts at the next tick.
        self._main_s = time.thread_time()
        own_s = self._main_s - main_s
        self.own_s += own_s
        self._process_s = process_s + own_s
