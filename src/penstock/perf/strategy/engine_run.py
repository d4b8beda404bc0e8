"""What one run of the engine is made of, beside the engine: source, transport, process runner and sink that take times.

Each passes on to the real part and notes the clock. The rule: what is noted for an item is one dict entry, nothing
that waits, so that the engine's cost stays the engine's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from itertools import islice
from time import perf_counter
from typing import Any

from penstock.fetch.transport import Transport
from penstock.model import Ack, BadRow, Batch, Failed, Failure, Item, Outcome, Response, Written
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.losses import describe_failure
from penstock.perf.strategy.outputs import END_S, OUTPUT, PROCESS_S
from penstock.perf.strategy.pacing import Pacer
from penstock.perf.strategy.phases import PhaseSums
from penstock.process.options import Decision, InlineCall, Result, Runner
from penstock.sources.urls import UrlError, parse_url

_ROWS_MAX = 64  # of a batch; as `penstock.stream`


class Notes:
    """What is known of the run's items on their way, by item number: when each was due (open loop only) and when it
    began; for functions of the user's what came out, and when. The sink takes the entries out."""

    __slots__ = ("due_s", "outputs", "phases", "start_s")

    def __init__(self) -> None:
        self.due_s: dict[int, float] = {}
        self.start_s: dict[int, float] = {}
        self.outputs: dict[int, tuple[object, float]] = {}
        self.phases = PhaseSums()


class ScheduledSource:
    """The engine's source: closed loop, a batch of items whenever it asks; open loop, the items that have become due.

    It looks at URLs as the engine's own sources do: what is none becomes a failed item. `is_fetch` False: an item is an
    argument for a function, and goes as it is.
    """

    columns: tuple[str, ...] = ("url",)
    total: int | None = None

    def __init__(
        self, schedule: Schedule, items: Sequence[str], notes: Notes, pacer: Pacer, *, is_fetch: bool, rows: int
    ) -> None:
        """`rows`: of a batch, at most."""
        self._schedule = schedule
        self._items = items
        self._notes = notes
        self._pacer = pacer
        self._is_fetch = is_fetch
        self._rows = min(_ROWS_MAX, rows)

    async def aread(self, first_id: int = 0, position: str | None = None) -> AsyncIterator[Batch]:
        """Batches without positions: nothing is resumed."""
        if self._schedule.request.loop == "closed":
            taken = iter(self._schedule.take, None)
            while entries := [self._entry(number) for number, _ in islice(taken, self._rows)]:
                yield Batch(entries[0].id, "", entries)
            return
        following = self._schedule.take()
        while following is not None:
            await self._pacer.until(following[1])
            entries = []
            now_s = perf_counter()
            while following is not None and following[1] <= now_s and len(entries) < self._rows:
                number, self._notes.due_s[number] = following
                entries.append(self._entry(number))
                following = self._schedule.take()
            yield Batch(entries[0].id, "", entries)

    def _entry(self, number: int) -> Item | BadRow:
        text = self._items[number % len(self._items)]
        if not self._is_fetch:
            return Item(number, text, "function", row=(text,))
        try:
            wire_url, host = parse_url(text)
        except UrlError as error:
            return BadRow(number, Failure(error.kind, str(error)), text, (text,))
        return Item(number, wire_url, host, row=(text,))


class TimedTransport:
    """A `Transport` that notes when each attempt began."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.notes = Notes()

    @property
    def buffered_bytes(self) -> int:
        return self._inner.buffered_bytes

    def fetch(self, item: Item) -> Coroutine[Any, Any, Response | Failure]:
        # Not async: one more frame in every item's chain would cost more than the note.
        self.notes.start_s[item.id] = perf_counter()
        return self._inner.fetch(item)

    def sweep(self, now_s: float) -> None:
        self._inner.sweep(now_s)

    async def aclose(self) -> None:
        await self._inner.aclose()


class TimedRunner:
    """A process `Runner` of `OutputRecord` that takes the time again when an output is back from another process."""

    def __init__(self, inner: Runner) -> None:
        self._inner = inner

    @property
    def inline(self) -> InlineCall | None:
        return self._inner.inline

    @property
    def decision(self) -> Decision:
        return self._inner.decision

    @property
    def worker_ids(self) -> tuple[int, ...]:
        return tuple(getattr(self._inner, "worker_pids", ()))

    async def run(self, response: Response) -> Result:
        arrived_s = perf_counter()
        made = await self._inner.run(response)
        if isinstance(made, list):
            end_s = perf_counter()
            made[0] = {**made[0], END_S: end_s, PROCESS_S: end_s - arrived_s}
        return made

    async def aclose(self) -> None:
        await self._inner.aclose()


class RecordingSink:
    """An async sink that tells the recorder, and acknowledges at once: nothing is written."""

    def __init__(self, recorder: Recorder, notes: Notes, *, is_fetch: bool) -> None:
        self._recorder = recorder
        self._notes = notes
        self._is_fetch = is_fetch

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        ids = [outcome.item.id for outcome in outcomes]
        failed = 0
        for outcome in outcomes:
            if isinstance(outcome, Written):
                self._ended(outcome)
            else:
                assert isinstance(outcome, Failed), "no process function of ours skips"
                failed += 1
                self._lost(outcome)
        return Ack(ids, written=len(ids) - failed, failed=failed)

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        return Ack()

    def _ended(self, outcome: Written) -> None:
        notes, number = self._notes, outcome.item.id
        start_s = notes.start_s.pop(number)
        # Closed loop: due when a place was free, which is when it took the item.
        due_s = notes.due_s.pop(number) if notes.due_s else start_s
        if self._is_fetch:
            made: Any = outcome.records[0]
            notes.phases.add(outcome.response, made[PROCESS_S])
            self._recorder.ended(number, due_s, start_s, made[END_S], made[OUTPUT])
        else:
            output, end_s = notes.outputs.pop(number)
            self._recorder.ended(number, due_s, start_s, end_s, output)

    def _lost(self, outcome: Failed) -> None:
        notes, number = self._notes, outcome.item.id
        notes.due_s.pop(number, None)
        notes.start_s.pop(number, None)
        message, is_pushback = describe_failure(outcome.failure, outcome.item.url)
        self._recorder.lost(number, message, is_pushback=is_pushback)
