"""A ProcessPoolExecutor, because that is what people use: items are pickled to a worker, outputs pickled back.

An item begins when a worker begins it and ends when this process has its output, so that the way back, which is the
price of processes, is part of its service time; the way there is part of its latency. The rule: a worker that dies
ends the run with an error, at once.
"""

from __future__ import annotations

import multiprocessing
import queue
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import TypeAlias

from penstock.errors import ConfigError
from penstock.perf.measure.ending import ending_of
from penstock.perf.measure.model import AlternativeError, RunRequest
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.phases import mean_phases
from penstock.perf.strategy.poolworker import Usage, arrive, do_item, prepare
from penstock.perf.strategy.task import Lost, load_task
from penstock.perf.strategy.workercosts import workers_cpu_s
from penstock.perf.workload.model import Alternative, Workload

# A second item waits at each worker, so that it need not stand idle while the hand-off of the first goes on. More
# would only lengthen the wait; executor.map, which submits everything, keeps workers no busier.
_SUBMITTED_PER_WORKER = 2
_START_S_MAX = 600.0  # the one who measures gives up long before
_LOOK_S = 0.1
_EXIT_S_MAX = 2.0

_Answer: TypeAlias = tuple[float, object, Usage]


class ProcessesStrategy:
    """`workload.processes` workers, spawned: forking a process that has threads is not safe, and spawning is the one
    way that every system has. What it takes to start is not part of any run.

    `concurrency` of a run below the number of workers limits the items at once; above it, it changes nothing.
    """

    def __init__(self, alternative: Alternative, workload: Workload) -> None:
        self._alternative = alternative
        self._workload = workload
        self._pool: ProcessPoolExecutor | None = None
        self._processes: list[BaseProcess] = []
        self._usages: dict[int, Usage] = {}
        self._before: list[Usage] = []

    def start(self) -> None:
        load_task(self._alternative, self._workload)  # here as well: outputs are unpickled here, errors told sooner
        count = self._workload.processes
        context = multiprocessing.get_context("spawn")
        initargs = (self._alternative, self._workload, context.Barrier(count), _START_S_MAX)
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=prepare, initargs=initargs)
        # Every worker waits in its first call for the others, so that each call makes the pool start one more.
        arrivals = [self._pool.submit(arrive) for _ in range(count)]
        self._processes = list(multiprocessing.active_children())
        self._await_all(arrivals)
        self._before = list(self._usages.values())

    def run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        assert self._pool is not None, "start() comes before run()"
        self._before = list(self._usages.values())
        run = _Run(self._pool, self._workload.items, schedule, recorder, self._usages)
        try:
            run.go(self._places(schedule.request, concurrency))
        except BrokenProcessPool as error:
            raise self._death("during the run") from error

    def worker_cpu_s(self) -> float:
        """Where the system does not tell, as of each worker's last item, which leaves out handing that one back."""
        told_s = workers_cpu_s(self._usages) or sum(cpu_s for _, cpu_s, _, _ in self._usages.values())
        return told_s + sum(ended_cpu_s for _, _, ended_cpu_s, _ in self._usages.values())

    def worker_ids(self) -> tuple[int, ...]:
        return tuple(self._usages)

    def phases(self) -> Mapping[str, float]:
        return mean_phases([sums for *_, sums in self._before], [sums for *_, sums in self._usages.values()])

    def stop(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        self._processes = []
        self._usages = {}

    def _places(self, request: RunRequest, concurrency: int) -> int:
        """How many items may be at the pool; in an open loop all that are due, since they queue there for a worker."""
        workers = self._workload.processes
        if concurrency < workers:
            return concurrency
        is_open = request.loop == "open" and request.items is None
        return sys.maxsize if is_open else workers * _SUBMITTED_PER_WORKER

    def _await_all(self, arrivals: list[Future[Usage | str]]) -> None:
        waiting = set(arrivals)
        while waiting:
            ended, waiting = wait(waiting, timeout=_LOOK_S)
            # Looked at, because the executor may not notice the death of a worker that it started a moment ago.
            if any(process.exitcode is not None for process in self._processes):
                raise self._death("at its start")
            for arrival in ended:
                try:
                    usage = arrival.result()
                except BrokenProcessPool as error:
                    raise self._death("at its start") from error
                if isinstance(usage, str):
                    raise ConfigError(
                        f"a worker process of the pool cannot be used: {usage}",
                        hint="the module must import in a fresh Python process",
                    )
                self._usages[usage[0]] = usage

    def _death(self, when: str) -> AlternativeError:
        """The executor ends the other workers with SIGTERM: the first that ended otherwise is the one to name."""
        deadline_s = time.monotonic() + _EXIT_S_MAX
        for process in self._processes:
            process.join(max(0.0, deadline_s - time.monotonic()))
        codes = [process.exitcode for process in self._processes]
        own = [code for code in codes if code is not None and code != -15]
        return AlternativeError(
            self._alternative.name,
            "died",
            f"a worker process of the pool {ending_of(own[0] if own else -15)} {when}",
            hint="run the same items under sync to see what it does; killed by SIGKILL often means out of memory",
        )


class _Run:
    """One run: hands in what is due and has a place, takes back what has ended."""

    def __init__(
        self,
        pool: ProcessPoolExecutor,
        items: tuple[str, ...],
        schedule: Schedule,
        recorder: Recorder,
        usages: dict[int, Usage],
    ) -> None:
        self._pool = pool
        self._items = items
        self._schedule = schedule
        self._recorder = recorder
        self._usages = usages
        self._pending: dict[Future[_Answer], tuple[int, float]] = {}
        self._ended: queue.SimpleQueue[Future[_Answer]] = queue.SimpleQueue()

    def go(self, places: int) -> None:
        is_over = False
        taken: tuple[int, float] | None = None
        while True:
            has_place = len(self._pending) < places
            if taken is None and not is_over and has_place:
                taken = self._schedule.take()
                is_over = taken is None
            if taken is not None and has_place and taken[1] <= time.perf_counter():
                self._submit(*taken)
                taken = None
                self._collect(wait_s=0.0)
            elif taken is not None and has_place:
                self._collect(max(0.0, taken[1] - time.perf_counter()))
            elif self._pending:
                self._collect(None)
            else:
                return

    def _submit(self, number: int, due_s: float) -> None:
        future = self._pool.submit(do_item, number, self._items[number % len(self._items)])
        self._pending[future] = (number, due_s)
        future.add_done_callback(self._ended.put)

    def _collect(self, wait_s: float | None) -> None:
        """Take back what has ended; wait for the first at most `wait_s`, without an end if None."""
        try:
            future = self._ended.get(timeout=wait_s) if wait_s != 0 else self._ended.get_nowait()
            while True:
                self._tell(future)
                future = self._ended.get_nowait()
        except queue.Empty:
            return

    def _tell(self, future: Future[_Answer]) -> None:
        number, due_s = self._pending.pop(future)
        try:
            start_s, output, usage = future.result()
        except BrokenProcessPool:
            raise
        except Exception as error:  # noqa: BLE001 - whatever pickling the user's output raises
            text = " ".join(f"{type(error).__qualname__}: {error}".split())
            self._recorder.lost(number, f"the output cannot be handed back from a worker process: {text}")
            return
        end_s = time.perf_counter()
        self._usages[usage[0]] = usage
        if isinstance(output, Lost):
            self._recorder.lost(number, output.message, is_pushback=output.is_pushback)
        else:
            self._recorder.ended(number, due_s, start_s, end_s, output)
