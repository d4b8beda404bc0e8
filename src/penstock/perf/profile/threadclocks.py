"""CPU time of each other thread of this process since one asked last, with its stack. The main thread is not its task.

Linux gives every thread a CPU clock whose number follows from the thread id (`clock_getcpuclockid(3)`, kernel's
CPUCLOCK_PERTHREAD). `time.pthread_getcpuclockid` would do the same but may crash on a thread that has just ended.
The rule: it runs inside a signal handler, so it takes no lock.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator

from penstock.perf.profile.stacks import RawStack, Stacks

# Names that nobody chose: a thread for each task would be a flame for each task.
_NUMBERED = re.compile(r"^(Thread-|Dummy-|ThreadPoolExecutor-|asyncio_|uvloop_)[\d_]+")
_ONE_OF_MANY = r"\1…"
ELSEWHERE = "[threads outside Python, or ended]"


class ThreadClocks:
    """Call `prime` once; from then on `deltas` gives what was used since the last call. Main thread only."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks
        self._used_s: dict[int, float] = {}  # by native thread id
        self._own = threading.get_ident()

    @staticmethod
    def has_others() -> bool:
        """Whether there are other Python threads to look at."""
        return len(threading._active) > 1  # type: ignore[attr-defined]  # threading.active_count() takes a lock

    def prime(self) -> None:
        """Take the clocks as they are: what was used before is not counted."""
        self._used_s = {}
        if sys.platform == "linux":
            for thread in list(_active().values()):
                if thread.native_id is not None and (used_s := _clock_s(thread.native_id)) is not None:
                    self._used_s[thread.native_id] = used_s

    def deltas(self, others_s: float) -> Iterator[tuple[str, RawStack, float]]:
        """`others_s`, the CPU of all other threads, as (root frame, stack, seconds). About 2 µs for each thread.

        What no Python thread accounts for goes to the root ELSEWHERE; on other systems than Linux that is all of it.
        """
        if sys.platform == "linux":
            active = _active()
            for ident, frame in sys._current_frames().items():
                thread = active.get(ident)
                if ident == self._own or thread is None or thread.native_id is None:
                    continue
                used_s = _clock_s(thread.native_id)
                if used_s is None:
                    continue
                delta_s = used_s - self._used_s.get(thread.native_id, 0.0)
                self._used_s[thread.native_id] = used_s
                if delta_s > 0:
                    others_s -= delta_s
                    yield f"[thread {_NUMBERED.sub(_ONE_OF_MANY, thread.name)}]", self._stacks.take(frame), delta_s
        if others_s > 0:
            yield ELSEWHERE, (), others_s


def _active() -> dict[int, threading.Thread]:
    # threading.enumerate() takes a lock, which the interrupted code may hold.
    active: dict[int, threading.Thread] = threading._active.copy()  # type: ignore[attr-defined]
    return active


def _clock_s(native_id: int) -> float | None:
    try:
        return time.clock_gettime((~native_id << 3) | 6)  # 6: CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED
    except OSError:
        return None  # it has ended
