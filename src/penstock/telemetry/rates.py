"""Rates for the display: items and bytes per second now, and the time left. Only this process's work counts.

An exponentially weighted mean over unevenly spaced looks: a look of d seconds weighs 1 − e^(−d/τ). The weights are
divided by their sum, so that the first seconds are not drawn towards zero (as in Adam: Kingma, Ba, 2015, §3).
"""

from __future__ import annotations

from math import exp

RATE_TAU_S = 5.0
# The time left is read as a promise: it follows a slower mean, or it would jump between 2 and 20 minutes.
ETA_TAU_S = 30.0


class Ewma:
    """Rate of a growing count, per second. `per_s` is None until two looks are apart in time."""

    __slots__ = ("_last", "_last_s", "_sum_per_s", "_tau_s", "_weight")

    def __init__(self, tau_s: float) -> None:
        self._tau_s = tau_s
        self._last: int | None = None
        self._last_s = 0.0
        self._sum_per_s = 0.0
        self._weight = 0.0

    def update(self, now_s: float, count: int) -> None:
        """The count is `count` at `now_s`. A look that is not later than the one before is ignored."""
        if self._last is None:
            self._last, self._last_s = count, now_s
            return
        elapsed_s = now_s - self._last_s
        if elapsed_s <= 0:
            return
        kept = exp(-elapsed_s / self._tau_s)
        self._sum_per_s = kept * self._sum_per_s + (1 - kept) * (count - self._last) / elapsed_s
        self._weight = kept * self._weight + (1 - kept)
        self._last, self._last_s = count, now_s

    @property
    def per_s(self) -> float | None:
        return max(0.0, self._sum_per_s / self._weight) if self._weight > 0 else None


class Rates:
    """Items per second, decoded bytes per second and seconds left, from the counts of successive snapshots."""

    __slots__ = ("_bytes", "_items", "_items_slow", "_left")

    def __init__(self) -> None:
        self._items = Ewma(RATE_TAU_S)
        self._items_slow = Ewma(ETA_TAU_S)
        self._bytes = Ewma(RATE_TAU_S)
        self._left: int | None = None

    def update(self, now_s: float, *, ended: int, bytes_body: int, left: int | None) -> None:
        """`ended` items and `bytes_body` of this process so far; `left` items to go, None if unknown."""
        self._items.update(now_s, ended)
        self._items_slow.update(now_s, ended)
        self._bytes.update(now_s, bytes_body)
        self._left = left

    @property
    def items_per_s(self) -> float | None:
        return self._items.per_s

    @property
    def bytes_per_s(self) -> float | None:
        return self._bytes.per_s

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the present rate; None when the total is unknown, nothing moves, or it is over a year."""
        rate_per_s = self._items_slow.per_s
        if self._left is None or not rate_per_s:
            return None
        eta_s = max(0, self._left) / rate_per_s
        return eta_s if eta_s < 365 * 86_400 else None
