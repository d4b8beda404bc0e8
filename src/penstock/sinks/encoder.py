"""What a data format has to offer to the store: turn outcomes into chunks, and write chunks into an open shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from penstock.model import Written
from penstock.sinks.shard import ShardFile

Format: TypeAlias = Literal["parquet", "jsonl", "jsonl.zst"]


@dataclass(slots=True)
class Chunk:
    """Outcomes that encode together. `payload` is the format's own; equal `schema_key`s may share a shard."""

    written: list[Written]
    rows: int
    payload: object
    schema_key: object = None


@dataclass(slots=True)
class Encoded:
    """The result of encoding a batch: every outcome is in exactly one chunk, or in `rejected` with the reason."""

    chunks: list[Chunk] = field(default_factory=list)
    rejected: list[tuple[Written, str]] = field(default_factory=list)


class ShardWriter(Protocol):
    """One open data shard."""

    def add(self, chunk: Chunk) -> None:
        """Write a chunk. Raises OSError."""
        ...

    def finish(self) -> str:
        """Write the footer; returns the schema hash, empty for formats without one. Raises OSError."""
        ...

    def abandon(self) -> None:
        """Free the writer's buffers; the file has been dropped. Never raises."""
        ...


class DataFormat(Protocol):
    """A format with its run-long state (the types seen so far)."""

    suffix: str

    def encode(self, written: Sequence[Written]) -> Encoded:
        """Never raises for bad values: they come back as rejected."""
        ...

    def start(self, file: ShardFile, first: Chunk) -> ShardWriter:
        """Begin a shard that can hold `first` and every chunk with its `schema_key`."""
        ...


def split_until_encoded(written: Sequence[Written], encode: EncodeAll) -> Encoded:
    """Encode all at once; if that fails, each half by itself, down to the single outcome that is to blame.

    Costs nothing when all is well, and log₂(n) extra passes for each bad outcome.
    """
    result = Encoded()
    pending = [list(written)]
    while pending:
        part = pending.pop()
        if not part:
            continue
        try:
            result.chunks.append(encode(part))
        except Exception as error:  # noqa: BLE001  # values are the user's objects: any of their methods may raise
            if len(part) == 1:
                result.rejected.append((part[0], f"{type(error).__name__}: {error}"[:1000]))
            else:
                middle = len(part) // 2
                pending += [part[middle:], part[:middle]]
    return result


class EncodeAll(Protocol):
    def __call__(self, written: list[Written]) -> Chunk: ...
