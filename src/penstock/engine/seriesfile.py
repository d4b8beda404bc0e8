"""The series on disk at full resolution: series.jsonl, a line a second, readable while the run goes on.

| line   | content                                                                        |
|--------|--------------------------------------------------------------------------------|
| header | `{"format", "started": ISO 8601, "columns", "shape"}`, one for each process     |
| window | a JSON array of numbers, in the order of the last header's columns; null: unknown |

It never harms the run: what cannot be written is left out. The rule: a line is complete or the last one of the file.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from penstock.telemetry.window import COLUMNS, RunShape, Window

SERIES_NAME = "series.jsonl"
SERIES_FORMAT = 1
_FLUSH_EVERY = 5


class SeriesFile:
    """Collects windows, and appends them when `flush` is called, from whichever thread."""

    def __init__(self, path: Path, started: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._started = started
        self._has_header = False
        # A deque: the loop appends while the writer's thread takes away, and neither waits for the other.
        self._lines: deque[str] = deque()

    def collector(
        self, post: Callable[[Callable[[], None]], None], shape: Callable[[], RunShape | None]
    ) -> Callable[[Window], None]:
        """What takes each new window on the loop's thread: no I/O there, `post` has another thread `flush`.

        `shape` is asked once, with the first window: what the header says of the run's limits.
        """

        def collect(window: Window) -> None:
            if not self._has_header:
                self._add_header(shape())
            self.add(window)
            if len(self._lines) >= _FLUSH_EVERY:
                post(self.flush)

        return collect

    def add(self, window: Window) -> None:
        """Keep the window for the next `flush`."""
        self._lines.append(json.dumps([_rounded(getattr(window, name)) for name in COLUMNS], separators=(",", ":")))

    def _add_header(self, shape: RunShape | None) -> None:
        self._has_header = True
        header = {"format": SERIES_FORMAT, "started": self._started, "columns": COLUMNS}
        self._lines.append(json.dumps({**header, "shape": None if shape is None else asdict(shape)}))

    def flush(self) -> None:
        """Append what was collected. A disk that takes nothing more loses these lines, not the run."""
        with self._lock:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if not lines:
                return
            with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")


def _rounded(value: float | None) -> float | None:
    """Six significant digits: a window is a measurement, and the file stays under 400 bytes a second."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
