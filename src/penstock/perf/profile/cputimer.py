"""The clock of the CPU sampler: a signal to the main thread each time this process has used so much CPU.

On Linux a POSIX timer with SIGURG, elsewhere ITIMER_PROF with SIGPROF and its limits (see CpuTimer).
The rule: never take a signal or a timer that the program uses.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], None]

_HAS_POSIX_TIMERS = bool(sys.platform == "linux")  # bool(): or mypy takes the rest for dead code
_CLOCK_PROCESS_CPUTIME_ID = 2
_SIGEV_THREAD_ID = 4
_SIGNALS_TRIED = 16


class _Event(ctypes.Structure):
    """`struct sigevent` of Linux: 64 bytes."""

    _fields_ = [
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread_id", ctypes.c_int),
        ("rest", ctypes.c_char * 44),
    ]


class _Times(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")]


class CpuTimer:
    """Between `arm` and `disarm`, `handler` runs in the main thread about every `interval_s` of CPU of all threads.

    Why a POSIX timer (`timer_create(2)`, SIGEV_THREAD_ID): ITIMER_PROF signals whichever thread happens to run, so that
    the main thread, which alone runs Python's handlers, would sleep on while other threads compute. A POSIX timer is
    also gone after fork and exec, where an interval timer would kill the next program.
    Why SIGURG (or a real-time signal where it is taken): it is ignored by default, so a program that resets every
    signal survives, and hardly anybody uses it; Go's runtime interrupts itself with it for the same reasons.
    The kernel looks at CPU clocks at its own ticks (1 to 10 ms): shorter intervals come that often.
    """

    def __init__(self, handler: Handler, interval_s: float) -> None:
        self._handler = handler
        self._interval_s = interval_s
        self._timer: ctypes.c_void_p | None = None
        self._set_s = 0.0
        self.signal = 0

    @staticmethod
    def obstacle() -> str | None:
        """Why there can be none here, or None."""
        if threading.current_thread() is not threading.main_thread():
            return "this is not the main thread, and only that one gets signals"
        if _HAS_POSIX_TIMERS:
            return None if _free_signal() else "the program handles SIGURG and every real-time signal"
        if not hasattr(signal, "setitimer"):
            return "this system has no signals by CPU time"
        if signal.getsignal(signal.SIGPROF) not in {signal.SIG_DFL, signal.SIG_IGN}:
            return "the program already handles SIGPROF"
        if signal.getitimer(signal.ITIMER_PROF) != (0.0, 0.0):
            return "the program already uses the timer ITIMER_PROF"
        return None

    def arm(self) -> None:
        """Install the handler and start. Raises OSError if the system has no timer left."""
        self.signal = _free_signal() if _HAS_POSIX_TIMERS else signal.SIGPROF
        signal.signal(self.signal, self._handler)
        # No siginterrupt(…, False): with SA_RESTART the kernel would go on waiting for a lock (thread.join, queue.get),
        # and the handler would not run while other threads compute. Python repeats interrupted calls itself (PEP 475).
        if _HAS_POSIX_TIMERS:
            try:
                self._timer = _create(self.signal, self._interval_s)
            except OSError:
                signal.signal(self.signal, signal.SIG_DFL)
                raise
        else:
            signal.setitimer(signal.ITIMER_PROF, self._interval_s, self._interval_s)
            self._set_s = signal.getitimer(signal.ITIMER_PROF)[1]  # as the kernel rounded it

    def disarm(self) -> str | None:
        """Stop, give back what is still ours, and say what the program did to it, if it did."""
        trouble = None
        if self._timer is not None:
            _library().timer_delete(self._timer)
            self._timer = None
        elif signal.getitimer(signal.ITIMER_PROF)[1] == self._set_s:
            signal.setitimer(signal.ITIMER_PROF, 0)
        else:
            trouble = "The program changed the timer ITIMER_PROF"
        if signal.getsignal(self.signal) is not self._handler:
            return f"The program set a handler of its own for signal {self.signal}, or reset it"
        self._release_signal()
        return trouble

    def after_fork(self) -> None:
        """In a forked child: the kernel has dropped the timer; drop the handler."""
        self._timer = None
        if signal.getsignal(self.signal) is self._handler:
            self._release_signal()

    def _release_signal(self) -> None:
        """Back to the default, by way of SIG_IGN, which discards a tick under way: with SIG_DFL it would be fatal."""
        signal.signal(self.signal, signal.SIG_IGN)
        signal.signal(self.signal, signal.SIG_DFL)


def _free_signal() -> int:
    """SIGURG, or the highest real-time signal, with its default action; 0 if there is none."""
    highest = int(signal.SIGRTMAX)
    candidates = (int(signal.SIGURG), *range(highest, highest - _SIGNALS_TRIED, -1))
    return next((number for number in candidates if signal.getsignal(number) is signal.SIG_DFL), 0)


def _create(number: int, interval_s: float) -> ctypes.c_void_p:
    library = _library()
    timer = ctypes.c_void_p()
    event = _Event(signal=number, notify=_SIGEV_THREAD_ID, thread_id=threading.get_native_id())
    if library.timer_create(_CLOCK_PROCESS_CPUTIME_ID, ctypes.byref(event), ctypes.byref(timer)) != 0:
        raise OSError(ctypes.get_errno(), f"timer_create: {os.strerror(ctypes.get_errno())}")
    seconds, nanoseconds = divmod(round(interval_s * 1e9), 10**9)
    times = _Times(seconds, nanoseconds, seconds, nanoseconds)
    if library.timer_settime(timer, 0, ctypes.byref(times), None) != 0:
        number = ctypes.get_errno()
        library.timer_delete(timer)
        raise OSError(number, f"timer_settime: {os.strerror(number)}")
    return timer


def _library() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    # glibc before 2.34 keeps timers in librt.
    return library if hasattr(library, "timer_create") else ctypes.CDLL("librt.so.1", use_errno=True)
