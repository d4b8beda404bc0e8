"""One place: an item after another, in the process's main thread. The simplest program, and the base line of the rest.

In an open loop items wait for the one before: their latency says how late they were begun.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.phases import NO_SUMS, mean_phases
from penstock.perf.strategy.task import Task, load_task, work_through
from penstock.perf.workload.model import Alternative, Workload


class SyncStrategy:
    """`concurrency` of a run is 1, whatever is asked for."""

    def __init__(self, alternative: Alternative, workload: Workload) -> None:
        self._alternative = alternative
        self._workload = workload
        self._task: Task | None = None
        self._before = self._after = NO_SUMS

    def start(self) -> None:
        self._task = load_task(self._alternative, self._workload)()

    def run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        assert self._task is not None, "start() comes before run()"
        self._before = self._task.sums()
        work_through(self._task, self._workload.items, schedule, recorder, [])
        self._after = self._task.sums()

    def worker_cpu_s(self) -> float:
        return 0.0

    def worker_ids(self) -> tuple[int, ...]:
        return ()

    def phases(self) -> Mapping[str, float]:
        return mean_phases([self._before], [self._after])

    def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.close()
