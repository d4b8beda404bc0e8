"""OpenTelemetry (extra `otel`): the metrics as observable instruments, and an SDK started as its environment says.

Only the API is needed; whoever has configured an SDK keeps it. Traces of attempts are made in `engine.tracing`. The
rule: a collector that cannot be reached never holds up a run, nor its end for long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigError
from penstock.telemetry.metrics import METRICS, Measured, Metric

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

STOP_S_MAX = 5.0
_UNITS = {"": "1", "seconds": "s", "bytes": "By", "ratio": "1"}
_HINT = "pip install 'penstock[otel]' opentelemetry-sdk opentelemetry-exporter-otlp"


def instrument_name(metric: Metric) -> str:
    """`penstock_body_bytes` is `penstock.body` here: OpenTelemetry keeps units out of names."""
    name = metric.name.removesuffix(f"_{metric.unit}") if metric.unit else metric.name
    return name.replace("penstock_", "penstock.", 1)


def register_instruments(meter: Meter, latest: Callable[[], Measured | None]) -> None:
    """Make an observable instrument for each metric but histograms, which the API cannot observe.

    `latest` is called in the exporter's thread and must only hand over what was measured; None: nothing to report.
    Instruments cannot be taken back: register once for each meter.
    """
    for metric in METRICS:
        if metric.kind == "histogram":
            continue
        create = meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
        create(instrument_name(metric), [_callback(metric, latest)], unit=_UNITS[metric.unit], description=metric.help)


def _callback(
    metric: Metric, latest: Callable[[], Measured | None]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation

        measured = latest()
        samples = measured.values.get(metric.name, ()) if measured is not None else ()
        return [Observation(value, dict(zip(metric.labels, labels, strict=True))) for labels, value in samples]

    return observe


def require_api() -> None:
    """Raise ConfigError when opentelemetry-api is not installed."""
    try:
        import opentelemetry.trace  # noqa: F401 - only whether it is there
    except ImportError:
        raise ConfigError("--otel: expected the package opentelemetry-api, found none", hint=_HINT) from None


def start_sdk(environ: Mapping[str, str]) -> Callable[[], None]:
    """Start the SDK with the exporters that `environ` names, unless one is running; returns what ends it.

    Follows OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER (default `otlp`; `none` for none), the SDK and the exporters
    themselves the other `OTEL_*` variables. `service.name` is `penstock` unless set. Ending exports what is left and
    takes at most 5 s. Raises ConfigError when a package is missing.
    """
    require_api()
    from opentelemetry import metrics, trace

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return lambda: _bounded(trace.get_tracer_provider(), metrics.get_meter_provider(), "force_flush")
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError("--otel: expected the package opentelemetry-sdk, found none", hint=_HINT) from None
    span_exporters = _exporters("traces", environ)
    metric_exporters = _exporters("metrics", environ)
    has_name = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if has_name else {"service.name": "penstock"})
    # Not at exit: the interpreter would wait for a collector that does not answer.
    tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in span_exporters:
        tracer_provider.add_span_processor(BatchSpanProcessor(exporter()))
    readers = [PeriodicExportingMetricReader(exporter()) for exporter in metric_exporters]
    meter_provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    return lambda: _bounded(tracer_provider, meter_provider, "shutdown")


def _exporters(signal: str, environ: Mapping[str, str]) -> list[Callable[[], Any]]:
    """The exporters that the environment names, as the SDK's own configuration would find them: by entry point."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    found = []
    for name in (part.strip() for part in environ.get(variable, "otlp").split(",")):
        if name in ("", "none"):
            continue
        points = metadata.entry_points(group=f"opentelemetry_{signal}_exporter")
        point = next((points[known] for known in _spellings(name, environ) if known in points.names), None)
        if point is None:
            known = ", ".join(sorted(points.names)) or "nothing"
            raise ConfigError(
                f"--otel: expected an installed exporter in {variable}, got {name!r}; installed: {known}", hint=_HINT
            )
        found.append(point.load())
    return found


def _spellings(name: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """`otlp` is spelled after its protocol in entry points; http/protobuf is the default of the specification."""
    if name != "otlp":
        return (name,)
    protocol = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    if protocol == "grpc":
        return ("otlp_proto_grpc",)
    return ("otlp_proto_http",) if protocol else ("otlp_proto_http", "otlp_proto_grpc", "otlp")


def _bounded(tracer_provider: object, meter_provider: object, method: str) -> None:
    """Call it on both, in a thread that nobody waits for longer than `STOP_S_MAX`: exporters try again and again."""

    def end() -> None:
        for provider in (tracer_provider, meter_provider):
            call = getattr(provider, method, None)  # the API's own providers have none
            if call is not None:
                call()

    thread = threading.Thread(target=end, name="penstock-otel-end", daemon=True)
    thread.start()
    thread.join(STOP_S_MAX)
