"""The loop profile: how late event loops run their callbacks, and which line held one up.

It finds every asyncio and uvloop loop that runs while it records, in any thread, one after the other or at once, and
puts together what loopwatch.py saw. The rule: it says what was watched and what was not.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from dataclasses import replace

from penstock.perf.profile.blocks import Block, LongestBlocks, Watch
from penstock.perf.profile.culprit import UNSEEN, Blame, below_loop, by_function, culprit, guilty_line
from penstock.perf.profile.loopfinder import LoopFinder
from penstock.perf.profile.loopwatch import LoopWatch
from penstock.perf.profile.model import Frame, Profile, Stack, short_place
from penstock.perf.profile.recorder import RecorderOptions
from penstock.perf.profile.stacks import Stacks
from penstock.telemetry.histogram import Histogram
from penstock.telemetry.lag import LoopLag

INTERVAL_S = 0.010
_LOOKS_PER_THRESHOLD = 5
_INTERVAL_LEAST_S = 0.001
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
_CULPRITS_MAX = 1_000
_STACKS_MAX = 20_000
_LOOPS_MAX = 100
_ERRORS_MAX = 3
_OTHER_LOOPS = ("other loops", "other threads")
_OTHER_STACKS = (Frame("[other stacks]"),)
_UNSEEN_SHARE = 0.05


class LoopRecorder:
    """Beats every `interval_s` (10 ms, or a fifth of the threshold if that is less) on each loop; blocks of
    `threshold_s` and more are kept with their stacks.

    Stacks are weighted by the seconds that they blocked a loop. `numbers`: `blocks`, `blocked_s`, `threshold_s`,
    `lag_s_p50` … `lag_s_max`: how late a callback ran, corrected for the beats that a block swallowed. `details`:
    `blocks` (the longest: at_s, duration_s, place, file, line, function, task, thread, stack), `culprits` (all blocks
    by function, with its worst line), `loops` (what was watched) and `lag` (histogram: [upper bound in s, count]).
    """

    def __init__(self, options: RecorderOptions) -> None:
        self._options = options
        by_threshold_s = max(_INTERVAL_LEAST_S, options.threshold_s / _LOOKS_PER_THRESHOLD)
        self._interval_s = options.interval_s or min(INTERVAL_S, by_threshold_s)
        self._taken = Stacks()
        self._watch = LoopWatch(self._interval_s, self._taken)
        self._finder = LoopFinder(self._attach, self._detach)
        self._lags: dict[int, LoopLag] = {}  # by thread: a histogram is for one at a time
        self._loops: Counter[tuple[str, str]] = Counter()
        self._longest = LongestBlocks()
        self._stacks: dict[Stack, float] = {}
        self._culprits: dict[tuple[str, str], Blame] = {}
        self._errors: list[str] = []
        self._lock = threading.Lock()
        self._pid = 0
        self._began_s = time.monotonic()
        self._profile: Profile | None = None

    def start(self) -> None:
        """Begin. It works in any thread; from the main thread, and with a signal to spare, it sees more."""
        self._pid = os.getpid()
        self._began_s = time.monotonic()
        self._watch.open()
        self._finder.install()

    def stop(self) -> Profile:
        """End. Loops that still run are let go."""
        if self._profile is None:
            self._finder.remove()
            self._watch.close()
            self._profile = self._result()
        return self._profile

    def _attach(self, loop: asyncio.AbstractEventLoop) -> None:
        if os.getpid() != self._pid:
            return
        try:
            self._watch.attach(loop, self._new_watch)
        except Exception as error:  # noqa: BLE001 - a loop of any class; it must run as if we were not there
            if len(self._errors) < _ERRORS_MAX:
                self._errors.append(f"{type(loop).__qualname__}: {error}")
            return
        kind = type(loop)
        key = f"{kind.__module__}.{kind.__qualname__}", threading.current_thread().name
        with self._lock:
            self._loops[key if key in self._loops or len(self._loops) < _LOOPS_MAX else _OTHER_LOOPS] += 1

    def _detach(self, loop: asyncio.AbstractEventLoop) -> None:
        if os.getpid() == self._pid:
            self._watch.detach(loop)

    def _new_watch(self, now_s: float) -> Watch:
        thread = threading.current_thread().name
        lag = self._lags.get(threading.get_ident())
        if lag is None:
            lag = LoopLag(interval_s=self._interval_s, window_s=max(5.0, 25 * self._interval_s))
            self._lags[threading.get_ident()] = lag
        return Watch(
            now_s, self._interval_s, self._options.threshold_s, lag, lambda block: self._blocked(thread, block)
        )

    def _blocked(self, thread: str, block: Block) -> None:
        """Called by the loop's thread, at the late beat. About 50 µs."""
        with self._lock:
            self._longest.add(replace(block, thread=thread))
            shares = self._shares(block)
            for stack, seconds in shares:
                if stack not in self._stacks and len(self._stacks) >= _STACKS_MAX:
                    stack = _OTHER_STACKS  # noqa: PLW2901 - the same thing, by a shorter name
                self._stacks[stack] = self._stacks.get(stack, 0.0) + seconds
            for place, lines in by_function(shares).items():
                if place in self._culprits or len(self._culprits) < _CULPRITS_MAX:
                    self._culprits.setdefault(place, Blame()).add(lines)

    def _shares(self, block: Block) -> list[tuple[Stack, float]]:
        if not block.shares:
            return [((UNSEEN,), block.duration_s)]
        return [(below_loop(self._taken.stack(raw)), seconds) for raw, seconds in block.shares]

    def _result(self) -> Profile:
        profile = Profile(kind="loop", unit="seconds", title=self._options.title, stacks=self._stacks)
        profile.duration_s = time.monotonic() - self._began_s
        lag = Histogram()
        for each in self._lags.values():
            lag.merge(each.histogram)
        profile.samples = lag.n
        profile.numbers["blocks"] = float(self._longest.count)
        profile.numbers["blocked_s"] = self._longest.blocked_s
        profile.numbers["threshold_s"] = self._options.threshold_s
        if lag.n:
            for name, q in _QUANTILES.items():
                percentile = lag.percentile(q)
                if percentile.value_s is not None and percentile.is_n_enough:
                    profile.numbers[f"lag_s_{name}"] = percentile.value_s
            profile.numbers["lag_s_max"] = lag.max_s
        profile.details["blocks"] = [self._described(block) for block in self._longest.longest_first()]
        profile.details["culprits"] = self._by_line()
        profile.details["lag"] = [list(bucket) for bucket in lag.buckets()]
        profile.details["loops"] = [
            {"loop": loop, "thread": thread, "runs": runs} for (loop, thread), runs in self._loops.items()
        ]
        profile.notes += self._notes(profile)
        return profile

    def _described(self, block: Block) -> dict[str, object]:
        shares = self._shares(block)
        frame = guilty_line(shares)
        stack = max((share for share in shares if culprit(share[0]) == frame), key=lambda share: share[1])[0]
        return {
            "at_s": round(block.at_s - self._began_s, 6),
            "duration_s": round(block.duration_s, 6),
            "place": short_place(frame),
            "function": frame.name,
            "file": frame.file,
            "line": frame.line,
            "task": block.task,
            "thread": block.thread,
            "stack": [list(each) for each in stack],
        }

    def _by_line(self) -> list[object]:
        ordered = sorted(self._culprits.items(), key=lambda entry: -entry[1].blocked_s)
        return [
            {
                "function": name,
                "file": file,
                "line": blame.line,
                "place": short_place(Frame(name, file, blame.line)),
                "blocks": blame.blocks,
                "blocked_s": round(blame.blocked_s, 6),
            }
            for (name, file), blame in ordered
        ]

    def _notes(self, profile: Profile) -> list[str]:
        notes = [f"A loop could not be watched: {error}." for error in self._errors]
        if not self._loops:
            notes.append("No asyncio event loop ran while this was recorded, so there was nothing to watch.")
            return notes
        threads = sorted({thread for _, thread in self._loops})
        loops = sorted({loop for loop, _ in self._loops})
        if len(self._loops) > 1 or threads != ["MainThread"]:
            notes.append(f"Watched: {', '.join(loops)} in {', '.join(threads)}.")
        if self._watch.obstacle and "MainThread" in threads:
            notes.append(
                f"Looked at from a thread ({self._watch.obstacle}): in a block that lets go of the interpreter now and "
                "then, the lines where it does so are seen too often."
            )
        unseen_s = self._stacks.get((UNSEEN,), 0.0)
        if unseen_s > _UNSEEN_SHARE * profile.total:
            notes.append(
                f"{unseen_s:.2f} s of blocks were not seen: they are shorter than two intervals of "
                f"{self._interval_s * 1e3:g} ms, or the program kept signals from being handled."
            )
        if profile.samples < 20:
            notes.append(f"Too short to speak of lag: {profile.samples} beats of {self._interval_s * 1e3:g} ms.")
        return notes
