"""What a sink is: it takes outcomes and says, later, which of them are durable. One writer thread calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.model import Ack, Outcome


class Sink(Protocol):
    def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        """Take a batch; when it returns, the bodies are no longer needed in memory (encoded, perhaps not durable).

        Returns what became durable by this call (a shard that filled up was committed), often nothing.
        `checkpoint` is `(first_id, position)` of a batch below which every id has been acknowledged.
        Raises SinkError when the output cannot be written; then nothing of the open shards was committed.
        """
        ...

    def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        """Make everything taken so far durable now."""
        ...

    def close(self) -> None:
        """Release files and locks. Does not commit."""
        ...


class AsyncSink(Protocol):
    """The same on the loop itself: for a database client, or a loop of your own. Told apart by `write` being async."""

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack: ...

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack: ...
