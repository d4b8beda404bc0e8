"""What a run says at its end, for programs: the contents of stats.json, and the facts that only the caller knows.

Pure. Plain JSON types, units at the end of the names, the format's number first. Nothing is rounded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.telemetry.histogram import Histogram
from penstock.telemetry.observed import Observed
from penstock.telemetry.snapshot import Snapshot

STATS_FORMAT = 1
PERCENTILES = (0.50, 0.90, 0.95, 0.99, 0.999)
PHASES = ("dns", "connect", "tls", "ttfb", "body", "total")
HOSTS_MAX = 50


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the snapshot does not know. Texts are shown as they are.

    `stop_reason`: empty when the input was read to its end and everything finished, else a few words (`interrupted`,
    `disk full`). `held`: admitted items that the engine itself still counts as open, to check `pending` against.
    `resume_command`, `retry_command` (`penstock retry OUT`): without them the lines are left out.
    `failures_command` shows the dead letters (`head -n 3 OUT/failed/*.jsonl`). `data`: where the records lie
    (`OUT/*.parquet`); `read_with`: one line of code or a command that reads them. `process_mode`: `inline`,
    `thread × 2`, …, with `process_reason` why. `cpu_s` is of this process and the children it waited for;
    `memory_bytes_max` is this process's largest resident size.
    """

    data: str
    read_with: str = ""
    failures_command: str = ""
    retry_command: str = ""
    resume_command: str = ""
    stop_reason: str = ""
    held: int | None = None
    process_mode: str = ""
    process_reason: str = ""
    cpu_s: float | None = None
    memory_bytes_max: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


def summary_dict(snapshot: Snapshot, facts: RunFacts, observed: Observed | None = None) -> dict[str, object]:
    """The same for programs: stats.json. Plain JSON types; seconds, bytes and counts as the names say.

    `items` are the whole run's, everything else this process's. A percentile with `is_n_enough` false is the largest
    sample. `phases` are of complete answers; name lookup, connection and TLS of new connections only. `observed` adds
    verdict, series, probes, settings and machine; `facts.extra` stands under `extra`.
    """
    counters = snapshot.counters
    problem = counters.accounting_problem(facts.held)
    return {
        "format": STATS_FORMAT,
        "stop_reason": facts.stop_reason,
        "elapsed_s": snapshot.elapsed_s,
        "cpu_s": facts.cpu_s,
        "memory_bytes_max": facts.memory_bytes_max,
        "items": {
            "admitted": counters.admitted,
            "written": counters.written,
            "failed": counters.failed,
            "skipped": counters.skipped,
            "pending": counters.pending,
            "from_earlier_runs": counters.earlier.done,
            "input_total": snapshot.total,
            "is_input_total_estimated": snapshot.is_total_estimated,
        },
        "accounting": {"is_right": not problem, "problem": problem},
        "records": counters.records,
        "bytes_body": counters.bytes_body,
        "bytes_durable": counters.bytes_durable,
        "shards": counters.shards,
        "items_per_s": per_s(counters.done_here, snapshot.elapsed_s),
        "records_per_s": per_s(counters.records, snapshot.elapsed_s),
        "bytes_body_per_s": per_s(counters.bytes_body, snapshot.elapsed_s),
        "attempts": counters.attempts,
        "retries": counters.retries,
        "throttled": counters.throttled,
        "deferred": counters.deferred,
        "ttfb_s": _histogram_dict(counters.ttfb, counters.ttfb_sum_s),
        "total_s": _histogram_dict(counters.total, counters.total_sum_s),
        "phases": {
            f"{phase}_s": _histogram_dict(getattr(counters, phase), getattr(counters, f"{phase}_sum_s"))
            for phase in PHASES
        },
        "connects": counters.connects,
        "loop_lag_s_p95": snapshot.loop_lag_s_p95,
        "loop_lag_s_max": snapshot.loop_lag_s_max,
        "process_mode": facts.process_mode,
        "process_reason": facts.process_reason,
        "failures": {kind: n for kind, n in counters.failures.items() if n},
        "examples": {
            kind: {"item_id": example.item_id, "url": example.url, "message": example.message}
            for kind, example in counters.examples.items()
        },
        "hosts": {
            host: {
                "answers": row.answers,
                "failures": row.failures,
                "throttled": row.throttled,
                "bytes_body": row.bytes_body,
                "ttfb_s_mean": row.ttfb_s_mean,
            }
            for host, row in counters.busiest_hosts(HOSTS_MAX)
        },
        "extra": dict(facts.extra),
        **({} if observed is None else observed.to_json()),
    }


def per_s(count: float, elapsed_s: float) -> float:
    """`count` per second; 0 when no time has gone."""
    return count / elapsed_s if elapsed_s > 0 else 0.0


def _histogram_dict(histogram: Histogram, sum_s: float) -> dict[str, object]:
    n = histogram.n
    values: dict[str, object] = {"n": n, "mean": sum_s / n if n else None, "max": histogram.max_s if n else None}
    for q in PERCENTILES:
        percentile = histogram.percentile(q)
        values[f"p{q * 100:g}"] = {"value": percentile.value_s, "is_n_enough": percentile.is_n_enough}
    return values
