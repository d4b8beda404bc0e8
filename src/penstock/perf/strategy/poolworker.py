"""What runs in a worker process of the `processes` strategy: one item at a time, answered with its output and costs.

The rule: `prepare` never raises, because a pool whose initializer fails tells nobody why; `arrive` answers the reason.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from penstock.errors import PenstockError
from penstock.perf.measure.cost import ended_children_cpu_s
from penstock.perf.strategy.phases import NO_SUMS, Sums
from penstock.perf.strategy.task import Task, load_task
from penstock.perf.workload.model import Alternative, Workload
from penstock.process.records import failure_from

Usage: TypeAlias = tuple[int, float, float, Sums]
"""What a worker has used since its start: its process id, CPU seconds, those of children it has waited for, its phases.

A plain tuple, because each item carries one: pickling and unpickling it takes 2.5 µs, a dataclass 7.6."""


class _Prepared(threading.local):
    """What `prepare` leaves for the calls that follow in the same process."""

    task: Task | None = None
    problem: BaseException | None = None
    arrival: Callable[[], object] | None = None


# A pool's initializer has no other way to hand something to its calls; only worker processes ever set it.
_prepared = _Prepared()


def prepare(alternative: Alternative, workload: Workload, barrier: Any, wait_s_max: float) -> None:
    """The pool's initializer. `barrier` has as many parties as the pool has workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prepared.arrival = lambda: barrier.wait(wait_s_max)
    try:
        _prepared.task = load_task(alternative, workload)()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - `arrive` reports it, whatever it is
        _prepared.problem = error
    gc.collect()
    gc.freeze()  # as in the measured process itself, see measure/child.py


def arrive() -> Usage | str:
    """Waits for the other workers, so that each of them answers one of these calls: then all are warm."""
    if _prepared.arrival is not None:
        _prepared.arrival()
    problem = _prepared.problem
    if problem is not None:
        return str(problem) if isinstance(problem, PenstockError) else failure_from(problem).message
    return _usage(NO_SUMS)


def do_item(number: int, item: str) -> tuple[float, object, Usage]:
    """When the work on it began, its output or `Lost`, and what this worker has used so far."""
    task = _prepared.task
    assert task is not None, "prepare() comes before do_item()"
    start_s = time.perf_counter()
    output = task.do(number, item)
    return start_s, output, _usage(task.sums())


def _usage(sums: Sums) -> Usage:
    return os.getpid(), time.process_time(), ended_children_cpu_s(), sums
