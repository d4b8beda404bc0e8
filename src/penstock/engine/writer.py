"""The writer: takes outcomes from the channel in batches, has the sink encode them in its thread, and passes on what
became durable. The only place where items are acknowledged; it stays alive last.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TypeGuard

from penstock.engine.busyclock import BusyClock
from penstock.engine.state import RunState
from penstock.engine.threads import Caller
from penstock.model import Ack, Outcome, Written
from penstock.sinks.sink import AsyncSink, Sink

_BATCH_AGE_MAX_S = 1.0


class Writer:
    """Runs as one task until the channel is closed and everything in it is durable."""

    def __init__(
        self,
        state: RunState,
        sink: AsyncSink,
        *,
        seconds_max: float,
        on_acknowledged: Callable[[], None],
    ) -> None:
        self._state = state
        self._sink = sink
        self._seconds_max = seconds_max
        self._on_acknowledged = on_acknowledged
        self._uncommitted = 0
        self._oldest_s: float | None = None
        self._is_commit_wanted = False
        self._last_take_s = 0.0

    async def run(self) -> None:
        outcomes = self._state.outcomes
        while not outcomes.is_finished:
            batch = await outcomes.take()
            if batch:
                await self._write(batch)
            if self._is_commit_wanted:
                await self._commit()
        await self._commit()

    def tick(self, now_s: float) -> None:
        """A few times a second: hand over small batches that have waited long enough, commit shards that are old."""
        if len(self._state.outcomes):
            if self._oldest_s is None:
                self._oldest_s = now_s
            if now_s - self._last_take_s >= _BATCH_AGE_MAX_S:
                self._last_take_s = now_s
                self._state.outcomes.flush()
        if self._oldest_s is not None and now_s - self._oldest_s >= self._seconds_max:
            self.hurry()

    def flush(self) -> None:
        """Memory is short: encode what waits."""
        if len(self._state.outcomes):
            self._state.outcomes.flush()

    def hurry(self) -> None:
        """Credits are short, or the shard is old: make durable what there is."""
        if (self._uncommitted or len(self._state.outcomes)) and not self._is_commit_wanted:
            self._is_commit_wanted = True
            self._state.outcomes.flush()

    async def _write(self, batch: list[Outcome]) -> None:
        self._uncommitted += len(batch)
        ack = await self._sink.write(batch, self._state.low_water.checkpoint)
        self._forget_bodies(batch)
        self.acknowledge(ack)

    async def _commit(self) -> None:
        self._is_commit_wanted = False
        self._oldest_s = None
        if self._uncommitted:
            self.acknowledge(await self._sink.commit(self._state.low_water.checkpoint))

    def _forget_bodies(self, batch: Sequence[Outcome]) -> None:
        state = self._state
        state.credits.body_gone(sum(len(outcome.response.body) for outcome in batch if isinstance(outcome, Written)))
        if state.dispatcher.is_short_of_bytes:
            state.dispatcher.wake()

    def acknowledge(self, ack: Ack) -> None:
        """Count what has become durable, and give its credits back."""
        if not ack.ids:
            return
        state = self._state
        counters = state.counters
        counters.written += ack.written
        counters.failed += ack.failed
        counters.skipped += ack.skipped
        counters.shards += ack.shards
        counters.bytes_durable += ack.bytes_durable
        state.credits.items -= len(ack.ids)
        state.low_water.acknowledge(ack.ids)
        self._uncommitted -= len(ack.ids)
        if not self._uncommitted:
            self._oldest_s = None
        self._on_acknowledged()


class ThreadedSink:
    """A blocking sink as an async one: its calls run on `caller`, one at a time. `busy` runs while one does."""

    def __init__(self, sink: Sink, caller: Caller, busy: BusyClock) -> None:
        self._sink = sink
        self._caller = caller
        self._busy = busy

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        return await self._caller.call(self._timed, self._sink.write, outcomes, checkpoint)

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        return await self._caller.call(self._timed, self._sink.commit, checkpoint)

    def _timed(self, call: Callable[..., Ack], *arguments: object) -> Ack:
        with self._busy:  # here in the thread: the loop may be late to hear of the end
            return call(*arguments)


class TimedSink:
    """An async sink whose time is taken: `busy` runs while it is awaited."""

    def __init__(self, sink: AsyncSink, busy: BusyClock) -> None:
        self._sink = sink
        self._busy = busy

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        with self._busy:
            return await self._sink.write(outcomes, checkpoint)

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        with self._busy:
            return await self._sink.commit(checkpoint)


def is_async_sink(sink: Sink | AsyncSink) -> TypeGuard[AsyncSink]:
    return inspect.iscoroutinefunction(sink.write)
