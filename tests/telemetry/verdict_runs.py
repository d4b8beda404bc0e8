"""Windows and probes of runs that are limited by one thing, in round numbers: what the verdict's tests judge."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any, TypeVar

from penstock.telemetry.window import Probe, RunShape, Window

SHAPE = RunShape(concurrency=32, concurrency_per_host=32, cores=2)


def window(**values: object) -> Window:
    """A second in which 32 places fetch 100 answers of 0.32 s, and nothing is short."""
    made = Window(
        end_s=1.0, span_s=1.0, answers=100, attempts=100, bytes_body=100_000, limit=32.0, in_flight=32.0,
        fetch_busy=1.0, loop_run=0.1, loop_runqueue=0.01, ttfb_s=31.0, body_s=1.0, total_s=32.0, slot_s=32.0,
        connects=0, machine_busy=0.2, machine_steal=0.0,
    )  # fmt: skip
    for name, value in values.items():
        setattr(made, name, value)
    return made


def run(seconds: int = 20, **values: object) -> list[Window]:
    """`seconds` like `window(**values)`, after two of warm-up in which the run is idle."""
    idle = window(fetch_busy=0.0, fetch_input=1.0, answers=1, attempts=1, in_flight=0.0, slot_s=0.0, total_s=0.0)
    made = [replace(idle, end_s=float(n + 1)) for n in range(2)]
    return made + [replace(window(**values), end_s=float(n + 3)) for n in range(seconds)]


def probe(e: float, *, body_share: float = 0.0, answer_s: float = 0.32) -> Probe:
    """Half the limit of 32 changes the throughput by 2^e; what an answer gains in time goes to body and first byte."""
    low = 2.0**-e
    answer_s_low = answer_s * 0.5 / low
    grown_s = answer_s - answer_s_low
    return Probe(
        end_s=9.0, limit=32, limit_low=16, answers_per_s=100.0, answers_per_s_low=100.0 * low,
        ttfb_s=answer_s - grown_s * body_share, ttfb_s_low=answer_s - grown_s,
        body_s=grown_s * body_share + 0.001, body_s_low=0.001, bytes_per_s=1e6, bytes_per_s_low=1e6 * low,
    )  # fmt: skip


T = TypeVar("T", Window, Probe, RunShape)


def scrambled(plain: T, rng: random.Random, zeros: float) -> T:
    """The same with random numbers, `zeros` of them 0; None now and then where that may be."""
    values: dict[str, Any] = {}
    for field in fields(plain):
        before: object = getattr(plain, field.name)
        if before is None:
            values[field.name] = rng.choice([None, rng.random()])
        elif isinstance(before, bool):
            values[field.name] = rng.random() < 0.2
        elif isinstance(before, int) and not isinstance(plain, Probe):
            values[field.name] = 1 + rng.randrange(100) if isinstance(plain, RunShape) else rng.randrange(1000)
        elif isinstance(before, int | float):
            values[field.name] = 0.0 if rng.random() < zeros else rng.choice([rng.random(), rng.random() * 100])
    return replace(plain, **values)
