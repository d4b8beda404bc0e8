"""One look at a running pipeline: what the engine hands to every display. Plain data; nothing is computed here.

The counters are shared, not copied: a snapshot is read at once, in the event loop's thread, and then thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock.telemetry.counters import Counters
from penstock.telemetry.window import Window


@dataclass(slots=True)
class HostRow:
    """One line of the per-host table. The first five numbers count attempts of this process, the others are of now.

    `limit` is the most in flight on this host (None: not known), `note` a few words such as `paused 12 s`.
    """

    host: str
    answers: int = 0
    failures: int = 0
    throttled: int = 0
    bytes_body: int = 0
    ttfb_s_mean: float | None = None
    in_flight: int = 0
    limit: int | None = None
    queued: int = 0
    note: str = ""


@dataclass(slots=True)
class Snapshot:
    """State of a run at one instant. Numbers of items unless the name says otherwise.

    `elapsed_s` is since this process started the run. `queued` is ready and waiting for a permit, `delayed` waits for
    a backoff or a pause, `deferred` was put off to the end of the run. `total` is the length of the whole input, None
    if unknown. `limit` is the most attempts in flight. `bytes_held` are reserved or held in memory, at most
    `bytes_held_max`. `window` is the last second that was measured, `limited_by` the verdict so far in a few words, or
    empty. `state` is what the user should know now, e.g. `draining: 12 in flight, Ctrl-C again to cancel`.
    """

    elapsed_s: float
    counters: Counters
    in_flight: int = 0
    queued: int = 0
    delayed: int = 0
    deferred: int = 0
    total: int | None = None
    is_total_estimated: bool = False
    limit: int | None = None
    bytes_held: int = 0
    bytes_held_max: int | None = None
    loop_lag_s_p95: float | None = None
    loop_lag_s_max: float | None = None
    hosts: Sequence[HostRow] = ()
    state: str = ""
    window: Window | None = None
    limited_by: str = ""


def host_rows(counters: Counters, limit: int, live: Mapping[str, HostRow] | None = None) -> list[HostRow]:
    """Rows of the `limit` busiest hosts; `live` holds what the engine knows of a host now (its last four fields)."""
    rows = []
    for host, counted in counters.busiest_hosts(limit):
        now = live.get(host) if live else None
        row = HostRow(
            host=host,
            answers=counted.answers,
            failures=counted.failures,
            throttled=counted.throttled,
            bytes_body=counted.bytes_body,
            ttfb_s_mean=counted.ttfb_s_mean,
        )
        if now is not None:
            row.in_flight, row.limit, row.queued, row.note = now.in_flight, now.limit, now.queued, now.note
        rows.append(row)
    return rows
