"""Calls a function in the main thread after a delay, between two bytecodes of whatever runs there. Samples nothing.

Linux: a POSIX timer of our own with a real-time signal, so that a program's own alarm (pytest-timeout, `signal.alarm`)
and ours never meet, and an `exec` takes no timer along. Elsewhere: ITIMER_REAL with SIGALRM, if nobody uses them.
The rule: whoever else takes the signal keeps it; we then stop and say so.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal, Protocol, TypeAlias

from penstock.perf.profile.forks import ExecGuard
from penstock.perf.profile.recorder import CannotProfile

TimerChoice: TypeAlias = Literal["own", "alarm"]
_SIGEV_SIGNAL = 0
_AFTER_A_FAILED_EXEC_S = 0.01
_FREE_HANDLERS = (signal.SIG_DFL, signal.SIG_IGN)


class _Timer(Protocol):
    """One shot at a time."""

    signal_number: int

    def arm(self, delay_s: float) -> None: ...

    def close(self, *, is_ours: bool) -> None:
        """End the timer. Not `is_ours`: the program has the signal now, and keeps the timer if there is but one."""


class Ticker:
    """`tick(frame)` is called once after every `arm`, in the main thread; `frame` is what ran there then.

    The call comes late when C code keeps the interpreter. It must not raise. The signal restarts system calls that
    it interrupts where the system can (`siginterrupt` off); polls and sleeps are continued by Python itself.
    """

    def __init__(self, tick: Callable[[FrameType | None], None], *, timer: TimerChoice | None = None) -> None:
        self._tick = tick
        self._choice = timer
        self._timer: _Timer | None = None
        self._before: Any = None

    def start(self) -> None:
        """Take the signal; nothing is armed yet. Raises CannotProfile outside the main thread, where the system has
        no such timers, and when the only timer there is belongs to the program."""
        if threading.current_thread() is not threading.main_thread():
            name = threading.current_thread().name
            raise CannotProfile(
                f"sampling by a signal: expected to be started in the main thread, got thread {name!r}",
                hint="start the profile in the main thread, around asyncio.run()",
            )
        timer = _open_timer(self._choice)
        self._before = signal.signal(timer.signal_number, self._handle)
        signal.siginterrupt(timer.signal_number, False)
        self._timer = timer

    def arm(self, delay_s: float) -> None:
        """One call of `tick` in `delay_s` seconds (more than 0)."""
        if self._timer is not None:
            self._timer.arm(delay_s)

    def stop(self) -> bool:
        """Give the signal and the timer back. False when the program had taken the signal for itself meanwhile."""
        timer, self._timer = self._timer, None
        if timer is None:
            return True
        is_ours = signal.getsignal(timer.signal_number) == self._handle
        timer.close(is_ours=is_ours)
        if is_ours:
            signal.signal(timer.signal_number, self._before)
        return is_ours

    def _handle(self, _number: int, frame: FrameType | None) -> None:
        if self._timer is not None:
            self._tick(frame)


def _open_timer(choice: TimerChoice | None) -> _Timer:
    if choice != "alarm" and sys.platform == "linux" and sys.maxsize > 2**32:
        try:
            return _OwnTimer()
        except (OSError, AttributeError, ImportError):
            if choice == "own":
                raise
    return _Alarm()


class _OwnTimer:
    """timer_create(2), which the standard library does not offer. The structures are those of 64-bit Linux."""

    def __init__(self) -> None:
        import ctypes
        import time

        self.signal_number = _free_realtime_signal()
        # PyDLL keeps the interpreter lock: a look must not hand it to another thread halfway.
        self._library = ctypes.PyDLL(None, use_errno=True)
        event = (ctypes.c_int32 * 16)()  # struct sigevent: 64 bytes
        event[2], event[3] = self.signal_number, _SIGEV_SIGNAL  # after 8 bytes of union sigval
        self._id = ctypes.c_void_p()
        if self._library.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._id)) != 0:
            raise OSError(ctypes.get_errno(), "timer_create")
        self._spec = (ctypes.c_int64 * 4)()  # interval s, ns; first expiry s, ns

    def arm(self, delay_s: float) -> None:
        seconds = int(delay_s)
        self._spec[2], self._spec[3] = seconds, max(1, int((delay_s - seconds) * 1e9))
        self._library.timer_settime(self._id, 0, self._spec, None)

    def close(self, *, is_ours: bool) -> None:
        self._library.timer_delete(self._id)


class _Alarm:
    def __init__(self) -> None:
        if not hasattr(signal, "setitimer"):
            raise CannotProfile(
                f"sampling by a signal: expected a system with interval timers, got {sys.platform}",
                hint="profile on Linux or macOS; `penstock profile cpu` can use py-spy where it is installed",
            )
        self.signal_number = int(signal.SIGALRM)
        in_use = signal.getsignal(signal.SIGALRM)
        if in_use not in _FREE_HANDLERS or signal.getitimer(signal.ITIMER_REAL)[0] > 0:
            raise CannotProfile(
                f"sampling by a signal: expected SIGALRM to be free, got a handler {in_use!r} or a running alarm",
                hint="switch the program's own alarm off (pytest: --timeout-method=thread)",
            )
        # This timer, unlike one of our own, would outlive an exec, and its signal would end the new program.
        self._exec = ExecGuard(lambda _path: self._disarm(), lambda: self.arm(_AFTER_A_FAILED_EXEC_S))
        self._exec.install()

    def arm(self, delay_s: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, delay_s)

    def close(self, *, is_ours: bool) -> None:
        self._exec.remove()
        if is_ours:
            self._disarm()

    def _disarm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _free_realtime_signal() -> int:
    for number in range(signal.SIGRTMAX - 2, signal.SIGRTMIN, -1):
        if signal.getsignal(number) is signal.SIG_DFL:
            return number
    raise OSError("expected a real-time signal without a handler, got none")
