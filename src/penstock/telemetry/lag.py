"""How late the event loop runs its callbacks: the state behind the heartbeat, without the timer (the engine owns that).

When the 95th percentile of the last seconds is above 20 ms, measured latencies say more about this process than about
the servers, and `is_late` tells the limiter to throw them away. Rule: one long block counts once per missed beat.
"""

from __future__ import annotations

from collections import deque
from math import ceil

from penstock.errors import Bug
from penstock.telemetry.histogram import Histogram

HEARTBEAT_S = 0.020
LATE_S = 0.020
WINDOW_S = 5.0


class LoopLag:
    """Lags of a heartbeat: whole-run histogram, and the p95 of a sliding window (by default 250 beats, 5 s).

    A block of 5 s shows up as one late beat although 250 were due in it. Each of those would have been late by what
    was left of the block, so they are added (lag, lag − interval, lag − 2 intervals, …): HdrHistogram's
    `recordValueWithExpectedInterval`, the correction of coordinated omission. At most one window of them.
    """

    __slots__ = ("_interval_s", "_late_s", "_needed", "_on_time", "_peak_s", "_window", "histogram", "late_s")

    def __init__(self, *, interval_s: float = HEARTBEAT_S, window_s: float = WINDOW_S, late_s: float = LATE_S) -> None:
        """`interval_s`: time between beats; `window_s`: at least 20 of them; `late_s`: the p95 above it is late."""
        beats = round(window_s / interval_s) if interval_s > 0 else 0
        if beats < 20:
            raise ValueError(f"expected a window of at least 20 beats for a p95, got {window_s} s of {interval_s} s")
        self._interval_s = interval_s
        self._late_s = late_s
        self._window: deque[float] = deque(maxlen=beats)
        self._on_time = 0  # how many in the window are not later than late_s
        self._needed = ceil(0.95 * beats - 1e-9)
        self.histogram = Histogram()
        self.late_s = 0.0  # all lags added up: how long, in all, a due callback waited
        self._peak_s = 0.0

    def record(self, expected_s: float, actual_s: float) -> None:
        """A beat due at `expected_s` ran at `actual_s` (same monotonic clock). Early counts as on time."""
        lag_s = actual_s - expected_s
        if not lag_s < float("inf"):
            raise Bug(f"loop lag: expected two times of one clock, got due {expected_s!r}, ran {actual_s!r}")
        if lag_s > 0.0:
            self.late_s += lag_s
            self._peak_s = max(self._peak_s, lag_s)
        self._add(max(0.0, lag_s))
        if lag_s > self._interval_s:
            # Bounded: a laptop that slept for a night must not be counted out beat by beat.
            missed = min(self._window.maxlen or 0, ceil(lag_s / self._interval_s - 1e-6) - 1)
            for beat in range(1, missed + 1):
                self._add(lag_s - beat * self._interval_s)

    @property
    def is_late(self) -> bool:
        """Whether the window's p95 is above `late_s`. Constant time; False until 20 beats were counted."""
        n = len(self._window)
        if n < 20:
            return False
        needed = self._needed if n == self._window.maxlen else ceil(0.95 * n - 1e-9)
        return self._on_time < needed

    @property
    def lag_s_p95(self) -> float | None:
        """The window's p95, exact (rank ⌈0.95·n⌉, as `Histogram.quantile`); None until 20 beats. Sorts: 20 µs."""
        n = len(self._window)
        return sorted(self._window)[ceil(0.95 * n - 1e-9) - 1] if n >= 20 else None

    @property
    def lag_s_max(self) -> float:
        """The longest lag of the whole run."""
        return self.histogram.max_s

    def take_peak_s(self) -> float:
        """The longest lag since this was last asked."""
        peak_s, self._peak_s = self._peak_s, 0.0
        return peak_s

    def _add(self, lag_s: float) -> None:
        window = self._window
        if len(window) == window.maxlen and window[0] <= self._late_s:
            self._on_time -= 1
        window.append(lag_s)
        if lag_s <= self._late_s:
            self._on_time += 1
        self.histogram.record(lag_s)
