"""What a sweep over concurrency saw and what follows from it, as plain data: what table, JSON and pages are made of.

Nothing is computed here. The rule: what the data cannot identify is None with its reason, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from penstock.perf.compare.model import Estimate, Refusal

Law: TypeAlias = Literal["linear", "amdahl", "usl", "two_line"]


@dataclass(frozen=True)
class SweepRun:
    """One run at one concurrency. Latencies are service times of the closed loop, in seconds; None: too few items.

    `phases`: mean seconds per item by name; `cpu_s` of the whole run; `pushbacks`: answers 429 and 503."""

    concurrency: int
    repetition: int
    throughput_per_s: float
    p50_s: float | None
    p95_s: float | None
    items: int
    cpu_s: float
    wall_s: float
    failed: int = 0
    pushbacks: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """All runs at one concurrency. `p95_s` in seconds."""

    concurrency: int
    runs: int
    throughput_per_s: Estimate
    p50_s: Estimate
    p95_s: Estimate
    cpu_s_per_1000: Estimate
    phases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """One law fitted in log space. `parameters` by name: rate_per_s (λ) and, by law, alpha, beta, or knee and slope.

    `sigma` is the residuals' standard deviation of ln X; `weight` the Akaike weight, 0 to 1."""

    law: Law
    parameters: Mapping[str, float]
    aicc: float
    sigma: float
    weight: float


@dataclass(frozen=True)
class CurvePoint:
    """Throughput by the chosen law with its 90 % band, items per second."""

    concurrency: float
    throughput_per_s: float
    low: float
    high: float


@dataclass(frozen=True)
class Tuning:
    """What a sweep recommends. `recommended` is the smallest concurrency with throughput of at least 95 % of the
    maximum and p95 within the limit; None with a `refusal`. `peak` is the USL's N*, only when the data identify it;
    it is told, never recommended. `is_peak_seen`: a concurrency past the maximum was measured."""

    target: str
    strategy: str
    seed: int
    elapsed_s: float
    runs: tuple[SweepRun, ...]
    points: tuple[Point, ...]
    fits: tuple[Fit, ...] = ()
    chosen: Law | None = None
    curve: tuple[CurvePoint, ...] = ()
    throughput_max_per_s: Estimate | None = None
    knee: Estimate | None = None
    peak: Estimate | None = None
    is_peak_seen: bool = False
    recommended: int | None = None
    reason: str = ""
    slo_p95_s: float | None = None
    commentary: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: Refusal | None = None
    machine: Mapping[str, object] = field(default_factory=dict)
