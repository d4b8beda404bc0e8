"""A series as one line of text: ▁▂▃▄▅▆▇█, for the Markdown twin and terminals. Pure.

The rule: the scale begins at 0, so that a low bar means little, and an unknown window is a blank.
"""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60


def sparkline(values: Sequence[float | None], *, width: int = WIDTH, top: float | None = None) -> str:
    """At most `width` characters; neighbours are averaged when there are more values. `top`: what a full bar is,
    default the largest mean. Empty without values; negative values count as 0."""
    means = [_mean(values[first:last]) for first, last in _parts(len(values), width)]
    full = top if top is not None else max((value for value in means if value is not None), default=0.0)
    return "".join(_bar(value, full) for value in means)


def _parts(count: int, width: int) -> list[tuple[int, int]]:
    parts = min(count, width)
    return [(index * count // parts, (index + 1) * count // parts) for index in range(parts)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _bar(value: float | None, full: float) -> str:
    if value is None:
        return " "
    if full <= 0 or value <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, int(value / full * len(_BARS)))]
