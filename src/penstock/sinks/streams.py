"""The three streams of shards and what each collects until its shard is committed: data, dead letters, skipped ids.

They write temporary files and say what is in them; numbering, committing and recording are the store's.
Every method that touches the disk raises OSError; after one, `drop` the stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from penstock.model import Failed, FailureKind, Skipped, Written
from penstock.sinks.deadletter import encode_dead_letter
from penstock.sinks.disk import Disk
from penstock.sinks.encoder import Chunk, DataFormat, Encoded, ShardWriter
from penstock.sinks.ids import ranges_of
from penstock.sinks.manifest import Manifest, Stream
from penstock.sinks.shard import ShardFile

NewTemp: TypeAlias = Callable[[Stream], Path]


class DataStream:
    """At most one open data shard, with one schema."""

    stream: Stream = "data"

    def __init__(self, disk: Disk, new_temp: NewTemp, data_format: DataFormat) -> None:
        self._disk = disk
        self._new_temp = new_temp
        self._format = data_format
        self._reset()

    def _reset(self) -> None:
        self._file: ShardFile | None = None
        self._writer: ShardWriter | None = None
        self._schema_key: object = None
        self._empty_ids: list[int] = []
        self.ids: list[int] = []
        self.rows = 0
        self.body_bytes = 0

    @property
    def is_open(self) -> bool:
        return self._file is not None

    @property
    def suffix(self) -> str:
        return self._format.suffix

    def encode(self, written: Sequence[Written]) -> Encoded:
        """Columns for a batch; what cannot be encoded comes back as rejected."""
        return self._format.encode(written)

    def holds(self, chunk: Chunk) -> bool:
        """Whether the chunk may go into the open shard (True when none is open)."""
        return self._file is None or self._schema_key is chunk.schema_key

    def add(self, chunk: Chunk) -> None:
        if self._file is None:
            self._file = ShardFile(self._disk, self._new_temp("data"))
            self._writer = self._format.start(self._file, chunk)
            self._schema_key = chunk.schema_key
        assert self._writer is not None
        self._writer.add(chunk)
        self.ids += [outcome.item.id for outcome in chunk.written]
        if chunk.rows < len(chunk.written) or not all(outcome.records for outcome in chunk.written):
            self._empty_ids += [outcome.item.id for outcome in chunk.written if not outcome.records]
        self.rows += chunk.rows
        self.body_bytes += sum([len(outcome.response.body) for outcome in chunk.written])

    def seal(self) -> tuple[ShardFile, Manifest]:
        """Write the footer. Returns the file, not yet synced, and its manifest without number, size and checksum."""
        assert self._file is not None
        assert self._writer is not None
        schema_hash = self._writer.finish()
        return self._file, _draft(
            "data", self.ids, rows=self.rows, empty_ids=ranges_of(self._empty_ids), schema_hash=schema_hash
        )

    def done(self) -> None:
        """The shard is committed: begin anew."""
        self._reset()

    def drop(self) -> None:
        """Give the open shard up. Never raises."""
        file, writer = self._file, self._writer
        self._reset()
        if file is not None:
            file.drop()
        if writer is not None:
            writer.abandon()


class FailedStream:
    """At most one open file of dead letters."""

    stream: Stream = "failed"
    suffix = "jsonl"

    def __init__(self, disk: Disk, new_temp: NewTemp, columns: Sequence[str]) -> None:
        self._disk = disk
        self._new_temp = new_temp
        self._columns = tuple(columns)
        self._reset()

    def _reset(self) -> None:
        self._file: ShardFile | None = None
        self._kinds: dict[FailureKind, list[int]] = {}
        self.ids: list[int] = []
        self.rows = 0

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def add(self, outcomes: Sequence[Failed], time: str) -> None:
        lines = "".join([encode_dead_letter(outcome, self._columns, time) for outcome in outcomes])
        self._append(lines, [(outcome.item.id, outcome.failure.kind) for outcome in outcomes])

    def add_line(self, line: str, item_id: int, kind: FailureKind) -> None:
        """A dead letter of an earlier shard, copied as it stands."""
        self._append(line, [(item_id, kind)])

    def seal(self) -> tuple[ShardFile, Manifest]:
        assert self._file is not None
        kinds = {kind: ranges_of(ids) for kind, ids in sorted(self._kinds.items())}
        return self._file, _draft("failed", self.ids, rows=self.rows, kinds=kinds)

    def done(self) -> None:
        self._reset()

    def drop(self) -> None:
        file = self._file
        self._reset()
        if file is not None:
            file.drop()

    def _append(self, lines: str, ids: list[tuple[int, FailureKind]]) -> None:
        if self._file is None:
            self._file = ShardFile(self._disk, self._new_temp("failed"))
        self._file.write(lines.encode())
        for item_id, kind in ids:
            self.ids.append(item_id)
            self._kinds.setdefault(kind, []).append(item_id)
        self.rows += len(ids)


class SkippedStream:
    """Ids only; the file is written when it is committed."""

    stream: Stream = "skipped"
    suffix = "json"

    def __init__(self, disk: Disk, new_temp: NewTemp) -> None:
        self._disk = disk
        self._new_temp = new_temp
        self._file: ShardFile | None = None
        self.ids: list[int] = []

    @property
    def rows(self) -> int:
        return len(self.ids)

    @property
    def is_open(self) -> bool:
        return bool(self.ids)

    def add(self, outcomes: Sequence[Skipped]) -> None:
        self.ids += [outcome.item.id for outcome in outcomes]

    def seal(self) -> tuple[ShardFile, Manifest]:
        draft = _draft("skipped", self.ids, rows=len(self.ids))
        self._file = ShardFile(self._disk, self._new_temp("skipped"))
        self._file.write(json.dumps({"format": 1, "items": draft.items, "ids": draft.ids}).encode())
        return self._file, draft

    def done(self) -> None:
        self._file = None
        self.ids = []

    def drop(self) -> None:
        file = self._file
        self.done()
        if file is not None:
            file.drop()


ShardStream: TypeAlias = DataStream | FailedStream | SkippedStream


def _draft(
    stream: Stream,
    ids: list[int],
    *,
    rows: int,
    empty_ids: list[list[int]] | None = None,
    kinds: Mapping[FailureKind, list[list[int]]] | None = None,
    schema_hash: str = "",
) -> Manifest:
    return Manifest(
        stream=stream,
        name="",
        number=0,
        epoch=0,
        items=len(ids),
        rows=rows,
        bytes=0,
        xxh3_64="",
        ids=ranges_of(ids),
        empty_ids=empty_ids or [],
        kinds={str(kind): ranges for kind, ranges in (kinds or {}).items()},
        schema_hash=schema_hash,
    )
