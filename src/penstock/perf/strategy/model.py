"""What a strategy is to the process that measures it, and what a client is to a strategy.

Interfaces only. The rule: a strategy takes items from the schedule, waits until each is due, does it, and tells the
recorder; how many it does at once, and on what, is all that differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from penstock.model import Failure, Response
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule


class StrategyRunner(Protocol):
    """One strategy, ready to run many times in one process; clients and pools stay warm between runs."""

    def start(self) -> None:
        """Make what runs need: function, client, pool, loop. Raises ConfigError for what the user can mend."""
        ...

    def run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        """Do the items of `schedule`, at most `concurrency` at once; returns when all that were begun have ended."""
        ...

    def worker_cpu_s(self) -> float:
        """CPU seconds used so far by worker processes of its own, of this and earlier runs; 0 without any."""
        ...

    def worker_ids(self) -> tuple[int, ...]:
        """Process ids of its workers, for their memory."""
        ...

    def phases(self) -> Mapping[str, float]:
        """Mean seconds per item of the last run by phase (dns, connect, tls, ttfb, body, process), or empty."""
        ...

    def stop(self) -> None:
        """Let go of everything; never raises for what is already gone."""
        ...


class BlockingClient(Protocol):
    """Used by one thread only; each thread makes its own."""

    def get(self, number: int, url: str) -> Response | Failure:
        """One attempt, no retry: a `Response` on a complete 2xx answer, else a `Failure`."""
        ...

    def close(self) -> None: ...


class AsyncClient(Protocol):
    """Used on the loop that made it, by many tasks at once."""

    async def get(self, number: int, url: str) -> Response | Failure:
        """One attempt, no retry: a `Response` on a complete 2xx answer, else a `Failure`."""
        ...

    async def aclose(self) -> None: ...
