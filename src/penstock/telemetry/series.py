"""The windows of a run in bounded memory: the last ones at one second each, the whole run at a span that doubles.

Pure. However long the run, `windows` holds at most `windows_max`, so a day is told in minutes. The rule: merging loses
resolution, never a count; the full resolution is on disk, in series.jsonl.
"""

from __future__ import annotations

from collections import deque

from penstock.telemetry.window import COLUMNS, Window

WINDOWS_MAX = 1_200
RECENT_MAX = 120

_COUNTS = frozenset(
    ("admitted", "ended", "written", "failed", "skipped", "records", "attempts", "answers", "retries", "throttled")
).union(
    ("deferred", "bytes_body", "bytes_durable", "shards", "connects"),
    ("dns_s", "connect_s", "tls_s", "ttfb_s", "body_s", "total_s", "slot_s"),
    ("cpu_s", "cpu_children_s", "runqueue_s"),
)
_OF_ANSWERS = ("ttfb_s_p50", "ttfb_s_p95", "total_s_p50", "total_s_p95", "body_s_p50")
_LAST = ("end_s", "rss_bytes", "fds")
_LARGEST = ("loop_lag_s_max", "is_probe")
_MEANS = tuple(name for name in COLUMNS if name not in (*_COUNTS, *_OF_ANSWERS, *_LAST, *_LARGEST, "span_s"))


class Series:
    """`windows`: the whole run, oldest first, all of the same span but the last; `recent`: the last two minutes, one
    second each."""

    def __init__(self, windows_max: int = WINDOWS_MAX) -> None:
        if windows_max < 4:
            raise ValueError(f"expected room for at least 4 windows, got {windows_max}")
        self.recent: deque[Window] = deque(maxlen=RECENT_MAX)
        self._whole: list[Window] = []
        self._room = (windows_max - 1) // 2 * 2
        self._each = 1  # windows as they come that make one of `_whole`
        self._begun: Window | None = None
        self._begun_count = 0

    @property
    def windows(self) -> list[Window]:
        return [*self._whole, self._begun] if self._begun is not None else self._whole.copy()

    def add(self, window: Window) -> None:
        """Append the newest. When the room is used up, all are merged in pairs: the span doubles, times stay even."""
        self.recent.append(window)
        self._begun = window if self._begun is None else merged(self._begun, window)
        self._begun_count += 1
        if self._begun_count < self._each:
            return
        self._whole.append(self._begun)
        self._begun, self._begun_count = None, 0
        if len(self._whole) == self._room:
            self._whole = [merged(*self._whole[at : at + 2]) for at in range(0, self._room, 2)]
            self._each *= 2


def merged(first: Window, second: Window) -> Window:
    """Two windows, one after the other, as one: counts add up, levels and shares are means over time.

    Percentiles of two parts cannot be combined exactly: their mean, weighted by answers, stands for them.
    """
    span_s = first.span_s + second.span_s
    made = Window(end_s=second.end_s, span_s=span_s)
    for name in _COUNTS:
        setattr(made, name, _sum(getattr(first, name), getattr(second, name)))
    for name in _MEANS:
        setattr(made, name, _mean(first, second, name, first.span_s, second.span_s))
    for name in _OF_ANSWERS:
        setattr(made, name, _mean(first, second, name, first.answers, second.answers))
    for name in _LARGEST:
        setattr(made, name, max(getattr(first, name), getattr(second, name)))
    made.rss_bytes, made.fds = second.rss_bytes, second.fds
    return made


def _sum(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return a if b is None else b
    return a + b


def _mean(first: Window, second: Window, name: str, weight: float, other: float) -> float | None:
    a: float | None = getattr(first, name)
    b: float | None = getattr(second, name)
    if a is None or b is None:
        return a if b is None else b
    whole = weight + other
    return (a * weight + b * other) / whole if whole > 0 else (a + b) / 2
