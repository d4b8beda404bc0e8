"""The run's metrics as Prometheus and OpenMetrics text, through prometheus-client (extra `metrics`).

No registry of its own and no global one: each call renders what it is given, on whichever thread. What the metrics are
is said in `metrics.py`; serving them is not done here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, assert_never

from penstock.errors import ConfigError
from penstock.telemetry.metrics import BOUNDS_S, METRICS, Cumulative, Measured, Metric

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

BOUND_LABELS = tuple(f"{bound:.12g}" if bound != int(bound) else f"{bound:.1f}" for bound in BOUNDS_S)


def render(measured: Measured, accept: str = "") -> tuple[bytes, str]:
    """The text and its content type for the `Accept` header `accept`: OpenMetrics 1.0 if it is asked for, else
    Prometheus' text format 0.0.4. Costs about 1 ms. Raises ConfigError when prometheus-client is not installed."""
    try:
        from prometheus_client.exposition import choose_encoder
    except ImportError:
        raise missing_packages(["prometheus_client"]) from None
    encode, content_type = choose_encoder(accept)
    return encode(_Once(measured)), content_type


def missing_packages(names: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"--metrics: expected {' and '.join(names)} to be installed, found no such package",
        hint="pip install 'penstock[metrics]'",
    )


class _Once:
    """What prometheus-client calls a collector."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            family = _family(metric, self._measured)
            if family is not None:
                yield family


def _family(metric: Metric, measured: Measured) -> Family | None:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    if metric.kind == "histogram":
        found = measured.histograms.get(metric.name)
        return _histogram(metric, found) if found is not None else None
    samples = measured.values.get(metric.name)
    if not samples:
        return None
    match metric.kind:
        case "counter":
            counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
            for labels, value in samples:
                counter.add_metric(labels, value)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
            for labels, value in samples:
                gauge.add_metric(labels, value)
            return gauge
        case "info":
            info = InfoMetricFamily(metric.name, metric.help)
            for labels, _ in samples:
                info.add_metric((), dict(zip(metric.labels, labels, strict=True)))
            return info
        case _:
            assert_never(metric.kind)


def _histogram(metric: Metric, found: Cumulative) -> Family:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(metric.name, metric.help, unit=metric.unit)
    buckets = [*zip(BOUND_LABELS, found.counts, strict=True), ("+Inf", found.n)]
    family.add_metric((), buckets, found.sum_s)
    return family
