"""Admission: reads the source as fast as credits allow, skips what is already durable, and feeds the frontier.

The only door into a run. The rule: one credit for each row that passes it, taken before the row is handed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from penstock.engine.state import RunState
from penstock.engine.threads import Caller
from penstock.errors import SourceError
from penstock.model import BadRow, Batch, Failed
from penstock.sources.source import Source


class AsyncSource(Protocol):
    """A source on the loop itself: like `Source`, but batches come from an async iterator."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def total(self) -> int | None: ...

    def aread(self, first_id: int = 0, position: str | None = None) -> AsyncIterator[Batch]: ...


class IdSet(Protocol):
    """A set of item ids: a Python set or a bitmap."""

    def __contains__(self, item_id: int, /) -> bool: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class ResumePoint:
    """What an earlier run has left: where to read on, and which ids from there on are durable already."""

    first_id: int = 0
    position: str | None = None
    done: IdSet = field(default_factory=frozenset)


class Admission:
    """Runs as one task. Ends at the end of the input, when told to stop, or when the source fails (`error`)."""

    def __init__(self, state: RunState, source: Source | AsyncSource, resume: ResumePoint, reader: Caller) -> None:
        self._state = state
        self._source = source
        self._resume = resume
        self._reader = reader
        self._waiter: asyncio.Future[None] | None = None
        self.error: SourceError | None = None

    @property
    def is_starved(self) -> bool:
        """Waiting for credits."""
        return self._waiter is not None

    def credits_freed(self) -> None:
        """Called when items became durable."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def run(self) -> None:
        state = self._state
        try:
            async with aclosing(self._batches()) as batches:
                async for batch in batches:
                    await self._admit(batch)
                    if state.is_draining:
                        break
        except SourceError as error:
            self.error = error  # what was admitted is finished and committed; the run then ends with this error
        finally:
            state.input_ended = True
            state.settle()

    async def _admit(self, batch: Batch) -> None:
        state, done = self._state, self._resume.done
        entries = [entry for entry in batch.items if entry.id not in done] if done else batch.items
        state.low_water.admit(batch.first_id, batch.position, len(entries))
        credits_, counters, push = state.credits, state.counters, state.frontier.push
        for entry in entries:
            if not credits_.may_admit():
                await self._wait_for_credit()
            if state.is_draining:
                return
            credits_.items += 1
            counters.admitted += 1
            if isinstance(entry, BadRow):
                counters.item_failed(entry.id, entry.url, entry.failure)
                state.outcomes.put(Failed(entry, entry.failure))
            else:
                state.unfinished += 1
                push(entry)
        state.dispatcher.wake()

    async def _wait_for_credit(self) -> None:
        state = self._state
        while not state.credits.may_admit() and not state.is_draining:
            self._waiter = asyncio.get_running_loop().create_future()
            state.dispatcher.wake()
            state.starved()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def _batches(self) -> AsyncGenerator[Batch, None]:
        first_id, position = self._resume.first_id, self._resume.position
        if not hasattr(self._source, "read"):
            batches = self._source.aread(first_id, position)
            try:
                async for batch in batches:
                    yield batch
            finally:
                await _aclose(batches)
            return
        iterator = self._source.read(first_id, position)
        try:
            while found := await self._reader.call(_next, iterator):
                yield found[0]
        finally:
            # In the reader's thread, after a read that may still go on there: it closes the file.
            self._reader.post(getattr(iterator, "close", _nothing))


async def _aclose(batches: AsyncIterator[Batch]) -> None:
    aclose = getattr(batches, "aclose", None)
    if aclose is not None:
        await aclose()


def _next(iterator: Iterator[Batch]) -> list[Batch]:
    return [batch for batch in (next(iterator, None),) if batch is not None]


def _nothing() -> None:
    pass
