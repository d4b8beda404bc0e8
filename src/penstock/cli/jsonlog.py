"""`--log-format json`: turns what happens in a run into the events of `telemetry.jsonlog`, in the engine's rounds."""

from __future__ import annotations

import logging

from penstock.engine.job import JobResult, Watcher
from penstock.engine.pipeline import Pipeline
from penstock.telemetry.jsonlog import Event, JsonLog, finished_fields, progress_fields, started_fields
from penstock.telemetry.lag import LATE_S
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.stats import summary_dict
from penstock.version import __version__

PROGRESS_EVERY_S = 5.0


class JsonLogWatcher(Watcher):
    """Writes `run_started`, `progress` every 5 s, `drain_started` and `loop_late` once, and `run_finished`."""

    def __init__(self, log: JsonLog, out: str) -> None:
        """`out`: the output folder, as it was given."""
        self._log = log
        self._out = out
        self._rates = Rates()
        self._pipeline: Pipeline | None = None
        self._next_s: float | None = None
        self._is_draining = False
        self._is_late = False

    def started(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._log.write("run_started", started_fields(pipeline.snapshot(), out=self._out, version=__version__))

    def on_round(self, now_s: float) -> None:
        """A look costs 0.02 ms, a line 0.1 ms."""
        if self._pipeline is None:
            return
        snapshot = self._pipeline.snapshot()
        counters = snapshot.counters
        left = None if snapshot.total is None else snapshot.total - counters.ended_ever
        self._rates.update(now_s, ended=counters.ended, bytes_body=counters.bytes_body, left=left)
        if snapshot.state.startswith(("draining", "cancelled")):
            self._drained(snapshot)
        lag_s = snapshot.loop_lag_s_p95
        if not self._is_late and lag_s is not None and lag_s > LATE_S:
            self._is_late = True
            self._log.write("loop_late", {"elapsed_s": snapshot.elapsed_s, "loop_lag_s_p95": lag_s})
        if self._next_s is None:
            self._next_s = now_s + PROGRESS_EVERY_S  # a short run has its end only
        elif now_s >= self._next_s:
            self._next_s = now_s + PROGRESS_EVERY_S
            self._log.write("progress", progress_fields(snapshot, self._rates))

    def finished(self, result: JobResult) -> None:
        """The end: what the user should know, what went wrong, and the summary without what is long."""
        self._pipeline = None
        if result.run.state == "interrupted":
            self._drained(result.snapshot)  # it took less than a round
        if result.note:
            self._log.write("warning", {"message": result.note})
        error = result.run.error
        if error is not None:
            kind = type(error).__name__
            self._log.write("error", {"message": str(error), "error": kind, "hint": error.hint})
        summary = summary_dict(result.snapshot, result.facts, result.observed)
        self._log.write("run_finished", finished_fields(summary, result.exit_code))

    def _drained(self, snapshot: Snapshot) -> None:
        if self._is_draining:
            return
        self._is_draining = True
        pending = snapshot.counters.pending
        fields = {"elapsed_s": snapshot.elapsed_s, "in_flight": snapshot.in_flight, "pending": pending}
        self._log.write("drain_started", fields)


class LoggedAsJson(logging.Handler):
    """While it is entered, what libraries log from warnings up becomes an event, so that stderr stays JSON lines."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def __enter__(self) -> LoggedAsJson:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        event: Event = "error" if record.levelno >= logging.ERROR else "warning"
        try:
            self._log.write(event, {"message": record.getMessage(), "logger": record.name})
        except Exception:  # noqa: BLE001 - logging's rule: a record that cannot be formatted must not raise at its caller
            self.handleError(record)
