"""What a verdict rests on: its evidence in words, its numbers by name. What to do about it is in `verdict_advice`.

Pure text from numbers; it decides nothing. The rule: each sentence holds the number it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, assert_never

from penstock.telemetry.verdict_elasticity import Elasticity
from penstock.telemetry.verdict_rules import LIMITS, Label, is_unprobed_pool, is_untold, loop_busy, loop_waits
from penstock.telemetry.verdict_sums import STEADY_S_MIN, Means, Steady
from penstock.telemetry.window import RunShape

NAMES: Final[Mapping[Label, str]] = {
    "event_loop": "EVENT LOOP",
    "machine_contention": "MACHINE CONTENTION",
    "sink": "SINK",
    "cpu": "CPU (process)",
    "server": "SERVER",
    "rate_limit": "RATE LIMIT/POLITENESS",
    "network": "NETWORK",
    "dns": "DNS",
    "connect": "CONNECT/TLS",
    "client_pool": "CLIENT POOL",
    "concurrency": "CONCURRENCY TOO LOW",
    "input": "INPUT",
    "mixed": "MIXED",
}
SURE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of the run that is judged. `elasticity` is None without a usable probe."""

    means: Means
    elasticity: Elasticity | None
    shape: RunShape
    stretch: Steady


def evidence(
    label: Label,
    case: Case,
    confidence: float,
    alternatives: tuple[tuple[Label, float], ...],
    *,
    is_closed: bool | None,
) -> tuple[str, ...]:
    """The sentences, the decisive one first; before it, below 0.9, what else it may be."""
    sentences: list[str] = []
    is_short = case.stretch.span_s < STEADY_S_MIN
    if is_short:
        sentences.append(
            f"cannot tell: {case.stretch.span_s:.1f} s without warm-up and tail, and it takes {STEADY_S_MIN:.0f} s"
        )
    elif confidence < SURE and alternatives:
        sentences.append(_undecided(label, confidence, alternatives))
    if not is_short or case.stretch.rows:
        sentences.append(_decisive(label, case))
        sentences.extend(_further(label, case))
    if is_closed is False:
        sentences.append(_not_closed(label, case.means))
    return tuple(sentence.replace("%", " %") for sentence in sentences)  # as everywhere else we write it


def _undecided(label: Label, confidence: float, alternatives: tuple[tuple[Label, float], ...]) -> str:
    candidates = [one for one in (label, *(other for other, _ in alternatives)) if one != "mixed"]
    both = " / ".join(NAMES[one] for one in candidates[:2])
    return f"mixed: {both}; only {confidence:.0%} sure of {NAMES[label]}" if label != "mixed" else f"mixed: {both}"


def numbers(case: Case) -> dict[str, float]:
    """What was looked at, by name: the means that are known, and what follows from them."""
    run = case.means
    found = {field.name: getattr(run, field.name) for field in fields(Means)}
    busy = loop_busy(run)
    if busy is not None:
        found["loop_busy"] = busy
        found["loop_waits"] = loop_waits(run)
    if case.elasticity is not None:
        found["elasticity"] = case.elasticity.e
        found["ttfb_growth_s"] = case.elasticity.ttfb_growth_s
        found["body_growth_s"] = case.elasticity.body_growth_s
    found["judged_s"] = case.stretch.span_s
    found["left_out_s"] = case.stretch.left_out_s
    return {name: float(value) for name, value in found.items() if value is not None}


def _decisive(label: Label, case: Case) -> str:
    run, shape, elasticity = case.means, case.shape, case.elasticity
    busy = loop_busy(run)
    match label:
        case "event_loop":
            if busy is None or run.loop_late > busy:
                return f"the loop is blocked: callbacks that were due waited {run.loop_late:.0%} of the time"
            if busy <= LIMITS.loop:
                return f"the loop is busy {busy:.0%} of the time, and attempts wait {run.unseen:.0%} of theirs for it"
            return f"the event loop's thread is busy {busy:.0%} of the time"
        case "machine_contention":
            return (
                f"the loop is ready {busy or 0.0:.0%} of the time, but waits for a core in {loop_waits(run):.0%} of it"
            )
        case "sink":
            return f"{run.blocked:.0%} of the places are empty: the sink, busy {run.sink_busy:.0%}, holds the credits"
        case "cpu":
            if shape.process_mode == "inline":
                return f"the process function takes {run.process_busy:.0%} of the loop's time"
            return (
                f"the {shape.process_workers} workers of the process stage are busy {run.process_busy:.0%} of the "
                f"time, and {run.process:.0%} of the places wait for them"
            )
        case "server" | "concurrency" | "network":
            assert elasticity is not None
            return _elastic(label, elasticity, run)
        case "rate_limit":
            if is_pushed_back(run):
                return (
                    f"the server pushes back on {run.throttled:.1%} of the attempts: {run.rate:.0%} of the places wait"
                )
            return f"{run.rate:.0%} of the places wait for the rate that was set"
        case "dns":
            return f"attempts spend {run.dns:.0%} of their time looking up names"
        case "connect":
            return f"attempts spend {run.connect:.0%} of their time connecting, {run.connects:.2f} connections for each"
        case "client_pool":
            return f"{run.host:.0%} of the places are empty while items wait for the limit of their host"
        case "input":
            return f"{run.input:.0%} of the places are empty because nothing has been read yet"
        case "mixed":
            return _mixed(case)
        case _:
            assert_never(label)


def _further(label: Label, case: Case) -> list[str]:
    """What puts the decisive number in its place."""
    run = case.means
    empty = run.blocked + run.input + run.rate + run.host
    sentences = [f"of the places {run.busy:.0%} fetch, {run.process:.0%} process, {empty:.0%} are empty"]
    if is_unprobed_pool(label, case.elasticity):
        sentences.append("whether the host would give more than its limit lets it has not been probed")
    busy = loop_busy(run)
    if busy is not None and label not in ("event_loop", "machine_contention"):
        sentences.append(f"the event loop's thread is busy {busy:.0%} of the time")
    if busy is not None and label != "machine_contention" and loop_waits(run) > LIMITS.runqueue and busy > 0.5:
        sentences.append(f"machine contention besides: the loop waits for a core in {loop_waits(run):.0%} of that")
    if run.machine_steal is not None and run.machine_steal > 0.1:
        sentences.append(f"the hypervisor takes {run.machine_steal:.0%} of the machine")
    if run.answered < 0.9 and run.attempts_per_s > 0.0:
        sentences.append(f"only {run.answered:.0%} of the attempts are answered")
    return sentences


def is_pushed_back(run: Means) -> bool:
    """Whether 429 and 503 are more than an accident."""
    return run.throttled > 0.005


def _elastic(label: Label, elasticity: Elasticity, run: Means) -> str:
    fewer = 1.0 - 2.0**-elasticity.e
    if label == "concurrency":
        return (
            f"with half the limit the answers/s fell by {fewer:.0%}: the limit holds it (elasticity {elasticity.e:.2f})"
        )
    grown_s = elasticity.body_growth_s if label == "network" else elasticity.ttfb_growth_s
    part = "body" if label == "network" else "first byte"
    sooner = f", and the {part} came {grown_s * 1e3:.0f} ms sooner" if grown_s > 0.0 else ""
    fell = f"with half the limit the answers/s fell by {max(0.0, fewer):.0%} only"
    return f"{fell} (elasticity {elasticity.e:.2f}){sooner}"


def _mixed(case: Case) -> str:
    run, elasticity = case.means, case.elasticity
    if is_untold("mixed", run, elasticity) and run.process > run.busy:
        return (
            f"cannot tell: {run.process:.0%} of the places wait for the process function, whose workers are busy "
            f"{run.process_busy:.0%}; more places would help if what it waits for bears it"
        )
    if is_untold("mixed", run, elasticity):
        kind = "body" if run.body > run.ttfb else "first byte"
        return (
            f"cannot tell: the places fetch, mostly waiting for the {kind}, and no probe has lowered the limit to see "
            f"whether that is the {'network' if kind == 'body' else 'server'} or the limit itself"
        )
    if elasticity is not None and run.busy + run.process >= 0.5:
        return (
            f"half the limit costs {1.0 - 2.0**-elasticity.e:.0%} of the answers/s: the limit and the far side share it"
        )
    return "no cause stands out"


def _not_closed(label: Label, run: Means) -> str:
    ours, theirs = run.attempts_per_s * run.slot_s, run.attempts_per_s * run.answer_s
    law = f"{ours:.1f} in flight by our clock, {theirs:.1f} by libcurl's (Little's law)"
    if label in ("event_loop", "machine_contention", "cpu"):
        return f"{law}: the difference waits for the loop"
    return f"instrumentation suspect: {law}"
