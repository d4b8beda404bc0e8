"""Fakes that behave, for tests of your own source, process function or sink, and of Penstock itself.

`run_virtual` runs a coroutine on a loop whose clock jumps to the next timer, so an hour of backoff takes no time and
times can be asserted exactly. Nothing here touches network or disk.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from penstock.model import Ack, BadRow, Batch, Failed, Failure, Item, Outcome, Response, Skipped, Written

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and jumps: waiting costs nothing. Threads and sockets still work, but
    time does not pass while they are waited for unless `is_waiting_for_threads` says that one is out."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now_s

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as a blocked loop or a suspended machine would see it."""
        self._now_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise RuntimeError("deadlock: every task waits, and for no timer")
        self._loop.jump(max(0.0, timeout))
        return []


def run_virtual(main: Coroutine[Any, Any, T], *, timeout_s: float = 3600.0) -> tuple[T, float]:
    """Run `main` in virtual time. Returns its result and the virtual seconds it took.

    Raises TimeoutError after `timeout_s` virtual seconds: the way to see that something hangs.
    """

    async def timed() -> tuple[T, float]:
        async with asyncio.timeout(timeout_s):
            result = await main
        return result, asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(timed())


class ListSource:
    """A source over URLs or items held in a list; ids are positions. Positions of batches are row numbers as text."""

    def __init__(self, rows: Iterable[str | Item | BadRow], *, batch_rows: int = 64) -> None:
        self._rows = [_item(index, row) if isinstance(row, str) else row for index, row in enumerate(rows)]
        self._batch_rows = batch_rows
        self.read_rows = 0

    columns: tuple[str, ...] = ("url",)
    schema = None
    fingerprint = ""

    @property
    def total(self) -> int:
        return len(self._rows)

    def estimate_total(self) -> int:
        return len(self._rows)

    def read(self, first_id: int = 0, position: str | None = None) -> Iterator[Batch]:
        for start in range(int(position or first_id), len(self._rows), self._batch_rows):
            rows = self._rows[start : start + self._batch_rows]
            self.read_rows += len(rows)
            yield Batch(start, str(start), rows)


def _item(index: int, url: str) -> Item:
    scheme, _, rest = url.partition("://")
    return Item(index, url, f"{scheme}://{rest.partition('/')[0]}", row=(url,))


class ScriptedTransport:
    """Answers by script, in loop time. `script(item)` gives `(delay_s, Response | Failure)`; `item.attempts` counts
    the present attempt, from 1. Records every start, and the most that ran at once, in all and per host."""

    def __init__(self, script: Callable[[Item], tuple[float, Response | Failure]]) -> None:
        self._script = script
        self._running: dict[str, int] = {}
        self.starts: list[tuple[float, int, int]] = []
        self.in_flight_max = 0
        self.in_flight_max_of: dict[str, int] = {}
        self.sweeps = 0

    buffered_bytes = 0

    async def fetch(self, item: Item) -> Response | Failure:
        loop = asyncio.get_running_loop()
        self.starts.append((loop.time(), item.id, item.attempts))
        running = self._running[item.host] = self._running.get(item.host, 0) + 1
        self.in_flight_max = max(self.in_flight_max, sum(self._running.values()))
        self.in_flight_max_of[item.host] = max(self.in_flight_max_of.get(item.host, 0), running)
        try:
            delay_s, result = self._script(item)
            await asyncio.sleep(delay_s)
            return result
        finally:
            self._running[item.host] -= 1

    def sweep(self, now_s: float) -> None:
        self.sweeps += 1

    async def aclose(self) -> None:
        return None


def answer(item: Item, body: bytes = b"ok", **fields: Any) -> Response:
    """A complete answer to `item`; further fields as in `Response`."""
    return Response(item.id, item.url, item.url, 200, body, attempts=item.attempts, row=item.row, **fields)


class MemorySink:
    """Keeps outcomes in memory; durable every `shard_rows` outcomes, or when told to commit. Asserts that no id comes
    twice. `on_write`, if given, is called with each batch first and may raise."""

    def __init__(self, *, shard_rows: int = 8, on_write: Callable[[Sequence[Outcome]], None] | None = None) -> None:
        self._shard_rows = shard_rows
        self._on_write = on_write
        self._open: list[Outcome] = []
        self.durable: dict[int, Outcome] = {}
        self.batches: list[int] = []
        self.checkpoints: list[tuple[int, str] | None] = []

    def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        if self._on_write is not None:
            self._on_write(outcomes)
        self.batches.append(len(outcomes))
        self._open += outcomes
        return self.commit(checkpoint) if len(self._open) >= self._shard_rows else Ack()

    def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        self.checkpoints.append(checkpoint)
        ack = Ack()
        for outcome in self._open:
            item_id = outcome.item.id
            assert item_id not in self.durable, f"item {item_id} came twice"
            self.durable[item_id] = outcome
            ack.ids.append(item_id)
            ack.written += isinstance(outcome, Written)
            ack.failed += isinstance(outcome, Failed)
            ack.skipped += isinstance(outcome, Skipped)
        self._open = []
        return ack

    def close(self) -> None:
        self._open = []

    @property
    def counts(self) -> Mapping[str, int]:
        """How many items are durable, by outcome."""
        counts = {"written": 0, "failed": 0, "skipped": 0}
        for outcome in self.durable.values():
            counts[type(outcome).__name__.lower()] += 1
        return counts
