"""`--metrics`: measures the run when somebody scrapes it, and serves the result from a thread of its own.

The run's loop measures and hands over a value that never changes; other threads only read that. The rule: metrics never
harm a run. A port in use, a scraper that hangs or a mistake in here costs the metrics, not the run.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from penstock.engine.job import JobResult, Watcher
from penstock.engine.pipeline import Pipeline
from penstock.telemetry.metrics import Context, Measured, measure, unstarted, with_verdict
from penstock.telemetry.prometheus import missing_packages, render
from penstock.telemetry.verdict import Verdict, judge
from penstock.version import __version__

if TYPE_CHECKING:
    from penstock.perf.dashboard.server import DashboardServer

_EVERY_S = 0.95  # rounds come every 0.25 s: every fourth
_JUDGED_EVERY_S = 5.0  # a verdict takes 20 ms of the interpreter, which the run's loop would like to have too
_WAIT_S = 1.0
_POLL_S = 0.02


class Say(Protocol):
    """Tells the user something; a warning also when they asked for quiet."""

    def __call__(self, text: str, *, is_warning: bool = False) -> None: ...


class _Judgement:
    """A verdict that is worked out by whoever asks first, off the run's loop."""

    def __init__(self, judge: Callable[[], Verdict]) -> None:
        self._judge = judge
        self._verdict: Verdict | None = None

    def verdict(self) -> Verdict:
        """20 ms the first time. In any thread; two at once work it out twice, to the same end."""
        if self._verdict is None:
            self._verdict = self._judge()
        return self._verdict


@dataclass(frozen=True, slots=True)
class _Look:
    """What was measured at one moment, and the newest judgement there was."""

    measured: Measured
    judgement: _Judgement | None


class MetricsFeed(Watcher):
    """Measures the run: when `page` was asked for, or every second with `is_steady`."""

    def __init__(self, say: Say, *, hosts_max: int = 0, is_steady: bool = False) -> None:
        """`say` tells the user that metrics have stopped. `hosts_max`: hosts with values of their own, the busiest."""
        self._say = say
        self._hosts_max = hosts_max
        self._is_steady = is_steady
        self._pipeline: Pipeline | None = None
        self._look: _Look | None = None
        self._is_wanted = False
        self._next_s = 0.0
        self._judgement: _Judgement | None = None
        self._judged_s = 0.0

    def started(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._guarded_look(pipeline, 0.0)

    def on_round(self, now_s: float) -> None:
        """Measure if it is time to: 0.2 ms. Else 0.1 µs."""
        if self._pipeline is not None and (self._is_wanted or (self._is_steady and now_s >= self._next_s)):
            self._is_wanted = False
            self._next_s = now_s + _EVERY_S
            self._guarded_look(self._pipeline, now_s)

    def finished(self, result: JobResult) -> None:
        """The last look: what the run has come to, with the verdict over the whole of it."""
        windows = result.observed.windows if result.observed is not None else ()
        verdict = result.observed.verdict if result.observed is not None else None
        measured = measure(result.snapshot, windows[-1] if windows else None, _context())
        self._look = _Look(measured, None if verdict is None else _Judgement(lambda: verdict))
        self._pipeline = None

    def read(self) -> Measured | None:
        """What was measured last, with a verdict; None before the run. In any thread but the loop's."""
        look = self._look
        if look is None or look.judgement is None:
            return look.measured if look is not None else None
        verdict = look.judgement.verdict()
        return with_verdict(look.measured, verdict.label, verdict.confidence)

    async def page(self, accept: str = "") -> tuple[bytes, str]:
        """The text for a scrape, and its content type. On the server's loop: waits for up to 1 s for a fresh look.

        When the run's loop is blocked it is an older one: `penstock_snapshot_timestamp_seconds` tells.
        """
        before = self._look
        self._is_wanted = True
        for _ in range(round(_WAIT_S / _POLL_S)):
            if self._look is not before or self._pipeline is None:
                break
            await asyncio.sleep(_POLL_S)
        return render(self.read() or unstarted(_context()), accept)

    def _guarded_look(self, pipeline: Pipeline, now_s: float) -> None:
        try:
            self._take_look(pipeline, now_s)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the metrics, the run goes on
            self._pipeline = None
            self._say(f"no more metrics, the run goes on: {type(error).__name__}: {error}", is_warning=True)

    def _take_look(self, pipeline: Pipeline, now_s: float) -> None:
        observer = pipeline.observer
        recent = observer.series.recent if observer is not None else ()
        if observer is not None and recent and (self._judgement is None or now_s - self._judged_s >= _JUDGED_EVERY_S):
            windows, shape, probes = list(recent), observer.shape(), observer.probes()
            self._judgement, self._judged_s = _Judgement(lambda: judge(windows, shape, probes)), now_s
        snapshot = pipeline.snapshot(hosts_max=self._hosts_max)
        self._look = _Look(measure(snapshot, recent[-1] if recent else None, _context()), self._judgement)


class MetricsServer:
    """Serves `/metrics` while it is entered. A context manager: leaving it frees the port."""

    def __init__(self, where: str, feed: MetricsFeed, say: Say) -> None:
        """`where`: `HOST:PORT` or `PORT`. Raises ConfigError when it is something else, or the extra is missing."""
        from penstock.perf.dashboard.address import parse_address

        self._address = parse_address(where, "--metrics")
        check_extra()
        self._feed = feed
        self._say = say
        self._server: DashboardServer | None = None

    def __enter__(self) -> MetricsServer:
        from penstock.perf.dashboard.server import DashboardServer, ServerOptions

        server = DashboardServer(ServerOptions(self._address, metrics=self._feed.page, has_page=False))
        try:
            server.start()
        except OSError as error:
            self._say(
                f"no metrics: {self._address} cannot be had: {error.strerror or error}; the run goes on without "
                "(--metrics=127.0.0.1:0 takes a free port)",
                is_warning=True,
            )
            return self
        self._server = server
        if not self._address.is_loopback:
            self._say(f"the metrics on {self._address} can be read by whoever reaches it", is_warning=True)
        self._say(f"metrics on {self.url}")
        return self

    def __exit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @property
    def url(self) -> str | None:
        """Where to scrape, with the port that it really is; None while it does not serve."""
        return f"http://{self._server.address}/metrics" if self._server is not None else None


def check_extra() -> None:
    """Raise ConfigError when a package that `--metrics` needs is not installed."""
    missing = [name for name in ("prometheus_client", "starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise missing_packages(missing)


def _context() -> Context:
    return Context((__version__, platform.python_version()), taken_at_s=time.time())
