"""Bars of parts, one bar for each of several rows: how a cost is made up, and how that changes.

It does not know what is measured. The rule: parts stand in the order of the legend in every bar, so that place tells
what colour tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.perf.page.svg.canvas import (
    CHARACTER,
    NARROW,
    Anchor,
    Drawing,
    across,
    bar,
    fitting,
    line,
    text,
    text_width,
    words,
)
from penstock.perf.page.svg.legend import Key, legend
from penstock.perf.page.svg.scale import is_finite, scale_of

ROW = 40.0
_TICKS_MAX = 5
_BAR = 15.0


@dataclass(frozen=True)
class Stack:
    """A bar. `parts`: one value from 0 on for each part of the chart, in its order; None: unknown, drawn as nothing.
    `label`: the sum as text; `note`: more, softly, beside the name. `is_marked`: in weight, with the words `mark`."""

    name: str
    parts: tuple[float | None, ...]
    label: str = ""
    note: str = ""
    mark: str = ""


@dataclass(frozen=True)
class StackChart:
    """`parts`: (name, tone) in the order of the bars. `show`: a value as text, for ticks and under the pointer."""

    title: str
    axis: str
    parts: tuple[tuple[str, str], ...]
    rows: tuple[Stack, ...]
    show: Callable[[float], str]


def stacks(chart: StackChart) -> Drawing:
    """Draw it, from 0; the height grows with the rows."""
    scale = scale_of([_sum(row) for row in chart.rows], "linear")
    top, shapes = legend([Key(name, tone) for name, tone in chart.parts], 0)
    bottom = top + ROW * len(chart.rows)
    for tick in scale.ticks(_TICKS_MAX) if chart.rows else ():
        share = scale.at(tick)
        shapes.append(line(across(share), top, across(share), bottom + 3, "grid"))
        anchor: Anchor = "start" if share < 0.05 else "end" if share > 0.95 else "middle"
        shapes.append(text(across(share), bottom + 17, words(chart.show(tick)), "tick", anchor))
    shapes.append(line("0", bottom + 3, "100%", bottom + 3, "axis"))
    for number, row in enumerate(chart.rows):
        y = top + number * ROW
        note = f"{row.note} {row.mark}".strip()
        name = fitting(row.name, NARROW - text_width(f"{row.label} {note} "))
        more = f' <tspan class="soft">{words(note)}</tspan>' if note else ""
        if row.mark:
            shapes.append(bar(0, 1, y + 1, ROW - 3, "best-row", radius=4))
        ground = "flat" if row.mark else ""
        shapes.append(text("0", y + 14, f"{words(name)}{more}", f"strong {ground}" if row.mark else ""))
        shapes.append(text("100%", y + 14, words(row.label), ground, "end"))
        start = 0.0
        for (part, tone), value in zip(chart.parts, row.parts, strict=False):
            if value is None or not is_finite(value) or value <= 0:
                continue
            width = scale.at(value)
            tip = words(f"{row.name} {part}: {chart.show(value)}")
            shapes.append(bar(start, width, y + 20, _BAR, f"t-{tone} slice", tip=tip))
            if width * NARROW > CHARACTER * (len(part) + 1):
                shapes.append(text(across(start + width / 2), y + 31, words(part), f"on on-{tone}", "middle"))
            start += width
    return Drawing(chart.title, chart.axis, _told(chart), bottom + 22, tuple(shapes))


def _sum(row: Stack) -> float:
    return sum(value for value in row.parts if value is not None and is_finite(value) and value > 0)


def _told(chart: StackChart) -> str:
    rows = []
    for row in chart.rows:
        parts = ", ".join(
            f"{name} {chart.show(value)}"
            for (name, _), value in zip(chart.parts, row.parts, strict=False)
            if value is not None and is_finite(value)
        )
        rows.append(f"{row.name} {row.label}: {parts}" if parts else f"{row.name}: unknown")
    return f"{chart.axis}. {'; '.join(rows)}."
