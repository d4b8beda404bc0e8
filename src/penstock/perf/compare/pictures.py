"""A comparison as charts: throughput, CPU, service time and latency, inside a page or as SVG files of their own.

It judges nothing. The rule: every alternative has its row in every chart, in one order: the highest throughput first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence

from penstock.perf.compare.figures import Show, joined, known, ordered, span, standing, starred
from penstock.perf.compare.model import Comparison, Estimate, Metric, Percentiles, Summary
from penstock.perf.page.svg.canvas import Drawing, standalone
from penstock.perf.page.svg.intervals import IntervalChart, Mark, Row, intervals
from penstock.telemetry.format import UNKNOWN, duration_text, rate_text

SERIES = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"))
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


def throughput_svg(comparison: Comparison) -> str:
    """Items per second of each alternative with its 95 % interval, as an SVG file."""
    return standalone(throughput(comparison))


def latency_svg(comparison: Comparison) -> str:
    """p50, p95 and p99 from the intended start at a common rate, as an SVG file; without one, of the service time."""
    return standalone(latency(comparison) or service(comparison))


def comparison_pictures(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """All charts as SVG files: `WORKLOAD-throughput` → SVG text, also `-cpu`, `-service` and `-latency`.

    Names are plain file names without ending; `compare_markdown` looks for them.
    """
    return {
        f"{stem}-{name}": standalone(drawing)
        for stem, comparison in zip(stems(comparisons), comparisons, strict=True)
        for name, drawing in drawings(comparison).items()
    }


def stems(comparisons: Sequence[Comparison]) -> list[str]:
    """The workloads as parts of file names, all different: letters, digits, dots, hyphens and underscores only."""
    found: list[str] = []
    for comparison in comparisons:
        plain = _PLAIN.sub("-", comparison.workload).strip("-.")[:80] or "workload"
        names = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
        found.append(next(name for name in names if name not in found))
    return found


def drawings(comparison: Comparison) -> dict[str, Drawing]:
    """The charts there is something for, by name, in the order of reading."""
    latency_ = latency(comparison)
    found = {"throughput": throughput(comparison)}
    if latency_ is not None:
        found["latency"] = latency_
    return {**found, "service": service(comparison), "cpu": cpu(comparison)}


def throughput(comparison: Comparison) -> Drawing:
    """Items per second, with intervals."""
    rows = _rows(comparison, "throughput", lambda summary: summary.throughput_per_s, rate_text)
    return intervals(IntervalChart("Throughput", "items per second, more is better", rows, tick_per_s))


def cpu(comparison: Comparison) -> Drawing:
    """CPU time for 1,000 items, with intervals."""
    rows = _rows(comparison, "cpu", lambda summary: summary.cpu_s_per_1000, duration_text)
    return intervals(IntervalChart("CPU for 1,000 items", "user and system time, less is better", rows, tick_s))


def service(comparison: Comparison) -> Drawing:
    """p50, p95 and p99 in the closed loop."""
    rows = tuple(_percentile_row(starred(comparison, summary.name), summary.service) for summary in ordered(comparison))
    return intervals(
        IntervalChart("Service time", "work begun to ended, full speed, less is better", rows, tick_s, SERIES)
    )


def latency(comparison: Comparison) -> Drawing | None:
    """p50, p95 and p99 in the open loop; None when there was none."""
    rate = comparison.rate_per_s
    if rate is None and all(summary.latency is None for summary in comparison.summaries):
        return None
    at = f" at {rate_text(rate)}" if rate is not None else ""
    rows = []
    best = standing(
        comparison, "p95", {s.name: known(s.latency.p95) if s.latency else None for s in comparison.summaries}
    )
    for summary in ordered(comparison):
        name = starred(comparison, summary.name)
        if summary.keeps_up is False:
            rows.append(Row(name, trouble=f"cannot keep up{at}"))
        elif summary.latency is None:
            rows.append(Row(name, trouble="not measured"))
        else:
            rows.append(_percentile_row(name, summary.latency, best.get(summary.name, "")))
    axis = f"{at.strip()}, less is better".removeprefix(", ")
    return intervals(IntervalChart("Latency from the intended start", axis, tuple(rows), tick_s, SERIES))


def tick_s(value: float) -> str:
    """A duration as short as it can be: `20 ms`, `0.5 s` as `500 ms`."""
    shown = duration_text(value) if value < 60 else f"{value:,.0f} s"
    return shown.replace(".0 ", " ")


def tick_per_s(value: float) -> str:
    """A rate as short as it can be: `50/s`."""
    return rate_text(value).replace(".0/s", "/s")


def _rows(comparison: Comparison, metric: Metric, of: Callable[[Summary], Estimate], show: Show) -> tuple[Row, ...]:
    best = standing(comparison, metric, {summary.name: known(of(summary)) for summary in comparison.summaries})
    rows = []
    for summary in ordered(comparison):
        estimate = of(summary)
        value = known(estimate)
        name = starred(comparison, summary.name)
        if value is None:
            rows.append(Row(name, label=UNKNOWN, trouble=estimate.note))
            continue
        mark = best.get(summary.name, "")
        marks = (Mark(value, estimate.low, estimate.high),)
        rows.append(Row(name, marks, show(value), _bare(span(estimate, show)), mark=mark, is_best=mark == "best"))
    return tuple(rows)


def _percentile_row(name: str, told: Percentiles, mark: str = "") -> Row:
    estimates = (told.p50, told.p95, told.p99)
    marks = tuple(Mark(known(estimate), estimate.low, estimate.high) for estimate in estimates)
    if all(value.value is None for value in marks):
        return Row(name, label=UNKNOWN, trouble=_first(estimate.note for estimate in estimates))
    texts = [UNKNOWN if (value := known(estimate)) is None else duration_text(value) for estimate in estimates]
    return Row(name, marks, joined_known(texts), mark=mark, is_best=mark == "best")


def joined_known(texts: Sequence[str]) -> str:
    """`21.1 · 24.8 · 31.0 ms`, with dashes among them."""
    values = [text for text in texts if text != UNKNOWN]
    shown = iter(joined(values, "\n").split("\n"))
    return " · ".join(UNKNOWN if text == UNKNOWN else next(shown) for text in texts)


def _bare(interval: str) -> str:
    return interval.removesuffix("/s")


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
