"""Capacity: k slots with a bounded first-in-first-out queue, and the token bucket. No clock of their own, no I/O.

One rule: a slot that was granted is released exactly once, whether the answer was sent, cut or abandoned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Slots:
    """At most `slots_max` holders; at most `queue_max` waiting, served in the order they came."""

    __slots__ = ("_queue", "held", "queue_max", "slots_max")

    def __init__(self, slots_max: int, queue_max: int) -> None:
        self.slots_max = slots_max
        self.queue_max = queue_max
        self.held = 0
        self._queue: deque[Callable[[], None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def acquire(self, granted: Callable[[], None]) -> bool | None:
        """True: the slot is yours now. None: `granted` will be called when it is. False: the queue is full."""
        if self.held < self.slots_max:
            self.held += 1
            return True
        if len(self._queue) >= self.queue_max:
            return False
        self._queue.append(granted)
        return None

    def release(self) -> None:
        """Give the slot to the first that waits, if any. That one's callback runs before this returns."""
        if self._queue:
            self._queue.popleft()()
        else:
            self.held -= 1

    def leave(self, granted: Callable[[], None]) -> None:
        """Stop waiting. `granted` must be waiting. Cost: the length of the queue."""
        self._queue.remove(granted)


class Bucket:
    """A token bucket: `rate_per_s` tokens a second up to `burst`; starts full."""

    __slots__ = ("_checked_s", "_tokens", "burst", "rate_per_s")

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self.rate_per_s = rate_per_s
        self.burst = burst
        self._tokens = burst
        self._checked_s = now_s

    def take(self, now_s: float) -> float:
        """Take a token and return 0.0; or take none and return the seconds until there is one."""
        self._tokens = min(self.burst, self._tokens + (now_s - self._checked_s) * self.rate_per_s)
        self._checked_s = now_s
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self.rate_per_s
