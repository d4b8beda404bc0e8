"""The present state of a run as the page gets it, about once a second: one small JSON object. Pure.

Counts and host names; no URL, header or file content. The rule: whatever a server may have named its host
or header, it reaches the page as JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

from penstock.telemetry.frame import host_label
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import HostRow, Snapshot

Phase: TypeAlias = Literal["running", "paused", "draining", "complete", "interrupted", "stopped"]


def live_json(snapshot: Snapshot, rates: Rates, phase: Phase, *, has_series: bool = True) -> bytes:
    """One JSON object in ASCII. Seconds, bytes and counts as the names say; None becomes null. About 0.1 ms.

    `has_series` False: the run keeps no windows, so there will be no charts and no verdict.
    """
    counters = snapshot.counters
    document: dict[str, object] = {
        "phase": phase,
        "has_series": has_series,
        "text": snapshot.state,
        "elapsed_s": snapshot.elapsed_s,
        "total": snapshot.total,
        "is_total_estimated": snapshot.is_total_estimated,
        "ended": counters.ended_ever,
        "items": {
            "admitted": counters.admitted,
            "written": counters.written,
            "failed": counters.failed,
            "skipped": counters.skipped,
            "pending": counters.pending,
            "from_earlier_runs": counters.earlier.done,
        },
        "items_per_s": rates.items_per_s,
        "bytes_per_s": rates.bytes_per_s,
        "left_s": rates.eta_s,
        "in_flight": snapshot.in_flight,
        "limit": snapshot.limit,
        "queued": snapshot.queued,
        "delayed": snapshot.delayed,
        "deferred": snapshot.deferred,
        "retries": counters.retries,
        "throttled": counters.throttled,
        "records": counters.records,
        "bytes_body": counters.bytes_body,
        "bytes_durable": counters.bytes_durable,
        "shards": counters.shards,
        "bytes_held": snapshot.bytes_held,
        "bytes_held_max": snapshot.bytes_held_max,
        "loop_lag_s_p95": snapshot.loop_lag_s_p95,
        "failures": {kind: n for kind, n in counters.failures.items() if n},
        "hosts": [_host(row) for row in snapshot.hosts],
        "hosts_known": len(counters.hosts),
    }
    return encoded(document)


def encoded(document: Mapping[str, object]) -> bytes:
    """The document as JSON on one line of ASCII, with null for NaN and infinities, which JSON does not have."""
    return json.dumps(_finite(document), separators=(",", ":"), allow_nan=False).encode("ascii")


def _host(row: HostRow) -> list[object]:
    """A row of the host table, in the order in which the page shows it."""
    return [
        host_label(row.host),
        row.in_flight,
        row.limit,
        row.queued,
        row.answers,
        row.failures,
        row.throttled,
        row.ttfb_s_mean,
        row.bytes_body,
        row.note,
    ]


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
