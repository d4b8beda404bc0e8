"""Which windows of a run may be judged, and what they come to: sums that can be drawn again and again, and their means.

Decides only what is left out (warm-up, tail, probes) and divides; labels are `verdict_rules`' business. The rule: means
come from sums over time, so a long window counts for more than a short one and a mean of means never appears.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from penstock.telemetry.window import Window

WARM_UP_S: Final = 2.0  # connections, imports and the first measured calls of a process function
STEADY_S_MIN: Final = 5.0  # less says nothing
ENDED_MAX: Final = 0.20  # a window with more places empty because the input has ended belongs to the tail
CHUNKS_MAX: Final = 60

Row: TypeAlias = tuple[float, ...]
"""The sums of one window or of several, in the order in which `means` takes them apart."""


@dataclass(frozen=True, slots=True)
class Steady:
    """The part of a run that is judged: `rows` in order of time, which cover `span_s` seconds. `left_out_s` is the
    rest: warm-up, tail and probes."""

    rows: tuple[Row, ...]
    span_s: float
    left_out_s: float


@dataclass(frozen=True, slots=True)
class Means:
    """A stretch of a run on average. Shares are 0 to 1, of the time if nothing else is said.

    Places (attempts allowed at once, without those left empty because the input has ended; these six sum to 1):
    `busy`, `process`, `blocked`, `input`, `rate`, `host`, as `Window` says. Loop: `loop_run`, `loop_runqueue`, None
    where the system does not tell; `loop_late`. Stages: `process_busy`, `sink_busy`, `sink_commit`, `source_busy`.
    Shares of the seconds in which places were held: `dns`, `connect` (with TLS), `ttfb`, `body`, and `unseen`, when
    libcurl was done and the loop had not come to it yet (0 where failed attempts hide it). Of the attempts:
    `throttled`, `answered`. Per second: `answers_per_s`, `attempts_per_s`, `bytes_per_s`. `answer_s`: mean seconds of
    an answer by libcurl, `slot_s` of an attempt by our own clock. `connects` per attempt. `machine_busy` and
    `machine_steal`: of all cores, None if unknown.
    """

    busy: float
    process: float
    blocked: float
    input: float
    rate: float
    host: float
    loop_run: float | None
    loop_runqueue: float | None
    loop_late: float
    process_busy: float
    sink_busy: float
    sink_commit: float
    source_busy: float
    dns: float
    connect: float
    ttfb: float
    body: float
    unseen: float
    throttled: float
    answered: float
    answers_per_s: float
    attempts_per_s: float
    bytes_per_s: float
    answer_s: float
    slot_s: float
    connects: float
    in_flight: float
    limit: float
    machine_busy: float | None
    machine_steal: float | None


def steady(windows: Sequence[Window]) -> Steady:
    """Leave out warm-up, tail and probes (these only if 5 s are left without); sum up neighbours until at most 60 rows
    are left.

    Warm-up is 2 s from the first window with an answer on (a tenth of the run if that is more, 5 s at most). A run
    without any answer has none: what it waits for is all there is to see.
    """
    known = [window for window in windows if window.span_s > 0.0]
    total_s = sum(window.span_s for window in known)
    warm = [window for window in _after_warm_up(known, total_s) if window.fetch_ended <= ENDED_MAX]
    unprobed = [window for window in warm if not window.is_probe]
    # A probe moves the throughput, not the reason why places are empty: better than nothing to go by.
    kept = unprobed if sum(window.span_s for window in unprobed) >= STEADY_S_MIN else warm
    span_s = sum(window.span_s for window in kept)
    rows = [_row(window) for window in kept]
    size = -(-len(kept) // CHUNKS_MAX)
    if size > 1:
        rows = [total(rows[start : start + size]) for start in range(0, len(rows), size)]
    return Steady(tuple(rows), span_s, total_s - span_s)


def _after_warm_up(windows: Sequence[Window], total_s: float) -> list[Window]:
    first = next((number for number, window in enumerate(windows) if window.answers), 0)
    warm_up_s = min(5.0, max(WARM_UP_S, total_s / 10))
    kept: list[Window] = []
    seen_s = 0.0
    for window in windows[first:]:
        seen_s += window.span_s
        if seen_s > warm_up_s + 1e-9:
            kept.append(window)
    return kept


def total(rows: Iterable[Row]) -> Row:
    """The sums of several rows (at least one): column by column."""
    return tuple(map(sum, zip(*rows, strict=True)))


def means(row: Row) -> Means:
    """Divide the sums. Where there is nothing to divide by, the share is 0."""
    (
        span, busy, process, blocked, input_, rate, host, loop_span, run, runqueue, late, process_busy, sink_busy,
        sink_commit, source_busy, dns, connect, ttfb, body, total_s, slot, attempts, answers, throttled, bytes_body,
        connects, in_flight, limit, machine_span, machine_busy, machine_steal,
    ) = row  # fmt: skip
    places = busy + process + blocked + input_ + rate + host
    per_place = 1.0 / places if places > 0.0 else 0.0
    per_s = 1.0 / span if span > 0.0 else 0.0
    # The phases are known of answers only; failed attempts hold places too, and are in none.
    held = max(slot, total_s)
    per_held = 1.0 / held if held > 0.0 else 0.0
    per_attempt = 1.0 / attempts if attempts > 0.0 else 0.0
    return Means(
        busy=busy * per_place,
        process=process * per_place,
        blocked=blocked * per_place,
        input=input_ * per_place,
        rate=rate * per_place,
        host=host * per_place,
        loop_run=run / loop_span if loop_span > 0.0 else None,
        loop_runqueue=runqueue / loop_span if loop_span > 0.0 else None,
        loop_late=late * per_s,
        process_busy=process_busy * per_s,
        sink_busy=sink_busy * per_s,
        sink_commit=sink_commit * per_s,
        source_busy=source_busy * per_s,
        dns=dns * per_held,
        connect=connect * per_held,
        ttfb=ttfb * per_held,
        body=body * per_held,
        unseen=max(0.0, 1.0 - total_s * per_held) if 0.0 < attempts * 0.9 <= answers else 0.0,
        throttled=min(1.0, throttled * per_attempt),
        answered=min(1.0, answers * per_attempt),
        answers_per_s=answers * per_s,
        attempts_per_s=attempts * per_s,
        bytes_per_s=bytes_body * per_s,
        answer_s=total_s / answers if answers > 0.0 else 0.0,
        slot_s=slot * per_attempt,
        connects=connects * per_attempt,
        in_flight=in_flight * per_s,
        limit=limit * per_s,
        machine_busy=machine_busy / machine_span if machine_span > 0.0 else None,
        machine_steal=machine_steal / machine_span if machine_span > 0.0 else None,
    )


def _row(window: Window) -> Row:
    span = window.span_s
    has_loop = window.loop_run is not None and window.loop_runqueue is not None
    loop_span = span if has_loop else 0.0
    machine_span = span if window.machine_busy is not None else 0.0
    return (
        span,
        window.fetch_busy * span,
        window.fetch_process * span,
        window.fetch_blocked * span,
        window.fetch_input * span,
        window.fetch_rate * span,
        window.fetch_host * span,
        loop_span,
        (window.loop_run or 0.0) * loop_span,
        (window.loop_runqueue or 0.0) * loop_span,
        window.loop_late * span,
        window.process_busy * span,
        window.sink_busy * span,
        window.sink_commit * span,
        window.source_busy * span,
        window.dns_s,
        window.connect_s + window.tls_s,
        window.ttfb_s,
        window.body_s,
        window.total_s,
        window.slot_s,
        window.attempts,
        window.answers,
        window.throttled,
        window.bytes_body,
        window.connects,
        window.in_flight * span,
        window.limit * span,
        machine_span,
        (window.machine_busy or 0.0) * machine_span,
        (window.machine_steal or 0.0) * machine_span,
    )


NOTHING: Final[Row] = tuple(0.0 * value for value in _row(Window(0.0, 1.0)))
"""The sums of no window at all."""
