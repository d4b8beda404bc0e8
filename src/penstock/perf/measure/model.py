"""What a run is asked for and what it tells: plain data between the measured process and the one that compares.

The rule: times are seconds since the run's first intended start, in arrays of one element per item that ended, in
the order they ended. Nothing is averaged here.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from penstock.errors import PenstockError
from penstock.perf.workload.model import Alternative

Loop: TypeAlias = Literal["closed", "open"]
Trouble: TypeAlias = Literal["start", "raised", "timeout", "died"]


@dataclass(frozen=True)
class RunRequest:
    """One run. Closed loop: each of `concurrency` places takes the next item when its last has ended. Open loop: item k
    is due `k / rate_per_s` seconds after the first, whoever is busy. A run starts no item after `run_s`, or after
    `items` items when that is given, and then waits for those in flight.

    `is_checked`: digest the output of the first occurrence of each item. `first`: number of the run's first item.
    """

    loop: Loop = "closed"
    concurrency: int = 1
    run_s: float = 0.4
    rate_per_s: float | None = None
    items: int | None = None
    first: int = 0
    is_checked: bool = True


@dataclass
class RunResult:
    """What one run did.

    `intended_s`, `start_s`, `end_s` (arrays of 'd'): when an item was due (closed loop: when its place was free), when
    work on it began and when it ended; service time is end - start, latency is end - intended. `wall_s`: from the
    first intended start to the last end. `cpu_s`: user and system time of the measured process and its children in
    that span. `rss_bytes`: the most memory resident during the run, summed over these processes, or 0 where the system
    does not tell. `switches_voluntary`, `switches_involuntary`: context switches, or 0.
    `digests`: item number modulo the number of items → hex digest of its output. `samples`: a few outputs as text, for
    messages, by the same numbers. `failures`: (item number, one line), at most 20 kept; `failed` counts all; failed
    items stand in no array. `pushbacks`: answers 429 and 503. `phases`: mean seconds per item by name (dns, connect,
    tls, ttfb, body, process, …), where the client tells.
    """

    loop: Loop
    concurrency: int
    wall_s: float
    cpu_s: float
    rss_bytes: int
    intended_s: array[float]
    start_s: array[float]
    end_s: array[float]
    rate_per_s: float | None = None
    switches_voluntary: int = 0
    switches_involuntary: int = 0
    digests: Mapping[int, str] = field(default_factory=dict)
    samples: Mapping[int, str] = field(default_factory=dict)
    failures: list[tuple[int, str]] = field(default_factory=list)
    failed: int = 0
    pushbacks: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """Items that ended well."""
        return len(self.end_s)

    @property
    def throughput_per_s(self) -> float:
        """Items that ended well per second of the run; 0 for none."""
        return len(self.end_s) / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def cpu_s_per_item(self) -> float | None:
        """None when no item ended well."""
        return self.cpu_s / len(self.end_s) if self.end_s else None


class AlternativeError(PenstockError):
    """An alternative cannot be measured: its process did not start (`start`), its code raised (`raised`), it did not
    finish in time (`timeout`) or its process died (`died`). Names the alternative; whoever compares must refuse."""

    def __init__(self, alternative: str, trouble: Trouble, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{alternative}: {message}", hint=hint)
        self.alternative = alternative
        self.trouble: Trouble = trouble


class Measured(Protocol):
    """An alternative that can be run: a process (`measure.process.MeasuredProcess`), or a fake in a test."""

    alternative: Alternative

    def start(self) -> None:
        """Start it and make it ready (imports, clients, pools); returns when it is. Raises AlternativeError."""
        ...

    def run(self, request: RunRequest) -> RunResult:
        """One run. Raises AlternativeError; item failures are in the result, not raised."""
        ...

    def stop(self) -> None:
        """End it, in any state, by force if need be; never raises."""
        ...
