"""A bounded-by-credits hand-over from many producers to one consumer, in batches. Keeps order; drops nothing.

`put` never waits: the credits taken at admission are the bound. The consumer is woken at most once per loop turn, and
only when a batch is worth taking (enough values or bytes, a flush, the end), never once per value.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from penstock.errors import Bug

T = TypeVar("T")


class Channel(Generic[T]):
    """One consumer. `batch_items` and `batch_bytes` say when a batch is worth a wake-up, and cap what one take returns;
    `wake_items`, if given, wakes it for fewer.

    Cost: about 0.2 µs a `put`.
    """

    def __init__(self, *, batch_items: int, batch_bytes: int, wake_items: int | None = None) -> None:
        self._batch_items = batch_items
        self._wake_items = wake_items or batch_items
        self._batch_bytes = batch_bytes
        self._values: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._is_closed = False
        self._is_flush_wanted = False
        self._error: BaseException | None = None
        self._consumer: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._values)

    def put(self, value: T, size_bytes: int = 0) -> None:
        """Append. `size_bytes` is what the value holds in memory beyond itself. Raises Bug after `close`."""
        if self._is_closed:
            raise Bug("put on a closed channel")
        self._values.append((value, size_bytes))
        self._bytes += size_bytes
        if self._consumer is not None and self._is_worth_taking():
            self._wake()

    def flush(self) -> None:
        """Let the consumer have what is there now, however little, even nothing."""
        self._is_flush_wanted = True
        self._wake()

    def close(self) -> None:
        """No more values. The consumer still gets what is there, then empty batches."""
        self._is_closed = True
        self._wake()

    def fail(self, error: BaseException) -> None:
        """No more values, and the consumer's next take raises `error` (values still inside are given up)."""
        self._is_closed = True
        self._error = error
        self._wake()

    async def take(self) -> list[T]:
        """Wait for a batch: at most `batch_items` values, and past the first one no more than `batch_bytes`.

        An empty list means that it was flushed while empty, or (`is_finished`) that no more will come.
        """
        while not self._is_worth_taking() and not self._is_closed:
            self._consumer = asyncio.get_running_loop().create_future()
            try:
                await self._consumer
            finally:
                self._consumer = None
        if self._error is not None:
            raise self._error
        batch: list[T] = []
        values, taken_bytes = self._values, 0
        while values and len(batch) < self._batch_items:
            size_bytes = values[0][1]
            if batch and taken_bytes + size_bytes > self._batch_bytes:
                break
            batch.append(values.popleft()[0])
            taken_bytes += size_bytes
        self._bytes -= taken_bytes
        if not values:
            self._is_flush_wanted = False
        return batch

    @property
    def is_finished(self) -> bool:
        """Closed and empty."""
        return self._is_closed and not self._values

    def _is_worth_taking(self) -> bool:
        return len(self._values) >= self._wake_items or self._bytes >= self._batch_bytes or self._is_flush_wanted

    def _wake(self) -> None:
        if self._consumer is not None and not self._consumer.done():
            self._consumer.set_result(None)
