"""Cuts byte chunks into lines, in blocks of what has arrived, and knows each block's offset and line number.

It decodes nothing. A line ends at LF; a CR before it belongs to the line. Memory is bounded also without any LF.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.sources.rows import RAW_BYTES_MAX

LINE_BYTES_MAX = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class LineBlock:
    """Complete lines without their LF. `offset` is the first line's byte offset, `number` its 1-based line number.

    A line over 64 MiB stands in a block of its own: `lines` has its first 64 KiB, `cut_bytes` its whole length.
    """

    offset: int
    number: int
    lines: list[bytes]
    cut_bytes: int = 0


def read_line_blocks(chunks: Iterator[bytes], offset: int = 0, number: int = 1) -> Iterator[LineBlock]:
    """Yield the lines of `chunks`, which begin at `offset`. A UTF-8 byte order mark at offset 0 is dropped."""
    pending: list[bytes] = []
    pending_bytes = 0
    for chunk in chunks:
        cut = chunk.rfind(b"\n")
        if cut < 0:
            pending.append(chunk)
            pending_bytes += len(chunk)
            if pending_bytes > LINE_BYTES_MAX:
                # Keep what a dead letter shows, count the rest.
                pending = [b"".join(pending)[:RAW_BYTES_MAX]]
            continue
        if pending_bytes > LINE_BYTES_MAX:
            end = chunk.find(b"\n")
            length = pending_bytes + end
            yield LineBlock(offset, number, [pending[0][:RAW_BYTES_MAX]], cut_bytes=length)
            offset, number = offset + length + 1, number + 1
            data = chunk[end + 1 : cut] if end < cut else None
        else:
            data = b"".join((*pending, chunk[:cut]))
        if data is not None:
            lines = data.split(b"\n")
            yield _without_mark(LineBlock(offset, number, lines))
            offset, number = offset + len(data) + 1, number + len(lines)
        rest = chunk[cut + 1 :]
        pending, pending_bytes = ([rest] if rest else []), len(rest)
    if pending_bytes > LINE_BYTES_MAX:
        yield LineBlock(offset, number, [pending[0][:RAW_BYTES_MAX]], cut_bytes=pending_bytes)
    elif pending_bytes:
        yield _without_mark(LineBlock(offset, number, [b"".join(pending)]))


def _without_mark(block: LineBlock) -> LineBlock:
    if block.offset == 0 and block.lines[0].startswith(_BOM):
        block.lines[0] = block.lines[0][len(_BOM) :]
        block.offset = len(_BOM)
    return block
