"""From beats and looks to blocks: when a loop was held up, for how long, and by what. Pure: times and stacks come in.

A beat is due every `interval_s`. One that comes late ends a block; the looks taken meanwhile divide its time: each
stands for the time since the look before, the last one for what remains. A block began somewhere between the last beat
and the one that was due, so it is taken to have begun in the middle: its length is right within half an interval.
The rule: bounded, however long a program runs or is blocked.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from penstock.perf.profile.stacks import RawStack
from penstock.telemetry.lag import LoopLag

_LOOKS_MAX = 2_000
BLOCKS_KEPT = 200

Share: TypeAlias = tuple[RawStack, float]


@dataclass(frozen=True, slots=True)
class Block:
    """`at_s` on the caller's clock, when it began; `shares` are what was seen, with the seconds each stands for (the
    sum is `duration_s`); empty when nobody looked. `task` is the name of the task of the longest share, "" for none;
    `thread` the loop's."""

    at_s: float
    duration_s: float
    shares: tuple[Share, ...]
    task: str
    thread: str = ""


class Watch:
    """One loop while it runs. `look` may be called from another thread or from a signal handler, `beat` and `end` by
    the loop's own thread. Blocks of at least `threshold_s` go to `blocked`."""

    def __init__(
        self, now_s: float, interval_s: float, threshold_s: float, lag: LoopLag, blocked: Callable[[Block], None]
    ) -> None:
        self.interval_s = interval_s
        self.due_s = now_s + interval_s
        self._threshold_s = threshold_s
        self._lag = lag
        self._blocked = blocked
        self._looks: deque[tuple[float, RawStack, str]] = deque(maxlen=_LOOKS_MAX)

    def look(self, now_s: float, raw: RawStack, task: str) -> None:
        """What the loop's thread is at. Ignored while no beat is overdue."""
        if now_s > self.due_s:
            self._looks.append((now_s, raw, task))

    def beat(self, now_s: float) -> None:
        """The beat has come; the next one is due in `interval_s`."""
        self._lag.record(self.due_s, now_s)
        self._close(now_s)
        self.due_s = now_s + self.interval_s

    def end(self, now_s: float) -> None:
        """The loop stopped. What blocked it until then counts, if it did."""
        if now_s > self.due_s:
            self._lag.record(self.due_s, now_s)
            self._close(now_s)

    def _close(self, now_s: float) -> None:
        looks = list(self._looks)
        self._looks.clear()
        at_s = self.due_s - self.interval_s / 2
        if now_s - at_s < self._threshold_s:
            return
        seconds: dict[RawStack, float] = {}
        tasks: dict[RawStack, str] = {}
        before_s = at_s
        for index, (look_s, raw, task) in enumerate(looks):
            until_s = now_s if index == len(looks) - 1 else look_s
            seconds[raw] = seconds.get(raw, 0.0) + until_s - before_s
            tasks[raw] = task
            before_s = until_s
        longest = max(seconds, key=lambda raw: seconds[raw], default=None)
        task = tasks[longest] if longest is not None else ""
        self._blocked(Block(at_s, now_s - at_s, tuple(seconds.items()), task))


class LongestBlocks:
    """The `BLOCKS_KEPT` longest of all blocks."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Block]] = []
        self.count = 0
        self.blocked_s = 0.0

    def add(self, block: Block) -> None:
        self.count += 1
        self.blocked_s += block.duration_s
        entry = (block.duration_s, self.count, block)
        if len(self._heap) < BLOCKS_KEPT:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def longest_first(self) -> list[Block]:
        return [block for _, _, block in sorted(self._heap, key=lambda entry: -entry[0])]
