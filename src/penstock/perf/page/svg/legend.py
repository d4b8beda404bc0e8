"""The keys of a chart: what each mark or colour stands for, in rows that fit the narrowest chart.

It does not choose colours. The rule: a key looks as its mark does, so that shape tells what colour tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from penstock.perf.page.svg.canvas import CHARACTER, NARROW, text, words

Shape: TypeAlias = Literal["dot", "square", "bar", "open", "run", "box", "line", "dash"]
ROW = 18.0
_MARK = 16.0
_GAP = 14.0
_CHARACTERS_MAX = 28


@dataclass(frozen=True)
class Key:
    """`tone`: a colour of the theme by name, `fetch` for `--c-fetch`; `name` is text."""

    name: str
    tone: str
    shape: Shape = "box"


def legend(keys: Sequence[Key], y: float) -> tuple[float, list[str]]:
    """The keys from `y` down: how high they are together, and their shapes. Nothing for no key."""
    shapes: list[str] = []
    x, row = 0.0, 0
    for key in keys:
        width = _MARK + CHARACTER * min(len(key.name), _CHARACTERS_MAX) + _GAP
        if x and x + width - _GAP > NARROW:
            x, row = 0.0, row + 1
        middle = y + row * ROW + 8
        shapes.append(_mark(key, x, middle))
        shapes.append(text(f"{x + _MARK:.0f}", middle + 4, words(key.name, _CHARACTERS_MAX), "soft"))
        x += width
    return ((row + 1) * ROW + 4 if keys else 0.0), shapes


def _mark(key: Key, x: float, y: float) -> str:
    tone = f"t-{key.tone}"
    match key.shape:
        case "dot" | "open" | "run":
            radius = {"dot": 5, "open": 4, "run": 2.5}[key.shape]
            return f'<circle cx="{x + 5:.0f}" cy="{y:.0f}" r="{radius}" class="{tone} {key.shape}"/>'
        case "square":
            return (
                f'<line x1="{x + 5:.0f}" x2="{x + 5:.0f}" y1="{y - 4.5:.1f}" y2="{y + 4.5:.1f}" class="{tone} square"/>'
            )
        case "bar":
            return f'<line x1="{x + 5:.0f}" x2="{x + 5:.0f}" y1="{y - 7:.0f}" y2="{y + 7:.0f}" class="{tone} upright"/>'
        case "line" | "dash":
            return f'<line x1="{x:.0f}" y1="{y:.0f}" x2="{x + 12:.0f}" y2="{y:.0f}" class="{tone} {key.shape}"/>'
        case "box":
            return f'<rect x="{x:.0f}" y="{y - 5:.0f}" width="10" height="10" rx="2" class="{tone}"/>'
        case unknown:
            assert_never(unknown)
