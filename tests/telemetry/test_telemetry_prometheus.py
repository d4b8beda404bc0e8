"""The exported numbers: right, complete, in valid Prometheus and OpenMetrics text, and as the documentation says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from penstock.errors import ConfigError
from penstock.model import FAILURE_KINDS, Failure
from penstock.telemetry.counters import Counters
from penstock.telemetry.histogram import Histogram
from penstock.telemetry.metrics import (
    BOUNDS_S,
    METRICS,
    Context,
    Measured,
    cumulative,
    measure,
    unstarted,
    with_verdict,
)
from penstock.telemetry.prometheus import render
from penstock.telemetry.snapshot import Snapshot, host_rows
from penstock.telemetry.window import Window

DOCS = Path(__file__).parents[2] / "docs"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
HOSTS = ("http://a.test:80", 'http://"b"\\.test:80')


def counters() -> Counters:
    made = Counters()
    made.admitted = 12
    made.written, made.ended, made.records = 7, 9, 8
    for host, ttfb_s in ((HOSTS[0], 0.004), (HOSTS[0], 0.2), (HOSTS[1], 3.0)):
        made.success(host, 1000, ttfb_s, ttfb_s + 0.1, (0.01, 0.02, 0.03))
    made.attempt_failed(HOSTS[1], Failure("http_429", "slow down", http_status=429))
    made.item_failed(3, "http://a.test/secret?token=1", Failure("dns", "no such host"))
    made.failed = 1
    return made


def snapshot(*, hosts_max: int = 0) -> Snapshot:
    counted = counters()
    return Snapshot(
        12.5,
        counted,
        in_flight=5,
        queued=2,
        delayed=1,
        deferred=1,
        total=100,
        limit=64,
        bytes_held=4096,
        bytes_held_max=1 << 28,
        loop_lag_s_p95=0.003,
        loop_lag_s_max=0.04,
        hosts=host_rows(counted, hosts_max),
    )


def window() -> Window:
    return Window(
        end_s=12,
        span_s=2,
        source_blocked=1,
        fetch_busy=0.5,
        fetch_blocked=0.25,
        fetch_host=0.25,
        process_busy=0.25,
        sink_busy=0.75,
        sink_commit=0.25,
        loop_run=0.5,
        loop_runqueue=0.125,
        cpu_s=1.5,
        cpu_children_s=0.5,
        runqueue_s=0.5,
        rss_bytes=100_000_000,
        fds=33,
        machine_busy=0.5,
        machine_steal=0.0,
    )


CONTEXT = Context(("1.2.3", "3.13.1"), taken_at_s=1_700_000_000.5)


def everything() -> Measured:
    return with_verdict(measure(snapshot(hosts_max=5), window(), CONTEXT), "sink", 0.97)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float:
    return samples(render(everything())[0].decode())[name, tuple(sorted(labels.items()))]


def test_the_numbers_are_those_of_the_run() -> None:
    assert value("penstock_items_total", outcome="written") == 7
    assert value("penstock_items_total", outcome="failed") == 1
    assert value("penstock_items_pending") == 4
    assert value("penstock_items_expected") == 100
    assert value("penstock_attempts_total") == 4
    assert value("penstock_answers_total") == 3
    assert value("penstock_throttled_total") == 1
    assert value("penstock_failures_total", kind="dns") == 1
    assert value("penstock_connections_total") == 3
    assert value("penstock_body_bytes_total") == 3000
    for phase, sum_s in (("dns", 0.03), ("connect", 0.06), ("tls", 0.09), ("body", 0.12)):
        assert value("penstock_phase_seconds_total", phase=phase) == pytest.approx(sum_s)
    assert value("penstock_phase_seconds_total", phase="ttfb") == pytest.approx(3.204)
    assert value("penstock_in_flight") == 5
    assert value("penstock_concurrency_limit") == 64
    assert value("penstock_cpu_cores", process="self") == 0.75
    assert value("penstock_runqueue_threads") == 0.25
    assert value("penstock_verdict_info", label="sink") == 1
    assert value("penstock_build_info", version="1.2.3", python="3.13.1") == 1
    assert value("penstock_snapshot_timestamp_seconds") == 1_700_000_000.5
    assert value("penstock_host_ttfb_seconds_total", host=HOSTS[0]) == pytest.approx(0.204)


def test_the_histogram_counts_up_to_each_bound() -> None:
    assert value("penstock_ttfb_seconds_count") == 3
    assert value("penstock_ttfb_seconds_sum") == pytest.approx(3.204)
    found = {bound: value("penstock_ttfb_seconds_bucket", le=bound) for bound in ("0.001", "0.005", "0.25", "5.0")}
    assert found == {"0.001": 0, "0.005": 1, "0.25": 2, "5.0": 3}
    assert value("penstock_ttfb_seconds_bucket", le="+Inf") == 3


def test_every_metric_that_is_declared_has_values_and_no_other_is_exported() -> None:
    families = {family.name for family in parse_openmetrics(render(everything(), OPENMETRICS)[0].decode())}
    assert families == {metric.name for metric in METRICS}


def test_every_failure_kind_is_a_series_from_the_start() -> None:
    text = render(measure(Snapshot(0.0, Counters()), None, CONTEXT))[0].decode()
    assert text.count("penstock_failures_total{") == len(FAILURE_KINDS)


@pytest.mark.parametrize("stage", ["source", "fetch", "process", "sink", "loop"])
def test_the_states_of_a_stage_add_up_to_one(stage: str) -> None:
    states = [share for labels, share in everything().values["penstock_stage_ratio"] if labels[0] == stage]
    assert sum(states) == pytest.approx(1)


def test_what_is_not_known_has_no_sample() -> None:
    bare = measure(Snapshot(0.0, Counters()), Window(end_s=1, span_s=1), Context(("1", "3")))
    absent = {metric.name for metric in METRICS} - set(bare.values) - set(bare.histograms)
    assert absent >= {"penstock_items_expected", "penstock_open_fds", "penstock_cpu_cores", "penstock_verdict"}
    assert not any(labels[0] == "loop" for labels, _ in bare.values["penstock_stage_ratio"])
    assert "NaN" not in render(bare)[0].decode()


def test_what_was_measured_does_not_change_when_the_run_goes_on() -> None:
    look = snapshot(hosts_max=5)
    measured = measure(look, window(), CONTEXT)
    before = render(measured)[0]
    look.counters.written += 5
    look.counters.success(HOSTS[0], 9, 0.1, 0.2)
    look.in_flight = 60
    assert render(measured)[0] == before


def test_hosts_have_series_only_when_the_snapshot_has_rows() -> None:
    assert "penstock_host" not in render(measure(snapshot(), window(), CONTEXT))[0].decode()
    text = render(measure(snapshot(hosts_max=1), window(), CONTEXT))[0].decode()
    assert len({labels for name, labels in samples(text) if name == "penstock_host_answers_total"}) == 1


def test_no_url_and_no_message_is_exported() -> None:
    text = render(everything())[0].decode()
    assert "secret" not in text
    assert "no such host" not in text


def test_the_scraper_chooses_the_format() -> None:
    plain, plain_type = render(everything(), "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
    open_text, open_type = render(everything(), f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5")
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert open_type.startswith("application/openmetrics-text; version=1.0.0")
    assert open_text.endswith(b"# EOF\n")
    assert b"# EOF" not in plain


def test_before_the_run_there_is_what_is_running_and_nothing_else() -> None:
    assert list(samples(render(unstarted(CONTEXT))[0].decode())) == [
        ("penstock_build_info", (("python", "3.13.1"), ("version", "1.2.3")))
    ]


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client.exposition", None)
    with pytest.raises(ConfigError, match="prometheus_client") as caught:
        render(everything())
    assert caught.value.hint == "pip install 'penstock[metrics]'"


NEAR_A_BOUND = st.builds(lambda bound_s, off: bound_s * off, st.sampled_from(BOUNDS_S), st.floats(0.97, 1.03))


@given(st.lists(st.floats(1e-7, 1e4) | NEAR_A_BOUND, max_size=200))
def test_a_bucket_is_right_within_one_per_cent_of_its_bound(values_s: list[float]) -> None:
    histogram = Histogram()
    for value_s in values_s:
        histogram.record(value_s)
    found = cumulative(histogram, sum(values_s))
    assert found.n == len(values_s)
    assert list(found.counts) == sorted(found.counts)
    for bound_s, count in zip(BOUNDS_S, found.counts, strict=True):
        at_least = sum(value_s <= bound_s * 0.9899 for value_s in values_s)
        at_most = sum(value_s <= bound_s * 1.0102 for value_s in values_s)
        assert at_least <= count <= at_most


# --- conventions


@pytest.mark.parametrize("metric", METRICS, ids=[metric.name for metric in METRICS])
def test_names_keep_to_the_conventions(metric: object) -> None:
    from penstock.telemetry.metrics import Metric

    assert isinstance(metric, Metric)
    assert re.fullmatch(r"penstock(_[a-z0-9]+)+", metric.name)
    assert not metric.name.endswith(("_total", "_info", "_count", "_sum", "_bucket", "_ms", "_us"))
    for unit in ("seconds", "bytes", "ratio"):
        assert metric.name.endswith(f"_{unit}") == (metric.unit == unit)
    assert metric.help.endswith(".")


def test_promtool_finds_nothing_to_complain_about() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; the parsers above have read the text")
    text = render(everything())[0]
    run = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=30)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


# --- documentation


def table(page: str, heading: str) -> dict[str, list[str]]:
    """The first table under `## heading`: first cell without backquotes → the other cells."""
    section = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in rows[2:]}


def shown_names() -> set[str]:
    suffix = {"counter": "_total", "info": "_info"}
    return {metric.name + suffix.get(metric.kind, "") for metric in METRICS}


def test_every_metric_is_documented_with_its_type_and_unit_and_no_other() -> None:
    from penstock.telemetry.otel import instrument_name

    documented = table("reference/metrics.md", "Metrics")
    assert set(documented) == shown_names()
    for metric, (kind, unit, labels, otel, meaning) in zip(METRICS, documented.values(), strict=True):
        assert (kind, unit.strip("–")) == (metric.kind, metric.unit), metric.name
        assert otel.strip("`–") == ("" if metric.kind == "histogram" else instrument_name(metric))
        assert meaning
        assert (labels == "–") == (not metric.labels)


def test_every_stage_and_state_is_documented_and_no_other() -> None:
    section = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8").partition("\n## Stages and states\n")[2]
    documented = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section, flags=re.MULTILINE))
    assert documented == {labels for labels, _ in everything().values["penstock_stage_ratio"]}


QUERIES = re.findall(
    r"^```promql\n(.*?)^```", (DOCS / "guides/metrics.md").read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
)


def test_the_guide_queries_only_what_exists() -> None:
    names = shown_names() | {
        metric.name + part for metric in METRICS if metric.kind == "histogram" for part in ("_bucket", "_sum", "_count")
    }
    asked = {name for query in QUERIES for name in re.findall(r"penstock_\w+", query)}
    assert len(QUERIES) >= 10
    assert not asked - names


def test_the_guides_queries_name_states_that_exist() -> None:
    known = {labels for labels, _ in everything().values["penstock_stage_ratio"]}
    for query in QUERIES:
        for stage, state in re.findall(r'penstock_stage_ratio\{stage="(\w+)"(?:,state="(\w+)")?\}', query):
            assert any(stage == labels[0] and state in ("", labels[1]) for labels in known), query


def test_promtool_can_read_the_guides_queries(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; the names were checked above")
    rules = "".join(
        f"  - record: q{number}\n    expr: |\n      {query.strip()}\n" for number, query in enumerate(QUERIES)
    )
    (tmp_path / "rules.yml").write_text(f"groups:\n- name: guide\n  rules:\n{rules}")
    run = subprocess.run(
        [promtool, "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 0, run.stdout + run.stderr
