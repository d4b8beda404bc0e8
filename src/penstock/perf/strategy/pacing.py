"""Waits on an event loop until an item is due, as precisely as a thread that sleeps. Decides nothing.

The rule: never early, and in the order of `until` calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections import deque

_SOONEST_S = 0.001
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_FLAGS = 0o2004000  # TFD_CLOEXEC | TFD_NONBLOCK, as O_CLOEXEC and O_NONBLOCK on every platform that wheels exist for


class Pacer:
    """Of one loop. `until` is called with times that never go back, as a schedule hands them out.

    Loop timers count in whole milliseconds: asyncio's selector rounds its time-out up, libuv's clock has no finer unit.
    An item would start half a millisecond late on average, which a comparison with threads would show as the loops'
    latency, although real work arrives at a socket, not by a timer. So on Linux the kernel's timer is watched as a
    descriptor (timerfd: 0.1 ms late at the median, as threads are); elsewhere loop timers have to do, up to 2 ms late.
    `has_kernel_timer` False: as elsewhere.
    """

    def __init__(self, *, has_kernel_timer: bool = sys.platform == "linux") -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = _KernelTimer() if has_kernel_timer else None
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        if self._timer is not None:
            self._loop.add_reader(self._timer.descriptor, self._on_timer)

    async def until(self, due_s: float) -> None:
        """Return when `time.perf_counter()` has reached `due_s`. A wait costs a wake-up of the loop: 25 µs
        of CPU when it is busy, 80 µs out of an idle one (Linux 6.18, virtual machine)."""
        if self._timer is None:
            while (left_s := due_s - time.perf_counter()) > 0:
                # uvloop rounds less to nothing, and would spin.
                await asyncio.sleep(max(left_s, _SOONEST_S))
        elif due_s > time.perf_counter():
            waiting = self._waiting
            while waiting and waiting[0][1].done():  # cancelled, perhaps with a run before this one
                waiting.popleft()
            waiter: asyncio.Future[None] = self._loop.create_future()
            waiting.append((due_s, waiter))
            if len(waiting) == 1:
                self._timer.set(due_s)
            await waiter

    def close(self) -> None:
        """Stop watching. Nobody may wait."""
        if self._timer is not None:
            self._loop.remove_reader(self._timer.descriptor)
            self._timer.close()

    def _on_timer(self) -> None:
        assert self._timer is not None
        self._timer.clear()
        waiting, now_s = self._waiting, time.perf_counter()
        while waiting and (waiting[0][0] <= now_s or waiting[0][1].done()):
            waiter = waiting.popleft()[1]
            if not waiter.done():
                waiter.set_result(None)
        if waiting:
            self._timer.set(waiting[0][0])


class _KernelTimer:
    """timerfd_create(2) on the clock of `time.perf_counter`. Python has it from 3.13; this works on all."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._libc.timerfd_create(time.CLOCK_MONOTONIC, _FLAGS)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def set(self, due_s: float) -> None:
        seconds, fraction_s = divmod(due_s, 1.0)
        # interval: none; value: seconds and nanoseconds, rounded up so that it never fires early
        spec = (ctypes.c_long * 4)(0, 0, int(seconds), min(999_999_999, int(fraction_s * 1e9) + 1))
        if self._libc.timerfd_settime(self.descriptor, _ABSOLUTE, spec, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def clear(self) -> None:
        """Read the count of expirations, so that the descriptor is no longer ready."""
        with contextlib.suppress(BlockingIOError):  # set anew since the loop saw it ready
            os.read(self.descriptor, 8)

    def close(self) -> None:
        os.close(self.descriptor)
