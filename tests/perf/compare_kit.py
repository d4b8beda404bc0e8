"""Comparisons and sweeps for tests of what shows them: realistic ones from a seed, and refused ones."""

from __future__ import annotations

import math
import random
from typing import Any

from penstock.perf.compare.model import (
    Comparison,
    Estimate,
    Metric,
    Pair,
    Percentiles,
    Recommendation,
    Refusal,
    SerialShare,
    Summary,
)
from penstock.perf.scaling.model import CurvePoint, Fit, Point, SweepRun, Tuning
from penstock.perf.workload.model import Strategy

MACHINE = {
    "cpu": "Example CPU 2.4 GHz",
    "cores": 2,
    "memory_bytes": 8_000_000_000,
    "system": "Linux 6.1",
    "python": "3.11.9",
    "load": None,
}
STRATEGIES: tuple[Strategy, ...] = ("sync", "threads", "processes", "asyncio", "uvloop", "penstock")
# Workload → what it is, seconds of waiting and of CPU per item, and bytes.
PRESETS = {
    "io-20ms": ("I/O: each answer takes 20 ms", 0.020, 0.0003),
    "io-200ms": ("I/O: each answer takes 200 ms", 0.200, 0.0003),
    "cpu-5ms": ("CPU: parsing an answer takes 5 ms", 0.002, 0.005),
    "mixed": ("answers after 20 ms, parsed in 2 ms", 0.020, 0.002),
    "many-small": ("many small answers, at once", 0.0005, 0.0002),
    "few-large": ("few answers of 4 MB", 0.030, 0.004),
    "tls-no-reuse": ("TLS, a new connection for each request", 0.004, 0.002),
}
_WEIGHT = {"sync": 0.9, "threads": 1.35, "processes": 1.1, "asyncio": 1.15, "uvloop": 0.95, "penstock": 1.0}


def estimate(value: float | None, spread: float = 0.03, n: int = 9, note: str = "") -> Estimate:
    return (
        Estimate(value, None, None, n, note)
        if value is None
        else Estimate(value, value * (1 - spread), value * (1 + spread), n, note)
    )


def percentiles(p50_s: float, tail: float, rng: random.Random, *, is_enough: bool = True) -> Percentiles:
    values = [p50_s, p50_s * (1 + tail), p50_s * (1 + 3 * tail)]
    made = [
        estimate(value * rng.uniform(0.98, 1.02), spread, 800)
        for value, spread in zip(values, (0.01, 0.04, 0.1), strict=True)
    ]
    if not is_enough:
        made[2] = Estimate(None, n=60, note="60 samples, 100 needed")
    return Percentiles(*made)


def summary(
    name: str, wait_s: float, cpu_s: float, rate: float | None, rng: random.Random, concurrency: int = 32
) -> Summary:
    strategy: Strategy = name if name in STRATEGIES else "asyncio"  # type: ignore[assignment]  # looked up just now
    cpu_s *= _WEIGHT.get(name, 1.0)
    places = 1 if strategy == "sync" else 4 if strategy == "processes" else concurrency
    cores = 1.9 if strategy == "processes" else 1.0
    per_s = min(places / (wait_s + cpu_s), cores / cpu_s) * rng.uniform(0.97, 1.0)
    service_s = places / per_s
    keeps_up = None if rate is None else per_s > rate
    return Summary(
        name,
        strategy,
        "curl",
        None,
        places,
        9,
        int(per_s * 0.4 * 9),
        estimate(per_s),
        percentiles(service_s, 0.15, rng, is_enough=per_s * 3.6 > 100),
        percentiles(wait_s + cpu_s * 1.2, 0.2, rng) if keeps_up else None,
        keeps_up,
        estimate(1000 * cpu_s, 0.04),
        estimate(38e6 + (4 * 30e6 if strategy == "processes" else 0), 0.01),
        estimate(2.0 if strategy == "threads" else 0.4, 0.1),
        wait_share=wait_s / (wait_s + cpu_s) if places == 1 else None,
        phases={"ttfb": wait_s, "body": 0.0004, "process": cpu_s},
    )


def pairs(summaries: list[Summary]) -> tuple[Pair, ...]:
    """Every pair once, by all three metrics; cannot tell below 4 %."""
    found = []
    for n, a in enumerate(summaries):
        for b in summaries[n + 1 :]:
            ratios: dict[Metric, float | None] = {
                "throughput": _ratio(a.throughput_per_s, b.throughput_per_s),
                "cpu": _ratio(b.cpu_s_per_1000, a.cpu_s_per_1000),
                "p95": _ratio(b.latency.p95, a.latency.p95) if a.latency and b.latency else None,
            }
            for metric, ratio in ratios.items():
                if ratio is not None:
                    sure = abs(math.log(ratio)) > math.log(1.04)
                    verdict: Any = "cannot tell" if not sure else "faster" if ratio > 1 else "slower"
                    note = "" if sure else "within 4 %"
                    found.append(Pair(a.name, b.name, metric, verdict, estimate(ratio, 0.03), note))
    return tuple(found)


def comparison(
    workload: str = "io-20ms", seed: int = 7, names: tuple[str, ...] = STRATEGIES, **changes: Any
) -> Comparison:
    """What a comparison of a preset looks like; `changes` replaces fields."""
    rng = random.Random(f"{workload} {seed}")
    about, wait_s, cpu_s = PRESETS.get(workload, PRESETS["mixed"])
    rate = 0.6 * min(4 / (wait_s + cpu_s), 1.0 / (1.4 * cpu_s))
    summaries = [summary(name, wait_s, cpu_s, rate, rng) for name in names]
    best = max(summaries, key=lambda one: one.throughput_per_s.value or 0)
    slowest = min(one.throughput_per_s.value or 1 for one in summaries)
    share = cpu_s / (wait_s + cpu_s)
    made: dict[str, Any] = {
        "workload": workload,
        "about": about,
        "seed": seed,
        "rounds": 9,
        "elapsed_s": 41.3,
        "summaries": tuple(summaries),
        "pairs": pairs(summaries),
        "rate_per_s": rate,
        "serial": SerialShare(
            share, 1 / share, (best.throughput_per_s.value or 0) / slowest, best.name, cpu_s, "uvloop", wait_s + cpu_s
        ),
        "recommendation": Recommendation(
            best.name,
            f"{best.name} does {best.throughput_per_s.value:,.0f} items/s, the most of all, and keeps p95 low.",
        ),
        "commentary": (
            f"An item waits {100 * wait_s / (wait_s + cpu_s):.0f} % of its time, so places that wait side by side pay.",
            "threads pay for it with context switches: 2.0 per item against 0.4.",
            "uvloop needs less CPU per item than asyncio; where waiting rules that changes nothing.",
        ),
        "notes": ("The machine was busy with other work for 8 % of the time.",),
        "machine": MACHINE,
    }
    return Comparison(**{**made, **changes})


def seven() -> list[Comparison]:
    return [comparison(name) for name in PRESETS]


def refused(workload: str = "my_module:fetch", **changes: Any) -> Comparison:
    """A comparison that came to no verdict: what was seen, and why."""
    told = Refusal(
        "different_output",
        "expected the same output of both, got another for item 3:\n  threads: {'n': 3}\n  asyncio: {'n': 4}",
        "make both return the same; floats that differ in the last digit can be rounded",
    )
    changes = {"refusal": told, "pairs": (), "recommendation": None, "commentary": (), "serial": None, **changes}
    return comparison(workload, **changes)


def _ratio(one: Estimate, two: Estimate) -> float | None:
    return one.value / two.value if one.value and two.value else None


def tuning(seed: int = 7, **changes: Any) -> Tuning:
    """A sweep past the peak of a server: 20 ms per answer, USL with a peak near 44."""
    rng = random.Random(seed)
    levels = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96)
    rate, alpha, beta = 48.0, 0.01, 0.0005

    def usl(n: float) -> float:
        return rate * n / (1 + alpha * (n - 1) + beta * n * (n - 1))

    runs = []
    for level in levels:
        for repetition in range(4):
            per_s = usl(level) * math.exp(rng.gauss(0, 0.035))
            mean_s = level / per_s
            phases = {"connect": 0.0001, "ttfb": mean_s * 0.86, "body": 0.0006, "process": mean_s * 0.1}
            runs.append(
                SweepRun(
                    level,
                    repetition,
                    per_s,
                    mean_s * 0.95,
                    mean_s * rng.uniform(1.25, 1.4),
                    int(per_s * 1.2),
                    per_s * 1.2 * 0.0004,
                    1.2,
                    phases=phases,
                )
            )
    points = tuple(_point(level, [run for run in runs if run.concurrency == level]) for level in levels)
    curve = tuple(
        CurvePoint(n, usl(n), usl(n) * (0.97 - 0.0006 * n), usl(n) * (1.03 + 0.0006 * n))
        for n in (2 ** (step * math.log2(96) / 60) for step in range(61))
    )
    made: dict[str, Any] = {
        "target": "io-20ms",
        "strategy": "penstock",
        "seed": seed,
        "elapsed_s": 74.2,
        "runs": tuple(runs),
        "points": points,
        "fits": (
            Fit("usl", {"rate_per_s": rate, "alpha": alpha, "beta": beta}, -210.4, 0.036, 0.981),
            Fit("two_line", {"rate_per_s": 47.1, "knee": 23.0, "slope": -0.11}, -202.1, 0.041, 0.015),
            Fit("amdahl", {"rate_per_s": 52.9, "alpha": 0.03}, -199.0, 0.05, 0.004),
            Fit("linear", {"rate_per_s": 31.0}, -40.0, 0.5, 0.0),
        ),
        "chosen": "usl",
        "curve": curve,
        "throughput_max_per_s": estimate(usl(44), 0.03, 44),
        "knee": Estimate(26.3, 23.0, 29.8, 44),
        "peak": Estimate(44.5, 39.0, 51.0, 44),
        "is_peak_seen": True,
        "recommended": 32,
        "reason": "32 is the smallest concurrency with 95 % of the highest throughput and p95 within 80 ms.",
        "slo_p95_s": 0.080,
        "commentary": (
            "Throughput rises to 44 and falls after it: places beyond it wait for each other.",
            "From 32 to 96 the p95 grows 3.4 times for 4 % less throughput.",
        ),
        "notes": ("Answers came from 127.0.0.1: a network would add its own time.",),
        "machine": MACHINE,
    }
    return Tuning(**{**made, **changes})


def refused_tuning(**changes: Any) -> Tuning:
    """A sweep whose server pushed back."""
    told = Refusal(
        "pushback",
        "expected answers, got 429 for 31 % of the requests at 16",
        "slow down: `--rate 50`, or ask the server's owner",
    )
    blank: dict[str, Any] = {
        "refusal": told,
        "recommended": None,
        "fits": (),
        "chosen": None,
        "curve": (),
        "knee": None,
        "peak": None,
        "throughput_max_per_s": None,
        "reason": "",
        "commentary": (),
    }
    return tuning(**{**blank, **changes})


def _point(level: int, runs: list[SweepRun]) -> Point:
    def mean(values: list[float | None]) -> float:
        known = [value for value in values if value is not None]
        return sum(known) / len(known)

    return Point(
        level,
        len(runs),
        estimate(mean([run.throughput_per_s for run in runs]), 0.04, len(runs)),
        estimate(mean([run.p50_s for run in runs]), 0.03, len(runs)),
        estimate(mean([run.p95_s for run in runs]), 0.06, len(runs)),
        estimate(mean([1000 * run.cpu_s / run.items for run in runs]), 0.05, len(runs)),
        runs[0].phases,
    )
