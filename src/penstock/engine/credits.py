"""The one place where backpressure is decided: how many items and bytes may be inside the run at once. Pure.

Items count from admission until the sink has made them durable, so they bound the work a crash repeats. Bytes count
from the start of a fetch until the sink has encoded the body, so they bound memory: what still runs is reserved at the
running mean body size, and corrected by what has really arrived. Inner channels need no limits of their own.
"""

from __future__ import annotations

_FIRST_GUESS_BYTES = 64 << 10
_MEAN_WEIGHT = 0.02  # of the newest body: the mean follows a change within about 50 bodies


class Credits:
    """Counts against `items_max` and `bytes_max`. One item may always run, however large its body: no deadlock."""

    __slots__ = ("body_bytes_mean", "bytes_max", "items", "items_max", "waiting_bytes")

    def __init__(self, *, items_max: int, bytes_max: int) -> None:
        self.items_max = items_max
        self.bytes_max = bytes_max
        self.items = 0
        self.waiting_bytes = 0
        self.body_bytes_mean: float = _FIRST_GUESS_BYTES

    def may_admit(self) -> bool:
        return self.items < self.items_max

    def may_start(self, in_flight: int, buffered_bytes: int) -> bool:
        """May one more fetch start, with `in_flight` running that have received `buffered_bytes` so far?"""
        reserved_bytes = in_flight * self.body_bytes_mean
        used_bytes = self.waiting_bytes + (reserved_bytes if reserved_bytes > buffered_bytes else buffered_bytes)
        return used_bytes == 0 or used_bytes + self.body_bytes_mean <= self.bytes_max

    def used_bytes(self, in_flight: int, buffered_bytes: int) -> float:
        return self.waiting_bytes + max(buffered_bytes, in_flight * self.body_bytes_mean)

    def body_arrived(self, body_bytes: int) -> None:
        """A fetch ended with this many bytes, which now wait for the sink."""
        self.waiting_bytes += body_bytes
        self.body_bytes_mean += _MEAN_WEIGHT * (body_bytes - self.body_bytes_mean)

    def body_gone(self, body_bytes: int) -> None:
        """The sink has encoded them, or the item was skipped or failed: they are no longer in memory."""
        self.waiting_bytes -= body_bytes
