"""JSONL data shards, plain or zstd: one object per record, the same names as in Parquet.

JSON has no bytes: a body or column that is valid UTF-8 is written as text; otherwise its value is null and
`<name>_base64` holds it. Other values by plain.py's table, unmarked. Types are not unified: each line stands alone.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from penstock.model import Written
from penstock.sinks.encoder import Chunk, Encoded, split_until_encoded
from penstock.sinks.layout import Layout, free_name
from penstock.sinks.plain import to_plain
from penstock.sinks.shard import ShardFile
from penstock.sinks.table import TableBuilder

if TYPE_CHECKING:
    import zstandard

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_NUMBERS = frozenset({float, int, bool, type(None)})  # apart, because NaN and the infinities are no JSON
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class JsonlFormat:
    """Turns outcomes into lines."""

    def __init__(
        self, layout: Layout, suffix: Literal["jsonl", "jsonl.zst"] = "jsonl", compression_level: int = 1
    ) -> None:
        self.suffix: str = suffix
        self._layout = layout
        self._builder = TableBuilder(layout)
        self._level = compression_level

    def encode(self, written: Sequence[Written]) -> Encoded:
        return split_until_encoded(written, self._encode_all)

    def start(self, file: ShardFile, first: Chunk) -> JsonlShard:
        return JsonlShard(file, self._level if self.suffix == "jsonl.zst" else None)

    def _encode_all(self, written: list[Written]) -> Chunk:
        table = self._builder.build(written)
        table.fetched["fetch_time"] = [_rfc3339(time_us) for time_us in table.fetched["fetch_time"]]
        names = [*self._layout.input, *table.fetched, *self._layout.added(table.added).values()]
        columns = [*table.input, *table.fetched.values(), *table.added.values()]
        undecodable: list[tuple[int, str, str]] = []
        columns = [_as_json(name, values, undecodable) for name, values in zip(names, columns, strict=True)]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        for index, name, text in undecodable:
            rows[index][free_name(f"{name}_base64", "penstock_", names)] = text
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
        return Chunk(written, table.rows, "".join([encode(row) + "\n" for row in rows]).encode())


class JsonlShard:
    """One open JSONL file."""

    def __init__(self, file: ShardFile, compression_level: int | None) -> None:
        self._file = file
        self._compressor: zstandard.ZstdCompressionObj | None = None
        if compression_level is not None:
            import zstandard

            self._compressor = zstandard.ZstdCompressor(level=compression_level, write_checksum=True).compressobj()

    def add(self, chunk: Chunk) -> None:
        assert isinstance(chunk.payload, bytes)
        self._file.write(self._compressor.compress(chunk.payload) if self._compressor else chunk.payload)

    def finish(self) -> str:
        if self._compressor:
            self._file.write(self._compressor.flush())
        return ""

    def abandon(self) -> None:
        self._compressor = None


def _as_json(name: str, values: list[object], undecodable: list[tuple[int, str, str]]) -> list[object]:
    """A column of values that JSON has. Bytes that are no UTF-8 are left null and go to `undecodable` in base64."""
    types = set(map(type, values))
    if types <= _AS_THEY_ARE or (types <= _NUMBERS and all(v is None or math.isfinite(v) for v in values)):  # type: ignore[arg-type]  # the types were just looked at
        return values
    if bytes not in types:
        return [to_plain(value) for value in values]
    made: list[object] = []
    for index, value in enumerate(values):
        if not isinstance(value, bytes):
            made.append(to_plain(value))
            continue
        try:
            made.append(value.decode())
        except UnicodeDecodeError:
            made.append(None)
            undecodable.append((index, name, base64.b64encode(value).decode("ascii")))
    return made


def _rfc3339(time_us: object) -> str:
    assert isinstance(time_us, int)
    return (_EPOCH + dt.timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
