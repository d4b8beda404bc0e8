"""START READING HERE: joins source, fetch, process and sink into one run, and sees it to its end.

    source ─► admission ─► frontier ─► workers: fetch ─► process ─► channel ─► writer ─► sink ─► acknowledgement
                 ▲ credits                                                                          │
                 └──────────────────────────────────────────────────────────────────────────────────┘

One TaskGroup for each run. Workers turn what goes wrong with an item into an outcome, so what reaches the group is a
sink that cannot write, a bug, or cancellation. The order of the end: workers, then channel, then writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from signal import Signals
from typing import Literal

from penstock.engine.admit import Admission, AsyncSource, ResumePoint
from penstock.engine.attempts import Attempts
from penstock.engine.busyclock import BusyClock
from penstock.engine.channel import Channel
from penstock.engine.credits import Credits
from penstock.engine.dispatch import Dispatcher
from penstock.engine.drain import Drain
from penstock.engine.heartbeat import beat
from penstock.engine.look import take_look
from penstock.engine.observer import Observer, SinkClocks
from penstock.engine.occupancy import Occupancy
from penstock.engine.options import EngineOptions
from penstock.engine.state import RunState
from penstock.engine.threads import Caller, DaemonThread
from penstock.engine.writer import ThreadedSink, TimedSink, Writer, is_async_sink
from penstock.errors import ConfigError, PenstockError, SourceError
from penstock.fetch.transport import Transport
from penstock.model import Ack, Outcome
from penstock.policy.budget import RetryBudget
from penstock.policy.concurrency import FixedLimiter, Limiter, SettableLimiter
from penstock.policy.frontier import Frontier
from penstock.process.inline import NoFunction
from penstock.process.options import Runner
from penstock.sinks.sink import AsyncSink, Sink
from penstock.sources.source import Source
from penstock.telemetry.counters import Counters
from penstock.telemetry.lag import LoopLag
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.window import Window


@dataclass(slots=True)
class RunResult:
    """How a run ended.

    `state`: "complete", everything has an outcome; "interrupted", told to stop, resumable; "stopped", `error` says why
    (input unreadable, output unwritable), resumable.
    """

    state: Literal["complete", "interrupted", "stopped"]
    counters: Counters
    lag: LoopLag
    elapsed_s: float
    signal: Signals | None = None
    is_drain_overdue: bool = False
    error: PenstockError | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a run is assembled from."""

    dispatcher: Dispatcher
    admission: Admission
    writer: Writer
    attempts: Attempts
    observer: Observer | None

    def stop(self) -> None:
        """Begin to drain: nothing new starts, nothing more is read."""
        self.dispatcher.close()
        self.admission.credits_freed()


class Pipeline:
    """A run waiting to happen: your source, fetch, process and sink, joined by the engine. Use once.

    `transport` is any `fetch.transport.Transport`. `on_round(now_s)`, if given, is called four times a second and must
    be quick; `snapshot()` tells it what goes on. `writer_caller` and `reader_caller` run the blocking sides; by
    default each has a daemon thread of its own.
    """

    def __init__(
        self,
        source: Source | AsyncSource,
        transport: Transport,
        sink: Sink | AsyncSink,
        *,
        runner: Runner | None = None,
        options: EngineOptions | None = None,
        counters: Counters | None = None,
        resume: ResumePoint | None = None,
        on_round: Callable[[float], None] | None = None,
        on_window: Callable[[Window], None] | None = None,
        total_hint: int | None = None,
        limiter_of: Callable[[str], Limiter] | None = None,
        global_limiter: Limiter | None = None,
        reader_caller: Caller | None = None,
        writer_caller: Caller | None = None,
    ) -> None:
        self._options = options = options or EngineOptions()
        self._source = source
        self._transport = transport
        self._sink = sink
        self._runner = runner or NoFunction()
        self._resume = resume or ResumePoint()
        self._on_round = on_round
        self._on_window = on_window
        self._total_hint = total_hint if total_hint is not None else source.total
        self._now_s: Callable[[], float] = lambda: 0.0
        self._started_s = 0.0
        self._reader = reader_caller
        self._writer_caller = writer_caller
        self._lag = LoopLag()
        per_host = FixedLimiter(options.concurrency_per_host)
        self._is_adaptive = limiter_of is not None or global_limiter is not None
        self._limiter = SettableLimiter(options.concurrency)
        self._state = RunState(
            frontier=Frontier(
                limiter_of=limiter_of or (lambda _host: per_host),
                global_limiter=global_limiter or self._limiter,
                rate=options.rate,
                rate_per_host=options.rate_per_host,
            ),
            credits_=Credits(items_max=options.items_max, bytes_max=options.bytes_max),
            counters=counters or Counters(),
            outcomes=Channel[Outcome](
                batch_items=options.batch_items, batch_bytes=options.batch_bytes, wake_items=options.wake_items
            ),
        )
        self._drain: Drain | None = None
        self._parts: _Parts | None = None
        self._group: asyncio.TaskGroup | None = None
        self._workers: list[asyncio.Task[None]] = []

    @property
    def counters(self) -> Counters:
        return self._state.counters

    @property
    def held_items(self) -> int:
        """Items the engine has admitted and not acknowledged: counted apart from the counters, to check them."""
        return self._state.credits.items

    def acknowledge(self, ack: Ack) -> None:
        """Count what a sink that failed had made durable before. After `run` has returned."""
        if self._parts is not None:
            self._parts.writer.acknowledge(ack)

    def request_drain(self) -> None:
        """Stop as the first signal would: finish what is in flight, commit, return. On the loop's thread."""
        if self._drain is not None:
            self._drain.request()

    def on_signal(self, number: Signals) -> None:
        """What SIGINT and SIGTERM mean to a run: the first drains, the second cancels. On the loop's thread."""
        if self._drain is not None:
            self._drain.on_signal(number)

    @property
    def observer(self) -> Observer | None:
        """The run's series, probes and verdict; None before it has begun, or without telemetry."""
        return self._parts.observer if self._parts is not None else None

    @property
    def is_paused(self) -> bool:
        return self._parts is not None and self._parts.dispatcher.is_paused

    def pause(self) -> None:
        """Start no further attempt until `resume`; what is in flight goes on. On the loop's thread."""
        if self._parts is not None:
            self._parts.dispatcher.is_paused = True

    def resume(self) -> None:
        """Undo `pause`. On the loop's thread."""
        if self._parts is not None and self.is_paused:
            self._parts.dispatcher.is_paused = False
            self._parts.dispatcher.wake()

    def set_concurrency(self, limit: int) -> int:
        """Allow `limit` attempts at once from now on, at most `concurrency_max`; returns what is in force.

        Fewer takes effect as attempts end. The limit of each host stays. On the loop's thread. Raises ConfigError below
        1, or when the run has a limiter of its own.
        """
        if self._is_adaptive:
            raise ConfigError("expected a run with a fixed limit, got one whose limiter sets it", hint="leave it alone")
        self._limiter.value = FixedLimiter(min(limit, self._options.concurrency_max)).limit()
        parts, group = self._parts, self._group
        if parts is not None and group is not None and not self._state.is_draining:
            missing = self._limiter.value - len(self._workers)
            self._workers += [group.create_task(parts.attempts.work()) for _ in range(missing)]
            parts.dispatcher.wake()
        return self._limiter.value

    async def run(self) -> RunResult:
        """Run to the end. Raises what is a bug; a source or sink that fails is in the result.

        The sink is left open; whatever it has not committed when this returns is pending.
        """
        loop = asyncio.get_running_loop()
        self._now_s = loop.time
        self._started_s = loop.time()
        reader = self._reader or DaemonThread("penstock-reader")
        writer_caller = self._writer_caller or DaemonThread("penstock-writer")
        parts = self._parts = self._assemble(loop, reader, writer_caller)
        drain = self._drain = Drain(
            self._state, grace_s=self._options.drain_s, on_drain=parts.stop, cancel=self._cancel_workers
        )
        error: PenstockError | None = None
        try:
            await self._run_tasks(parts)
        except* PenstockError as group_error:
            error = _only(group_error)
        finally:
            drain.close()
            reader.close()
            writer_caller.close()
        return self._result(loop.time() - self._started_s, error or parts.admission.error)

    def _assemble(self, loop: asyncio.AbstractEventLoop, reader: Caller, writer_caller: Caller) -> _Parts:
        state, options = self._state, self._options
        dispatcher = state.dispatcher = Dispatcher(
            state.frontier,
            state.credits,
            loop=loop,
            transport=self._transport,
            on_starved=state.starved,
        )
        admission = Admission(state, self._source, self._resume, reader)
        sink = self._sink
        # What is awaited takes loop time, what runs in a thread takes the system's.
        busy = BusyClock(loop.time) if is_async_sink(sink) else BusyClock()
        writer = Writer(
            state,
            # A TypeGuard (TypeIs needs Python 3.13) says nothing of the other branch.
            TimedSink(sink, busy) if is_async_sink(sink) else ThreadedSink(sink, writer_caller, busy),  # type: ignore[arg-type]
            seconds_max=options.shard_seconds_max,
            on_acknowledged=admission.credits_freed,
        )
        attempts = Attempts(
            state,
            dispatcher,
            self._transport,
            self._runner,
            retry=options.retry,
            budget=RetryBudget(),
            rng=random.Random(options.seed),
            now_s=loop.time,
            is_lagging=lambda: self._lag.is_late,
            is_adaptive=self._is_adaptive,
        )
        state.on_starved = _starvation(state, admission, dispatcher, writer)
        observer = self._observe(dispatcher, admission, busy) if options.telemetry else None
        return _Parts(dispatcher, admission, writer, attempts, observer)

    def _observe(self, dispatcher: Dispatcher, admission: Admission, busy: BusyClock) -> Observer:
        return Observer(
            self._options,
            Occupancy(self._state, dispatcher, admission),
            self._state.counters,
            self._lag,
            runner=self._runner,
            sinks=SinkClocks(busy, getattr(self._sink, "commit_clock", None)),
            limiter=self._limiter,
            slot_s=dispatcher.slot_s,
            buffered_bytes=lambda: self._transport.buffered_bytes,
            on_window=self._on_window,
        )

    async def _run_tasks(self, parts: _Parts) -> None:
        """The tasks of the run, and the order in which they end: workers, then admission, channel, writer, pulse."""

        observer = parts.observer

        def rounds(now_s: float) -> None:
            parts.writer.tick(now_s)
            if observer is not None:
                observer.on_round(now_s)
            if self._on_round is not None:
                self._on_round(now_s)

        async with asyncio.TaskGroup() as group:
            if observer is not None:
                observer.start(self._started_s)
            look = self._look if observer is not None else _nothing
            pulse = group.create_task(beat(self._lag, look=look, rounds=rounds, sweep=self._transport.sweep))
            writing = group.create_task(parts.writer.run())
            admitting = group.create_task(parts.admission.run())
            self._workers += [group.create_task(parts.attempts.work()) for _ in range(self._limiter.value)]
            self._group = group
            while any(not worker.done() for worker in self._workers):  # there may be more of them by then
                await asyncio.wait(self._workers)
            self._group = None
            admitting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await admitting
            self._state.outcomes.close()
            await writing
            pulse.cancel()
            if observer is not None:
                observer.finish(self._now_s())

    def _look(self, now_s: float) -> None:
        """Every beat: let the observer see, and if it gives a lowered limit back, let the workers know."""
        parts, state = self._parts, self._state
        if parts is None or parts.observer is None:
            return
        before = self._limiter.limit()
        is_at_end = state.input_ended and not state.frontier.queued_count
        is_ending = is_at_end or state.is_draining or parts.dispatcher.is_paused
        # Once there is nothing more to hand out, workers end one by one.
        workers = sum(not w.done() for w in self._workers) if parts.dispatcher.is_closed else len(self._workers)
        parts.observer.on_beat(now_s, workers=workers, is_ending=is_ending)
        if self._limiter.limit() > before:
            parts.dispatcher.wake()

    def _result(self, elapsed_s: float, error: PenstockError | None) -> RunResult:
        drain = self._drain
        assert drain is not None
        if error is None and self._state.counters.pending == 0 and self._state.input_ended and not drain.is_cancelled:
            state: Literal["complete", "interrupted", "stopped"] = (
                "interrupted" if self._state.is_draining else "complete"
            )
        else:
            state = "stopped" if error is not None else "interrupted"
        if error is None:
            self._state.counters.check_accounting(self._state.credits.items)
        return RunResult(state, self._state.counters, self._lag, elapsed_s, drain.signal, drain.is_overdue, error)

    def snapshot(self, *, hosts_max: int = 0) -> Snapshot:
        """What is going on this moment; with the rows of the `hosts_max` busiest hosts. On the loop's thread."""
        in_flight, drain = self._state.frontier.in_flight, self._drain
        described = drain.describe(in_flight) if drain is not None else ""
        if not described and self.is_paused:
            described = f"paused: {in_flight} in flight"
        return take_look(
            self._state,
            self._lag,
            now_s=self._now_s(),
            started_s=self._started_s,
            hosts_max=hosts_max,
            limit=self._limiter.value,
            buffered_bytes=self._transport.buffered_bytes,
            total_hint=self._total_hint,
            is_total_exact=self._source.total is not None,
            state_text=described,
            observer=self.observer,
        )

    def _cancel_workers(self) -> None:
        for task in self._workers:
            task.cancel()


def _starvation(state: RunState, admission: Admission, dispatcher: Dispatcher, writer: Writer) -> Callable[[], None]:
    """The liveness rule: when nobody can go on without credits, the writer gives some back early.

    Early means a small shard, so not for a few: while hosts are paused, items that wait for them hold the credits.
    """

    def on_starved() -> None:
        if dispatcher.is_short_of_bytes:
            writer.flush()
        if admission.is_starved and dispatcher.idle_workers:
            held = state.credits.items - state.unfinished  # by results that are not durable yet
            if held and (2 * held >= state.credits.items_max or not state.unfinished):
                writer.hurry()
            state.settle()

    return on_starved


def _nothing(_now_s: float) -> None:
    pass


def _only(group: ExceptionGroup[PenstockError]) -> PenstockError:
    """The first failure that is not a consequence of another; a group of several keeps them as its context."""
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            return _only(error)
        if not isinstance(error, SourceError) or len(group.exceptions) == 1:
            return error
    return _first(group)


def _first(group: ExceptionGroup[PenstockError]) -> PenstockError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
