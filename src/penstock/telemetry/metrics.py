"""Which numbers of a run are exported, under which names, and what they are now: for Prometheus and OpenTelemetry.

Pure: a snapshot and a window in, plain values out that no later event of the run changes, so that another thread may
read them. The rule: a metric is in `METRICS` or it is not exported, and every label has a bounded set of values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from penstock.model import FAILURE_KINDS
from penstock.telemetry.counters import Counters
from penstock.telemetry.histogram import Histogram
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.window import Window

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "info"]
Unit: TypeAlias = Literal["", "seconds", "bytes", "ratio"]


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` in Prometheus' form, with its unit and without `_total`, which counters get; `help` is for people."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: Unit = ""


METRICS: tuple[Metric, ...] = (
    Metric("penstock_items", "counter", "Items with a durable outcome, of the whole run.", ("outcome",)),
    Metric("penstock_items_admitted", "counter", "Items taken from the input, of the whole run."),
    Metric("penstock_items_pending", "gauge", "Items admitted and not yet durable."),
    Metric("penstock_items_expected", "gauge", "Length of the whole input; absent while unknown."),
    Metric("penstock_records", "counter", "Rows made of fetched items."),
    Metric("penstock_attempts", "counter", "Attempts that ended."),
    Metric("penstock_answers", "counter", "Attempts that ended with a complete 2xx answer."),
    Metric("penstock_retries", "counter", "Attempts that failed and are tried again."),
    Metric("penstock_throttled", "counter", "Attempts answered 429 or 503."),
    Metric("penstock_deferrals", "counter", "Times an item was put off to the end of the run."),
    Metric("penstock_failures", "counter", "Items given up.", ("kind",)),
    Metric("penstock_connections", "counter", "New connections made for answers."),
    Metric("penstock_body_bytes", "counter", "Bytes of decoded bodies.", unit="bytes"),
    Metric("penstock_durable_bytes", "counter", "Bytes in committed files.", unit="bytes"),
    Metric("penstock_shards", "counter", "Files of records committed."),
    Metric("penstock_phase_seconds", "counter", "Time of answers by phase, added up.", ("phase",), "seconds"),
    Metric("penstock_ttfb_seconds", "histogram", "Request sent to first byte, of answers.", unit="seconds"),
    Metric("penstock_attempt_seconds", "histogram", "Whole attempt, of answers.", unit="seconds"),
    Metric("penstock_in_flight", "gauge", "Attempts running."),
    Metric("penstock_concurrency_limit", "gauge", "Most attempts at once."),
    Metric("penstock_items_queued", "gauge", "Items that could start but for a limit."),
    Metric("penstock_items_delayed", "gauge", "Items that wait for a backoff, a pause or a rate."),
    Metric("penstock_items_deferred", "gauge", "Items put off to the end of the run, now."),
    Metric("penstock_held_bytes", "gauge", "Bytes of bodies held or reserved in memory.", unit="bytes"),
    Metric("penstock_held_max_bytes", "gauge", "Most bytes of bodies that may be held.", unit="bytes"),
    Metric("penstock_channel_items", "gauge", "Results that wait for the sink, last window."),
    Metric("penstock_credit_items", "gauge", "Items between admission and durable, last window."),
    Metric(
        "penstock_stage_ratio",
        "gauge",
        "Share of the last window that a stage spent in a state; a stage's states add up to 1.",
        ("stage", "state"),
        "ratio",
    ),
    Metric("penstock_loop_late_ratio", "gauge", "Share of the last window a due callback waited.", (), "ratio"),
    Metric("penstock_loop_lag_p95_seconds", "gauge", "Lag of the event loop, p95 of 5 s.", unit="seconds"),
    Metric("penstock_loop_lag_max_seconds", "gauge", "Longest lag of the event loop in this run.", unit="seconds"),
    Metric("penstock_cpu_cores", "gauge", "CPU seconds per second in the last window.", ("process",)),
    Metric("penstock_runqueue_threads", "gauge", "Threads of this process waiting for a core, last window."),
    Metric("penstock_resident_memory_bytes", "gauge", "Resident memory of this process.", unit="bytes"),
    Metric("penstock_open_fds", "gauge", "Open file descriptors of this process."),
    Metric("penstock_machine_busy_ratio", "gauge", "Share of all cores' time that was worked.", (), "ratio"),
    Metric("penstock_machine_steal_ratio", "gauge", "Share of all cores' time the hypervisor gave away.", (), "ratio"),
    Metric("penstock_elapsed_seconds", "gauge", "Time since this process began the run.", unit="seconds"),
    Metric("penstock_snapshot_timestamp_seconds", "gauge", "When these numbers were taken, Unix time.", unit="seconds"),
    Metric("penstock_verdict", "info", "What limits the run now.", ("label",)),
    Metric("penstock_verdict_confidence_ratio", "gauge", "Confidence of that verdict.", (), "ratio"),
    Metric("penstock_build", "info", "What is running.", ("version", "python")),
    Metric("penstock_host_answers", "counter", "Answers of one host.", ("host",)),
    Metric("penstock_host_failures", "counter", "Failed attempts on one host.", ("host",)),
    Metric("penstock_host_throttled", "counter", "Attempts one host answered 429 or 503.", ("host",)),
    Metric("penstock_host_body_bytes", "counter", "Bytes of decoded bodies of one host.", ("host",), "bytes"),
    Metric("penstock_host_ttfb_seconds", "counter", "Time to first byte of one host, added up.", ("host",), "seconds"),
    Metric("penstock_host_in_flight", "gauge", "Attempts running on one host.", ("host",)),
)

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Upper bounds of the exported buckets. The run's own are 2 % wide; one across a bound counts where its middle lies."""

Samples: TypeAlias = Sequence[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Cumulative:
    """A histogram for export: `counts[i]` samples are at most `BOUNDS_S[i]`, within 1 %; `n` in all; `sum_s` exact."""

    counts: tuple[int, ...]
    n: int
    sum_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Values by metric name: (label values, value) each. What is not known has no entry. Never altered once made."""

    values: Mapping[str, Samples]
    histograms: Mapping[str, Cumulative]


@dataclass(frozen=True, slots=True)
class Context:
    """What snapshot and window do not know. `build`: version and Python; `taken_at_s`: Unix time of the snapshot."""

    build: tuple[str, str]
    taken_at_s: float | None = None


def measure(snapshot: Snapshot, window: Window | None, context: Context) -> Measured:
    """All values of this moment; `window` is the run's last, None before the first. On the loop's thread.

    Hosts have values if the snapshot has rows: ask for few, each is six time series. Costs about 0.15 ms.
    """
    counters = snapshot.counters
    values: dict[str, Samples] = {
        **_of_items(snapshot),
        **_of_attempts(counters),
        **_of_now(snapshot),
        **_of_hosts(snapshot),
        "penstock_build": [(context.build, 1.0)],
    }
    if window is not None:
        values |= _of_window(window)
        values |= _of_machine(window)
    if context.taken_at_s is not None:
        values["penstock_snapshot_timestamp_seconds"] = _one(context.taken_at_s)
    histograms = {
        "penstock_ttfb_seconds": cumulative(counters.ttfb, counters.ttfb_sum_s),
        "penstock_attempt_seconds": cumulative(counters.total, counters.total_sum_s),
    }
    return Measured(values, histograms)


def unstarted(context: Context) -> Measured:
    """What there is to say before the run has begun."""
    return Measured({"penstock_build": [(context.build, 1.0)]}, {})


def with_verdict(measured: Measured, label: str, confidence: float) -> Measured:
    """The same, and what limits the run. `confidence` 0 to 1."""
    verdict = {"penstock_verdict": [((label,), 1.0)], "penstock_verdict_confidence_ratio": _one(confidence)}
    return Measured({**measured.values, **verdict}, measured.histograms)


def cumulative(histogram: Histogram, sum_s: float) -> Cumulative:
    """The run's fine buckets as the few that are exported."""
    counts = [0] * (len(BOUNDS_S) + 1)
    for upper_s, count in histogram.buckets():
        counts[bisect_left(BOUNDS_S, upper_s * 0.99)] += count
    for index in range(1, len(counts)):
        counts[index] += counts[index - 1]
    return Cumulative(tuple(counts[:-1]), counts[-1], sum_s)


def _one(value: float) -> Samples:
    return [((), float(value))]


def _known(values: Mapping[str, float | None]) -> dict[str, Samples]:
    return {name: _one(value) for name, value in values.items() if value is not None}


def _labelled(values: Iterable[tuple[str, float]]) -> Samples:
    return [((label,), float(value)) for label, value in values]


def _of_items(snapshot: Snapshot) -> dict[str, Samples]:
    counters = snapshot.counters
    return {
        "penstock_items": _labelled(
            [("written", counters.written), ("failed", counters.failed), ("skipped", counters.skipped)]
        ),
        "penstock_failures": _labelled((kind, counters.failures.get(kind, 0)) for kind in FAILURE_KINDS),
        **_known(
            {
                "penstock_items_admitted": counters.admitted,
                "penstock_items_pending": counters.pending,
                "penstock_items_expected": snapshot.total,
                "penstock_records": counters.records,
                "penstock_durable_bytes": counters.bytes_durable,
                "penstock_shards": counters.shards,
            }
        ),
    }


def _of_attempts(counters: Counters) -> dict[str, Samples]:
    return {
        "penstock_phase_seconds": _labelled(
            [
                ("dns", counters.dns_sum_s),
                ("connect", counters.connect_sum_s),
                ("tls", counters.tls_sum_s),
                ("ttfb", counters.ttfb_sum_s),
                ("body", counters.body_sum_s),
            ]
        ),
        **_known(
            {
                "penstock_attempts": counters.attempts,
                "penstock_answers": counters.answers,
                "penstock_retries": counters.retries,
                "penstock_throttled": counters.throttled,
                "penstock_deferrals": counters.deferred,
                "penstock_connections": counters.connects,
                "penstock_body_bytes": counters.bytes_body,
            }
        ),
    }


def _of_now(snapshot: Snapshot) -> dict[str, Samples]:
    return _known(
        {
            "penstock_in_flight": snapshot.in_flight,
            "penstock_concurrency_limit": snapshot.limit,
            "penstock_items_queued": snapshot.queued,
            "penstock_items_delayed": snapshot.delayed,
            "penstock_items_deferred": snapshot.deferred,
            "penstock_held_bytes": snapshot.bytes_held,
            "penstock_held_max_bytes": snapshot.bytes_held_max,
            "penstock_loop_lag_p95_seconds": snapshot.loop_lag_s_p95,
            "penstock_loop_lag_max_seconds": snapshot.loop_lag_s_max,
            "penstock_elapsed_seconds": snapshot.elapsed_s,
        }
    )


def _of_window(window: Window) -> dict[str, Samples]:
    stages: dict[str, dict[str, float]] = {
        "source": {
            "busy": window.source_busy,
            "blocked": window.source_blocked,
            "ended": window.source_ended,
        },
        "fetch": {
            "busy": window.fetch_busy,
            "process": window.fetch_process,
            "blocked": window.fetch_blocked,
            "input": window.fetch_input,
            "rate": window.fetch_rate,
            "host": window.fetch_host,
            "ended": window.fetch_ended,
        },
        "process": {"busy": window.process_busy, "starved": 1 - window.process_busy},
        "sink": {
            "write": window.sink_busy - window.sink_commit,
            "commit": window.sink_commit,
            "starved": 1 - window.sink_busy,
        },
    }
    if window.loop_run is not None and window.loop_runqueue is not None:
        idle = 1 - window.loop_run - window.loop_runqueue
        stages["loop"] = {"run": window.loop_run, "runqueue": window.loop_runqueue, "idle": idle}
    return {
        "penstock_stage_ratio": [
            # Differences of shares may come out a hair below 0.
            ((stage, state), max(0.0, share))
            for stage, states in stages.items()
            for state, share in states.items()
        ],
        "penstock_loop_late_ratio": _one(window.loop_late),
        "penstock_channel_items": _one(window.channel_items),
        "penstock_credit_items": _one(window.credit_items),
    }


def _of_machine(window: Window) -> dict[str, Samples]:
    span_s = window.span_s
    cpu = [
        (name, used_s / span_s)
        for name, used_s in (("self", window.cpu_s), ("children", window.cpu_children_s))
        if used_s is not None and span_s > 0
    ]
    runqueue = window.runqueue_s / span_s if window.runqueue_s is not None and span_s > 0 else None
    known = _known(
        {
            "penstock_runqueue_threads": runqueue,
            "penstock_resident_memory_bytes": window.rss_bytes,
            "penstock_open_fds": window.fds,
            "penstock_machine_busy_ratio": window.machine_busy,
            "penstock_machine_steal_ratio": window.machine_steal,
        }
    )
    return {**known, "penstock_cpu_cores": _labelled(cpu)} if cpu else known


def _of_hosts(snapshot: Snapshot) -> dict[str, Samples]:
    rows = snapshot.hosts
    if not rows:
        return {}
    return {
        "penstock_host_answers": _labelled((row.host, row.answers) for row in rows),
        "penstock_host_failures": _labelled((row.host, row.failures) for row in rows),
        "penstock_host_throttled": _labelled((row.host, row.throttled) for row in rows),
        "penstock_host_body_bytes": _labelled((row.host, row.bytes_body) for row in rows),
        "penstock_host_ttfb_seconds": _labelled((row.host, (row.ttfb_s_mean or 0.0) * row.answers) for row in rows),
        "penstock_host_in_flight": _labelled((row.host, row.in_flight) for row in rows),
    }
