"""Parquet data shards: zstd, one row group per batch, statistics on `item_id` only.

Columns and their order are the layout's; types are fixed for Penstock's own columns, the input's where it declares
them, and inferred for the rest. Rule: a shard has one schema; a batch that needs a wider one starts the next shard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.model import Written
from penstock.sinks.encoder import Chunk, Encoded, split_until_encoded
from penstock.sinks.infer import Inferred, encode, field_of, inferred_from
from penstock.sinks.layout import Layout
from penstock.sinks.shard import ShardFile
from penstock.sinks.table import Table, TableBuilder

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

COLUMNS_MAX = 2000  # more keys than that from one process function is a mistake, and a very slow file


def fetched_types() -> dict[str, pa.DataType]:
    """Arrow types of Penstock's own columns."""
    import pyarrow as pa

    return {
        "item_id": pa.int64(),
        "url": pa.string(),
        "final_url": pa.string(),
        "fetch_time": pa.timestamp("us", tz="UTC"),
        "fetch_status": pa.int16(),
        "content_mime_type": pa.string(),
        "content_charset": pa.string(),
        "content_digest": pa.string(),
        "content_length": pa.int64(),
        "content_truncated": pa.bool_(),
        "attempts": pa.int16(),
        "dns_s": pa.float32(),
        "connect_s": pa.float32(),
        "tls_s": pa.float32(),
        "ttfb_s": pa.float32(),
        "total_s": pa.float32(),
        "body": pa.binary(),
    }


class ParquetFormat:
    """Turns outcomes into record batches and keeps the widest types seen, across shards.

    `input_schema` gives the types of the input's columns, or None to infer them. `known` is the schema of the newest
    shard of an earlier run on this output, so that a resumed run goes on with its types.
    """

    suffix = "parquet"

    def __init__(
        self,
        layout: Layout,
        input_schema: pa.Schema | None = None,
        known: pa.Schema | None = None,
        compression_level: int = 1,
    ) -> None:
        self._layout = layout
        self._builder = TableBuilder(layout)
        self._level = compression_level
        self._fixed = _fixed_fields(layout, input_schema)
        self._inferred: dict[str, Inferred] = {}
        self._added_keys: list[str] = []
        self._schema: pa.Schema | None = None
        if known is not None:
            self._inferred = {field.name: inferred_from(field) for field in known if field.name not in self._fixed}

    def encode(self, written: Sequence[Written]) -> Encoded:
        return split_until_encoded(written, self._encode_all)

    def start(self, file: ShardFile, first: Chunk) -> ParquetShard:
        return ParquetShard(file, _batch_of(first).schema, self._level)

    def _encode_all(self, written: list[Written]) -> Chunk:
        import pyarrow as pa

        table = self._builder.build(written)
        arrays: dict[str, pa.Array] = {}
        inferred = dict(self._inferred)
        keys = list(dict.fromkeys((*self._added_keys, *table.added)))
        for name, values in self._named(table, keys):
            if name in self._fixed:
                arrays[name] = _fixed_array(values, self._fixed[name])
            else:
                arrays[name], inferred[name] = encode(values, inferred.get(name))
        if len(arrays) > COLUMNS_MAX:
            raise ValueError(f"expected at most {COLUMNS_MAX} columns, got {len(arrays)}")
        schema = self._schema
        if schema is None or inferred != self._inferred or len(schema) != len(arrays):
            schema = pa.schema([self._fixed.get(name) or field_of(name, inferred[name]) for name in arrays])
        batch = pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)
        # Only now, when nothing can fail any more, is what was learned kept: a rejected outcome widens nothing.
        self._added_keys, self._inferred, self._schema = keys, inferred, schema
        return Chunk(written, table.rows, batch, schema)

    def _named(self, table: Table, keys: list[str]) -> list[tuple[str, list[object]]]:
        """Output names with their values, in the output's order. A key that this batch lacks is all null."""
        named = list(zip(self._layout.input, table.input, strict=True))
        named += table.fetched.items()
        if keys:
            missing: list[object] = [None] * table.rows
            named += [(name, table.added.get(key, missing)) for key, name in self._layout.added(keys).items()]
        return named


class ParquetShard:
    """One open Parquet file. Memory: one row group."""

    def __init__(self, file: ShardFile, schema: pa.Schema, compression_level: int) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        repeated = [name for name in ("content_mime_type", "content_charset") if name in schema.names]
        self._writer: pq.ParquetWriter = pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=compression_level,
            use_dictionary=repeated or False,
            write_statistics=["item_id"],
        )

    def add(self, chunk: Chunk) -> None:
        if chunk.rows:
            self._writer.write_batch(_batch_of(chunk), row_group_size=chunk.rows)

    def finish(self) -> str:
        import xxhash

        self._writer.close()
        return xxhash.xxh3_64_hexdigest(self._schema.to_string(show_field_metadata=False).encode())

    def abandon(self) -> None:
        with contextlib.suppress(Exception):  # the footer goes to a dropped file; nothing it says matters
            self._writer.close()


def read_schema(path: str) -> pa.Schema:
    """The Arrow schema of a Parquet shard. Raises OSError or an Arrow error."""
    import pyarrow.parquet as pq

    return pq.read_schema(path)


def _fixed_fields(layout: Layout, input_schema: pa.Schema | None) -> dict[str, pa.Field]:
    import pyarrow as pa

    fields: dict[str, pa.Field] = {}
    if input_schema is not None:
        if len(input_schema) != len(layout.input):
            raise ValueError(f"input schema: expected {len(layout.input)} columns, got {len(input_schema)}")
        fields = {name: field.with_name(name) for name, field in zip(layout.input, input_schema, strict=True)}
    types = fetched_types()
    return fields | {name: pa.field(name, types[name]) for name in layout.fetched}


def _fixed_array(values: list[object], field: pa.Field) -> pa.Array:
    import pyarrow as pa

    array = pa.array(values, field.type)
    if isinstance(array, pa.ChunkedArray):
        raise OverflowError(f"column {field.name}: more than 2 GiB in one batch")
    if array.null_count and not field.nullable:
        raise ValueError(f"column {field.name}: the input's schema allows no null, got one")
    return array


def _batch_of(chunk: Chunk) -> pa.RecordBatch:
    import pyarrow as pa

    assert isinstance(chunk.payload, pa.RecordBatch)
    return chunk.payload
