"""Where asyncio tasks spend their time, in task-seconds: running, runnable (ready, but the loop is busy) or waiting.

A signal looks in once in every 10 ms, at a random moment of them: at which task runs, and at the chains of awaits of
some others. It keeps its cost below 2 % by looking at fewer tasks, then less often.
The rule: which moments are looked at never depends on what the program does in them.
"""

from __future__ import annotations

import asyncio
import os
from random import Random
from time import monotonic, perf_counter, thread_time
from types import CodeType, FrameType
from typing import Any

from penstock.perf.profile.census import SUBSET_MAX, SUBSET_MIN, AnyTask, Census
from penstock.perf.profile.chains import Place, awaited_text, running_chain, suspended_chain
from penstock.perf.profile.findings import Findings, State
from penstock.perf.profile.model import Profile
from penstock.perf.profile.otherprocesses import OtherProcesses
from penstock.perf.profile.recorder import RecorderOptions
from penstock.perf.profile.ticker import Ticker, TimerChoice

INTERVAL_S = 0.010
COST_SHARE = 0.015
"""The share of wall time that looking may take; above it fewer tasks are looked at, then less often."""
_SIGNAL_COST_S = 100e-6
"""What a look costs beside its own time: timer, signal, cold caches (20 to 100 µs measured on a busy two-core VM)."""
_DELAY_S_MIN = 20e-6
_SKIPPED_AT_ONCE_S = 1.0
_UNKNOWN = object()
_SLEEP: CodeType = asyncio.sleep.__code__


class AwaitRecorder:
    """Records the tasks of the event loop that runs in the main thread; other threads' loops are left out.

    Stacks begin with `[running]`, `[runnable]` or `[waiting]`, then the task's coroutine, then the chain of awaits.
    A task is *running* while it is the loop's current task (or has called an eager one), *runnable* while what it
    awaits is done or the timer of its sleep is due, else *waiting*. One task-second is one task for one second.

    Time is cut into cells of about 10 ms; each stands for the state at one moment drawn evenly from it (stratified
    sampling). A look that comes late still sees that moment's state, because the main thread has executed no Python
    since then, and it sees it for all moments it missed. So the sums are unbiased for any program. Weighting looks with
    the time since the look before is not: on a busy machine late looks come just when the program goes on.
    The time that looks take is left out: cells are cut from the program's own time.
    `timer` is for tests: "alarm" takes the portable ITIMER_REAL where a timer of our own would be used.
    """

    def __init__(self, options: RecorderOptions | None = None, *, timer: TimerChoice | None = None) -> None:
        self._options = options or RecorderOptions()
        self._interval_s = self._options.interval_s or INTERVAL_S
        self._rng = Random(self._options.seed)
        self._census = Census(self._rng)
        self._ticker = Ticker(self._look, timer=timer)
        self._found = Findings()
        # Moving means of what a look, the drawing and one task cost, in CPU time: a busy machine interrupts looks.
        self._cost_s, self._draw_cost_s, self._task_cost_s = 0.0, 20e-6, 4e-6
        # Times by the program's own clock, which stands still during looks: see _now_s.
        self._cell_began_s = self._cell_s = self._moment_s = 0.0
        self._held_s = 0.0
        self._started_s: float | None = None
        self._pid = os.getpid()
        self._others = OtherProcesses()
        self._profile: Profile | None = None

    def start(self) -> None:
        """Begin. Raises CannotProfile outside the main thread and where no timer signal is to be had."""
        self._ticker.start()
        self._pid = os.getpid()
        self._others = OtherProcesses()
        self._started_s = self._cell_began_s = self._now_s()
        self._next_cell()
        self._arm()

    def stop(self) -> Profile:
        """End; the profile so far. A second call returns the same."""
        if self._profile is None:
            is_ours = self._ticker.stop()
            duration_s = 0.0 if self._started_s is None else self._now_s() + self._held_s - self._started_s
            self._profile = self._found.to_profile(self._options.title, duration_s)
            self._profile.notes = self._notes(is_ours=is_ours) + self._profile.notes
        return self._profile

    def _now_s(self) -> float:
        return perf_counter() - self._held_s

    def _next_cell(self) -> None:
        """Cut the cell that follows the last one, as long as its look may cost, and draw its moment."""
        self._cell_began_s += self._cell_s
        self._cell_s = max(self._interval_s, (_SIGNAL_COST_S + self._cost_s) / COST_SHARE)
        self._moment_s = self._cell_began_s + self._rng.random() * self._cell_s

    def _arm(self) -> None:
        self._ticker.arm(max(_DELAY_S_MIN, self._moment_s - self._now_s()))

    def _subset(self, weight_s: float) -> int:
        """How many tasks to look at: few often rather than many seldom, because tasks move together; but as many as the
        copy of all tasks costs anyway. What is still too much makes the cells longer. A late look affords more."""
        left_s = self._interval_s * COST_SHARE - _SIGNAL_COST_S - self._draw_cost_s
        fitting = max(left_s, self._draw_cost_s) / max(self._task_cost_s, 1e-7)
        return int(max(SUBSET_MIN, min(SUBSET_MAX, fitting * max(1.0, weight_s / self._cell_s))))

    def _look(self, frame: FrameType | None) -> None:
        now_s, began_cpu_s = self._now_s(), thread_time()
        late_s = max(0.0, now_s - self._moment_s)
        found = self._found
        try:
            loop = asyncio._get_running_loop()
            weight_s = self._weight_s(now_s)
            if loop is not None:
                self._look_at(loop, frame, weight_s)
            found.end_look(weight_s, late_s, is_outside_loop=loop is None)
        except Exception as error:  # noqa: BLE001 - raised from a signal handler, it would hit the program anywhere
            found.add_error(error)
        finally:
            cost_s = thread_time() - began_cpu_s
            self._cost_s += (cost_s - self._cost_s) * self._newest()
            found.cpu_s += cost_s
            # CPU time, not wall time: while a busy machine holds a look up, the program would stand still as well.
            self._held_s += cost_s
            self._arm()

    def _weight_s(self, now_s: float) -> float:
        """The cells whose moments have passed, added up; the next one is still to come afterwards."""
        weight_s = 0.0
        behind_s = now_s - self._cell_began_s - self._cell_s
        if behind_s > _SKIPPED_AT_ONCE_S:  # a process that was stopped for hours
            self._cell_began_s += behind_s
            weight_s += behind_s
        while self._moment_s <= now_s or weight_s == 0.0:
            weight_s += self._cell_s
            self._next_cell()
        return weight_s

    def _look_at(self, loop: asyncio.AbstractEventLoop, frame: FrameType | None, weight_s: float) -> None:
        add, codes = self._found.add, self._found.codes
        current = asyncio.current_task(loop)
        if current is not None:
            add("running", running_chain(frame, current.get_coro(), codes), weight_s)
        drawing_s = thread_time()
        tasks, weight = self._census.draw(loop, current, self._subset(weight_s))
        drawn_s = thread_time()
        due_s = _due_before(loop, current)
        for task in tasks:
            add(*self._state_and_chain(task, frame, due_s), weight_s * weight)
        if tasks:
            newest = self._newest()
            self._draw_cost_s += (drawn_s - drawing_s - self._draw_cost_s) * newest
            self._task_cost_s += ((thread_time() - drawn_s) / len(tasks) - self._task_cost_s) * newest

    def _newest(self) -> float:
        """The weight of the newest look in the moving means of its costs."""
        return max(0.1, 1 / (self._found.looks + 1))

    def _state_and_chain(self, task: AnyTask, frame: FrameType | None, due_s: float) -> tuple[State, list[Place]]:
        coroutine = task.get_coro()
        if getattr(coroutine, "cr_running", False):  # below an eager task on the same stack
            return "running", running_chain(frame, coroutine, self._found.codes)
        waiter: Any = getattr(task, "_fut_waiter", _UNKNOWN)
        places, innermost = suspended_chain(coroutine, self._found.codes)
        if waiter is _UNKNOWN:
            self._found.untold += 1
            return "waiting", places
        if waiter is None or waiter.done() or (due_s and _sleeps_until(innermost, due_s)):
            return "runnable", places
        if text := awaited_text(waiter):
            places.append(text)
        return "waiting", places

    def _notes(self, *, is_ours: bool) -> list[str]:
        if os.getpid() != self._pid:
            return ["This process was forked from the one that was profiled; its tasks were not looked at."]
        notes = []
        if not self._found.looks:
            notes.append(f"It ended before the first look (one every {self._interval_s * 1000:.0f} ms on average).")
        if not is_ours:
            notes.append(
                "The program took the timer signal for itself, so nothing was looked at from then on: "
                f"this covers the first {self._found.covered_s:.1f} s."
            )
        return notes + self._others.notes("tasks")


def _due_before(loop: asyncio.AbstractEventLoop, current: AnyTask | None) -> float:
    """The time before which a sleep is overdue, by the loop's clock, or 0 when no sleep can be."""
    timers = getattr(loop, "_scheduled", None)
    if timers is None:
        # uvloop's own time stands still while a callback runs; it counts what time.monotonic() counts.
        return monotonic() if current is not None else 0.0
    now_s = loop.time()
    # A timer that is due leaves the heap one turn before its callback runs.
    if getattr(loop, "_ready", None) or (timers and timers[0].when() <= now_s):
        return now_s
    return 0.0


def _sleeps_until(innermost: FrameType | None, due_s: float) -> bool:
    if innermost is None or innermost.f_code is not _SLEEP:
        return False
    timer = innermost.f_locals.get("h")
    return timer is not None and bool(timer.when() <= due_s)
