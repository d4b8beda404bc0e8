"""Catches the ways in which a program ends without coming back: `os._exit`, exec, and fatal signals.

Each calls `finish` first, with what to note, and then happens as it would have. The rule: only in the process that
`watch` was called in; a forked child ends as if we were not there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from penstock.perf.profile.forks import ExecGuard

_FATAL = ("SIGTERM", "SIGHUP")


class Endings:
    """Between `watch` and `release`. `finish(note)` is called at most once for each ending; it must not raise."""

    def __init__(self, finish: Callable[[str], None]) -> None:
        self._finish = finish
        self._pid = 0
        self._exec = ExecGuard(self._before_exec, lambda: None)
        self._true_exit = os._exit
        self._exit = self._before_exit
        self._handler = self._on_signal
        self._handled: list[int] = []

    def watch(self) -> None:
        """Main thread only. Signals that the program, or whoever started us, handles or ignores are left alone."""
        self._pid = os.getpid()
        self._true_exit = os._exit
        os._exit = self._exit  # type: ignore[assignment]  # same signature; it never returns either
        self._exec.install()
        for name in _FATAL:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._handler)
                self._handled.append(number)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.release)

    def release(self) -> None:
        """Put everything back that is still ours."""
        if os._exit is self._exit:
            os._exit = self._true_exit
        self._exec.remove()
        for number in self._handled:
            if signal.getsignal(number) is self._handler:
                signal.signal(number, signal.SIG_DFL)
        self._handled.clear()

    def _before_exit(self, status: int) -> None:
        if os.getpid() == self._pid:
            self._finish("The program ended with os._exit.")
        self._true_exit(status)

    def _before_exec(self, path: str) -> None:
        if os.getpid() == self._pid:
            self._finish(f"The program replaced itself by {path} (exec); the profile ends there.")

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._finish(f"The program was ended by {signal.Signals(number).name}.")
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
