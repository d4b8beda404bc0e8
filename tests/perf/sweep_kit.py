"""A measured alternative whose server obeys a law, in a time of its own: what a sweep's driver is tested with."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penstock.perf.measure.model import AlternativeError, RunRequest, RunResult
from penstock.perf.scaling.levels import Look
from penstock.perf.workload.model import Alternative, Workload

ALTERNATIVE = Alternative("penstock", "penstock")
FUNCTION = Alternative("work · asyncio", "asyncio", function="pages:work")
WORKLOAD = Workload("scripted", "a server that obeys a law", ("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"))


def queueing_law(slots: int, service_s: float) -> Callable[[int], float]:
    """Throughput of a closed network with `slots` servers: both asymptotic bounds, with a small bend at the knee."""

    def throughput_per_s(concurrency: int) -> float:
        most_per_s = slots / service_s
        alone_per_s = concurrency / service_s
        return (alone_per_s**-16 + most_per_s**-16) ** (-1 / 16)

    return throughput_per_s


def looks_of(law: Callable[[int], float], levels: Sequence[int]) -> list[Look]:
    return [Look(level, law(level), level / law(level), 1.5 * level / law(level)) for level in levels]


@dataclass
class ScriptedServer:
    """Both a `make` for `sweep` and its clock. Runs take virtual time; `noise` is the deviation of ln throughput.

    `pushes_back_from`: above this concurrency every second answer is a 429. `fails_from`: there every fourth item
    fails. `cores`: CPU seconds per second of a run. `interrupt_at`, `dies_at`: the number of the run, from 0.
    """

    law: Callable[[int], float]
    noise: float = 0.0
    pushes_back_from: int | None = None
    fails_from: int | None = None
    cores: float = 0.2
    interrupt_at: int | None = None
    dies_at: int | None = None
    drift: float = 0.0
    now_s: float = 0.0
    requests: list[RunRequest] = field(default_factory=list)
    started: int = 0
    stopped: int = 0
    alternative: Alternative = ALTERNATIVE

    def __post_init__(self) -> None:
        self._rng = random.Random(7)

    def __call__(self, alternative: Alternative, workload: Workload) -> ScriptedServer:
        self.alternative = alternative
        return self

    def clock(self) -> float:
        return self.now_s

    def start(self) -> None:
        self.started += 1
        self.now_s += 0.5

    def stop(self) -> None:
        self.stopped += 1

    def run(self, request: RunRequest) -> RunResult:
        number = len(self.requests)
        self.requests.append(request)
        if number == self.interrupt_at:
            raise KeyboardInterrupt
        if number == self.dies_at:
            raise AlternativeError(self.alternative.name, "died", "its process ended with signal 9")
        assert request.items is not None, "a sweep bounds its runs by items"
        rate_per_s = self.law(request.concurrency) * math.exp(self._rng.gauss(0.0, self.noise) - self.drift * number)
        lost = self._lost(request)
        ended = request.items - lost
        service_s = request.concurrency / rate_per_s
        starts_s = [number // request.concurrency * service_s for number in range(ended)]
        wall_s = request.items / rate_per_s
        self.now_s += wall_s
        is_pushback = self.pushes_back_from is not None and request.concurrency >= self.pushes_back_from
        return RunResult(
            loop="closed",
            concurrency=request.concurrency,
            wall_s=wall_s,
            cpu_s=self.cores * wall_s,
            rss_bytes=1 << 20,
            intended_s=array("d", starts_s),
            start_s=array("d", starts_s),
            end_s=array("d", [start_s + service_s * self._rng.uniform(0.9, 1.1) for start_s in starts_s]),
            failed=lost,
            failures=[(0, "HTTP 429 Too Many Requests" if is_pushback else "reset by peer")] if lost else [],
            pushbacks=lost if is_pushback else 0,
            phases={"ttfb": service_s},
        )

    def _lost(self, request: RunRequest) -> int:
        assert request.items is not None
        if self.pushes_back_from is not None and request.concurrency >= self.pushes_back_from:
            return request.items // 2
        if self.fails_from is not None and request.concurrency >= self.fails_from:
            return request.items // 4
        return 0
