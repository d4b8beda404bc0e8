"""A part made of text lines: joins a byte input, the line cutter and one format's decoder, and remembers positions.

Position: {"offset": byte offset, "line": line number} of a block's first row; on a pipe {"row": rows before it}.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from penstock.sources.byte_inputs import ByteInput, FileInput
from penstock.sources.estimate import estimate_lines
from penstock.sources.lines import LineBlock, read_line_blocks
from penstock.sources.rows import RowBlock

if TYPE_CHECKING:
    import pyarrow


class RowDecoder(Protocol):
    """A text format: lines in, rows out, at most `rows_max` to a block; raises nothing for bad rows."""

    def __call__(self, blocks: Iterator[LineBlock], place: str, rows_max: int) -> Iterator[RowBlock]: ...


@dataclass(frozen=True, slots=True)
class TextPart:
    """`start_offset` and `start_line` are where the rows begin. `is_all_text`: every value is a string."""

    input: ByteInput
    columns: tuple[str, ...]
    decode: RowDecoder
    is_all_text: bool
    start_offset: int = 0
    start_line: int = 1

    @property
    def name(self) -> str:
        return self.input.name

    @property
    def total(self) -> int | None:
        return None

    def arrow_types(self) -> Mapping[str, pyarrow.DataType] | None:
        if not self.is_all_text:
            return None
        import pyarrow as pa

        return dict.fromkeys(self.columns, pa.string())

    def estimate_total(self) -> int | None:
        if not isinstance(self.input, FileInput):
            return None
        return max(0, estimate_lines(self.input) - (self.start_line - 1))

    def digest(self) -> str:
        return self.input.digest() if isinstance(self.input, FileInput) else ""

    def read(self, position: Mapping[str, int] | None, rows_max: int) -> Generator[RowBlock, None, None]:
        offset, line, skipped_rows = self.start_offset, self.start_line, 0
        if position is not None:
            offset, line = position.get("offset", offset), position.get("line", line)
            skipped_rows = position.get("row", 0)
        with closing(self.input.open(offset)) as chunks:
            blocks = self.decode(read_line_blocks(chunks, offset, line), f"{self.name}:", rows_max)
            if self.input.is_seekable:
                yield from blocks
            else:
                yield from _count_rows(blocks, skipped_rows)


def _count_rows(blocks: Iterator[RowBlock], skipped_rows: int) -> Iterator[RowBlock]:
    row = 0
    for block in blocks:
        first, row = row, row + len(block.rows)
        if row <= skipped_rows:
            continue
        drop = max(0, skipped_rows - first)
        yield RowBlock({"row": first + drop}, block.rows[drop:], block.place, block.numbers[drop:])
