"""Decodes CSV and TSV: a header record names the columns, every value stays the string it is.

One bad row costs that row: a quote that is never closed takes its own line only, the next line starts afresh.
Blank lines are no rows and take no id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from penstock.sources.csv_record import MalformedRecord, RecordParser
from penstock.sources.lines import LineBlock, read_line_blocks
from penstock.sources.rows import RAW_BYTES_MAX, Row, RowBlock, UnreadableRow, decode_raw
from penstock.sources.url_list import bad_encoding_row, line_position, overlong_row

# A record over several lines may be this long; a quote left open longer than that is taken for a stray one.
OPEN_RECORD_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DelimitedDecoder:
    """Rows of `width` strings. Other widths, bad quoting and bad UTF-8 become `UnreadableRow`s."""

    delimiter: str
    width: int

    def __call__(self, blocks: Iterator[LineBlock], place: str, rows_max: int) -> Iterator[RowBlock]:
        state = _Lines(RecordParser(self.delimiter, self.width))
        for block in blocks:
            if block.cut_bytes:
                yield from self._drain(state, place, rows_max, is_end=True)
                yield RowBlock(line_position(block.offset, block.number), [overlong_row(block)], place, [block.number])
                continue
            state.add(block)
            yield from self._drain(state, place, rows_max, is_end=False)
        yield from self._drain(state, place, rows_max, is_end=True)

    def _drain(self, state: _Lines, place: str, rows_max: int, *, is_end: bool) -> Iterator[RowBlock]:
        """Yield blocks of the complete rows in hand; at the end, of all."""
        while True:
            rows: list[Row] = []
            numbers: list[int] = []
            position: dict[str, int] = {}
            while len(rows) < rows_max:
                if not rows:
                    position = line_position(*state.start())
                found = state.take(self.width, is_end=is_end)
                if found is None:
                    break
                rows.append(found)
                numbers.append(state.row_number)
            if not rows:
                return
            yield RowBlock(position, rows, place, numbers)


def read_header(chunks: Iterator[bytes], delimiter: str) -> tuple[tuple[str, ...], int, int] | None:
    """Return the header's names, and the offset and line number of what follows it; None for an input without rows.

    Raises ValueError saying what is wrong when the first record is no header.
    """
    state = _Lines(RecordParser(delimiter, fields_max=100_000))
    is_end = False
    blocks = read_line_blocks(chunks)
    while not is_end:
        block = next(blocks, None)
        is_end = block is None or block.cut_bytes > 0
        if block is not None and not block.cut_bytes:
            state.add(block)
        found = state.take(None, is_end=is_end)
        if isinstance(found, UnreadableRow):
            raise ValueError(f"the header row is unreadable: {found.message}")
        if found is not None:
            return tuple(str(name) for name in found), *state.start()
    return None


@dataclass(slots=True)
class _Lines:
    """The lines in hand: those to read, and those of a record that is still open, which may have to be given back."""

    parser: RecordParser
    row_number: int = 0
    _todo: deque[bytes] = field(default_factory=deque)
    _open: list[bytes] = field(default_factory=list)
    _open_bytes: int = 0
    _is_dirty: bool = False
    _offset: int = 0
    _number: int = 0

    def add(self, block: LineBlock) -> None:
        if not self._todo and not self._open:
            self._offset, self._number = block.offset, block.number
        self._todo.extend(block.lines)

    def start(self) -> tuple[int, int]:
        """Offset and number of the first line that belongs to no complete row yet."""
        return self._offset, self._number

    def take(self, width: int | None, *, is_end: bool) -> Row | None:
        """The next row, or None when it needs more lines than are in hand."""
        delimiter = self.parser.delimiter
        while self._todo:
            line = self._todo.popleft()
            if not self._open:
                if not line or line == b"\r":
                    self._advance(1, len(line) + 1)
                    continue
                if b'"' not in line:
                    self.row_number = self._number
                    self._advance(1, len(line) + 1)
                    try:
                        values = line.removesuffix(b"\r").decode().split(delimiter)
                    except UnicodeDecodeError as error:
                        text = line.removesuffix(b"\r").decode("utf-8", "replace")
                        return bad_encoding_row(line, error, tuple(text.split(delimiter)))
                    if width is None or len(values) == width:
                        return tuple(values)
                    return _wrong_width(values, width, [line])
            row = self._feed(line, width)
            if row is not None:
                return row
        if is_end and self._open:
            return self._give_up("a quote opens here and never closes")
        return None

    def _feed(self, line: bytes, width: int | None) -> Row | None:
        feed = self.parser.feed if self._open else self.parser.start
        self._open.append(line)
        self._open_bytes += len(line) + 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = line.decode("utf-8", "surrogateescape")
            self._is_dirty = True
        try:
            is_complete = feed(text)
        except MalformedRecord as error:
            return self._give_up(str(error))
        if is_complete:
            return self._finish(width)
        if self._open_bytes > OPEN_RECORD_BYTES_MAX:
            return self._give_up(f"a quote opens here and does not close within {OPEN_RECORD_BYTES_MAX:,} bytes")
        return None

    def _finish(self, width: int | None) -> Row:
        values, lines, is_dirty = self.parser.fields, self._open, self._is_dirty
        if width is not None and len(values) != width and self._open_bytes > RAW_BYTES_MAX:
            return self._give_up(
                f"expected {width} columns, got {len(values)} in {len(lines):,} lines of one quoted row"
            )
        self.row_number = self._number
        self._advance(len(lines), self._open_bytes)
        self._reset()
        if is_dirty:
            raw = b"\n".join(lines)
            shown = tuple(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for value in values)
            try:
                raw.decode()
            except UnicodeDecodeError as error:
                return bad_encoding_row(raw, error, shown)
        if width is None or len(values) == width:
            return tuple(values)
        return _wrong_width(values, width, lines)

    def _give_up(self, reason: str) -> UnreadableRow:
        """The first line of the open record is the bad row; the others are read afresh: no row is lost with it."""
        first, *others = self._open
        self.row_number = self._number
        self._advance(1, len(first) + 1)
        self._todo.extendleft(reversed(others))
        self._reset()
        return UnreadableRow("bad_row", reason, decode_raw(first))

    def _reset(self) -> None:
        self._open, self._open_bytes, self._is_dirty = [], 0, False

    def _advance(self, lines: int, length: int) -> None:
        self._offset += length
        self._number += lines


def _wrong_width(values: list[str], width: int, lines: list[bytes]) -> UnreadableRow:
    message = f"expected {width} columns, got {len(values)}"
    return UnreadableRow("bad_row", message, decode_raw(b"\n".join(lines)), tuple(values))
