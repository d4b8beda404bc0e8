"""The windows of all epochs of a run, from series.jsonl, thinned out for drawing. Reads; judges and draws nothing.

The rule: merging keeps every count, and a line that cannot be read costs itself only.

| line of series.jsonl      | contents                                                                           |
|---------------------------|------------------------------------------------------------------------------------|
| first of each epoch       | object: `format` 1, `started` (ISO 8601), `columns` (names of `Window`'s fields);   |
|                           | may hold `shape` (`RunShape`)                                                      |
| every other               | array: one window's values in that order                                           |
| the last, of a killed run | may be cut anywhere                                                                |
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from itertools import pairwise
from pathlib import Path

from penstock.engine.seriesfile import SERIES_FORMAT
from penstock.telemetry.series import merged
from penstock.telemetry.window import RunShape, Window, columnar, windows_of

POINTS_MAX = 600
_KEPT_MAX = 4 * POINTS_MAX
_DIGITS = 5


@dataclass(slots=True)
class Epoch:
    """One process's part of a run. `started`: ISO 8601, empty when not known. `windows`: oldest first. `shape`: what of
    its settings the verdict must know, None when the file does not say."""

    started: str = ""
    windows: list[Window] = field(default_factory=list)
    shape: RunShape | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds from the epoch's begin to the end of its last window; 0 without any."""
        return self.windows[-1].end_s if self.windows else 0.0


@dataclass(frozen=True, slots=True)
class SeriesContents:
    """What series.jsonl holds. `lines_bad`: lines that could not be read, a cut last one not counted."""

    epochs: list[Epoch]
    lines_bad: int = 0


def read_series(path: Path) -> SeriesContents:
    """Read the file; no epochs when there is none. Long runs are merged while reading, so memory stays bounded.

    Raises OSError when the file is there and cannot be read.
    """
    epochs: list[Epoch] = []
    columns: list[str] | None = None
    bad = 0
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return SeriesContents(epochs)
    with file:
        for line in file:
            value = _parsed(line)
            if isinstance(value, Mapping):
                columns = _columns(value)
                epochs.append(Epoch(str(value.get("started") or ""), shape=shape_from(value.get("shape"))))
            elif columns is not None and (window := _window(columns, value)) is not None:
                epochs[-1].windows.append(window)
                if sum(len(epoch.windows) for epoch in epochs) > _KEPT_MAX:
                    _halve(epochs)
            elif line.endswith(b"\n") and line.strip():
                bad += 1
    return SeriesContents([epoch for epoch in epochs if epoch.windows], bad)


def windows_from(series: Mapping[str, object]) -> list[Window]:
    """The windows of `columnar` data that may be damaged. Raises ValueError when its columns are no equal lists."""
    columns = {str(name): values for name, values in series.items() if isinstance(values, list)}
    rows = zip(*columns.values(), strict=True)
    return [window for row in rows if (window := _window(list(columns), list(row))) is not None]


def shape_from(value: object) -> RunShape | None:
    """A `RunShape` that was written as JSON; None when it is none. Fields it does not know are left out."""
    if not isinstance(value, Mapping):
        return None
    known = {one.name: value[one.name] for one in fields(RunShape) if one.name in value}
    texts = {"process_mode"}
    if not all(isinstance(told, str) if name in texts else _is_plain(told) for name, told in known.items()):
        return None
    try:
        return RunShape(**known)
    except TypeError:  # a field without default is missing
        return None


def thinned(epochs: Iterable[Epoch], points_max: int = POINTS_MAX) -> list[Epoch]:
    """The same epochs with at most about `points_max` windows in all, neighbours merged evenly; at least one each."""
    kept = [epoch for epoch in epochs if epoch.windows]
    factor = -(-sum(len(epoch.windows) for epoch in kept) // points_max)
    if factor <= 1:
        return kept
    return [replace(epoch, windows=downsample(epoch.windows, -(-len(epoch.windows) // factor))) for epoch in kept]


def downsample(windows: list[Window], points_max: int) -> list[Window]:
    """At most `points_max` windows that together say the same: neighbours merged, as evenly as possible.

    Counts add up, means and shares are weighted by time, percentiles by answers, the longest lag stays the longest.
    """
    if points_max < 1:
        raise ValueError(f"expected room for at least 1 window, got {points_max}")
    count = len(windows)
    if count <= points_max:
        return list(windows)
    edges = [round(index * count / points_max) for index in range(points_max + 1)]
    return [reduce(merged, windows[first:last]) for first, last in pairwise(edges)]


def chart_model(epochs: Iterable[Epoch]) -> dict[str, object]:
    """What `Penstock.runCharts` draws: the epochs one after the other on one axis of running time, in seconds.

    `breaks` are indexes of the first windows of later epochs, `marks` name them. Numbers have five digits.
    """
    offset_s = 0.0
    columns: dict[str, list[object]] = {}
    breaks: list[int] = []
    marks: list[dict[str, object]] = []
    for epoch in epochs:
        if not epoch.windows:
            continue
        part = columnar(epoch.windows)
        if columns:
            breaks.append(len(columns["end_s"]))
            when = epoch.started[:16].replace("T", " ")
            marks.append({"x": _rounded(offset_s), "text": f"resumed {when}".strip()})
        part["end_s"] = [window.end_s + offset_s for window in epoch.windows]
        for name, values in part.items():
            columns.setdefault(name, []).extend(_rounded(value) for value in values)
        offset_s += epoch.elapsed_s
    known = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    return {"series": known, "breaks": breaks, "marks": marks}


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if abs(value) < 1e5 else round(value, 2)
    return value


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # cut by a kill, or damaged
        return None


def _columns(header: Mapping[str, object]) -> list[str] | None:
    """The header's columns; None when it is of another format, so that its windows are left out."""
    names = header.get("columns")
    if header.get("format") != SERIES_FORMAT or not isinstance(names, list):
        return None
    return [str(name) for name in names]


def _window(columns: list[str], row: object) -> Window | None:
    if not isinstance(row, list) or len(row) != len(columns) or not all(_is_plain(value) for value in row):
        return None
    try:
        known = {name: [value] for name, value in zip(columns, row, strict=True) if value is not None}
        window = windows_of(known)[0]
    except (TypeError, IndexError):  # end_s or span_s is missing
        return None
    return window if isinstance(window.end_s, int | float) and isinstance(window.span_s, int | float) else None


def _is_plain(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _halve(epochs: list[Epoch]) -> None:
    for epoch in epochs:
        epoch.windows = downsample(epoch.windows, -(-len(epoch.windows) // 2))
