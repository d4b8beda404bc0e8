"""Weights as a person reads them: seconds, task-seconds and bytes with three digits and a fitting unit.

The page's script has the same rules (flamegraph.js, `amount`).
"""

from __future__ import annotations

from penstock.perf.profile.model import Unit

_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def amount(value: float, unit: Unit) -> str:
    """`1.23 s`, `45.6 ms`, `789 µs`, `12.3 task-s`, `4.56 MiB`; negative values keep their sign."""
    if value < 0:
        return "−" + amount(-value, unit)
    if unit == "bytes":
        power = 0
        while value >= 999.5 and power < len(_BYTES) - 1:
            value /= 1024
            power += 1
        return f"{_three(value) if power else round(value)} {_BYTES[power]}"
    task = "task-" if unit == "task-seconds" else ""
    if value >= 0.9995 or value == 0:
        return f"{_three(value)} {task}s"
    if value >= 0.0009995:
        return f"{_three(value * 1e3)} {task}ms"
    return f"{_three(value * 1e6)} {task}µs"


def percent(share: float) -> str:
    """`12.3 %`, `0.12 %`, `100 %`; `share` is 1 for all of it."""
    value = 100 * share
    if value == 0 or abs(value) >= 99.95:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if abs(value) >= 1 else f"{value:.2f} %"


def points(share: float) -> str:
    """A change of a share: `+1.23 points`, `−12.3 points`, `±0.00 points`."""
    digits = 1 if abs(share) >= 0.1 else 2
    text = f"{abs(100 * share):.{digits}f}"
    sign = "±" if float(text) == 0 else "+" if share > 0 else "−"
    return f"{sign}{text} points"


def _three(value: float) -> str:
    """Three digits, whole numbers with separators from 1,000 on."""
    if value >= 99.95 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
