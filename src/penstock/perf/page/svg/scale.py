"""Where a value stands on an axis, and which values are written beside it.

Pure. The rule: a scale made of some values holds each of them inside, whatever they are; what is no finite number is
left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["linear", "log"]
LOG_FROM = 12.0
"""An axis is logarithmic by itself when the largest value is this many times the smallest."""
_STEPS = (1.0, 2.0, 2.5, 5.0)


@dataclass(frozen=True)
class Scale:
    """From `low` to `high` (low < high; both above 0 when `log`)."""

    kind: Kind
    low: float
    high: float

    def at(self, value: float) -> float:
        """The share of the axis, 0 to 1, that lies below the value; values outside stand at the ends."""
        if self.kind == "log":
            if value <= self.low:
                return 0.0
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def ticks(self, most: int = 5) -> tuple[float, ...]:
        """At most `most` (from 2 on) round values inside the axis, rising; at least one."""
        return _log_ticks(self, most) if self.kind == "log" else _linear_ticks(self.low, self.high, most)


def scale_of(values: Iterable[float | None], kind: Kind | None = None, *, room: float = 0.04) -> Scale:
    """The scale that holds `values`; `kind` None: logarithmic when they differ by `LOG_FROM` or more, and are above 0.

    A linear scale begins at 0, unless a value is below it. `room`: the share of the axis kept free at its open ends.
    """
    # Below 1e-290 there is no room left for ticks.
    known = [value if abs(value) > 1e-290 else 0.0 for value in values if value is not None and math.isfinite(value)]
    above = [value for value in known if value > 0]
    is_log = bool(above) and (
        kind == "log" or (kind is None and len(above) == len(known) and max(above) / min(above) >= LOG_FROM)
    )
    if is_log:
        low, high = math.log(min(above)), math.log(max(above))
        free = max(room * (high - low), 0.1)
        return Scale("log", max(math.exp(low - free), 1e-300), math.exp(min(high + free, 700.0)))
    low, high = min(0.0, *known, 0.0), max(0.0, *known, 0.0)
    if high - low <= 0:
        return Scale("linear", 0.0, 1.0)
    free = room * (high - low)
    return Scale("linear", low - free if low < 0 else 0.0, high + free)


def is_finite(value: float | None) -> bool:
    """Whether it is a number that can be drawn."""
    return value is not None and math.isfinite(value)


def _linear_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (*_STEPS, *(10 * step for step in _STEPS)):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if 1 <= last - first + 1 <= most:
            return tuple(count * step for count in range(first, last + 1))
    return (low,)


def _log_ticks(scale: Scale, most: int) -> tuple[float, ...]:
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    for factors, every in (((1, 2, 5), 1), ((1, 3), 1), *(((1,), every) for every in range(1, 1 + last - first))):
        decades = range(-(-first // every) * every, last + 1, every)
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = tuple(value for value in found if scale.low <= value <= scale.high)
        if 2 <= len(inside) <= most:
            return inside
    return _linear_ticks(scale.low, scale.high, most)
