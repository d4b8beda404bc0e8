"""Random systems whose throughput at every concurrency is known: queueing networks by mean-value analysis, and curves
of the universal scalability law, which alone can fall. It measures nothing.

The rule: a system is a function of its seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from benchmarks.scaling.mva import Network, Solution, Station, solve

Shape: TypeAlias = Literal[
    "hard knee", "soft knee", "balanced", "multi-server", "think time", "retrograde", "contention"
]
SHAPES: tuple[Shape, ...] = get_args(Shape)
CONCURRENCY_MAX = 1024  # beyond it no system here gains or loses more than a few per cent


@dataclass(frozen=True)
class Truth:
    """One system. `throughputs[N - 1]`: items per second at concurrency N, up to `CONCURRENCY_MAX`. `delay_s`: part of
    a response that no load changes. `peak`: N* of the universal scalability law where that made the curve, or None."""

    shape: Shape
    about: str
    throughputs: Sequence[float]
    peak: float | None = None

    def throughput_per_s(self, concurrency: float) -> float:
        """Between whole numbers: linear in the logarithms."""
        below = min(max(math.floor(concurrency), 1), CONCURRENCY_MAX)
        above = min(below + 1, CONCURRENCY_MAX)
        share = 0.0 if above == below else math.log(concurrency / below) / math.log(above / below)
        return float(self.throughputs[below - 1] ** (1 - share) * self.throughputs[above - 1] ** share)

    def response_s(self, concurrency: float) -> float:
        """Mean seconds an item takes, by Little's law."""
        return concurrency / self.throughput_per_s(concurrency)

    def best(self, concurrency_max: int) -> float:
        """The most items per second at any concurrency up to this one."""
        return max(self.throughputs[:concurrency_max])


def make_truth(shape: Shape, seed: int) -> Truth:
    """A random system of this shape."""
    rng = random.Random(f"{shape}-{seed}")
    if shape in ("retrograde", "contention"):
        return _scalability(shape, rng)
    network = _network(shape, rng)
    solution: Solution = solve(network, CONCURRENCY_MAX)
    stations = ", ".join(f"{one.demand_s * 1e3:.2g} ms x{one.servers}" for one in network.stations)
    about = f"stations {stations}; delay {network.delay_s * 1e3:.2g} ms; knee {network.knee:.1f}"
    return Truth(shape, about, solution.throughput_per_s)


def _network(shape: Shape, rng: random.Random) -> Network:
    knee = math.exp(rng.uniform(math.log(2), math.log(100)))
    slowest_s = math.exp(rng.uniform(math.log(2e-4), math.log(2e-2)))
    match shape:
        case "hard knee":
            return Network((Station(slowest_s),), delay_s=(knee - 1) * slowest_s)
        case "soft knee":
            others = [slowest_s * rng.uniform(0.3, 1.0) for _ in range(rng.randint(1, 5))]
            stations = (Station(slowest_s), *(Station(demand_s) for demand_s in others))
            return Network(stations, delay_s=rng.uniform(0, knee) * slowest_s)
        case "balanced":
            return Network(tuple(Station(slowest_s) for _ in range(rng.randint(2, 12))))
        case "multi-server":
            servers = rng.choice((2, 4, 8, 16, 32))
            more = tuple(Station(slowest_s * rng.uniform(0.1, 0.9) / servers) for _ in range(rng.randint(0, 2)))
            return Network((Station(slowest_s, servers), *more), delay_s=rng.choice((0, 1, 4)) * slowest_s)
        case _:
            pool = Station(slowest_s * rng.uniform(0.5, 2.0) * 4, 4)
            return Network((Station(slowest_s), pool), delay_s=knee * slowest_s * rng.uniform(0.5, 1.0))


def _scalability(shape: Shape, rng: random.Random) -> Truth:
    rate_per_s = math.exp(rng.uniform(math.log(5), math.log(500)))
    alpha = math.exp(rng.uniform(math.log(0.005), math.log(0.3)))
    beta, peak = 0.0, None
    if shape == "retrograde":
        peak = math.exp(rng.uniform(math.log(6), math.log(80)))
        beta = (1 - alpha) / peak**2
    levels = range(1, CONCURRENCY_MAX + 1)
    throughputs = tuple(rate_per_s * n / (1 + alpha * (n - 1) + beta * n * (n - 1)) for n in levels)
    about = f"λ {rate_per_s:.3g}/s, α {alpha:.3g}, β {beta:.2g}"
    return Truth(shape, about, throughputs, peak)
