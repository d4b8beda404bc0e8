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
import threading
from collections.abc import Callable
from typing import Any

from penstock.engine.state import RunState

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Takes over SIGINT and SIGTERM while in use (`with`), and passes them on to `target` on the loop.

    The third ends the process from inside the handler itself: also when the loop is blocked, or when the run is over
    and only a thread of the user's does not end. Off the main thread it does nothing; Ctrl-C then acts as usual.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._before: dict[int, Any] = {}
        self._count = 0
        self.target: Callable[[signal.Signals], None] | None = None

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: object) -> None:
        self._count += 1
        if self._count >= 3:
            os._exit(128 + number)
        self._loop.call_soon_threadsafe(self._pass_on, signal.Signals(number))

    def _pass_on(self, number: signal.Signals) -> None:
        if self.target is not None:
            self.target(number)


class Drain:
    """One run's way down. `cancel` is called at most once, to abandon what is in flight."""

    def __init__(self, state: RunState, *, grace_s: float, on_drain: Callable[[], None], cancel: Callable[[], None]):
        self._state = state
        self._grace_s = grace_s
        self._on_drain = on_drain
        self._cancel = cancel
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.signal: signal.Signals | None = None
        self.is_cancelled = False
        self.is_overdue = False

    def on_signal(self, number: signal.Signals) -> None:
        """The first drains, the second cancels."""
        is_first = self.signal is None
        self.signal = self.signal or number
        self.request() if is_first else self.cancel()

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

    def _overdue(self) -> None:
        self.is_overdue = True
        self.cancel()
