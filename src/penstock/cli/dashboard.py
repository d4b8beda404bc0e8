"""`--dashboard`: starts the live page beside a run, feeds it from the engine's rounds, and takes it down at the end.

The server is `perf.dashboard`. The rule: a dashboard never harms a run. A port in use, a page that is slow or a mistake
in here costs the dashboard, not the run.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from penstock.cli.metrics import MetricsFeed, Say
from penstock.engine.job import JobResult, Watcher
from penstock.engine.pipeline import Pipeline
from penstock.errors import ConfigError
from penstock.perf.dashboard.address import parse_address
from penstock.perf.dashboard.hub import Update
from penstock.perf.dashboard.live import live_json
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.verdict import judge

if TYPE_CHECKING:
    from penstock.perf.dashboard.live import Phase
    from penstock.perf.dashboard.server import DashboardServer
    from penstock.telemetry.window import Window

HOSTS_SHOWN = 20
_INTERVAL_S = 0.95  # rounds come every 0.25 s: every fourth
_JUDGED_EVERY_S = 5.0


class DashboardWatcher(Watcher):
    """Serves the page while it is entered. A context manager: leaving it ends the streams and frees the port."""

    def __init__(self, where: str, about: Mapping[str, object], say: Say) -> None:
        """`where`: `HOST:PORT` or `PORT`, port 0 takes a free one. `about`: `title` and `version` for the page.

        `say` tells the user where the page is. With the extra `metrics` installed, `/metrics` is served beside it.
        Raises ConfigError when `where` is something else, or when the extra `dashboard` is not installed.
        """
        self._address = parse_address(where)
        _check_extra()
        self._about = dict(about)
        self._say = say
        self._metrics = MetricsFeed(say) if find_spec("prometheus_client") is not None else None
        self._server: DashboardServer | None = None
        self._feed: _Feed | None = None
        self._result: JobResult | None = None

    def __enter__(self) -> DashboardWatcher:
        from penstock.perf.dashboard.server import DashboardServer, ServerOptions

        metrics = self._metrics.page if self._metrics is not None else None
        server = DashboardServer(ServerOptions(self._address, about=self._about, metrics=metrics))
        try:
            server.start()
        except OSError as error:
            self._say(
                f"no dashboard: {self._address} cannot be had: {error.strerror or error}; the run goes on without "
                "(--dashboard alone takes a free port)",
                is_warning=True,
            )
            return self
        self._server = server
        if not self._address.is_loopback:
            where = f"the dashboard listens on {server.address}, unencrypted"
            self._say(f"{where}: who reads the token on the way can steer the run", is_warning=True)
        # A warning, so that it is said with -q too: without the link nobody can open the page.
        self._say(f"dashboard {server.url}", is_warning=True)
        return self

    def __exit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        try:
            last = self._feed.last(self._result) if self._feed is not None else None
        except Exception as error:  # noqa: BLE001 - as in on_round: the result of the run stands
            last = None
            self._say(f"the dashboard could not show the end: {type(error).__name__}: {error}", is_warning=True)
        server.stop(last)

    def finished(self, result: JobResult) -> None:
        """The run has ended like this. To be called before leaving; without it the page says that it was stopped."""
        self._result = result
        if self._metrics is not None:
            self._metrics.finished(result)

    def started(self, pipeline: Pipeline) -> None:
        if self._server is not None:
            self._server.steering.attach(pipeline, asyncio.get_running_loop())
            self._feed = _Feed(pipeline, self._server)
            if self._metrics is not None:
                self._metrics.started(pipeline)

    def on_round(self, now_s: float) -> None:
        """Publish what is new. Costs under 1 ms of CPU a second, with a page open or without."""
        if self._feed is None:
            return
        if self._metrics is not None:
            self._metrics.on_round(now_s)
        try:
            self._feed.round(now_s)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the dashboard, the run goes on
            self._feed = None
            what = f"{type(error).__name__}: {error}"
            self._say(f"the dashboard stops showing news, the run goes on: {what}", is_warning=True)


class _Feed:
    """What of a pipeline has been published so far. On the run's loop, but `last`, which comes after it."""

    def __init__(self, pipeline: Pipeline, server: DashboardServer) -> None:
        self._pipeline = pipeline
        self._server = server
        self._rates = Rates()
        self._snapshot: Snapshot | None = None
        self._judged_s = self._published_s = -math.inf
        self._shown: tuple[object, ...] = ()
        self._end_s = 0.0

    def round(self, now_s: float) -> None:
        """Publish if a second has gone, or at once if a page was opened or a command has taken effect."""
        hub, pipeline = self._server.hub, self._pipeline
        hub.beat()
        snapshot = self._snapshot = pipeline.snapshot()
        shown = (hub.arrivals, _phase(snapshot), snapshot.limit)
        if now_s - self._published_s < _INTERVAL_S and shown == self._shown:
            return
        self._published_s, self._shown = now_s, shown
        counters = snapshot.counters
        left = None if snapshot.total is None else snapshot.total - counters.ended_ever
        self._rates.update(now_s, ended=counters.ended, bytes_body=counters.bytes_body, left=left)
        if hub.clients:
            snapshot = self._snapshot = pipeline.snapshot(hosts_max=HOSTS_SHOWN)
            live = self._live(snapshot, _phase(snapshot))
            hub.publish(Update(self._new_windows(), live, self._judge(now_s)))
        else:
            hub.publish(Update(self._new_windows()))

    def last(self, result: JobResult | None) -> Update:
        """The end of the run: what has come since, and the final counts. Without a result it was broken off."""
        windows = self._new_windows()
        if result is not None:
            over, phase = replace(result.snapshot, hosts=result.snapshot.hosts[:HOSTS_SHOWN]), result.run.state
        elif self._snapshot is not None:
            over, phase = self._snapshot, "stopped"  # the counters it shares are of now
        else:
            return Update(windows)
        observed = result.observed if result is not None else None
        judging = observed.verdict.to_json if observed is not None else None
        return Update(windows, self._live(over, phase), judging)

    def _live(self, snapshot: Snapshot, phase: Phase) -> bytes:
        return live_json(snapshot, self._rates, phase, has_series=self._pipeline.observer is not None)

    def _new_windows(self) -> tuple[Window, ...]:
        observer = self._pipeline.observer
        if observer is None:
            return ()
        new = tuple(window for window in observer.series.recent if window.end_s > self._end_s)
        if new:
            self._end_s = new[-1].end_s
        return new

    def _judge(self, now_s: float) -> Callable[[], dict[str, object]] | None:
        """What makes the verdict over the last two minutes; None when it is not time for one. Called by the hub."""
        observer = self._pipeline.observer
        if observer is None or not observer.series.recent or now_s - self._judged_s < _JUDGED_EVERY_S:
            return None
        self._judged_s = now_s
        windows, shape, probes = list(observer.series.recent), observer.shape(), observer.probes()
        return lambda: judge(windows, shape, probes).to_json()


def _phase(snapshot: Snapshot) -> Phase:
    """What the engine's own words for the user say: `paused: 3 in flight`, `draining: …`."""
    if snapshot.state.startswith(("draining", "cancelled")):
        return "draining"
    return "paused" if snapshot.state.startswith("paused") else "running"


def _check_extra() -> None:
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--dashboard: expected {' and '.join(missing)} to be installed, found no such package",
            hint="pip install 'penstock[dashboard]'",
        )
