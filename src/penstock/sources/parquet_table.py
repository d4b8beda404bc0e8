"""A part made of a Parquet file: row groups one after another, a bounded batch in memory, types kept without loss.

Position: {"row_group": index, "row": rows of that group before it}. Seeking skips whole row groups unread.
Values are Python objects where those say the same; else pyarrow scalars (nanoseconds, far dates, unknown types).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import SourceError
from penstock.sources.arrow_values import to_rows
from penstock.sources.byte_inputs import FileInput
from penstock.sources.rows import RowBlock

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

# Bodies may be large: a block is cut so that it holds about this much, going by the row group's mean row.
_BLOCK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """Opened by `open_parquet`; holds the file's schema and row count, not the file."""

    input: FileInput
    file_schema: pyarrow.Schema
    row_count: int

    @property
    def name(self) -> str:
        return self.input.path

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.file_schema.names)

    @property
    def total(self) -> int | None:
        return self.row_count

    def arrow_types(self) -> Mapping[str, pyarrow.DataType] | None:
        return {column.name: column.type for column in self.file_schema}

    def estimate_total(self) -> int | None:
        return self.row_count

    def digest(self) -> str:
        return self.input.digest()

    def read(self, position: Mapping[str, int] | None, rows_max: int) -> Generator[RowBlock, None, None]:
        import pyarrow as pa

        first_group, skipped_rows = 0, 0
        if position is not None:
            first_group, skipped_rows = position["row_group"], position["row"]
        group = first_group
        try:
            with _open_file(self.name) as file:
                starts = _group_starts(file.metadata)
                for group in range(first_group, file.metadata.num_row_groups):
                    dropped = skipped_rows if group == first_group else 0
                    yield from self._read_group(file, group, starts[group], dropped, rows_max)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(
                f"{self.name}: expected a readable row group {group}, got: {error}",
                hint="what was read before is safe; repair the file or make it again, then run the same command",
            ) from error

    def _read_group(
        self, file: pyarrow.parquet.ParquetFile, group: int, start: int, dropped: int, rows_max: int
    ) -> Generator[RowBlock, None, None]:
        metadata = file.metadata.row_group(group)
        if not metadata.num_rows:
            return
        fitting = _BLOCK_BYTES * metadata.num_rows // max(1, metadata.total_byte_size)
        row = 0
        for batch in file.iter_batches(batch_size=max(1, min(rows_max, fitting)), row_groups=[group]):
            first, row = row, row + batch.num_rows
            if row <= dropped:
                continue
            if first < dropped:
                batch, first = batch.slice(dropped - first), dropped  # noqa: PLW2901 - the rest of the same batch
            rows = to_rows(batch)
            numbers = range(start + first + 1, start + row + 1)
            yield RowBlock({"row_group": group, "row": first}, rows, f"{self.name} row ", numbers)


def open_parquet(path: str) -> ParquetTable:
    """Read the file's footer. Raises OSError or pyarrow.ArrowException when there is none to read."""
    with _open_file(path) as file:
        return ParquetTable(FileInput(path), file.schema_arrow.remove_metadata(), file.metadata.num_rows)


def _open_file(path: str) -> pyarrow.parquet.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)


def _group_starts(metadata: pyarrow.parquet.FileMetaData) -> list[int]:
    starts, rows = [], 0
    for group in range(metadata.num_row_groups):
        starts.append(rows)
        rows += metadata.row_group(group).num_rows
    return starts
