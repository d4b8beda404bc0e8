"""Several parts as one source: one running id, the union of their columns, one position.

Position (JSON text): {"file": index of the part, …the part's own position}. Parts are read one after another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import SourceError
from penstock.model import Batch
from penstock.sources.arrow_schema import join_schema
from penstock.sources.options import SourceOptions
from penstock.sources.part import Part
from penstock.sources.rows import Row, RowBlock, RowReader, UnreadableRow

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, slots=True)
class JoinedSource:
    """A `Source` over `parts`. Where a part lacks one of `columns`, the value is None."""

    parts: Sequence[Part]
    columns: tuple[str, ...]
    options: SourceOptions

    @property
    def schema(self) -> pyarrow.Schema | None:
        """Arrow types of `columns`; None with JSON Lines among the parts."""
        return join_schema(self.parts, self.columns)

    @property
    def total(self) -> int | None:
        """Exact where every part knows (Parquet, literal URLs), else None; see `estimate_total`."""
        totals = [part.total for part in self.parts]
        return None if None in totals else sum(total for total in totals if total is not None)

    def estimate_total(self) -> int | None:
        """About how many rows, for progress; reads at most 64 MiB a file. None with a pipe among the parts."""
        estimates = [part.estimate_total() for part in self.parts]
        return None if None in estimates else sum(estimate for estimate in estimates if estimate is not None)

    @property
    def fingerprint(self) -> str:
        """Of the contents, in order, and of how they are read; the same when files move. Empty with a pipe."""
        return _fingerprint(self.parts, self.columns, self.options)

    def read(self, first_id: int = 0, position: str | None = None) -> Generator[Batch, None, None]:
        """Yield batches of at most `batch_rows` rows, from `position`, whose first row has the id `first_id`.

        Without a position everything is read, and the first batch yielded is the one that holds `first_id`.
        """
        file, inner = 0, None
        next_id, dropped = first_id, 0
        if position is not None:
            inner = _parse_position(position, len(self.parts))
            file = inner.pop("file")
        elif first_id:
            next_id, dropped = 0, first_id
        reader = RowReader(self.columns, self.options)
        for index in range(file, len(self.parts)):
            part = self.parts[index]
            widen = _widener(part.columns, self.columns)
            with closing(part.read(inner if index == file else None, self.options.batch_rows)) as blocks:
                for block in blocks:
                    end_id = next_id + len(block.rows)
                    if end_id > dropped:
                        items = reader.read(_widen_block(block, widen), next_id)
                        where = json.dumps({"file": index, **block.position})
                        yield Batch(next_id, where, items)
                    next_id = end_id


def _parse_position(position: str, parts: int) -> dict[str, int]:
    try:
        value = json.loads(position)
    except ValueError:
        value = None
    if (
        not isinstance(value, dict)
        or not all(type(number) is int and number >= 0 for number in value.values())
        or value.get("file", parts) >= parts
    ):
        raise SourceError(f"expected a position in one of {parts} inputs, got {position[:200]!r}")
    return value


def _widener(have: tuple[str, ...], want: tuple[str, ...]) -> Callable[[tuple[object, ...]], tuple[object, ...]] | None:
    """How to put a row of `have` under the columns `want`; None when nothing is to be done."""
    if have == want:
        return None
    index = {name: at for at, name in enumerate(have)}
    places = [index.get(name, -1) for name in want]

    def widen(row: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(row[at] if 0 <= at < len(row) else None for at in places)

    return widen


def _widen_block(block: RowBlock, widen: Callable[[tuple[object, ...]], tuple[object, ...]] | None) -> RowBlock:
    if widen is None:
        return block
    rows: list[Row] = []
    for row in block.rows:
        if isinstance(row, UnreadableRow):
            rows.append(UnreadableRow(row.kind, row.message, row.raw, widen(row.values) if row.values else ()))
        else:
            rows.append(widen(row))
    return RowBlock(block.position, rows, block.place, block.numbers)


def _fingerprint(parts: Sequence[Part], columns: tuple[str, ...], options: SourceOptions) -> str:
    import xxhash

    digests = [part.digest() for part in parts]
    if not all(digests):
        return ""
    names = (options.url_column, options.method_column, options.headers_column, options.body_column)
    return "1-" + xxhash.xxh3_128_hexdigest(json.dumps([digests, columns, names]).encode())
