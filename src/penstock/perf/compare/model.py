"""What a comparison tells, as plain data: what table, JSON, Markdown and HTML are made of.

Nothing is computed here. The rule: a number that cannot be said is None with the reason in `note`, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from penstock.perf.workload.model import Client, Strategy

Verdict: TypeAlias = Literal["faster", "slower", "cannot tell"]
Metric: TypeAlias = Literal["throughput", "cpu", "p95"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval. `n`: runs, or samples for a percentile. None: it cannot be said, `note` says why.

    `low` and `high` are None when the value can be said but its interval cannot.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    note: str = ""


@dataclass(frozen=True)
class Percentiles:
    """Seconds."""

    p50: Estimate
    p95: Estimate
    p99: Estimate


@dataclass(frozen=True)
class Summary:
    """One alternative over all its runs. `service` is from the closed loop; `latency`, from the intended start, from
    the open loop, None when there was none. `keeps_up`: whether the open loop's rate was sustained.

    `cpu_s_per_1000`: CPU seconds for 1,000 items. `rss_bytes`: peak. `switches_per_item`: voluntary context switches.
    `wait_share`: 1 - CPU / time at concurrency 1, only where concurrency is 1.
    """

    name: str
    strategy: Strategy
    client: Client | None
    function: str | None
    concurrency: int
    runs: int
    items: int
    throughput_per_s: Estimate
    service: Percentiles
    latency: Percentiles | None
    keeps_up: bool | None
    cpu_s_per_1000: Estimate
    rss_bytes: Estimate
    switches_per_item: Estimate
    wait_share: float | None = None
    phases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """`a` against `b` by one metric: `ratio` is a's throughput over b's (cpu and p95: b's over a's), so that above 1 is
    better for a. The verdict is `faster`, `slower` (a than b) or `cannot tell`; for cpu and p95 faster means less."""

    a: str
    b: str
    metric: Metric
    verdict: Verdict
    ratio: Estimate
    note: str = ""


@dataclass(frozen=True)
class SerialShare:
    """Amdahl's bound of a workload under one interpreter lock: `share` is `cpu_s`, the CPU of an item in the `leanest`
    alternative under one lock, over `alone_s`, the time of an item at concurrency 1.

    `speedup_max` is 1 / share; `reached` the best measured throughput over that of concurrency 1.
    """

    share: float
    speedup_max: float
    reached: float
    reached_by: str
    cpu_s: float
    leanest: str
    alone_s: float


@dataclass(frozen=True)
class Recommendation:
    name: str
    reason: str


@dataclass(frozen=True)
class Refusal:
    """Why there is no verdict. `kind`: different_output, raised, timeout, died, start, too_few_runs, too_few_items or
    pushback."""

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Comparison:
    """One workload, compared. With a `refusal` there are no pairs and no recommendation; summaries hold what was seen.

    `rounds`: interleaved rounds of all alternatives; `rate_per_s`: of the open loop, None: there was none.
    """

    workload: str
    about: str
    seed: int
    rounds: int
    elapsed_s: float
    summaries: tuple[Summary, ...]
    pairs: tuple[Pair, ...] = ()
    rate_per_s: float | None = None
    serial: SerialShare | None = None
    recommendation: Recommendation | None = None
    commentary: tuple[str, ...] = ()
    refusal: Refusal | None = None
    notes: tuple[str, ...] = ()
    machine: Mapping[str, object] = field(default_factory=dict)
