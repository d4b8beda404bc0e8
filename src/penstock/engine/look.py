"""One look at a run for the displays: puts a Snapshot together from what the parts count. Changes nothing."""

from __future__ import annotations

from penstock.engine.observer import Observer
from penstock.engine.state import RunState
from penstock.policy.frontier import HostView
from penstock.telemetry.lag import LoopLag
from penstock.telemetry.snapshot import HostRow, Snapshot, host_rows


def take_look(
    state: RunState,
    lag: LoopLag,
    *,
    now_s: float,
    started_s: float,
    hosts_max: int,
    limit: int,
    buffered_bytes: int,
    total_hint: int | None,
    is_total_exact: bool,
    state_text: str,
    observer: Observer | None,
) -> Snapshot:
    """What is going on at `now_s`, with the rows of the `hosts_max` busiest hosts. On the loop's thread."""
    frontier = state.frontier
    in_flight = frontier.in_flight
    live = {
        view.host: HostRow(
            view.host, in_flight=view.in_flight, limit=view.limit, queued=view.queued, note=_note(view, now_s)
        )
        for view in (frontier.hosts() if hosts_max else ())
    }
    return Snapshot(
        elapsed_s=now_s - started_s,
        counters=state.counters,
        in_flight=in_flight,
        queued=frontier.queued_count,
        delayed=frontier.delayed_count,
        deferred=frontier.deferred_count,
        total=state.counters.admitted if state.input_ended and not state.is_draining else total_hint,
        is_total_estimated=not is_total_exact and not state.input_ended,
        limit=limit,
        bytes_held=int(state.credits.used_bytes(in_flight, buffered_bytes)),
        bytes_held_max=state.credits.bytes_max,
        loop_lag_s_p95=lag.lag_s_p95,
        loop_lag_s_max=lag.lag_s_max,
        hosts=host_rows(state.counters, hosts_max, live) if hosts_max else (),
        state=state_text,
        window=observer.series.recent[-1] if observer is not None and observer.series.recent else None,
        limited_by="" if observer is None else observer.limited_by(now_s),
    )


def _note(view: HostView, now_s: float) -> str:
    return f"paused {view.paused_until_s - now_s:.0f} s" if view.paused_until_s is not None else ""
