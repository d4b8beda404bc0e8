"""Values with their intervals, one row for each of several alternatives, on one axis: who is better, and is it sure.

It does not know what is measured. The rule: a row without a value says so in words, at its place; it is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock.perf.page.svg.canvas import (
    CHARACTER,
    NARROW,
    Drawing,
    across,
    bar,
    boxes,
    dot,
    fitting,
    paths,
    strokes,
    text,
    text_width,
    upright,
    words,
)
from penstock.perf.page.svg.legend import Key, Shape, legend
from penstock.perf.page.svg.scale import Kind, Scale, is_finite, scale_of

_BAND = 8.0
_BOLD = 1.15
_TICKS_MAX = 5
_INDENT = 8.0
_SHAPES: tuple[Shape, ...] = ("dot", "square", "bar")


@dataclass(frozen=True)
class Mark:
    """A value with its interval, all in the axis' unit. None: unknown; an interval needs both its ends."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One alternative. `marks`: one for each series of the chart, in its order. `label`: its values as text, `sure`:
    the interval as text. `trouble`: said in place of marks ("cannot keep up"). `mark`: a word beside the name ("best");
    `is_best`: drawn in weight, on a ground."""

    name: str
    marks: tuple[Mark, ...] = ()
    label: str = ""
    sure: str = ""
    trouble: str = ""
    mark: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class IntervalChart:
    """`series`: (name, tone) of the marks of each row, the first a dot, the second a square, the third a bar; one
    series needs no name. `tick`: a value of the axis as text. `axis` says unit and direction: "items per second, more
    is better". `kind` None: logarithmic when the values differ much."""

    title: str
    axis: str
    rows: tuple[Row, ...]
    tick: Callable[[float], str]
    series: tuple[tuple[str, str], ...] = (("", "fetch"),)
    kind: Kind | None = None


@dataclass(frozen=True)
class _Lines:
    """Of a row, in pixels from its top: how high it is, and where name, label and track stand."""

    row: float
    name: float
    label: float
    track: float


_SHORT = _Lines(40, 15, 15, 27)
_TALL = _Lines(57, 15, 32, 44)
"""For names that have no room beside their labels."""


def intervals(chart: IntervalChart) -> Drawing:
    """Draw it. The height grows with the rows; up to three series are told apart by shape, more share the last."""
    scale = scale_of(_values(chart.rows), chart.kind)
    keys = [Key(name, tone, _shape(number)) for number, (name, tone) in enumerate(chart.series) if name]
    top, shapes = legend(keys, 0)
    lines = _SHORT if all(text_width(row.name) <= _room(row, _SHORT) for row in chart.rows) else _TALL
    tops = [top + number * lines.row for number in range(len(chart.rows))]
    bottom = top + lines.row * len(chart.rows)
    for row, y in zip(chart.rows, tops, strict=True):
        if row.is_best:
            shapes.append(bar(0, 1, y + 1, lines.row - 3, "best-row", radius=4))
    shapes += _axis(chart, scale, [y + lines.track for y in tops], top, bottom)
    for row, y in zip(chart.rows, tops, strict=True):
        shapes += _row(chart, scale, row, lines, y)
    note = chart.axis + (", logarithmic" if scale.kind == "log" else "")
    return Drawing(chart.title, note, _told(chart), bottom + 22, tuple(shapes))


def _values(rows: Sequence[Row]) -> list[float | None]:
    return [value for row in rows for mark in row.marks for value in (mark.value, mark.low, mark.high)]


def _shape(number: int) -> Shape:
    return _SHAPES[min(number, len(_SHAPES) - 1)]


def _place(scale: Scale, value: float) -> float:
    """A share of the picture: the axis leaves room for half a mark at both ends."""
    return 0.02 + 0.96 * scale.at(value)


def _axis(chart: IntervalChart, scale: Scale, tracks: list[float], top: float, bottom: float) -> list[str]:
    """Grid, tracks, axis and intervals, each one path; then the axis' texts."""
    has_values = any(is_finite(value) for value in _values(chart.rows))
    ticks = scale.ticks(_TICKS_MAX) if has_values else ()
    shares = [_place(scale, value) for value in ticks]
    grid = [
        strokes([((share, top), (share, bottom + 3)) for share in shares], "grid"),
        strokes([((0, y), (1, y)) for y in tracks], "track"),
        strokes([((0, bottom + 3), (1, bottom + 3))], "axis"),
        *_bands(chart, scale, tracks),
    ]
    shapes = [paths(bottom + 4, grid)]
    for value, share in zip(ticks, shares, strict=True):
        shown = words(chart.tick(value))
        if share < 0.06:
            shapes.append(text("0", bottom + 17, shown, "tick"))
        else:
            shapes.append(text(across(share), bottom + 17, shown, "tick", "end" if share > 0.94 else "middle"))
    return shapes


def _bands(chart: IntervalChart, scale: Scale, tracks: list[float]) -> list[str]:
    """The intervals, one path for each series."""
    shapes = []
    for number, (_, tone) in enumerate(chart.series):
        spans = []
        for row, y in zip(chart.rows, tracks, strict=True):
            mark = row.marks[number] if number < len(row.marks) else Mark(None)
            if mark.low is not None and mark.high is not None and is_finite(mark.low) and is_finite(mark.high):
                low, high = sorted((_place(scale, mark.low), _place(scale, mark.high)))
                spans.append((low, high, y))
        shapes.append(boxes(spans, _BAND, f"t-{tone} band"))
    return shapes


def _room(row: Row, lines: _Lines) -> float:
    """Pixels for the name, in the narrowest chart."""
    told = (row.label, row.sure, row.mark) if lines.name == lines.label else (row.mark,)
    beside = " ".join(filter(None, told))
    return (NARROW - text_width(beside) - 2 * _INDENT) / (_BOLD if row.is_best else 1)


def _row(chart: IntervalChart, scale: Scale, row: Row, lines: _Lines, y: float) -> list[str]:
    name = fitting(row.name, _room(row, lines))
    tip = f"<title>{words(row.name)}</title>" if name != row.name else ""
    mark = f' <tspan class="soft">{words(row.mark)}</tspan>' if row.mark else ""
    shapes = [text("6", y + lines.name, f"{words(name)}{mark}{tip}", "strong flat" if row.is_best else "")]
    if row.label:
        sure = f' <tspan class="soft">{words(row.sure)}</tspan>' if row.sure else ""
        kinds = "end flat" if row.is_best else "end"
        shapes.append(
            f'<text x="100%" dx="-6" y="{y + lines.label:.0f}" class="{kinds}">{words(row.label)}{sure}</text>'
        )
    for number, ((_, tone), value) in enumerate(zip(chart.series, row.marks, strict=False)):
        if value.value is not None and is_finite(value.value):
            shapes.append(_mark(_place(scale, value.value), f"t-{tone}", _shape(number), y + lines.track))
    if row.trouble:
        shapes.append(text("6", y + lines.track + 4, words(row.trouble, int(NARROW / CHARACTER)), "soft"))
    return shapes


def _mark(share: float, tone: str, shape: Shape, y: float) -> str:
    if shape == "dot":
        return dot(share, y, 5, f"{tone} dot")
    return upright(share, y, 9, f"{tone} square") if shape == "square" else upright(share, y, 15, f"{tone} upright")


def _told(chart: IntervalChart) -> str:
    names = ", ".join(name for name, _ in chart.series if name)
    rows = "; ".join(
        " ".join(filter(None, (row.name, row.mark and f"({row.mark})", row.label, row.sure, row.trouble)))
        for row in chart.rows
    )
    return f"{chart.axis}{f' ({names})' if names else ''}: {rows}."
