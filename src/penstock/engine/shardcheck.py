"""Opens one shard and says what is wrong with it: bytes, format, and the ids that really are in it. Changes nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.engine.recovery import file_checksum
from penstock.sinks.ids import bitmap_of, bitmap_of_ranges
from penstock.sinks.manifest import Manifest

if TYPE_CHECKING:
    from pyroaring import BitMap64


def find_fault(root: Path, shard: Manifest, own_key: str) -> str:
    """What is wrong with a shard's file, in words; empty when it is exactly what its manifest says.

    `own_key` is the name of the dead letters' own object. Reads the whole file once, and its ids. Raises OSError.
    """
    import pyarrow as pa
    import zstandard

    path = root / shard.name
    size, checksum = file_checksum(path)
    if size != shard.bytes:
        return f"expected {shard.bytes} bytes, got {size}"
    if checksum != shard.xxh3_64:
        return f"expected xxh3_64 {shard.xxh3_64}, got {checksum}"
    expected = bitmap_of_ranges(shard.ids)
    if len(expected) != shard.items:
        return f"its manifest names {shard.items} items but {len(expected)} ids"
    try:
        rows, found = _read_ids(path, shard, own_key)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, zstandard.ZstdError) as error:
        return f"does not parse: {type(error).__name__}: {error}"
    if rows != shard.rows:
        return f"expected {shard.rows} rows, got {rows}"
    if found != expected - bitmap_of_ranges(shard.empty_ids):
        return f"its rows hold other ids than its manifest: {len(found ^ expected)} differ"
    return ""


def _read_ids(path: Path, shard: Manifest, own_key: str) -> tuple[int, BitMap64]:
    if shard.stream == "skipped":
        ids = bitmap_of_ranges(json.loads(path.read_bytes())["ids"])
        return len(ids), ids
    if shard.name.endswith(".parquet"):
        return _read_parquet_ids(path)
    rows, ids = 0, bitmap_of(())
    for line in _lines(path):
        fields = json.loads(line)
        ids.add(fields[own_key]["item_id"] if shard.stream == "failed" else fields["item_id"])
        rows += 1
    return rows, ids


def _read_parquet_ids(path: Path) -> tuple[int, BitMap64]:
    import pyarrow.parquet as pq

    ids = bitmap_of(())
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["item_id"]):
            ids.update(batch.column(0).to_pylist())
        return file.metadata.num_rows, ids


def _lines(path: Path) -> Iterator[str]:
    if not path.name.endswith(".zst"):
        with path.open(encoding="utf-8", newline="\n") as lines:
            yield from lines
        return
    import zstandard

    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        io.TextIOWrapper(stream, encoding="utf-8", newline="\n") as lines,
    ):
        yield from lines
