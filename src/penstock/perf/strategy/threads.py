"""A pool of threads that serve themselves: each takes the next item, waits until it is due, and does it.

That is the FIFO queue of N servers that an executor makes, without the thread that feeds it: items begin in the order
they are due, each as soon as a thread is free. Every thread has its own client; both stay warm between runs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.phases import NO_SUMS, Sums, mean_phases
from penstock.perf.strategy.task import Task, TaskMaker, load_task, work_through
from penstock.perf.workload.model import Alternative, Workload

_JOIN_S_MAX = 2.0
_FILES_SURELY_THERE = 32  # threads, under the smallest usual limit of 256 open files (macOS)


class ThreadsStrategy:
    """`concurrency` threads for a run; those of `workload.concurrency` are started by `start`, more when asked for."""

    def __init__(self, alternative: Alternative, workload: Workload) -> None:
        self._alternative = alternative
        self._workload = workload
        self._make: TaskMaker | None = None
        self._done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._places: list[_Place] = []
        self._before: list[Sums] = []
        self._after: list[Sums] = []

    def start(self) -> None:
        self._make = load_task(self._alternative, self._workload)
        self._grow_to(self._workload.concurrency)

    def run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        self._grow_to(concurrency)
        places = self._places[:concurrency]
        self._before = [place.sums for place in places]
        run = _Run(self._workload.items, schedule, recorder)
        for place in places:
            place.inbox.put(run)
        for _ in places:
            self._done.get()
        self._after = [place.sums for place in places]
        if run.errors:
            raise run.errors[0]

    def worker_cpu_s(self) -> float:
        return 0.0

    def worker_ids(self) -> tuple[int, ...]:
        return ()

    def phases(self) -> Mapping[str, float]:
        return mean_phases(self._before, self._after)

    def stop(self) -> None:
        """A thread that is stuck in an item is left to the end of the process."""
        places, self._places = self._places, []
        for place in places:
            place.inbox.put(None)
        deadline_s = time.monotonic() + _JOIN_S_MAX
        for place in places:
            place.join(max(0.0, deadline_s - time.monotonic()))

    def _grow_to(self, count: int) -> None:
        assert self._make is not None, "start() comes before run()"
        if count > _FILES_SURELY_THERE:
            from penstock.perf.strategy.loops import make_room

            make_room(count)  # of one each, and some for what libcurl wakes itself with
        new = [_Place(self._make, self._done) for _ in range(count - len(self._places))]
        self._places.extend(new)
        for place in new:
            place.start()
        errors = [self._done.get() for _ in new]
        for error in errors:
            if error is not None:
                raise error


@dataclass
class _Run:
    items: tuple[str, ...]
    schedule: Schedule
    recorder: Recorder
    errors: list[BaseException] = field(default_factory=list)
    """The first one ends the run for all threads."""


class _Place(threading.Thread):
    """Puts into `done` once when its client is ready, with the reason when it cannot be, and once per run."""

    def __init__(self, make: TaskMaker, done: queue.SimpleQueue[BaseException | None]) -> None:
        super().__init__(name="penstock-place", daemon=True)
        self.inbox: queue.SimpleQueue[_Run | None] = queue.SimpleQueue()
        self.sums = NO_SUMS
        self._make = make
        self._done = done

    def run(self) -> None:
        try:
            task = self._make()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for this one
            self._done.put(error)
            return
        self._done.put(None)
        try:
            while (run := self.inbox.get()) is not None:
                self._serve(task, run)
        finally:
            task.close()

    def _serve(self, task: Task, run: _Run) -> None:
        try:
            work_through(task, run.items, run.schedule, run.recorder, run.errors)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for this one
            run.errors.append(error)
        self.sums = task.sums()
        self._done.put(None)
