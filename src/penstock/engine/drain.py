"""Stopping: what the first, second and third signal do, and when the grace period is over.

| step      | by                              | effect                                                              |
|-----------|---------------------------------|---------------------------------------------------------------------|
| draining  | first signal, or `request`      | nothing new starts; what is in flight may finish; then commit       |
| cancelled | second signal, or 25 s later    | what is in flight is abandoned (it stays pending); then commit      |
| gone      | third signal                    | the process ends at once; what was committed is safe                |
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from penstock.engine.state import RunState

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Drain:
    """One run's way down. `cancel` is called at most once, to abandon what is in flight."""

    def __init__(self, state: RunState, *, grace_s: float, on_drain: Callable[[], None], cancel: Callable[[], None]):
        self._state = state
        self._grace_s = grace_s
        self._on_drain = on_drain
        self._cancel = cancel
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._watched: list[signal.Signals] = []
        self.signal: signal.Signals | None = None
        self.signal_count = 0
        self.is_cancelled = False
        self.is_overdue = False

    def watch_signals(self) -> None:
        """Take over SIGINT and SIGTERM until `close`. Only on the main thread; elsewhere it does nothing."""
        for number in _SIGNALS:
            try:
                self._loop.add_signal_handler(number, self.on_signal, number)
            except (NotImplementedError, RuntimeError, ValueError):
                return  # Windows, or not the main thread: Ctrl-C raises KeyboardInterrupt as usual
            self._watched.append(number)

    def on_signal(self, number: signal.Signals) -> None:
        self.signal = self.signal or number
        self.signal_count += 1
        if self.signal_count == 1:
            self.request()
        elif self.signal_count == 2:
            self.cancel()
        else:
            os._exit(128 + number)

    def request(self) -> None:
        """Begin to drain. Harmless when repeated."""
        if self._state.is_draining:
            return
        self._state.is_draining = True
        self._on_drain()
        self._timer = self._loop.call_later(self._grace_s, self._overdue)

    def cancel(self) -> None:
        if not self.is_cancelled:
            self.is_cancelled = True
            self._cancel()

    def describe(self, in_flight: int) -> str:
        """What to tell the user now; empty while nothing stops the run."""
        if self.is_cancelled:
            return "cancelled: committing what is complete"
        if self._state.is_draining:
            return f"draining: {in_flight} in flight, again to cancel"
        return ""

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number in self._watched:
            self._loop.remove_signal_handler(number)
        self._watched.clear()

    def _overdue(self) -> None:
        self.is_overdue = True
        self.cancel()
