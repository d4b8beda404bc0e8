"""An alternative that does what a test scripted, in no time: for order, refusals and limits of a session."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.perf.measure.model import AlternativeError, RunRequest, RunResult
from penstock.perf.workload.model import Alternative, Workload

WORKLOAD = Workload("pages", "20 pages", tuple(f"http://127.0.0.1:1/{k}" for k in range(20)), concurrency=4, run_s=0.1)
ALTERNATIVES = tuple(Alternative(name, name) for name in ("sync", "threads", "asyncio"))  # type: ignore[arg-type]
SPEEDS = {"sync": 100.0, "threads": 400.0, "asyncio": 1000.0}

Behaviour = Callable[["FakeMeasured", RunRequest, int], RunResult]


def ran(
    request: RunRequest,
    speed_per_s: float,
    *,
    workload: Workload = WORKLOAD,
    digests: Mapping[int, str] | None = None,
    failures: Sequence[tuple[int, str]] = (),
    pushbacks: int = 0,
) -> RunResult:
    """A run at a steady speed: every item takes the same time."""
    place_s = request.concurrency / speed_per_s
    n = request.items if request.items is not None else max(1, round(request.run_s * speed_per_s))
    if request.loop == "open" and request.rate_per_s is not None:
        n = max(1, round(request.run_s * request.rate_per_s))
        intended = [k / request.rate_per_s for k in range(n)]
    else:
        intended = [k / speed_per_s for k in range(n)]
    indices = {(request.first + k) % len(workload.items) for k in range(n)}
    return RunResult(
        loop=request.loop,
        concurrency=request.concurrency,
        wall_s=intended[-1] + place_s,
        cpu_s=0.001 * n,
        rss_bytes=30_000_000,
        intended_s=array("d", intended),
        start_s=array("d", intended),
        end_s=array("d", [due_s + place_s for due_s in intended]),
        rate_per_s=request.rate_per_s,
        digests={index: f"digest {index}" for index in indices} if digests is None else digests,
        samples={index: f"output {index}" for index in indices},
        failures=list(failures),
        failed=len(failures),
        pushbacks=pushbacks,
    )


@dataclass
class Stage:
    """What happened, in order, and how long the clock says it took."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    start_errors: dict[str, AlternativeError] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    requests: list[tuple[str, RunRequest]] = field(default_factory=list)
    now_s: float = 0.0

    def make(self, alternative: Alternative, workload: Workload) -> FakeMeasured:
        return FakeMeasured(self, alternative, workload)

    def clock(self) -> float:
        return self.now_s

    def order(self, loop: str = "closed") -> list[str]:
        """Names of the timed runs, in order; the check and the warm-up are left out."""
        runs = [(name, request) for name, request in self.requests if request.items is None]
        warm_ups = {name for name, _ in runs}
        return [name for name, request in runs[len(warm_ups) :] if request.loop == loop]

    def stopped(self) -> list[str]:
        return [name for what, name in self.events if what == "stop"]


class FakeMeasured:
    def __init__(self, stage: Stage, alternative: Alternative, workload: Workload) -> None:
        self.alternative = alternative
        self.workload = workload
        self.runs = 0
        self._stage = stage

    def start(self) -> None:
        self._stage.events.append(("start", self.alternative.name))
        self._stage.now_s += 0.5
        if self.alternative.name in self._stage.start_errors:
            raise self._stage.start_errors[self.alternative.name]

    def run(self, request: RunRequest) -> RunResult:
        name = self.alternative.name
        self._stage.events.append(("run", name))
        self._stage.requests.append((name, request))
        self.runs += 1
        behaviour = self._stage.behaviours.get(name, steady)
        result = behaviour(self, request, self.runs)
        self._stage.now_s += result.wall_s
        return result

    def stop(self) -> None:
        self._stage.events.append(("stop", self.alternative.name))


def steady(measured: FakeMeasured, request: RunRequest, run: int) -> RunResult:
    """The usual speed of that strategy."""
    return ran(request, SPEEDS[measured.alternative.strategy], workload=measured.workload)
