"""Numbers as a sentence says them: three digits, an interval in brackets. Units: `telemetry.format`."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10

from penstock.perf.compare.model import Estimate


def amount(value: float | None) -> str:
    """Three digits: 1,230 · 45.6 · 0.789; `?` for None."""
    if value is None:
        return "?"
    if value == 0:
        return "0"
    digits = max(0, 2 - floor(log10(abs(value))))
    rounded = round(value, 2 - floor(log10(abs(value))))
    return f"{rounded:,.{digits}f}"


def times(ratio: float) -> str:
    return f"{amount(ratio)} times"


def interval(one: Estimate) -> str:
    """`(1.2 to 1.4)`, or nothing when there is none."""
    return "" if one.low is None or one.high is None else f"({amount(one.low)} to {amount(one.high)})"


def share(value: float) -> str:
    """A percentage that does not say 0 % or 100 % of what is not."""
    if 0 < value < 0.01:
        return "less than 1 %"
    if 0.99 < value < 1:
        return "more than 99 %"
    return f"{value * 100:.0f} %"


def names_of(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
