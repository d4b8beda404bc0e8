"""Decodes JSON Lines: one object a line, values keep their JSON types. Blank lines are no rows and take no id.

Columns are the keys of the first rows. When the input goes on after those, a further column, `_extra`, takes keys that
appear later, as JSON text, so that nothing is lost and the columns stay known from the start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.sources.lines import LineBlock, read_line_blocks
from penstock.sources.rows import Row, RowBlock, UnreadableRow, decode_raw
from penstock.sources.url_list import bad_encoding_row, line_position, overlong_row

SAMPLE_ROWS = 1000
_SAMPLE_BYTES = 8 * 1024 * 1024
EXTRA_COLUMN = "_extra"


@dataclass(frozen=True, slots=True)
class JsonLinesDecoder:
    """Rows under `columns`: a missing key is None. With `has_extra`, the last column is for unknown keys.

    A key of `request_keys` that turns up late makes its row bad: set aside in `_extra` it would change the request.
    """

    columns: tuple[str, ...]
    has_extra: bool
    request_keys: frozenset[str]

    def __call__(self, blocks: Iterator[LineBlock], place: str, rows_max: int) -> Iterator[RowBlock]:
        keys = self.columns[:-1] if self.has_extra else self.columns
        known = frozenset(keys)
        for block in blocks:
            if block.cut_bytes:
                yield RowBlock(line_position(block.offset, block.number), [overlong_row(block)], place, [block.number])
                continue
            offset, number = block.offset, block.number
            for start in range(0, len(block.lines), rows_max):
                lines = block.lines[start : start + rows_max]
                filled = [(at, line) for at, line in enumerate(lines, number) if line.strip()]
                if filled:
                    rows = [self._decode(line, keys, known) for _, line in filled]
                    yield RowBlock(line_position(offset, number), rows, place, [at for at, _ in filled])
                offset += sum(map(len, lines)) + len(lines)
                number += len(lines)

    def _decode(self, line: bytes, keys: tuple[str, ...], known: frozenset[str]) -> Row:
        value = load_object(line)
        if isinstance(value, UnreadableRow):
            return value
        row = tuple(map(value.get, keys))
        if value.keys() <= known:
            return (*row, None) if self.has_extra else row
        unknown = value.keys() - known
        if late := unknown & self.request_keys:
            message = f"the key {min(late)!a} is not among the first rows' keys; give it there, if only as null"
            return UnreadableRow("bad_row", message, decode_raw(line), row)
        if self.has_extra:
            extra = {key: value[key] for key in value if key in unknown}
            return (*row, json.dumps(extra, ensure_ascii=False))
        # The whole input was sampled when it was opened, so it has grown since.
        message = f"unexpected key {ascii(min(unknown))[:80]}: the input changed while it was being read"
        return UnreadableRow("bad_row", message, decode_raw(line), row)


def load_object(line: bytes) -> dict[str, object] | UnreadableRow:
    """Parse one line, or say why it is no row."""
    try:
        value = json.loads(line.decode())
        if b"\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate escape has no UTF-8 form
    except UnicodeDecodeError as error:
        return bad_encoding_row(line, error)
    except UnicodeEncodeError:
        return UnreadableRow("bad_encoding", "a \\u escape is half of a surrogate pair", decode_raw(line))
    except RecursionError:
        return UnreadableRow("bad_row", "the JSON is nested too deeply", decode_raw(line))
    except json.JSONDecodeError as error:
        message = f"expected a JSON object, got text that is no JSON ({error.msg} at character {error.pos + 1})"
        return UnreadableRow("bad_row", message, decode_raw(line))
    except ValueError as error:  # a number with more digits than Python converts
        return UnreadableRow("bad_row", f"unreadable JSON ({error})", decode_raw(line))
    if not isinstance(value, dict):
        return UnreadableRow("bad_row", f"expected a JSON object, got {type(value).__name__}", decode_raw(line))
    return value


def sample_columns(chunks: Iterator[bytes], *, is_pipe: bool) -> tuple[tuple[str, ...], bool]:
    """Return the keys of the first 1000 rows (8 MiB) in order of appearance, and whether those are all rows there are.

    Of a pipe only the first readable row counts: waiting for more could take for ever, and taking what happens to
    have arrived would give other columns on every run.
    """
    keys: dict[str, None] = {}
    rows = 0
    for block in read_line_blocks(chunks):
        for line in block.lines:
            if not line.strip():
                continue
            if rows >= SAMPLE_ROWS or block.offset > _SAMPLE_BYTES:
                return tuple(keys), False
            rows += 1
            value = None if block.cut_bytes else load_object(line)
            if isinstance(value, dict):
                keys.update(dict.fromkeys(value))
                if is_pipe:
                    return tuple(keys), False
    return tuple(keys), not is_pipe


def extra_column(columns: tuple[str, ...]) -> str:
    """The name of the column for later keys: `_extra`, with underscores before it until it is free."""
    name = EXTRA_COLUMN
    while name in columns:
        name = "_" + name
    return name
