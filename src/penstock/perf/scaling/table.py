"""A tuning as lines for a terminal: every level with its interval, the laws tried, what is recommended and why.

Words and columns only; colours repeat what the words say. The rule: a value that cannot be said is a dash, and the
reason for it stands below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from penstock.perf.compare.grid import Column, fits, grid
from penstock.perf.compare.model import Estimate
from penstock.perf.compare.table import number_text
from penstock.perf.scaling.model import Fit, Law, Point, Tuning
from penstock.telemetry.format import UNKNOWN, clock_text, duration_text, printable
from penstock.telemetry.styled import Line, Span, Style, flowed

_BAR = 16
_LAW_NAMES: dict[Law, str] = {"linear": "linear", "amdahl": "Amdahl", "usl": "USL", "two_line": "two lines"}


def render(tuning: Tuning, width: int = 100) -> list[Line]:
    """Lines of at most `width` columns (at least 60), save for words that are longer than that."""
    width = max(60, width)
    blocks = [
        _head(tuning, width),
        _points(tuning, width),
        _laws(tuning, width),
        _text(tuning.commentary, width),
        _ending(tuning, width),
        [*_dashes(tuning, width), *_text([f"note: {note}" for note in dict.fromkeys(tuning.notes)], width, "dim")],
    ]
    lines: list[Line] = []
    for block in blocks:
        if block:
            lines += [[], *block] if lines else block
    return lines


def _head(tuning: Tuning, width: int) -> list[Line]:
    facts = [tuning.strategy]
    if tuning.points:
        facts += [
            f"{len(tuning.points)} concurrencies",
            f"{len(tuning.runs)} runs{'' if tuning.refusal else ' in random order'}",
        ]
    if tuning.slo_p95_s is not None:
        facts.append(f"p95 within {duration_text(tuning.slo_p95_s)}")
    facts += [f"seed {tuning.seed}", clock_text(tuning.elapsed_s)]
    return [[(printable(tuning.target), "bold")], *flowed([[(fact, "dim")] for fact in facts], width)]


def _points(tuning: Tuning, width: int) -> list[Line]:
    if not tuning.points:
        return []
    columns = [
        Column("at once"),
        Column("items/s"),
        Column("95 % interval"),
        Column("p50"),
        Column("p95"),
        Column("CPU s/1,000"),
        Column("items/s, p95", is_text=True),
        Column("", is_text=True),
    ]
    rows: list[list[Span]] = []
    most_per_s = max((point.throughput_per_s.value or 0.0 for point in tuning.points), default=0.0)
    most_p95_s = max((point.p95_s.value or 0.0 for point in tuning.points), default=0.0)
    for point in tuning.points:
        mark, style = _mark(tuning, point, most_per_s)
        bars = f"{_bar(point.throughput_per_s, most_per_s)} {_bar(point.p95_s, most_p95_s)}"
        rows.append(
            [
                (f"{point.concurrency:,}", "bold"),
                (number_text(point.throughput_per_s.value), ""),
                (_interval(point.throughput_per_s), "dim"),
                (duration_text(point.p50_s.value), ""),
                (duration_text(point.p95_s.value), ""),
                (number_text(point.cpu_s_per_1000.value), ""),
                (bars, "accent"),
                (mark, style),
            ]
        )
    if not fits(columns, rows, width):
        without = 6  # the bars say nothing that the numbers do not
        columns.pop(without)
        for row in rows:
            row.pop(without)
    return grid(columns, rows, width)


def _mark(tuning: Tuning, point: Point, most_per_s: float) -> tuple[str, Style]:
    marks: list[str] = []
    style: Style = ""
    if point.concurrency == tuning.recommended:
        marks.append("recommended")
        style = "good"
    if point.throughput_per_s.value == most_per_s:
        marks.append("the most")
    over = tuning.slo_p95_s is not None and point.p95_s.value is not None and point.p95_s.value > tuning.slo_p95_s
    if over and tuning.slo_p95_s is not None:
        marks.append(f"p95 over {duration_text(tuning.slo_p95_s)}")
        style = "warn"
    return ", ".join(marks), style


def _bar(estimate: Estimate, most: float) -> str:
    full = round(_BAR * (estimate.value or 0.0) / most) if most > 0 else 0
    return "━" * full + " " * (_BAR - full)


def _laws(tuning: Tuning, width: int) -> list[Line]:
    """The laws tried, best first, then what the chosen one says of knee and peak."""
    lines: list[Line] = []
    if tuning.fits:
        columns = [Column("law"), Column("weight"), Column("AICc"), Column("noise"), Column("", is_text=True)]
        rows: list[list[Span]] = []
        for fit in sorted(tuning.fits, key=lambda fit: fit.aicc):
            is_chosen = fit.law == tuning.chosen
            rows.append(
                [
                    (_LAW_NAMES[fit.law], "bold" if is_chosen else ""),
                    (f"{100 * fit.weight:.0f} %", ""),
                    (f"{fit.aicc:.1f}", ""),
                    (f"{100 * fit.sigma:.1f} %", ""),
                    (f"{'chosen: ' if is_chosen else ''}{_parameters(fit)}", "" if is_chosen else "dim"),
                ]
            )
        lines += grid(columns, rows, width)
    facts = [
        f"{name} {number_text(estimate.value)}{_bracketed(estimate)}"
        for name, estimate in (
            ("most items/s", tuning.throughput_max_per_s),
            ("knee at", tuning.knee),
            ("peak (USL) at", tuning.peak),
        )
        if estimate is not None and estimate.value is not None
    ]
    return lines + (flowed([[(fact, "")] for fact in facts], width) if facts else [])


def _parameters(fit: Fit) -> str:
    return ", ".join(f"{name} {number_text(value)}" for name, value in fit.parameters.items())


def _ending(tuning: Tuning, width: int) -> list[Line]:
    refusal = tuning.refusal
    if refusal is not None:
        lines = _text([f"no recommendation: {refusal.message}"], width, "bad")
        return lines + (_text([f"hint: {refusal.hint}"], width) if refusal.hint else [])
    if tuning.recommended is None:
        return _text([f"no recommendation: {tuning.reason}"], width, "bad") if tuning.reason else []
    return _text([f"recommended: concurrency {tuning.recommended}: {tuning.reason}"], width, "good")


def _dashes(tuning: Tuning, width: int) -> list[Line]:
    """Why values are missing: of each kind the first reason."""
    named = (
        ("items/s", [point.throughput_per_s for point in tuning.points]),
        ("p50", [point.p50_s for point in tuning.points]),
        ("p95", [point.p95_s for point in tuning.points]),
        ("CPU", [point.cpu_s_per_1000 for point in tuning.points]),
        ("knee", [tuning.knee] if tuning.knee is not None else []),
        ("peak", [tuning.peak] if tuning.peak is not None else []),
    )
    reasons: dict[str, str] = {}
    for name, estimates in named:
        for estimate in estimates:
            if estimate.value is None and estimate.note:
                reasons.setdefault(name, estimate.note)
    return _text([f"{UNKNOWN} {name}: {note}" for name, note in reasons.items()], width, "dim")


def _interval(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return UNKNOWN
    return f"{number_text(estimate.low)}–{number_text(estimate.high)}"


def _bracketed(estimate: Estimate) -> str:
    return f" ({_interval(estimate)})" if estimate.low is not None and estimate.high is not None else ""


def _text(texts: Sequence[str], width: int, style: Style = "") -> list[Line]:
    lines: list[Line] = []
    for text in texts:
        wrapped = textwrap.wrap(
            printable(text), width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        lines += [[(line, style)] for line in wrapped]
    return lines
