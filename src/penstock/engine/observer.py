"""Turns a run into its series: looks on every beat, a window every second, a probe now and then, a verdict when asked.

It reads what the other parts count and changes nothing but the probe's lowered limit. The rule: all of it costs at most
3 % of a record's CPU (benchmarks/telemetry_cost.py), so nothing here happens per item.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from penstock.engine.busyclock import BusyClock
from penstock.engine.occupancy import Levels, Occupancy
from penstock.engine.options import EngineOptions
from penstock.policy.concurrency import SettableLimiter
from penstock.policy.probe import AUTO_COST_SHARE, EARLY_COST_SHARE, ElasticityProbe, Moment, ProbeResult, Reading
from penstock.process.options import Runner
from penstock.process.runner import available_cores
from penstock.telemetry.counters import Counters
from penstock.telemetry.format import percent_text
from penstock.telemetry.lag import LoopLag
from penstock.telemetry.machine import MachineMeter
from penstock.telemetry.observed import Observed
from penstock.telemetry.series import Series
from penstock.telemetry.verdict import Verdict, judge
from penstock.telemetry.verdict_wording import SURE
from penstock.telemetry.window import Probe, RunShape, Window

WINDOW_S = 1.0
_LAST_WINDOW_S_MIN = 0.1
_PROBE_STEP_S = 0.06
_VERDICT_S = 5.0
_VERDICT_WINDOWS_MIN = 6
# Counters whose growth a window holds, and under which name.
_GROWING = {
    **{name: name for name in ("admitted", "ended", "written", "failed", "skipped", "records", "attempts", "answers")},
    **{
        name: name for name in ("retries", "throttled", "deferred", "bytes_body", "bytes_durable", "shards", "connects")
    },
    **{f"{phase}_sum_s": f"{phase}_s" for phase in ("dns", "connect", "tls", "ttfb", "body", "total")},
}
_PLACES = tuple(field.name for field in fields(Levels) if field.name.startswith("fetch_"))
_MEANS = ("processing", "queued", "delayed", "channel_items", "credit_items", "credit_bytes", "limit")
_SOURCE = ("source_busy", "source_blocked", "source_ended")


@dataclass(frozen=True, slots=True)
class SinkClocks:
    """The clocks of the writing side: `busy` in a call of the sink, `commit` the part of it that commits, if known."""

    busy: BusyClock
    commit: BusyClock | None = None


class Observer:
    """One run's telemetry. All methods on the loop's thread. `on_window` gets each window as it is closed."""

    def __init__(
        self,
        options: EngineOptions,
        occupancy: Occupancy,
        counters: Counters,
        lag: LoopLag,
        *,
        runner: Runner,
        sinks: SinkClocks,
        limiter: SettableLimiter,
        slot_s: Callable[[], float],
        buffered_bytes: Callable[[], int],
        on_window: Callable[[Window], None] | None = None,
    ) -> None:
        self.series = Series()
        self._options = options
        self._occupancy = occupancy
        self._counters = counters
        self._lag = lag
        self._runner = runner
        self._sinks = sinks
        self._limiter = limiter
        self._slot_s = slot_s
        self._buffered_bytes = buffered_bytes
        self._on_window = on_window
        self._meter = MachineMeter()
        self._probe = ElasticityProbe(EARLY_COST_SHARE if options.probe == "early" else AUTO_COST_SHARE)
        self._is_probed = False
        self._started_s = self._last_look_s = self._window_s = self._next_probe_s = 0.0
        self._next_verdict_s = 0.0
        self._limited_by = ""
        self._totals: dict[str, float] = {}
        self._marks: list[list[int]] = []
        self._busy_s = self._commit_s = self._process_s = self._late_s = self._slots_s = 0.0

    def start(self, now_s: float) -> None:
        """The run begins at `now_s` (the loop's clock)."""
        self._started_s = self._last_look_s = self._window_s = now_s
        self._meter.read(now_s)
        self._remember()

    def on_beat(self, now_s: float, *, workers: int, is_ending: bool) -> None:
        """Look, and let the probe have its say. Every 20 ms; about 10 µs."""
        span_s = now_s - self._last_look_s
        if span_s <= 0:
            return
        self._last_look_s = now_s
        self._occupancy.look(
            span_s, workers=workers, limit=self._limiter.limit(), buffered_bytes=self._buffered_bytes(), now_s=now_s
        )
        if self._options.probe != "off" and now_s >= self._next_probe_s:
            self._next_probe_s = now_s + _PROBE_STEP_S
            self._limiter.lowered = self._step_probe(now_s, is_ending=is_ending)
        self._is_probed |= self._limiter.lowered is not None

    def on_round(self, now_s: float) -> None:
        """Close the window if a second is over. A few times a second."""
        if now_s - self._window_s >= WINDOW_S:
            self._close_window(now_s)

    def finish(self, now_s: float) -> None:
        """Close the last window, unless it is too short to say anything."""
        if now_s - self._window_s >= _LAST_WINDOW_S_MIN:
            self._close_window(now_s)

    def limited_by(self, now_s: float) -> str:
        """The verdict so far in a few words, at most a few seconds old; empty while nothing can be said."""
        if now_s >= self._next_verdict_s and len(self.series.recent) >= _VERDICT_WINDOWS_MIN:
            self._next_verdict_s = now_s + _VERDICT_S
            verdict = self.verdict()
            is_told = verdict.label != "mixed" or verdict.confidence >= SURE
            self._limited_by = f"{verdict.name} ({percent_text(verdict.confidence)})" if is_told else ""
        return self._limited_by

    def verdict(self) -> Verdict:
        """What limits the run, judged over the last two minutes while it goes on. Some milliseconds."""
        return judge(list(self.series.recent), self.shape(), self.probes())

    def observed(self) -> Observed:
        """Everything for stats.json, the verdict over the whole run."""
        shape, probes = self.shape(), self.probes()
        return Observed(
            windows=self.series.windows,
            shape=shape,
            probes=probes,
            verdict=judge(self.series.windows, shape, probes),
            cpu_by_thread=self._meter.cpu_by_thread,
        )

    def shape(self) -> RunShape:
        options, decision = self._options, self._runner.decision
        mode = decision.mode
        if mode == "inline" and self._runner.inline is None:
            mode_name = "async"
        else:
            mode_name = "inline" if mode == "measuring" else mode
        return RunShape(
            concurrency=self._limiter.value,
            concurrency_per_host=options.concurrency_per_host,
            rate_per_s=None if options.rate is None else options.rate.per_s,
            rate_per_host_per_s=None if options.rate_per_host is None else options.rate_per_host.per_s,
            process_mode=mode_name,
            process_workers=decision.workers,
            cores=available_cores(),
            hosts=max(1, len(self._counters.hosts)),
        )

    def probes(self) -> list[Probe]:
        return [_probe(result) for result in self._probe.results]

    def _step_probe(self, now_s: float, *, is_ending: bool) -> int | None:
        recent = self.series.recent
        if not recent:
            return None
        last, counters = recent[-1], self._counters
        loop_busy = max((last.loop_run or 0.0) + (last.loop_runqueue or 0.0), last.loop_late)
        moment = Moment(self._limiter.value, last.fetch_busy, loop_busy, last.total_s_p50, is_ending, last.fetch_host)
        reading = Reading(
            counters.answers, counters.bytes_body, counters.ttfb_sum_s, counters.body_sum_s, self._slot_s()
        )
        return self._probe.step(now_s - self._started_s, reading, moment)

    def _close_window(self, now_s: float) -> None:
        span_s = now_s - self._window_s
        window = Window(end_s=now_s - self._started_s, span_s=span_s, is_probe=self._is_probed)
        for counter, name in _GROWING.items():
            grown = getattr(self._counters, counter) - self._totals[counter]
            setattr(window, name, max(0, grown))
        self._fill_levels(window, self._occupancy.take())
        self._fill_shares(window, span_s)
        self._fill_percentiles(window)
        reading = self._meter.read(now_s)
        for name in ("loop_run", "loop_runqueue", "cpu_s", "cpu_children_s", "runqueue_s", "rss_bytes", "fds"):
            setattr(window, name, getattr(reading, name))
        window.machine_busy, window.machine_steal = reading.machine_busy, reading.machine_steal
        self._window_s = now_s
        self._is_probed = self._limiter.lowered is not None
        self._remember()
        self.series.add(window)
        if self._on_window is not None:
            self._on_window(window)

    def _fill_levels(self, window: Window, levels: Levels) -> None:
        if levels.span_s <= 0:
            return
        for name in _MEANS:
            setattr(window, name, getattr(levels, name) / levels.span_s)
        for name in _SOURCE:
            setattr(window, name, getattr(levels, name) / levels.span_s)
        if levels.limit > 0:
            for name in _PLACES:
                setattr(window, name, getattr(levels, name) / levels.limit)
            window.fetch_busy = (levels.in_flight + levels.starting) / levels.limit
        window.process_busy = levels.process_workers / (levels.span_s * self._occupancy.process_workers)

    def _fill_shares(self, window: Window, span_s: float) -> None:
        busy, commit = self._sinks.busy, self._sinks.commit
        window.sink_busy = _share(busy.total_s() - self._busy_s, span_s)
        if commit is not None:
            window.sink_commit = min(window.sink_busy, _share(commit.total_s() - self._commit_s, span_s))
        inline_s = self._counters.process_s - self._process_s
        if inline_s > 0:
            window.process_busy = max(window.process_busy, _share(inline_s, span_s))
        window.loop_late = _share(self._lag.late_s - self._late_s, span_s)
        window.loop_lag_s_max = self._lag.take_peak_s()
        window.slot_s = max(0.0, self._slot_s() - self._slots_s)
        window.in_flight = window.slot_s / span_s  # exact, where looks would miss what comes and goes with the beat

    def _fill_percentiles(self, window: Window) -> None:
        ttfb, total, body = self._marks
        counters = self._counters
        window.ttfb_s_p50, window.ttfb_s_p95 = counters.ttfb.quantiles_since(ttfb, (0.5, 0.95))
        window.total_s_p50, window.total_s_p95 = counters.total.quantiles_since(total, (0.5, 0.95))
        (window.body_s_p50,) = counters.body.quantiles_since(body, (0.5,))

    def _remember(self) -> None:
        counters = self._counters
        self._totals = {name: getattr(counters, name) for name in _GROWING}
        self._marks = [counters.ttfb.mark(), counters.total.mark(), counters.body.mark()]
        self._busy_s = self._sinks.busy.total_s()
        self._commit_s = 0.0 if self._sinks.commit is None else self._sinks.commit.total_s()
        self._process_s = counters.process_s
        self._late_s = self._lag.late_s
        self._slots_s = self._slot_s()
        self._occupancy.process_workers = max(1, self._runner.decision.workers)


def _share(part_s: float, span_s: float) -> float:
    return min(1.0, max(0.0, part_s / span_s)) if span_s > 0 else 0.0


def _probe(result: ProbeResult) -> Probe:
    return Probe(**{field.name: getattr(result, field.name) for field in fields(Probe)})
