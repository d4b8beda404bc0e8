"""Watches running loops: beats on each, and looks at what holds up a beat. What a block is stands in blocks.py.

In the main thread the looks are signals, armed by every beat for a moment after the next: while the loop is on time
none ever comes. Loops in other threads, or where signals cannot be used, are looked at by a thread of ours, which
prefers the moments in which the blocking code lets go of the interpreter. C code that keeps it is seen at its end, at
the right line. The rule: whatever a strange loop does with our beat, the program goes on.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from types import FrameType

from penstock.perf.profile.blocks import Watch
from penstock.perf.profile.culprit import INSTEAD, NOBODY, below_loop
from penstock.perf.profile.recorder import CannotProfile
from penstock.perf.profile.stacks import RawStack, Stacks
from penstock.perf.profile.threadclocks import ThreadClocks
from penstock.perf.profile.ticker import Ticker

_PRIME_EVERY_S = 0.1  # how old a thread's clock may be when it is compared
_RAN_SHARE = 0.3  # a thread that used this much CPU of the time that the loop is late ran in its place
_LONG_S, _SELDOM_S = 1.0, 0.1  # in a block longer than that, look only so often


@dataclass(eq=False, slots=True)
class _Running:
    loop: asyncio.AbstractEventLoop
    thread_id: int
    watch: Watch
    handle: asyncio.TimerHandle | None = None


class LoopWatch:
    """Call `attach` and `detach` in the loop's thread; `open` and `close` in the thread that owns the recording."""

    def __init__(self, interval_s: float, stacks: Stacks) -> None:
        self._stacks = stacks
        self._interval_s = interval_s
        self._running: dict[int, _Running] = {}  # by thread
        self._ticker: Ticker | None = None
        self._main: _Running | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._threads = ThreadClocks(stacks)
        self._prime_next_s = 0.0
        self.obstacle = ""  # why the main thread is looked at from a thread, if it is

    def open(self) -> None:
        ticker = Ticker(self._on_signal)
        try:
            ticker.start()
        except CannotProfile as error:
            self.obstacle = str(error)
            return
        self._ticker = ticker

    def close(self) -> None:
        """Stop looking; loops that still run get no more beats, what blocks them now counts."""
        for running in list(self._running.values()):
            self._end(running)
        self._closing.set()
        if self._ticker is not None and not self._ticker.stop():
            self.obstacle = "the program took the signal for itself"
        if self._thread is not None:
            self._thread.join()

    def attach(self, loop: asyncio.AbstractEventLoop, make: Callable[[float], Watch]) -> None:
        """Begin to watch a loop that runs in this thread, unless it is watched. Any exception is the loop's."""
        thread_id = threading.get_ident()
        known = self._running.get(thread_id)
        if known is not None and known.loop is loop:
            return
        if known is not None:
            self._end(known)
        running = _Running(loop, thread_id, make(monotonic()))
        running.handle = loop.call_later(self._interval_s, self._beat, running)
        self._running[thread_id] = running
        if self._ticker is not None and threading.current_thread() is threading.main_thread():
            self._main = running
            self._ticker.arm(2 * self._interval_s)
        elif self._thread is None:
            self._thread = threading.Thread(target=self._look_around, name="penstock-loop-watch", daemon=True)
            self._thread.start()

    def detach(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop of this thread stops running."""
        running = self._running.get(threading.get_ident())
        if running is not None and running.loop is loop:
            self._end(running)

    def _end(self, running: _Running) -> None:
        self._running.pop(running.thread_id, None)
        if self._main is running:
            self._main = None
        if running.handle is not None:
            running.handle.cancel()  # only marks it: safe from another thread
        running.watch.end(monotonic())

    def _beat(self, running: _Running) -> None:
        if self._running.get(running.thread_id) is not running:
            return
        running.watch.beat(monotonic())
        running.handle = running.loop.call_later(self._interval_s, self._beat, running)
        if self._main is running and self._ticker is not None:
            self._ticker.arm(2 * self._interval_s)
            if running.watch.due_s >= self._prime_next_s:
                self._prime_next_s = running.watch.due_s + _PRIME_EVERY_S
                if self._threads.has_others():
                    self._threads.prime()

    def _on_signal(self, frame: FrameType | None) -> None:
        running, ticker = self._main, self._ticker
        if running is None or ticker is None:
            return
        now_s = monotonic()
        with suppress(RecursionError):  # the program is close to its limit: this look is lost
            running.watch.look(now_s, self._seen(running, frame, now_s), _task_name(running.loop))
        ticker.arm(self._next_s(running.watch, now_s))

    def _seen(self, running: _Running, frame: FrameType | None, now_s: float) -> RawStack:
        """What to blame: the loop's own stack, or, when it is at nothing, that of a thread that ran all the while."""
        raw = self._stacks.take(frame)
        if not self._threads.has_others() or below_loop(self._stacks.stack(raw)) != (NOBODY,):
            return raw
        late_s = now_s - running.watch.due_s
        ran = max(self._threads.deltas(0.0), key=lambda used: used[2], default=None)
        if ran is None or ran[2] < _RAN_SHARE * late_s:
            return raw
        return self._stacks.under(ran[0].removesuffix("]") + INSTEAD, ran[1])

    def _look_around(self) -> None:
        while not self._closing.wait(self._interval_s):
            now_s = monotonic()
            late = [
                running
                for running in list(self._running.values())
                if running is not self._main and now_s > running.watch.due_s + self._interval_s
            ]
            if late:
                frames = sys._current_frames()
                for running in late:
                    stack = self._stacks.take(frames.get(running.thread_id))
                    running.watch.look(monotonic(), stack, _task_name(running.loop))

    def _next_s(self, watch: Watch, now_s: float) -> float:
        return max(self._interval_s, _SELDOM_S) if now_s - watch.due_s > _LONG_S else self._interval_s


def _task_name(loop: asyncio.AbstractEventLoop) -> str:
    try:
        task = asyncio.current_task(loop)
        return task.get_name() if task is not None else ""
    except Exception:  # noqa: BLE001 - tasks may be of any class
        return ""
