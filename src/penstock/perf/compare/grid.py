"""Rows and columns as lines of a terminal: aligned when they fit its width, one short paragraph for each row when not.

Pure text with styles; it knows nothing of comparisons. The rule: nothing is cut off, at any width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.telemetry.styled import Line, Span, flowed

_GAP = "  "


@dataclass(frozen=True)
class Column:
    """`title` heads the column; `group`, when columns beside each other share one, stands above them once."""

    title: str
    group: str = ""
    is_text: bool = False


def grid(columns: Sequence[Column], rows: Sequence[Sequence[Span]], width: int) -> list[Line]:
    """The first column names the row. A cell is one span; an empty one is left out of a paragraph."""
    if not fits(columns, rows, width):
        return _paragraphs(columns, rows, width)
    widths = _widths(columns, rows)
    lines: list[Line] = []
    if any(column.group for column in columns):
        lines.append(_group_line(columns, widths))
    lines.append(_row([(column.title, "dim") for column in columns], columns, widths))
    lines += [_row(row, columns, widths) for row in rows]
    return lines


def fits(columns: Sequence[Column], rows: Sequence[Sequence[Span]], width: int) -> bool:
    """Whether `grid` would align them."""
    widths = _widths(columns, rows)
    return sum(widths) + len(_GAP) * (len(widths) - 1) <= width


def _row(cells: Sequence[Span], columns: Sequence[Column], widths: Sequence[int]) -> Line:
    line: Line = []
    for index, ((text, style), column) in enumerate(zip(cells, columns, strict=True)):
        is_left = column.is_text or index == 0
        padding = " " * (widths[index] - len(text))
        line.append((_GAP if index else "", ""))
        line += [(text, style), (padding, "")] if is_left else [(padding, ""), (text, style)]
    return line


def _groups(columns: Sequence[Column]) -> list[tuple[str, int, int]]:
    """(title, first column, one past the last) of neighbours with the same group."""
    found: list[tuple[str, int, int]] = []
    for index, column in enumerate(columns):
        if found and found[-1][0] == column.group:
            found[-1] = (column.group, found[-1][1], index + 1)
        else:
            found.append((column.group, index, index + 1))
    return found


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Span]]) -> list[int]:
    widths = [max([len(column.title), *(len(row[index][0]) for row in rows)]) for index, column in enumerate(columns)]
    for title, first, end in _groups(columns):
        room = sum(widths[first:end]) + len(_GAP) * (end - first - 1)
        widths[first] += max(0, len(title) - room)
    return widths


def _group_line(columns: Sequence[Column], widths: Sequence[int]) -> Line:
    line: Line = []
    for title, first, end in _groups(columns):
        room = sum(widths[first:end]) + len(_GAP) * (end - first - 1)
        line += [(_GAP if first else "", ""), (title.rjust(room), "dim")]
    return line


def _paragraphs(columns: Sequence[Column], rows: Sequence[Sequence[Span]], width: int) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        lines.append([(row[0][0], "bold")])
        for group, first, end in _groups(columns):
            facts: list[Line] = [
                [(f"{columns[index].title} " if columns[index].title else "", "dim"), row[index]]
                for index in range(max(1, first), end)
                if row[index][0]
            ]
            if group and facts:
                lines.append([(f"  {group}", "dim")])
            lines += flowed(facts, width, first=("  ", ""), indent=2) if facts else []
    return lines
