"""Everything that watches a run besides the live view, as the flags ask for it: JSON lines, metrics, traces.

It joins watchers to a run and takes them down in order; what they do is in `metrics.py`, `otel.py` and `jsonlog.py`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from penstock.engine.job import JobResult, Watcher
from penstock.engine.pipeline import Pipeline

if TYPE_CHECKING:
    from penstock.fetch.transport import Transport
    from penstock.telemetry.jsonlog import JsonLog


class Watchers(Watcher):
    """Several watchers as one, in their order."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)

    def started(self, pipeline: Pipeline) -> None:
        for watcher in self._watchers:
            watcher.started(pipeline)

    def on_round(self, now_s: float) -> None:
        for watcher in self._watchers:
            watcher.on_round(now_s)


class Observation:
    """What watches one run. A context manager; `watchers` and `wrap_transport` are for `run_job`, inside it.

    Flags that it reads: `log_format`, `quiet`, `metrics` (None: off), `metrics_hosts`, `otel`, `otel_ratio`, `out`.
    """

    def __init__(self, command: str, parameters: Mapping[str, Any]) -> None:
        """`command`: `fetch` or `retry`. Raises ConfigError when an extra is missing or an address cannot be read."""
        self.watchers: list[Watcher] = []
        self.wrap_transport: Callable[[Transport], Transport] | None = None
        self._finishers: list[Callable[[JobResult], None]] = []
        self._parts: list[Any] = []
        self._stack = ExitStack()
        self._is_quiet = bool(parameters["quiet"])
        self._log = _json_log(parameters)
        if self._log is not None:
            self._add_log(self._log, str(parameters["out"]))
        if parameters["metrics"] is not None or parameters["otel"]:
            self._add_metrics(command, parameters)

    @property
    def is_json(self) -> bool:
        """Whether stderr holds JSON lines, and nothing else may be written there."""
        return self._log is not None

    def say(self, text: str, *, is_warning: bool = False) -> None:
        """Tell the user something, in the form that stderr has; with `-q` warnings only."""
        if self._log is not None:
            self._log.write("warning" if is_warning else "notice", {"message": text})
        elif is_warning or not self._is_quiet:
            click.echo(f"penstock: {text}", err=True)

    def finished(self, result: JobResult) -> None:
        """Hand the result to all who tell of it. Call it inside the context, once."""
        for finish in self._finishers:
            finish(result)

    def __enter__(self) -> Observation:
        try:
            for part in self._parts:
                self._stack.enter_context(part)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _add_log(self, log: JsonLog, out: str) -> None:
        from penstock.cli.jsonlog import JsonLogWatcher, LoggedAsJson

        self._parts.append(LoggedAsJson(log))
        watcher = JsonLogWatcher(log, out)
        self.watchers.append(watcher)
        self._finishers.append(watcher.finished)

    def _add_metrics(self, command: str, parameters: Mapping[str, Any]) -> None:
        from penstock.cli.metrics import MetricsFeed, MetricsServer

        feed = MetricsFeed(self.say, hosts_max=parameters["metrics_hosts"], is_steady=parameters["otel"])
        self.watchers.append(feed)
        self._finishers.append(feed.finished)
        if parameters["otel"]:
            from penstock.cli.otel import OtelSession

            session = OtelSession(command, feed, ratio=parameters["otel_ratio"])
            self._parts.append(session)
            self._finishers.append(session.finished)
            self.wrap_transport = session.wrap_transport
        if parameters["metrics"] is not None:
            self._parts.append(MetricsServer(parameters["metrics"], feed, self.say))


def _json_log(parameters: Mapping[str, Any]) -> JsonLog | None:
    if parameters["log_format"] != "json":
        return None
    from penstock.telemetry.jsonlog import JsonLog

    return JsonLog(sys.stderr, time.time, is_quiet=parameters["quiet"])
