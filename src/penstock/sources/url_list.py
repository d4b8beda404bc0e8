"""Decodes a list of URLs, one a line. Blank lines and lines that begin with `#` are no rows and take no id.

The value is the line as it stands (without its line end); trimming is the URL parser's business.
"""

from __future__ import annotations

from collections.abc import Iterator

from penstock.sources.lines import LINE_BYTES_MAX, LineBlock
from penstock.sources.rows import Row, RowBlock, UnreadableRow, decode_raw


def decode_url_list(blocks: Iterator[LineBlock], place: str, rows_max: int) -> Iterator[RowBlock]:
    """Yield rows of one value. A line that is not UTF-8, or is over 64 MiB, becomes an `UnreadableRow`."""
    for block in blocks:
        if block.cut_bytes:
            yield RowBlock(line_position(block.offset, block.number), [overlong_row(block)], place, [block.number])
            continue
        offset, number = block.offset, block.number
        for start in range(0, len(block.lines), rows_max):
            lines = block.lines[start : start + rows_max]
            rows: list[Row] = []
            numbers: list[int] = []
            for at, line in enumerate(lines, number):
                stripped = line.strip()
                if not stripped or stripped.startswith(b"#"):
                    continue
                rows.append(_decode_line(line))
                numbers.append(at)
            if rows:
                yield RowBlock(line_position(offset, number), rows, place, numbers)
            offset += sum(map(len, lines)) + len(lines)
            number += len(lines)


def line_position(offset: int, line: int) -> dict[str, int]:
    """The position of a block of lines, as `TextPart` reads it back."""
    return {"offset": offset, "line": line}


def overlong_row(block: LineBlock) -> UnreadableRow:
    """The row for a line that was cut because it is over the limit."""
    message = f"expected a line of at most {LINE_BYTES_MAX:,} bytes, got {block.cut_bytes:,}"
    return UnreadableRow("bad_row", message, decode_raw(block.lines[0]))


def bad_encoding_row(raw: bytes, error: UnicodeDecodeError, values: tuple[object, ...] = ()) -> UnreadableRow:
    """The row for bytes that are not UTF-8."""
    message = f"expected UTF-8, got byte 0x{error.object[error.start]:02x} at byte {error.start + 1} of the row"
    return UnreadableRow("bad_encoding", message, decode_raw(raw), values)


def _decode_line(line: bytes) -> Row:
    try:
        return (line.removesuffix(b"\r").decode(),)
    except UnicodeDecodeError as error:
        return bad_encoding_row(line, error, (line.removesuffix(b"\r").decode("utf-8", "replace"),))
