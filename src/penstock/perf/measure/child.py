"""`python -m penstock.perf.measure.child`: the process that one alternative lives in, started by `MeasuredProcess`.

It speaks the lines of `wire` over what were its standard input and output. The rules: whatever the user's code does
becomes an error line, never a broken protocol; and this process ends when its parent does, also in the middle of a run.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

from penstock.errors import PenstockError
from penstock.perf.measure.cost import CostMeter
from penstock.perf.measure.model import AlternativeError, RunRequest
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.measure.whereabouts import tell_stack_on_signal, user_line
from penstock.perf.measure.wire import request_from_json, result_to_json
from penstock.perf.strategy.make import make_strategy
from penstock.perf.strategy.model import StrategyRunner
from penstock.perf.workload.digest import digest
from penstock.perf.workload.model import Alternative, Workload
from penstock.process.records import failure_from

_END_S_MAX = 2.0


def main() -> int:
    # Whoever interrupts the comparison interrupts its parent, which ends this process; a traceback of each child, and
    # of each worker process (which inherit this), would only bury what the parent has to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tell_stack_on_signal()
    wire = _Wire(*_take_over_descriptors())
    threading.Thread(target=wire.listen, name="penstock-wire", daemon=True).start()
    document = wire.requests.get()
    if document is None:
        return 0
    measured: _MeasuredStrategy | None = None
    try:
        sys.path.extend(folder for folder in document["path"] if folder not in sys.path)
        alternative = Alternative.from_json(document["alternative"])
        measured = _MeasuredStrategy(alternative, Workload.from_json(document["workload"]))
        measured.strategy.start()
        _settle_memory()
        wire.workers = measured.strategy.worker_ids()
        wire.send({"ready": True, "pid": os.getpid(), "workers": wire.workers})
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything, also SystemExit
        wire.send(_error_to_json(error, "start"))
    else:
        _serve(wire, measured)
    if measured is not None:
        measured.strategy.stop()
    return 0


class _Wire:
    """Both ends of the pipe to the parent. A thread of its own reads, so that a run can be asked how far it is, and the
    parent's end is noticed while user code runs; it costs a run nothing, since it is blocked in `read`."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self.requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.recorder: Recorder | None = None
        self.workers: tuple[int, ...] = ()
        self.is_busy = True
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send(self, document: dict[str, Any]) -> None:
        data = json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"
        with self._lock:
            self._writer.write(data)
            self._writer.flush()

    def listen(self) -> None:
        for line in self._reader:
            document = json.loads(line)
            if "ask" in document:
                told = self.recorder.told if self.recorder is not None else 0
                self.send({"asked": document["ask"], "progress": told, "at": user_line()})
            else:
                self.requests.put(document)
        self.requests.put(None)
        if not self.is_busy:
            # The main thread ends the strategy; nothing can join this daemon, so it only returns here if that fails.
            threading.Event().wait(_END_S_MAX)
        self._end_by_force()

    def _end_by_force(self) -> None:
        """The parent is gone, so nobody waits for what is still running."""
        for pid in self.workers:
            _kill_own(pid)
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGTERM)  # not SIGKILL: see `ending.end_group`
        os._exit(1)


class _MeasuredStrategy:
    """A strategy, and what one run of it cost and did."""

    def __init__(self, alternative: Alternative, workload: Workload) -> None:
        self.alternative = alternative
        self.strategy: StrategyRunner = make_strategy(alternative, workload)
        self._workload = workload
        self._meter = CostMeter(self.strategy.worker_ids, self.strategy.worker_cpu_s)

    def run(self, request: RunRequest, wire: _Wire) -> dict[str, Any]:
        # Garbage of the run before is not this run's to collect.
        gc.collect()
        self._meter.begin()
        schedule = Schedule(request)
        recorder = wire.recorder = Recorder(schedule, len(self._workload.items), digest)
        self.strategy.run(schedule, recorder, request.concurrency)
        cost = self._meter.end()
        result = recorder.result(
            concurrency=self._concurrency(request),
            cpu_s=cost.cpu_s,
            rss_bytes=cost.rss_bytes,
            switches=cost.switches,
            phases=self.strategy.phases(),
        )
        return result_to_json(result)

    def _concurrency(self, request: RunRequest) -> int:
        """What the strategy makes of the concurrency that was asked for."""
        match self.alternative.strategy:
            case "sync":
                return 1
            case "processes":
                return min(request.concurrency, self._workload.processes)
            case _:
                return request.concurrency


def _serve(wire: _Wire, measured: _MeasuredStrategy) -> None:
    while True:
        wire.is_busy = False
        document = wire.requests.get()
        if document is None:
            return
        wire.is_busy = True
        try:
            result = measured.run(request_from_json(document["run"]), wire)
            wire.workers = measured.strategy.worker_ids()
            wire.send({"result": result, "workers": wire.workers})
        except BaseException as error:  # noqa: BLE001 - the user's code may raise anything, also SystemExit
            wire.send(_error_to_json(error, "raised"))


def _settle_memory() -> None:
    """Collect once, and take what is there (modules, clients) out of the collector's sight. Otherwise a full collection
    would walk all of it, some 10 ms, in the runs in which one happens to fall due: noise in 0.4 s, and no property of
    a strategy. What runs allocate is collected as ever, because that is a strategy's own cost."""
    gc.collect()
    gc.freeze()


def _take_over_descriptors() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's own copies of descriptors 0 and 1, not inherited; user code finds an empty input there, and what
    it prints goes to standard error."""
    reader, writer = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return open(reader, "rb"), open(writer, "wb")


def _error_to_json(error: BaseException, trouble: str) -> dict[str, Any]:
    match error:
        case AlternativeError():
            message = str(error).removeprefix(f"{error.alternative}: ")
            return {"error": message, "hint": error.hint, "trouble": error.trouble}
        case PenstockError():
            return {"error": str(error), "hint": error.hint, "trouble": trouble}
        case _:
            return {"error": failure_from(error).message, "hint": None, "trouble": trouble}


def _kill_own(pid: int) -> None:
    try:
        if os.getpgid(pid) == os.getpgrp():
            os.kill(pid, signal.SIGKILL)
    except (OSError, AttributeError):
        pass  # it has ended, or the system has no groups


if __name__ == "__main__":
    sys.exit(main())
