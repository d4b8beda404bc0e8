"""Closed queueing networks with known throughput: exact mean-value analysis, one class of customers.

Formulas: Reiser & Lavenberg, "Mean-value analysis of closed multichain queuing networks", JACM 27(2), 1980; stations
with several servers by marginal probabilities (load-dependent recursion there), made stable as in Reiser, "Mean value
analysis and convolution method for queue-dependent servers", Performance Evaluation 1, 1981. It measures nothing.
The rule: exact up to rounding, so the answers can serve as the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Station:
    """A queue before `servers` equal servers that an item keeps busy for `demand_s` seconds in all its visits."""

    demand_s: float
    servers: int = 1


@dataclass(frozen=True, slots=True)
class Network:
    """Items circulate through all stations, then spend `delay_s` where nobody waits (network round trips, thinking)."""

    stations: tuple[Station, ...]
    delay_s: float = 0.0

    @property
    def alone_s(self) -> float:
        """Time of one item with nobody else there."""
        return self.delay_s + sum(one.demand_s for one in self.stations)

    @property
    def throughput_max_per_s(self) -> float:
        """What the busiest station lets through."""
        return min((one.servers / one.demand_s for one in self.stations if one.demand_s > 0), default=float("inf"))

    @property
    def knee(self) -> float:
        """Where the asymptotic bounds meet: (R0 + Z) / Dmax."""
        return self.alone_s * self.throughput_max_per_s


@dataclass(frozen=True, slots=True)
class Solution:
    """For N = 1, 2, …: items per second, and seconds an item spends in the stations (without the delay)."""

    throughput_per_s: tuple[float, ...]
    residence_s: tuple[float, ...]


def solve(network: Network, customers_max: int) -> Solution:
    """Exact for up to `customers_max` items; O(customers_max x (stations + servers)) for each subset of the stations
    that have several servers: keep these few."""
    _check(network, customers_max)
    without = [_throughputs_without(network, place, customers_max) for place in range(len(network.stations))]
    queues = [0.0] * len(network.stations)
    chances = [[1.0] + [0.0] * (one.servers - 1) for one in network.stations]
    throughputs, residences = [], []
    for customers in range(1, customers_max + 1):
        times_s = [
            _residence_s(one, queue, some) for one, queue, some in zip(network.stations, queues, chances, strict=True)
        ]
        total_s = sum(times_s)
        throughput = customers / (network.delay_s + total_s)
        queues = [throughput * time_s for time_s in times_s]
        for place, one in enumerate(network.stations):
            if one.servers > 1:
                alone = without[place][customers - 1]
                chances[place] = _marginals(one, throughput, chances[place], throughput / alone)
        throughputs.append(throughput)
        residences.append(total_s)
    return Solution(tuple(throughputs), tuple(residences))


def _residence_s(station: Station, queue: float, chances: Sequence[float]) -> float:
    """R = D/c · (1 + Q + Σ_{j<c-1} (c-1-j) p_j), with queue and chances of one customer less."""
    servers = station.servers
    free = sum((servers - 1 - busy) * chances[busy] for busy in range(servers - 1))
    return station.demand_s / servers * (1.0 + queue + free)


def _marginals(station: Station, throughput: float, chances: Sequence[float], emptier: float) -> list[float]:
    """Chances that j = 0 … c-1 customers are at the station: p_j(N) = X(N) D / j · p_{j-1}(N-1), and p_0(N) = p_0(N-1)
    X(N) / X'(N), X' being the throughput of the network without the station (Reiser 1981). The textbook's p_0, 1 minus
    all others, loses every digit near saturation."""
    load = throughput * station.demand_s
    return [chances[0] * emptier] + [load / busy * chances[busy - 1] for busy in range(1, station.servers)]


def _throughputs_without(network: Network, place: int, customers_max: int) -> Sequence[float]:
    if network.stations[place].servers == 1:
        return ()
    rest = Network(network.stations[:place] + network.stations[place + 1 :], network.delay_s)
    if rest.alone_s <= 0:
        return [float("inf")] * customers_max
    return solve(rest, customers_max).throughput_per_s


def _check(network: Network, customers_max: int) -> None:
    if customers_max < 1:
        raise ValueError(f"customers_max: expected at least 1, got {customers_max}")
    if network.alone_s <= 0 or network.delay_s < 0:
        raise ValueError(f"expected a network in which an item spends time, got {network}")
    for one in network.stations:
        if one.demand_s < 0 or one.servers < 1:
            raise ValueError(f"expected demand_s >= 0 and servers >= 1, got {one}")
