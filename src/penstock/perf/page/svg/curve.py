"""Panels below each other on one logarithmic axis (base 2): measured points, a fitted curve with its band, marks.

It does not fit anything. The rule: what is measured and what is fitted look different, and marks are named in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock.perf.page.svg.canvas import (
    CHARACTER,
    NARROW,
    Drawing,
    across,
    bar,
    dot,
    line,
    path,
    paths,
    strokes,
    text,
    text_width,
    words,
)
from penstock.perf.page.svg.legend import Key, legend
from penstock.perf.page.svg.scale import Kind, Scale, is_finite, scale_of

_LEFT, _RIGHT = 0.11, 0.95
_LINE = 15.0
_GAP = 32.0
_NAME = 30.0
_TICKS_MAX = 5


@dataclass(frozen=True)
class Measure:
    """One value at one place, with its interval where there is one."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Band:
    """A point of a curve, with what lies between `low` and `high`."""

    x: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Limit:
    """A horizontal line at `value`, with its words."""

    value: float
    words: str


@dataclass(frozen=True)
class VerticalMark:
    """A vertical line through all panels. `is_main`: the one that matters, drawn whole and in weight; `low`, `high`:
    its interval, where there is one."""

    x: float
    words: str
    is_main: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """`runs`: single measurements; `points`: one for each place, with intervals; `curve`: fitted, rising in x. `tick`:
    a value of the axis as text. `keys` names what is drawn."""

    name: str
    tick: Callable[[float], str]
    runs: tuple[Measure, ...] = ()
    points: tuple[Measure, ...] = ()
    curve: tuple[Band, ...] = ()
    limit: Limit | None = None
    height: float = 220.0
    tone: str = "fetch"
    kind: Kind | None = "linear"


@dataclass(frozen=True)
class CurveChart:
    """`x_name`: the axis' name; all x are above 0."""

    title: str
    note: str
    told: str
    x_name: str
    panels: tuple[Panel, ...]
    marks: tuple[VerticalMark, ...] = ()
    keys: tuple[Key, ...] = ()


def curves(chart: CurveChart) -> Drawing:
    """Draw it. Values that are no finite number, and places that are not above 0, are left out."""
    xs = _xs(chart)
    axis = scale_of(xs, "log", room=0.0)
    height, shapes = legend(chart.keys, 0)
    marks = sorted((mark for mark in chart.marks if is_finite(mark.x) and mark.x > 0), key=lambda mark: mark.x)
    top = height + _LINE * len(marks) + (8 if marks else 0)
    starts = []
    bottom = top
    for panel in chart.panels:
        starts.append(bottom + _NAME)
        bottom += _NAME + panel.height + _GAP
    for panel, start in zip(chart.panels, starts, strict=True):
        shapes += _ground(panel, start)
    # A line begins at its own words, and no line crosses those of another: words to the left of their lines on top, the
    # rightmost first, then words to the right, the leftmost first.
    left = [mark for mark in reversed(marks) if _is_left(axis, mark)]
    rows = list(enumerate([*left, *(mark for mark in marks if not _is_left(axis, mark))]))
    for number, mark in rows:
        shapes += _vertical(axis, mark, height + number * _LINE, starts, chart.panels)
    shapes += [_named(axis, mark, height + number * _LINE) for number, mark in rows]
    for panel, start in zip(chart.panels, starts, strict=True):
        shapes += _panel(chart, panel, axis, start, sorted(set(xs)))
    return Drawing(chart.title, chart.note, chart.told, bottom + 4, tuple(shapes))


def _xs(chart: CurveChart) -> list[float]:
    measured = [
        measure.x
        for panel in chart.panels
        for measure in (*panel.runs, *panel.points)
        if is_finite(measure.x) and measure.x > 0
    ]
    fitted = [band.x for panel in chart.panels for band in panel.curve if is_finite(band.x) and band.x > 0]
    return measured or fitted or [1.0, 2.0]


def _place(axis: Scale, x: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * axis.at(x)


def _vertical(axis: Scale, mark: VerticalMark, y: float, starts: list[float], panels: Sequence[Panel]) -> list[str]:
    share = _place(axis, mark.x)
    shapes = []
    if mark.low is not None and mark.high is not None and is_finite(mark.low) and is_finite(mark.high):
        low, high = _place(axis, mark.low), _place(axis, mark.high)
        shapes += [
            bar(low, max(0.0, high - low), start, panel.height, "t-idle shade")
            for start, panel in zip(starts, panels, strict=True)
        ]
    end = starts[-1] + panels[-1].height if starts else y
    shapes.append(line(across(share), y + 3, across(share), end, "mark-main" if mark.is_main else "mark-side dash"))
    return shapes


def _is_left(axis: Scale, mark: VerticalMark) -> bool:
    """Whether a mark's words stand to the left of its line: they have no room to its right, and more here."""
    share = _place(axis, mark.x)
    return share > 0.5 and share + 1.1 * text_width(mark.words) / NARROW > 1


def _named(axis: Scale, mark: VerticalMark, y: float) -> str:
    """A mark's words beside the top of its line."""
    is_left = _is_left(axis, mark)
    kinds = f"{'strong' if mark.is_main else 'soft'}{' end' if is_left else ''}"
    shown = words(mark.words, int(NARROW * 0.9 / CHARACTER))
    x = f'x="{across(_place(axis, mark.x))}" dx="{-5 if is_left else 5}"'
    return f'<text {x} y="{y + 11:.1f}" class="{kinds}">{shown}</text>'


def _panel(chart: CurveChart, panel: Panel, axis: Scale, top: float, xs: list[float]) -> list[str]:
    scale = _scale(panel)
    bottom = top + panel.height

    def y(value: float) -> float:
        return bottom - panel.height * scale.at(value)

    shapes = [text("0", top - 16, words(panel.name), "soft"), *_fitted(panel, axis, y, bottom)]
    shapes += [
        text("0", y(value) - 3, words(panel.tick(value)), "tick")
        for value in scale.ticks(_TICKS_MAX)
        if bottom - y(value) > 3
    ]
    if panel.limit is not None:
        height = y(panel.limit.value)
        told = words(panel.limit.words, int(NARROW * 0.8 / CHARACTER))
        shapes.append(line("0", height, "100%", height, "t-bad dash"))
        shapes.append(text(across(_LEFT + 0.03), height + (13 if height - top < 16 else -5), told, "limit"))
    shapes += _measured(panel, axis, y)  # last of these: no words hide what was measured
    shapes += _places(axis, xs, [mark.x for mark in chart.marks if mark.is_main], bottom)
    shapes.append(text("100%", bottom + 30, words(chart.x_name), "tick", "end"))
    return shapes


def _scale(panel: Panel) -> Scale:
    measured = [one for measure in (*panel.runs, *panel.points) for one in (measure.value, measure.low, measure.high)]
    fitted = [one for band in panel.curve for one in (band.value, band.high)]
    limit = [panel.limit.value] if panel.limit else []
    return scale_of([*measured, *fitted, *limit], panel.kind, room=0.06)


def _ground(panel: Panel, top: float) -> list[str]:
    """What lies below everything: the grid and the axis."""
    scale, bottom = _scale(panel), top + panel.height
    heights = [bottom - panel.height * scale.at(value) for value in scale.ticks(_TICKS_MAX)]
    grid = strokes([((0, y), (1, y)) for y in heights], "grid")
    base = strokes([((0, bottom), (1, bottom))], "axis")
    return [paths(bottom + 1, (grid, base))]


def _fitted(panel: Panel, axis: Scale, y: Callable[[float], float], bottom: float) -> list[str]:
    known = [
        band
        for band in panel.curve
        if all(map(is_finite, (band.x, band.value, band.low, band.high))) and axis.low <= band.x <= axis.high * 1.0001
    ]
    if len(known) < 2:
        return []
    upper = [(_place(axis, band.x), y(band.high)) for band in known]
    lower = [(_place(axis, band.x), y(band.low)) for band in reversed(known)]
    middle = [(_place(axis, band.x), y(band.value)) for band in known]
    tone = f"t-{panel.tone}"
    return [paths(bottom, (path([*upper, *lower], f"{tone} band", is_closed=True), path(middle, f"{tone} line")))]


def _measured(panel: Panel, axis: Scale, y: Callable[[float], float]) -> list[str]:
    tone = f"t-{panel.tone}"
    shapes = [
        dot(_place(axis, run.x), y(run.value), 2.5, f"{tone} run")
        for run in panel.runs
        if is_finite(run.value) and is_finite(run.x) and run.x > 0
    ]
    points = [point for point in panel.points if is_finite(point.value) and is_finite(point.x) and point.x > 0]
    for point in points:
        share = _place(axis, point.x)
        if point.low is not None and point.high is not None and is_finite(point.low) and is_finite(point.high):
            shapes.append(line(across(share), y(point.low), across(share), y(point.high), f"{tone} whisker"))
        shapes.append(dot(share, y(point.value), 3.5, f"{tone} open"))
    return shapes


def _places(axis: Scale, xs: list[float], first: list[float], bottom: float) -> list[str]:
    """The measured places under the axis, with their names as far as none stands on another: `first`, then the ends,
    powers of two, and the rest."""
    shapes = [_ticks(axis, xs, bottom)]
    taken: list[tuple[float, float]] = []
    for x in sorted(xs, key=lambda x: (x not in first, x not in (xs[0], xs[-1]), not math.log2(x).is_integer(), x)):
        share, half = _place(axis, x), (text_width(f"{x:g}") / 2 + 3) / NARROW
        if all(share + half <= low or share - half >= high for low, high in taken):
            taken.append((share - half, share + half))
            shapes.append(text(across(share), bottom + 17, words(f"{x:g}"), "tick", "middle"))
    return shapes


def _ticks(axis: Scale, xs: list[float], bottom: float) -> str:
    ticks = [((_place(axis, x), bottom), (_place(axis, x), bottom + 4)) for x in xs]
    return paths(bottom + 4, (strokes(ticks, "axis"),))
