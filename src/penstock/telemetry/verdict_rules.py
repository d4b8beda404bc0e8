"""The rules: from the means of a run to the one thing that limits it. Pure, and the only place that knows thresholds.

Who keeps the places (attempts allowed at once) from fetching decides; only when they do fetch, the probe tells the
server from the network from a limit that is too low. Rules in this order, the first that applies:

| # | when                                                                    | label                              |
|---|-------------------------------------------------------------------------|------------------------------------|
| 1 | the loop's thread runs or is ready > 85 %; an inline function most of it | event_loop; cpu                    |
|   | … or > 65 %, and attempts wait for it > 20 % of their time              | (other threads hold the GIL)       |
|   | … and of that it waits for a core > 25 %                                | machine_contention                 |
| 2 | places empty without credits > 20 % (but rule 4 if the sink is idle)    | sink                               |
| 3 | workers of the process stage busy > 85 % and places wait for them > 25 % | cpu                               |
| 4 | due callbacks wait > 50 % of the time                                   | event_loop (it is blocked); cpu    |
| 5 | places empty > 20 %: the largest reason                                 | rate_limit, client_pool, input     |
|   | … the limit of a host, but a probe below it found e < 0.3               | server, network                    |
| 6 | held places look up names, or connect, > 45 % of their time             | dns, connect                       |
| 7 | a probe with e > 0.6                                                    | concurrency                        |
|   | e < 0.3: the first byte, or the body, grew with the limit               | server, network                    |
| 8 | else                                                                    | mixed                              |
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias

from penstock.telemetry.verdict_elasticity import Elasticity
from penstock.telemetry.verdict_sums import Means
from penstock.telemetry.window import RunShape

Label: TypeAlias = Literal[
    "event_loop",
    "machine_contention",
    "sink",
    "cpu",
    "server",
    "rate_limit",
    "network",
    "dns",
    "connect",
    "client_pool",
    "concurrency",
    "input",
    "mixed",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of the rules; shares, except the elasticities `e_low` and `e_high`."""

    loop: float = 0.85
    loop_shared: float = 0.65
    unseen: float = 0.20
    runqueue: float = 0.25
    blocked: float = 0.20
    sink_busy: float = 0.50
    process_busy: float = 0.85
    process: float = 0.25
    late: float = 0.50
    empty: float = 0.20
    phase: float = 0.45
    e_low: float = 0.30
    e_high: float = 0.60


LIMITS: Final = Limits()
_JITTER: Final = 0.12
_FETCHING: Final = 0.5


def drawn_limits(rng: random.Random) -> Limits:
    """Thresholds a little off (12 %; those near 1 by as much of what is left): nobody knows them better, so a verdict
    that hangs on the exact number must not look sure."""
    values = {}
    for field in fields(Limits):
        value: float = getattr(LIMITS, field.name)
        values[field.name] = value + rng.gauss(0.0, _JITTER) * min(value, 1.0 - value)
    return Limits(**values)


def decide(means: Means, elasticity: Elasticity | None, shape: RunShape, limits: Limits = LIMITS) -> Label:
    """The label by the table above."""
    return (
        _busy_loop(means, shape, limits)
        or _sink(means, limits)
        or _process(means, shape, limits)
        or _blocked_loop(means, shape, limits)
        or _empty_places(means, elasticity, limits)
        or _held_places(means, elasticity, limits)
    )


def is_untold(label: Label, means: Means, elasticity: Elasticity | None) -> bool:
    """Whether it is `mixed` only because no probe was made: places fetch, and nothing says why not faster."""
    return label == "mixed" and elasticity is None and means.busy + means.process >= _FETCHING


def is_unprobed_pool(label: Label, elasticity: Elasticity | None) -> bool:
    """Whether the limit of a host holds items back, but nobody knows if the host would give more."""
    return label == "client_pool" and elasticity is None


def loop_busy(means: Means) -> float | None:
    """The share of the time the loop's thread ran or could have; None where the system does not tell."""
    if means.loop_run is None or means.loop_runqueue is None:
        return None
    return means.loop_run + means.loop_runqueue


def loop_waits(means: Means) -> float:
    """Of the time the loop's thread was ready, the share in which the machine ran others."""
    busy = loop_busy(means)
    return (means.loop_runqueue or 0.0) / busy if busy else 0.0


def _busy_loop(means: Means, shape: RunShape, limits: Limits) -> Label | None:
    busy = loop_busy(means)
    if busy is None:
        return None
    is_full = busy > limits.loop or (busy > limits.loop_shared and means.unseen > limits.unseen)
    if not is_full:
        return None
    if loop_waits(means) > limits.runqueue:
        return "machine_contention"
    return "cpu" if _is_inline_heavy(means, shape, busy) else "event_loop"


def _sink(means: Means, limits: Limits) -> Label | None:
    if means.loop_late > limits.late and means.sink_busy < limits.sink_busy:
        return None  # credits that come back late because the loop does
    if means.blocked > limits.blocked and means.blocked >= max(means.rate, means.input, means.host):
        return "sink"
    return None


def _process(means: Means, shape: RunShape, limits: Limits) -> Label | None:
    if shape.process_mode in ("thread", "process"):
        is_full = means.process_busy > limits.process_busy and means.process > limits.process
        return "cpu" if is_full else None
    return None


def _blocked_loop(means: Means, shape: RunShape, limits: Limits) -> Label | None:
    if means.loop_late <= limits.late:
        return None
    return "cpu" if _is_inline_heavy(means, shape, means.loop_late) else "event_loop"


def _is_inline_heavy(means: Means, shape: RunShape, busy: float) -> bool:
    return shape.process_mode == "inline" and means.process_busy > busy / 2


def _empty_places(means: Means, elasticity: Elasticity | None, limits: Limits) -> Label | None:
    reasons: dict[Label, float] = {
        "rate_limit": means.rate,
        "client_pool": means.host,
        "input": means.input,
        "sink": means.blocked,
    }
    if sum(reasons.values()) <= limits.empty:
        return None
    largest = max(reasons, key=reasons.__getitem__)
    if largest == "client_pool" and elasticity is not None and elasticity.e < limits.e_low:
        return _saturated(elasticity)  # the host gives no more: its limit only keeps the queue short
    return largest


def _held_places(means: Means, elasticity: Elasticity | None, limits: Limits) -> Label:
    if max(means.dns, means.connect) > limits.phase:
        return "dns" if means.dns >= means.connect else "connect"
    if elasticity is None or means.busy + means.process < _FETCHING:
        return "mixed"
    if elasticity.e > limits.e_high:
        return "concurrency"
    if elasticity.e < limits.e_low:
        return _saturated(elasticity)
    return "mixed"


def _saturated(elasticity: Elasticity) -> Label:
    """Where the time has gone that more places cost each answer; `mixed` when neither part of it grew."""
    if max(elasticity.ttfb_growth_s, elasticity.body_growth_s) <= 0.0:
        return "mixed"
    return "network" if elasticity.body_growth_s > elasticity.ttfb_growth_s else "server"
