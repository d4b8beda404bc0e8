"""A sweep as charts: throughput and p95 against concurrency, and what an item's time is made of, page or SVG file.

It fits nothing. The rule: what was measured, what was fitted and what is recommended look different.
"""

from __future__ import annotations

from penstock.perf.compare.figures import known
from penstock.perf.compare.model import Estimate
from penstock.perf.compare.pictures import tick_per_s, tick_s
from penstock.perf.page.svg.canvas import Drawing, standalone
from penstock.perf.page.svg.curve import Band, CurveChart, Limit, Measure, Panel, VerticalMark, curves
from penstock.perf.page.svg.legend import Key
from penstock.perf.page.svg.stacks import Stack, StackChart, stacks
from penstock.perf.scaling.figures import LAWS, cost, phases, place_text
from penstock.perf.scaling.model import Tuning
from penstock.telemetry.format import UNKNOWN, count_text, duration_text, rate_text


def sweep_svg(tuning: Tuning) -> str:
    """Throughput and p95 against concurrency, as an SVG file."""
    return standalone(sweep(tuning))


def cost_svg(tuning: Tuning) -> str:
    """An item's time split by phase against concurrency, as an SVG file."""
    return standalone(costs(tuning))


def tuning_pictures(tuning: Tuning) -> dict[str, str]:
    """All charts as SVG files, by the names that `tuning_markdown` looks for: `sweep`, and `cost` where phases are
    known."""
    found = {"sweep": sweep_svg(tuning)}
    if phases(tuning):
        found["cost"] = cost_svg(tuning)
    return found


def sweep(tuning: Tuning) -> Drawing:
    keys = [Key("run", "fetch", "run"), Key("mean ± 95 %", "fetch", "open")]
    if tuning.curve:
        law = LAWS[tuning.chosen][0] if tuning.chosen else "fit"
        keys += [Key(f"{law} ± 90 %", "fetch", "line")]
    throughput = Panel(
        "items per second",
        tick_per_s,
        tuple(Measure(run.concurrency, run.throughput_per_s) for run in tuning.runs),
        _points(tuning, "throughput"),
        tuple(Band(point.concurrency, point.throughput_per_s, point.low, point.high) for point in tuning.curve),
        height=230,
    )
    p95 = Panel(
        "p95 of the service time",
        tick_s,
        tuple(Measure(run.concurrency, run.p95_s) for run in tuning.runs if run.p95_s is not None),
        _points(tuning, "p95"),
        limit=None if tuning.slo_p95_s is None else Limit(tuning.slo_p95_s, f"allowed: {tick_s(tuning.slo_p95_s)}"),
        height=150,
        tone="sink",
        kind=None,
    )
    title = "Throughput and p95 against concurrency"
    chart = CurveChart(
        title, _note(tuning), _told(tuning), "concurrency", (throughput, p95), _marks(tuning), tuple(keys)
    )
    return curves(chart)


def costs(tuning: Tuning) -> Drawing:
    """An item's mean time by phase, one bar for each concurrency."""
    parts = tuple((name, tone) for _, name, tone in phases(tuning))
    rows = []
    for point in tuning.points:
        values = cost(point, tuning)
        known_values = [value for value in values if value is not None]
        label = duration_text(sum(known_values)) if known_values else UNKNOWN
        mark = "recommended" if point.concurrency == tuning.recommended else ""
        rows.append(Stack(f"{count_text(point.concurrency)} at once", values, label, mark=mark))
    return stacks(StackChart("Where an item's time goes", "mean per item by phase", parts, tuple(rows), tick_s))


def _points(tuning: Tuning, name: str) -> tuple[Measure, ...]:
    found = []
    for point in tuning.points:
        estimate = point.throughput_per_s if name == "throughput" else point.p95_s
        value = known(estimate)
        if value is not None:
            found.append(Measure(point.concurrency, value, estimate.low, estimate.high))
    return tuple(found)


def _marks(tuning: Tuning) -> tuple[VerticalMark, ...]:
    marks = []
    if tuning.recommended is not None:
        marks.append(VerticalMark(tuning.recommended, f"recommended: {tuning.recommended}", is_main=True))
    for name, estimate in (("knee", tuning.knee), ("USL peak", tuning.peak)):
        value = known(estimate)
        if estimate is not None and value is not None:
            marks.append(VerticalMark(value, f"{name}: {place_text(value)}", low=estimate.low, high=estimate.high))
    return tuple(marks)


def _note(tuning: Tuning) -> str:
    runs = count_text(len(tuning.runs))
    return f"{runs} runs at {count_text(len(tuning.points))} levels of concurrency, random order"


def _told(tuning: Tuning) -> str:
    rows = "; ".join(
        f"{point.concurrency} at once: {_value(point.throughput_per_s, rate_text)}, "
        f"p95 {_value(point.p95_s, duration_text)}"
        for point in tuning.points
    )
    chosen = "" if tuning.recommended is None else f" Recommended: {tuning.recommended}."
    return f"{rows}.{chosen}"


def _value(estimate: Estimate, show: object) -> str:
    value = known(estimate)
    return UNKNOWN if value is None or not callable(show) else str(show(value))
