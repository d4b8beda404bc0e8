"""What the tests of sources share: writing a file in any compression, and reading a source to its end."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import zstandard

from penstock.model import BadRow, Batch, Item

COMPRESSIONS = ("", ".gz", ".zst")


def compress(content: bytes, extension: str) -> bytes:
    """`content` in one gzip member or zstd frame, or as it is."""
    match extension:
        case "":
            return content
        case ".gz":
            return gzip.compress(content, 1)
        case ".zst":
            return zstandard.ZstdCompressor(level=1).compress(content)
    raise AssertionError(extension)


def write(path: Path, content: str | bytes) -> str:
    """Write `content`, compressed as the name says; return the path as text."""
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(compress(data, path.suffix if path.suffix in COMPRESSIONS else ""))
    return str(path)


def rows_of(batches: Iterable[Batch]) -> list[Item | BadRow]:
    """All rows, having checked that ids are consecutive and batches are not empty."""
    rows: list[Item | BadRow] = []
    expected_id: int | None = None
    for batch in batches:
        assert batch.items
        assert expected_id is None or batch.first_id == expected_id
        assert [row.id for row in batch.items] == list(range(batch.first_id, batch.end_id))
        expected_id = batch.end_id
        rows.extend(batch.items)
    return rows


def values_of(rows: Sequence[Item | BadRow]) -> list[tuple[object, ...]]:
    return [row.row for row in rows]


def kinds_of(rows: Sequence[Item | BadRow]) -> list[str]:
    """The failure kind of each bad row, "" for an item."""
    return [row.failure.kind if isinstance(row, BadRow) else "" for row in rows]
