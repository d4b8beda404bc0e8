"""One second of a run in numbers: what the series keeps, the verdict judges, and report and dashboard draw.

Plain data; nothing is measured here. The rule: shares of one stage sum to 1, and a count belongs to one window only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields


@dataclass(slots=True)
class Window:
    """What happened in `span_s` seconds (about 1) that ended `end_s` after this process began the run.

    Counts of the window. Items: `admitted`, `ended` (have an outcome), `written`, `failed`, `skipped` (durable).
    `attempts` ended, of these `answers` complete 2xx answers; `retries`, `throttled` (429, 503), `deferred`;
    `records` made; `bytes_body` decoded, `bytes_durable` and `shards` committed; `connects` new connections.

    Means over the window: `limit` attempts allowed at once, `in_flight` of them running, `processing` items at the
    process stage, items `queued` (could start but for a limit), `delayed` (backoff, pause, pacing), `channel_items`
    waiting for the sink, `credit_items` and `credit_bytes` taken (items until durable, bytes until encoded).

    Shares of the time, 0 to 1. Source: `source_busy` reading, `source_blocked` waiting for credits, `source_ended`.
    Fetch, of the places that `limit` allows: `fetch_busy` an attempt runs; `fetch_process` its item is at the process
    stage; else empty because: `fetch_blocked` no credits (the sink pushes back), `fetch_input` nothing was read yet,
    `fetch_rate` a rate, a pause or a backoff, `fetch_host` the limit of the host, `fetch_ended` nothing is left.
    Process: `process_busy` of its workers (inline: of the loop), the rest is starved; 0 without a function.
    Sink: `sink_busy` writing or committing, `sink_commit` the part of it that commits; the rest is starved.
    Event loop: `loop_run` its thread ran, `loop_runqueue` it was ready but the machine ran others, `loop_late` the
    share of the time in which a due callback had to wait; `loop_lag_s_max` seconds.

    Seconds summed over the window's answers: `dns_s`, `connect_s`, `tls_s`, `ttfb_s`, `body_s`, `total_s` (libcurl's
    phases of an attempt; `total_s` may hold a little that is in none), and `slot_s`: how long attempts held their
    place, as in-flight integrated over time. `ttfb_s_p50`, `ttfb_s_p95`, `total_s_p50`, `total_s_p95`, `body_s_p50`:
    percentiles of the window's answers, None without any.

    This process: `cpu_s` used by all its threads, `cpu_children_s` by children (worker processes), `runqueue_s` its
    threads were ready but not running, `rss_bytes`, `fds`. The machine, shares of all cores: `machine_busy`,
    `machine_steal`. What the system does not tell is None (macOS, Windows: run queues, descriptors).

    `is_probe`: the limit was lowered on purpose for a part of this window, see `Probe`.
    """

    end_s: float
    span_s: float
    is_probe: bool = False
    admitted: int = 0
    ended: int = 0
    written: int = 0
    failed: int = 0
    skipped: int = 0
    records: int = 0
    attempts: int = 0
    answers: int = 0
    retries: int = 0
    throttled: int = 0
    deferred: int = 0
    bytes_body: int = 0
    bytes_durable: int = 0
    shards: int = 0
    connects: int = 0
    limit: float = 0.0
    in_flight: float = 0.0
    processing: float = 0.0
    queued: float = 0.0
    delayed: float = 0.0
    channel_items: float = 0.0
    credit_items: float = 0.0
    credit_bytes: float = 0.0
    source_busy: float = 0.0
    source_blocked: float = 0.0
    source_ended: float = 0.0
    fetch_busy: float = 0.0
    fetch_process: float = 0.0
    fetch_blocked: float = 0.0
    fetch_input: float = 0.0
    fetch_rate: float = 0.0
    fetch_host: float = 0.0
    fetch_ended: float = 0.0
    process_busy: float = 0.0
    sink_busy: float = 0.0
    sink_commit: float = 0.0
    loop_run: float | None = None
    loop_runqueue: float | None = None
    loop_late: float = 0.0
    loop_lag_s_max: float = 0.0
    dns_s: float = 0.0
    connect_s: float = 0.0
    tls_s: float = 0.0
    ttfb_s: float = 0.0
    body_s: float = 0.0
    total_s: float = 0.0
    slot_s: float = 0.0
    ttfb_s_p50: float | None = None
    ttfb_s_p95: float | None = None
    total_s_p50: float | None = None
    total_s_p95: float | None = None
    body_s_p50: float | None = None
    cpu_s: float | None = None
    cpu_children_s: float | None = None
    runqueue_s: float | None = None
    rss_bytes: int | None = None
    fds: int | None = None
    machine_busy: float | None = None
    machine_steal: float | None = None


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Window))


@dataclass(frozen=True, slots=True)
class Probe:
    """What happened when the limit was lowered on purpose for a moment: the run's own elasticity experiment.

    `limit` and `limit_low`: attempts allowed before and during. `answers_per_s` and so on: just before (and after),
    and during, both after settling. Mean seconds per answer; bytes of bodies per second.
    """

    end_s: float
    limit: int
    limit_low: int
    answers_per_s: float
    answers_per_s_low: float
    ttfb_s: float
    ttfb_s_low: float
    body_s: float
    body_s_low: float
    bytes_per_s: float
    bytes_per_s_low: float


@dataclass(frozen=True, slots=True)
class RunShape:
    """What of a run's settings the verdict must know; None: not set.

    `process_mode` is "none", "inline", "thread", "process" or "async" (awaited on the loop); `process_workers` how
    many calls run at once there. `cores` this process may use. `hosts`: how many were seen.
    """

    concurrency: int
    concurrency_per_host: int
    rate_per_s: float | None = None
    rate_per_host_per_s: float | None = None
    process_mode: str = "none"
    process_workers: int = 1
    cores: int = 1
    hosts: int = 1


def columnar(windows: Iterable[Window]) -> dict[str, list[object]]:
    """A list for each column, in the order of `COLUMNS`: what stats.json holds under `series`."""
    kept = list(windows)
    return {name: [getattr(window, name) for window in kept] for name in COLUMNS}


def windows_of(series: Mapping[str, list[object]]) -> list[Window]:
    """The inverse of `columnar`. Columns it does not know are left out, missing ones keep their default."""
    known = [name for name in COLUMNS if name in series]
    return [Window(**dict(zip(known, row, strict=True))) for row in zip(*(series[name] for name in known), strict=True)]
