"""What the engine of a run is told: its limits, and how closely it watches itself. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from penstock.policy.rate import Rate
from penstock.policy.retry import RetryPolicy


@dataclass(frozen=True)
class EngineOptions:
    """Limits of a run. `concurrency` attempts at once in all, `concurrency_per_host` on one host.

    `items_max` and `bytes_max` are the credits (see `credits`): items between admission and durable, bytes of bodies
    in memory. The sink is given results when there are `wake_items` (default `batch_items`) or `batch_bytes`, at most
    that many at once. `shard_seconds_max` is how old results may get before they are committed. `drain_s` is the grace
    for what is in flight when the run is told to stop. `concurrency_max`: the most that `set_concurrency` may raise it
    to. `telemetry`: keep the series that the verdict needs (see `observer`); `probe`: and lower the limit for a moment
    now and then, to learn what it is worth (see `policy.probe`); "early" after 5 s instead of about 20.
    """

    concurrency: int = 64
    concurrency_per_host: int = 16
    rate: Rate | None = None
    rate_per_host: Rate | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    items_max: int = 16_384
    bytes_max: int = 256 << 20
    batch_items: int = 2048
    batch_bytes: int = 4 << 20
    wake_items: int | None = None
    shard_seconds_max: float = 30.0
    drain_s: float = 25.0
    concurrency_max: int = 4_096
    seed: int | None = None
    telemetry: bool = True
    probe: Literal["off", "auto", "early"] = "off"
