"""Noise models: what a machine does to the ln throughput of six alternatives over twelve rounds in random order.

Pure: random numbers in, numbers out. The rule: what the rounds of one comparison cannot show, the effect of a fresh
start of each process, is in here too, since two repetitions do not share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, log1p, sqrt
from random import Random

ALTERNATIVES = 6
ROUNDS = 12
RUN_S = 0.45
"""From one run to the next."""


@dataclass(frozen=True)
class Noise:
    """`draw` gives `[round][alternative]`, to be added to the true ln throughputs. `is_trap`: what no rule on so few
    rounds can see through; told, and not counted as a failure."""

    name: str
    about: str
    draw: Callable[[Random], list[list[float]]]
    is_trap: bool = False


def _noise(
    rng: Random,
    sds: Sequence[float],
    *,
    drift_sd: float = 0.0,
    tau_s: float = 30.0,
    burst_share: float = 0.0,
    steal_sd: float = 0.0,
    start_sd: float = 0.0,
    two_speeds: int = 0,
) -> list[list[float]]:
    starts = [rng.gauss(0, start_sd) for _ in sds]
    drift, steal = rng.gauss(0, drift_sd), rng.gauss(0, steal_sd)
    rows = []
    for _ in range(ROUNDS):
        row = [0.0] * len(sds)
        for place in rng.sample(range(len(sds)), len(sds)):
            drift = _step(rng, drift, drift_sd, tau_s)
            steal = _step(rng, steal, steal_sd, 3.0)
            value = rng.gauss(0, sds[place]) + starts[place] + drift
            if rng.random() < burst_share:
                value -= log(rng.uniform(1.5, 3))
            if place < two_speeds:
                value += rng.choice((-1, 1)) * log(1.6)
            if steal_sd:
                value += log1p(-min(0.6, abs(steal)))
            row[place] = value
        rows.append(row)
    return rows


def _step(rng: Random, value: float, sd: float, tau_s: float) -> float:
    """The next value of an Ornstein-Uhlenbeck process, one run later."""
    if not sd:
        return value
    kept = exp(-RUN_S / tau_s)
    return kept * value + rng.gauss(0, sd * sqrt(1 - kept * kept))


def _same(sd: float) -> list[float]:
    return [sd] * ALTERNATIVES


NOISES = (
    Noise("quiet 1 %", "lognormal, 1 % from run to run", lambda rng: _noise(rng, _same(0.01))),
    Noise("quiet 3 %", "lognormal, 3 %", lambda rng: _noise(rng, _same(0.03))),
    Noise(
        "drift",
        "2 %, and a machine that drifts by 5 to 15 % (Ornstein-Uhlenbeck, τ 30 s)",
        lambda rng: _noise(rng, _same(0.02), drift_sd=rng.uniform(0.05, 0.15)),
    ),
    Noise(
        "bursts", "2 %, and one run in ten 1.5 to 3 times slower", lambda rng: _noise(rng, _same(0.02), burst_share=0.1)
    ),
    Noise(
        "steal",
        "3 %, and a hypervisor that takes about 10 %, at times 30 % (τ 3 s)",
        lambda rng: _noise(rng, _same(0.03), steal_sd=0.12),
    ),
    Noise(
        "unequal",
        "each alternative has noise of its own, 1 to 8 %",
        lambda rng: _noise(rng, [exp(rng.uniform(log(0.01), log(0.08))) for _ in range(ALTERNATIVES)]),
    ),
    Noise(
        "two speeds",
        "2 %, and one alternative runs at 1.6 or 1/1.6 of its speed, by coin, as threads that queue for a lock may",
        lambda rng: _noise(rng, _same(0.02), two_speeds=1),
        is_trap=True,
    ),
    Noise(
        "starts",
        "2 %, and each start of a process adds 1.5 % that stays until it ends",
        lambda rng: _noise(rng, _same(0.02), start_sd=0.015),
    ),
    Noise(
        "steal + starts",
        "steal, and 1.5 % from each start",
        lambda rng: _noise(rng, _same(0.03), steal_sd=0.12, start_sd=0.015),
    ),
)


def _waiting(rng: Random) -> list[float]:
    return [log(rng.uniform(0.03, 0.1)), log(rng.uniform(0.5, 1)), log(rng.uniform(0.2, 0.6)), *_near(rng, 3)]


def _computing(rng: Random) -> list[float]:
    return [0.0, log(rng.uniform(0.8, 1)), log(rng.uniform(1.6, 2)), *(-one for one in _near(rng, 3))]


def _alike(rng: Random) -> list[float]:
    return _near(rng, ALTERNATIVES)


def _anything(rng: Random) -> list[float]:
    return [*(log(10) * rng.uniform(-1, 1) for _ in range(3)), *_near(rng, 3)]


def _near(rng: Random, n: int) -> list[float]:
    """Within 10 % of each other, where verdicts are hardest."""
    return [rng.uniform(0, 0.1) for _ in range(n)]


TRUTHS: Mapping[str, Callable[[Random], list[float]]] = {
    "waiting": _waiting,
    "computing": _computing,
    "alike": _alike,
    "anything": _anything,
}
"""True ln throughputs of six alternatives, like those of workloads."""
