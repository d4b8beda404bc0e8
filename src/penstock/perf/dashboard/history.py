"""The windows of a run for a page: the last five minutes second by second, and the whole run in coarser ones.

Bounded for any length of run, and to about as many points as a chart has pixels. The whole run is told in windows of
`coarse_s` seconds, which doubles whenever there are too many, so that all times are told equally well. Pure.
The rule: joining loses resolution, never a count.
"""

from __future__ import annotations

import json
import math
from collections import deque

from penstock.telemetry.series import merged
from penstock.telemetry.window import COLUMNS, Window

FINE_MAX = 300
COARSE_MAX = 480


class History:
    """Windows in the order of time, ready to be sent as JSON. `add` costs some 10 µs, a new `coarse_s` 20 ms."""

    def __init__(self, fine_max: int = FINE_MAX, coarse_max: int = COARSE_MAX) -> None:
        """At most `fine_max` ≥ 1 single windows are kept, and `coarse_max` ≥ 2 joined ones."""
        self._fine: deque[bytes] = deque(maxlen=fine_max)
        self._coarse: list[tuple[Window, bytes]] = []
        self._open: Window | None = None
        self._coarse_max = coarse_max
        self.coarse_s = 1.0

    def add(self, window: Window, row: bytes) -> bytes | None:
        """Append the newest window; `row` is its `row_of`. Returns the row of a coarse window that is complete now.

        Look whether `coarse_s` has changed: then all coarse rows are others.
        """
        self._fine.append(row)
        closed = self._join(window, row)
        if len(self._coarse) > self._coarse_max:
            self.coarse_s *= 2
            finer, self._coarse = self._coarse, []
            for each, known in finer:
                self._join(each, known)
        return closed

    def close(self) -> bytes | None:
        """The run is over: complete the last coarse window, however short; its row, if there was one begun."""
        begun, self._open = self._open, None
        if begun is None:
            return None
        self._coarse.append((begun, row_of(begun)))
        return self._coarse[-1][1]

    def fine_rows(self) -> bytes:
        """A JSON array with a row for each of the last windows; the values are in the order of `COLUMNS`."""
        return b"[" + b",".join(self._fine) + b"]"

    def coarse_rows(self) -> bytes:
        """The same for the whole run, but for a last part of less than `coarse_s` seconds."""
        return b"[" + b",".join(row for _, row in self._coarse) + b"]"

    def _join(self, window: Window, row: bytes) -> bytes | None:
        is_first = self._open is None
        begun = window if self._open is None else merged(self._open, window)
        if begun.span_s < self.coarse_s - 0.5:  # a window is often a little shorter or longer than a second
            self._open = begun
            return None
        self._open = None
        self._coarse.append((begun, row if is_first else row_of(begun)))
        return self._coarse[-1][1]


def row_of(window: Window) -> bytes:
    """The window as a JSON array in the order of `COLUMNS`: five significant digits, NaN and infinities as null."""
    return json.dumps([_short(getattr(window, name), name) for name in COLUMNS], separators=(",", ":")).encode("ascii")


def _short(value: object, name: str) -> object:
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return round(value, 3) if name == "end_s" else float(f"{value:.5g}")
