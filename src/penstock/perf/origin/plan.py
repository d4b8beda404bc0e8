"""Decides how one attempt goes: outcome, latency and size, from the script, the seed, host, path and attempt number.

Pure and repeatable: the same arguments give the same plan in every run and in every process.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.perf.origin.draw import draw
from penstock.perf.origin.script import BODY_BYTES_MAX, LATENCY_S_MAX, Script


@dataclass(frozen=True, slots=True)
class Plan:
    """`outcome` is a word of `faults.FAULTS` or a status from 400 to 599 as text; `body_bytes` None: the path's own."""

    outcome: str
    latency_s: float
    body_bytes: int | None


def make_plan(script: Script, seed: int, host: str, target: str, attempt: int) -> Plan:
    """The plan of attempt number `attempt` (from 1) at `target` (path with query) on the virtual host `host`.

    The size depends on the seed and the path without its query only, so every attempt, and every host, serves the
    same body.
    """
    body_bytes: int | None = None
    if (sizes := script.body_bytes) is not None:
        key = "" if sizes.kind == "fixed" else target.partition("?")[0]
        body_bytes = int(sizes.a) if not key else min(BODY_BYTES_MAX, int(sizes.sample(draw(seed, "size", key))))
    latency_s = 0.0
    if (latencies := script.latency_s) is not None:
        latency_s = latencies.a
        if latencies.kind != "fixed":
            uniform = draw(seed, "latency", f"{host}{target}", attempt)
            latency_s = min(LATENCY_S_MAX, latencies.sample(uniform))
    outcome = "ok" if script.is_certain else choose_outcome(script, seed, f"{host}{target}", attempt)
    return Plan(outcome, latency_s, body_bytes)


def choose_outcome(script: Script, seed: int, key: str, attempt: int) -> str:
    """`sequence` decides while it lasts; then `fail`, drawn once per key; then `fault`, drawn for each attempt."""
    if script.sequence:
        if attempt <= len(script.sequence):
            return script.sequence[attempt - 1]
        attempt -= len(script.sequence)
    if script.fail:
        chance = draw(seed, "fail", key)
        for rule in script.fail:
            if chance < rule.share:
                if attempt <= rule.attempts:
                    return rule.word
                break
            chance -= rule.share
    if script.fault:
        chance = draw(seed, "fault", key, attempt)
        for share in script.fault:
            if chance < share.share:
                return share.word
            chance -= share.share
    return "ok"
