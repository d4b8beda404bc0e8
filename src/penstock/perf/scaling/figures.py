"""A sweep's numbers as people read them: the table of points, the laws, what is recommended, for page and Markdown.

Pure; texts are safe to show, not escaped. The rule: what the data cannot identify is said to be so, never left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.perf.compare.figures import Figure, figure, known
from penstock.perf.compare.phases import phases_of
from penstock.perf.scaling.model import Fit, Law, Point, Tuning
from penstock.telemetry.format import UNKNOWN, count_text, duration_text, printable, rate_text

LAWS: Mapping[Law, tuple[str, str]] = {
    "linear": ("linear", "each place adds the same"),
    "amdahl": ("Amdahl", "a serial share bounds it"),
    "usl": ("USL", "serial share and crosstalk: it can fall again"),
    "two_line": ("two lines", "a knee, then another slope"),
}
"""Name and meaning of each law."""


@dataclass(frozen=True, slots=True)
class PointColumn:
    """`get` finds the value of one concurrency."""

    name: str
    get: Callable[[Point], Figure]


def point_columns(tuning: Tuning) -> list[PointColumn]:
    """The table's columns after the concurrency; phases only where there are some."""
    found = [
        PointColumn("throughput", lambda point: figure(point.throughput_per_s, rate_text)),
        PointColumn("per place", _per_place),
        PointColumn("p50", lambda point: figure(point.p50_s, duration_text)),
        PointColumn("p95", lambda point: figure(point.p95_s, duration_text)),
        PointColumn("CPU for 1,000 items", lambda point: figure(point.cpu_s_per_1000, duration_text)),
    ]
    found += [PointColumn(name, _phase(key)) for key, name, _ in phases(tuning)]
    return [*found, PointColumn("runs", lambda point: Figure(count_text(point.runs)))]


def phases(tuning: Tuning) -> list[tuple[str, str, str]]:
    """(key, name, tone) of the phases that took time at any concurrency, in the order items go through them."""
    return phases_of(point.phases for point in tuning.points)


def cost(point: Point, tuning: Tuning) -> tuple[float | None, ...]:
    """Seconds per item of each phase, as `phases` orders them."""
    return tuple(
        value if (value := point.phases.get(key)) is not None and math.isfinite(value) else None
        for key, _, _ in phases(tuning)
    )


def law_rows(tuning: Tuning) -> list[tuple[str, str, str, str, str]]:
    """Law, parameters, residuals, Akaike weight, and `chosen` or nothing; the likeliest first."""
    fits = sorted(tuning.fits, key=lambda fit: fit.aicc if math.isfinite(fit.aicc) else math.inf)
    return [
        (
            f"{LAWS[fit.law][0]}: {LAWS[fit.law][1]}",
            parameters(fit),
            _percent(fit.sigma),
            _percent(fit.weight),
            "chosen" if fit.law == tuning.chosen else "",
        )
        for fit in fits
    ]


def parameters(fit: Fit) -> str:
    """`λ 48.0/s, α 0.010, β 0.00050`."""
    names = {"rate_per_s": "λ", "alpha": "α", "beta": "β"}
    return ", ".join(
        f"{names.get(name, printable(name, 30))} {rate_text(value) if name == 'rate_per_s' else f'{value:.3g}'}"
        for name, value in fit.parameters.items()
    )


def facts(tuning: Tuning) -> list[tuple[str, Figure]]:
    """What follows from the sweep: label and figure, in the order of reading."""
    at = next((point for point in tuning.points if point.concurrency == tuning.recommended), None)
    told: list[tuple[str, Figure]] = []
    if at is not None:
        told += [
            (f"throughput at {at.concurrency}", figure(at.throughput_per_s, rate_text)),
            (f"p95 at {at.concurrency}", figure(at.p95_s, duration_text)),
        ]
    if tuning.throughput_max_per_s is not None:
        told.append(("highest throughput", figure(tuning.throughput_max_per_s, rate_text)))
    if tuning.slo_p95_s is not None:
        told.append(("p95 allowed", Figure(duration_text(tuning.slo_p95_s))))
    told.append(("knee", _place(tuning.knee is not None and known(tuning.knee) is not None, tuning, "knee")))
    told.append(("peak (USL)", _place(tuning.peak is not None and known(tuning.peak) is not None, tuning, "peak")))
    return told


def sentence(words: str) -> str:
    """The words with a capital letter in front."""
    return words[:1].upper() + words[1:]


def place_text(value: float) -> str:
    """A concurrency that was fitted: `26`, `1.4`."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else UNKNOWN


def _place(is_known: bool, tuning: Tuning, name: str) -> Figure:
    estimate = tuning.knee if name == "knee" else tuning.peak
    if is_known:
        return figure(estimate, place_text)
    if estimate is not None and estimate.note:
        return Figure(UNKNOWN, note=printable(estimate.note))
    if name == "peak" and tuning.points and not tuning.is_peak_seen:
        return Figure(UNKNOWN, note="not seen: throughput still rose at the highest concurrency")
    return Figure(UNKNOWN, note="the data do not identify it")


def _per_place(point: Point) -> Figure:
    value = known(point.throughput_per_s)
    return Figure(UNKNOWN if value is None or point.concurrency < 1 else rate_text(value / point.concurrency))


def _phase(key: str) -> Callable[[Point], Figure]:
    def get(point: Point) -> Figure:
        value = point.phases.get(key)
        return Figure(UNKNOWN if value is None or not math.isfinite(value) else duration_text(value))

    return get
