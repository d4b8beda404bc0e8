"""What each place of the run is doing, looked at on every heartbeat: running, at the process stage, or empty, and why.

A look every 20 ms costs some microseconds, whatever the throughput; a timer per item would cost two on each. It
decides nothing. The rule: of the places the limit allows, each is counted in exactly one state, so shares sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.engine.admit import Admission
    from penstock.engine.dispatch import Dispatcher
    from penstock.engine.state import RunState


@dataclass(slots=True)
class Levels:
    """Each level times the seconds it lasted, for the names of `telemetry.window.Window`; `fetch_*` in place-seconds.

    `process_workers`: workers of the process stage that have a call, times seconds.
    """

    span_s: float = 0.0
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
    starting: float = 0.0
    fetch_process: float = 0.0
    fetch_blocked: float = 0.0
    fetch_input: float = 0.0
    fetch_rate: float = 0.0
    fetch_host: float = 0.0
    fetch_ended: float = 0.0
    process_workers: float = 0.0


class Occupancy:
    """Adds up `Levels` between one `take` and the next. Everything is read on the loop's thread."""

    def __init__(self, state: RunState, dispatcher: Dispatcher, admission: Admission) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._admission = admission
        self._levels = Levels()
        self._reasons_before: tuple[tuple[str, float], ...] = ()
        self.process_workers = 1

    def look(self, span_s: float, *, workers: int, limit: int, buffered_bytes: int, now_s: float) -> None:
        """Count the present state for the `span_s` seconds since the last look. `workers`: tasks of the pool."""
        levels, state, frontier = self._levels, self._state, self._state.frontier
        in_flight = frontier.in_flight
        processing = max(0, workers - in_flight - self._dispatcher.idle_workers)
        # Attempts that began before the limit was lowered keep their place until they end.
        places = max(limit, in_flight)
        at_process = min(processing, places - in_flight)
        levels.span_s += span_s
        levels.limit += places * span_s
        levels.fetch_process += at_process * span_s
        levels.in_flight += in_flight * span_s
        levels.processing += processing * span_s
        levels.process_workers += min(processing, self.process_workers) * span_s
        levels.queued += frontier.queued_count * span_s
        levels.delayed += (frontier.delayed_count + frontier.deferred_count) * span_s
        levels.channel_items += len(state.outcomes) * span_s
        levels.credit_items += state.credits.items * span_s
        levels.credit_bytes += state.credits.used_bytes(in_flight, buffered_bytes) * span_s
        self._count_source(span_s)
        empty = places - in_flight - at_process
        if empty > 0:
            self._count_empty(empty * span_s, now_s)
        else:
            self._reasons_before = ()

    def take(self) -> Levels:
        """What was added up, and begin anew."""
        levels, self._levels = self._levels, Levels()
        return levels

    def _count_source(self, span_s: float) -> None:
        levels = self._levels
        if self._state.input_ended:
            levels.source_ended += span_s
        elif self._admission.is_starved:
            levels.source_blocked += span_s
        else:
            levels.source_busy += span_s

    def _count_empty(self, place_s: float, now_s: float) -> None:
        """Add to the reasons why places are empty.

        Looks fall together with what wakes them: a permit that has just come back, a rate that has just opened. A place
        that is about to start is seen far more often than that lasts, so what kept it empty until then counts.
        """
        reasons = self._reasons(now_s) or self._reasons_before or (("starting", 1.0),)
        self._reasons_before = reasons
        for name, share in reasons:
            setattr(self._levels, name, getattr(self._levels, name) + place_s * share)

    def _reasons(self, now_s: float) -> tuple[tuple[str, float], ...]:
        """Names of `Levels` with their shares; nothing where an item and a place are there and it is about to start.
        What holds items back now comes before what keeps new ones from coming."""
        state, frontier = self._state, self._state.frontier
        if self._dispatcher.is_short_of_bytes:
            return _BLOCKED
        if self._dispatcher.is_paused or (frontier.queued_count and frontier.is_rate_closed(now_s)):
            return _RATE
        if frontier.queued_count:
            full, parked = frontier.full_hosts, frontier.parked_hosts
            if not full and not parked:
                return ()
            return (("fetch_host", full / (full + parked)), ("fetch_rate", parked / (full + parked)))
        if not state.input_ended and not self._admission.is_starved:
            return _INPUT
        if state.is_draining:
            return _ENDED
        if frontier.delayed_count:
            return _RATE
        return _BLOCKED if self._admission.is_starved else _ENDED


_BLOCKED = (("fetch_blocked", 1.0),)
_RATE = (("fetch_rate", 1.0),)
_INPUT = (("fetch_input", 1.0),)
_ENDED = (("fetch_ended", 1.0),)
