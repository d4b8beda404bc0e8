"""What every hand-written script here does with a body: one row with its digest, a Parquet row group per 1,000 rows."""

from __future__ import annotations

import hashlib
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("status", pa.int16()),
        ("digest", pa.string()),
        ("length", pa.int64()),
        ("body", pa.binary()),
    ]
)


class ParquetBatches:
    """Rows in, one zstd Parquet file out; `rows_per_batch` rows are held in memory."""

    def __init__(self, path: str, rows_per_batch: int = 1000) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._rows_per_batch = rows_per_batch
        self._rows: list[tuple[str, int, str, int, bytes]] = []

    def add(self, url: str, status: int, body: bytes) -> None:
        self._rows.append((url, status, hashlib.sha256(body).hexdigest(), len(body), body))
        if len(self._rows) >= self._rows_per_batch:
            self._write()

    def __enter__(self) -> ParquetBatches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rows:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        columns = [pa.array(values, field.type) for values, field in zip(zip(*self._rows), SCHEMA)]  # noqa: B905 (speed)
        self._writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
        self._rows.clear()
