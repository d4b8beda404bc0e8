"""Runs as a measured process would tell them, made from numbers: for tests of everything that reads runs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from random import Random

from penstock.perf.compare.conclude import conclude
from penstock.perf.compare.model import Comparison
from penstock.perf.measure.model import Loop, RunResult
from penstock.perf.workload.model import Alternative, Strategy, Workload

WORKLOAD = Workload("waits", "20 ms of waiting", ("a", "b", "c"), concurrency=32, processes=2)


@dataclass(frozen=True)
class Shape:
    """What an alternative is like: items per second at most, seconds per item, CPU seconds per item, …"""

    throughput_per_s: float
    service_s: float
    cpu_s: float
    switches: float = 0.1
    rss_bytes: int = 40_000_000
    concurrency: int = 32


def run(
    throughput_per_s: float = 100.0,
    *,
    service_s: float = 0.02,
    cpu_s: float = 0.001,
    loop: Loop = "closed",
    rate_per_s: float | None = None,
    wall_s: float = 0.4,
    switches: float = 0.1,
    rss_bytes: int = 40_000_000,
    concurrency: int = 32,
    jitter: Random | None = None,
) -> RunResult:
    """Closed: items end evenly at the throughput. Open: due at the rate, and a queue builds when it is higher."""
    n = max(1, round(throughput_per_s * wall_s)) if loop == "closed" else max(1, round((rate_per_s or 1) * wall_s))
    service = [service_s * (exp(jitter.gauss(0, 0.1)) if jitter else 1.0) for _ in range(n)]
    if loop == "closed":
        end = [(k + 1) / throughput_per_s for k in range(n)]
        start = [one - took for one, took in zip(end, service, strict=True)]
        intended = start
    else:
        assert rate_per_s is not None
        intended = [k / rate_per_s for k in range(n)]
        start, free_s = [], 0.0
        for due_s in intended:
            free_s = max(free_s, due_s)
            start.append(free_s)
            free_s += 1 / throughput_per_s
        end = [one + took for one, took in zip(start, service, strict=True)]
    return RunResult(
        loop=loop,
        concurrency=concurrency,
        wall_s=n / throughput_per_s if loop == "closed" else max(end),
        cpu_s=cpu_s * n,
        rss_bytes=rss_bytes,
        intended_s=array("d", intended),
        start_s=array("d", start),
        end_s=array("d", end),
        rate_per_s=rate_per_s,
        switches_voluntary=round(switches * n),
    )


def runs(
    shape: Shape, seed: int, *, rounds: int = 8, noise: float = 0.02, rate_per_s: float | None = None
) -> list[RunResult]:
    """Runs of one alternative with lognormal noise. With a rate: of the open loop."""
    rng = Random(seed)
    return [
        run(
            shape.throughput_per_s * exp(rng.gauss(0, noise)),
            service_s=shape.service_s,
            cpu_s=shape.cpu_s * exp(rng.gauss(0, noise)),
            loop="closed" if rate_per_s is None else "open",
            rate_per_s=rate_per_s,
            switches=shape.switches,
            rss_bytes=shape.rss_bytes,
            concurrency=shape.concurrency,
            jitter=rng,
        )
        for _ in range(rounds)
    ]


def compared(
    shapes: Mapping[Strategy, Shape],
    *,
    seed: int = 1,
    rounds: int = 8,
    open_rounds: int = 5,
    noise: float = 0.02,
    rate_per_s: float | None = None,
    workload: Workload = WORKLOAD,
) -> Comparison:
    """A whole comparison of alternatives named as their strategies."""
    alternatives = [Alternative(one, one) for one in shapes]
    closed: dict[str, Sequence[RunResult]] = {}
    opened: dict[str, Sequence[RunResult]] = {}
    for number, (name, shape) in enumerate(shapes.items()):
        closed[name] = runs(shape, seed * 1000 + number, rounds=rounds, noise=noise)
        if rate_per_s is not None:
            opened[name] = runs(
                shape, seed * 1000 + 500 + number, rounds=open_rounds, noise=noise, rate_per_s=rate_per_s
            )
    return conclude(
        workload, alternatives, closed, opened, seed=seed, elapsed_s=1.0, rate_per_s=rate_per_s, machine={"cpus": 2}
    )


WAITING: Mapping[Strategy, Shape] = {
    "sync": Shape(48, 0.0205, 0.0004, 1.1, 38_000_000, 1),
    "threads": Shape(1150, 0.027, 0.0011, 4.2, 46_000_000),
    "processes": Shape(95, 0.021, 0.0009, 3.0, 130_000_000, 2),
    "asyncio": Shape(1400, 0.0225, 0.0006, 0.3, 41_000_000),
    "uvloop": Shape(1430, 0.022, 0.00045, 0.3, 43_000_000),
    "penstock": Shape(1420, 0.022, 0.0006, 0.3, 60_000_000),
}
COMPUTING: Mapping[Strategy, Shape] = {
    "sync": Shape(190, 0.0052, 0.0051, 0.1, 38_000_000, 1),
    "threads": Shape(180, 0.17, 0.0054, 1.5, 46_000_000),
    "processes": Shape(360, 0.0055, 0.0056, 3.0, 130_000_000, 2),
    "asyncio": Shape(185, 0.16, 0.0052, 0.1, 41_000_000),
}
"""Shapes of typical workloads: one that waits, one that computes."""
