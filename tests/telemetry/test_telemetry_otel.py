"""Metrics through OpenTelemetry: the same numbers as Prometheus shows, and an SDK started as its environment says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

from penstock.errors import ConfigError
from penstock.telemetry.counters import Counters
from penstock.telemetry.metrics import METRICS, Context, Measured, measure, with_verdict
from penstock.telemetry.otel import instrument_name, register_instruments, start_sdk
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.window import Window


class Collected:
    """A meter provider that is read by hand."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def metrics(self) -> dict[str, object]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def collected() -> Iterator[Collected]:
    made = Collected()
    yield made
    made.provider.shutdown()


def measured(written: int) -> Measured:
    counters = Counters()
    counters.admitted, counters.written = 10, written
    counters.success("http://a.test:80", 500, 0.1, 0.2)
    window = Window(end_s=1, span_s=1, cpu_s=0.5, cpu_children_s=0.0, loop_run=0.5, loop_runqueue=0.25)
    look = measure(Snapshot(1.0, counters, total=10, limit=4), window, Context(("1", "3")))
    return with_verdict(look, "server", 0.95)


def points(metric: object) -> dict[tuple[tuple[str, object], ...], float]:
    return {tuple(sorted(point.attributes.items())): point.value for point in metric.data.data_points}  # type: ignore[attr-defined]  # the SDK's types are a union


def test_instruments_follow_what_was_measured_last(collected: Collected) -> None:
    latest: list[Measured | None] = [None]
    register_instruments(collected.provider.get_meter("test"), lambda: latest[0])
    assert collected.metrics() == {}
    latest[0] = measured(3)
    assert points(collected.metrics()["penstock.items"])[("outcome", "written"),] == 3
    latest[0] = measured(4)
    found = collected.metrics()
    assert points(found["penstock.items"])[("outcome", "written"),] == 4
    assert points(found["penstock.body"]) == {(): 500}
    assert points(found["penstock.stage"])[("stage", "loop"), ("state", "runqueue")] == 0.25
    assert points(found["penstock.verdict"]) == {(("label", "server"),): 1}


def test_counters_are_sums_that_only_grow_and_units_are_those_of_ucum(collected: Collected) -> None:
    register_instruments(collected.provider.get_meter("test"), lambda: measured(3))
    found = collected.metrics()
    for metric in METRICS:
        if instrument_name(metric) not in found:
            continue
        shown = found[instrument_name(metric)]
        data = shown.data  # type: ignore[attr-defined]  # as above
        assert (isinstance(data, Sum) and data.is_monotonic) == (metric.kind == "counter"), metric.name
        assert shown.unit in ("1", "s", "By")  # type: ignore[attr-defined]  # as above
    assert found["penstock.body"].unit == "By"  # type: ignore[attr-defined]  # as above


def test_instrument_names_are_unique_and_without_units() -> None:
    names = [instrument_name(metric) for metric in METRICS if metric.kind != "histogram"]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.endswith(("_seconds", "_bytes", "_ratio"))]
    assert all(name.startswith("penstock.") for name in names)


def test_an_exporter_that_is_not_installed_is_a_mistake_of_the_environment() -> None:
    with pytest.raises(ConfigError, match=r"OTEL_TRACES_EXPORTER, got 'smoke'; installed: .*console") as caught:
        start_sdk({"OTEL_TRACES_EXPORTER": "smoke"})
    assert "opentelemetry-exporter-otlp" in (caught.value.hint or "")


def test_without_the_api_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ConfigError, match="opentelemetry-api") as caught:
        start_sdk({})
    assert "penstock[otel]" in (caught.value.hint or "")


# Providers are set once for a process: each of these has one of its own.
_PROGRAM = """
import os
from opentelemetry import metrics, trace
{before}
from penstock.telemetry.otel import start_sdk
end = start_sdk(os.environ)
trace.get_tracer("t").start_span("a span").end()
metrics.get_meter("t").create_counter("a_counter").add(3)
end()
print("ended")
"""


def program(before: str = "", **environ: str) -> str:
    import os

    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(before=before)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_ending_exports_what_is_left_to_what_the_environment_names() -> None:
    said = program(OTEL_TRACES_EXPORTER="console", OTEL_METRICS_EXPORTER="console")
    assert '"name": "a span"' in said
    assert '"name": "a_counter"' in said
    assert '"service.name": "penstock"' in said
    said = program(OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none", OTEL_SERVICE_NAME="mine")
    assert said == "ended\n"


@pytest.mark.slow
def test_the_users_name_of_the_service_stays() -> None:
    said = program(OTEL_TRACES_EXPORTER="console", OTEL_METRICS_EXPORTER="none", OTEL_SERVICE_NAME="mine")
    assert '"service.name": "mine"' in said


@pytest.mark.slow
def test_an_sdk_that_is_running_is_kept_and_flushed() -> None:
    before = (
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter\n"
        "provider = TracerProvider(); provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))\n"
        "trace.set_tracer_provider(provider)"
    )
    said = program(before, OTEL_TRACES_EXPORTER="otlp", OTEL_METRICS_EXPORTER="otlp")
    document, _ = json.JSONDecoder().raw_decode(said)
    assert document["name"] == "a span"
    assert said.index('"a span"') < said.index("ended")
