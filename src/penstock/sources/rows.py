"""Turns rows of values into `Item`s and `BadRow`s, with running ids. The only place where either is made from a file.

It opens nothing and never raises for a row: what cannot be requested becomes a `BadRow` that says where it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from penstock.model import BadRow, Failure, FailureKind, Item
from penstock.sources.options import SourceOptions
from penstock.sources.request_fields import FieldError, parse_body, parse_headers, parse_method
from penstock.sources.urls import UrlError, parse_url

RAW_BYTES_MAX = 65_536


@dataclass(slots=True)
class UnreadableRow:
    """A row whose values could not be told apart. `values` holds what could be read, `raw` the text, cut to 64 KiB."""

    kind: FailureKind
    message: str
    raw: str
    values: tuple[object, ...] = ()


Row: TypeAlias = tuple[object, ...] | UnreadableRow


@dataclass(slots=True)
class RowBlock:
    """Consecutive rows of one part. `position` leads back to the first; `rows[i]` was line or row `numbers[i]`.

    `place` is what stands before the number in messages, such as `urls.csv:` or `table.parquet row `.
    """

    position: dict[str, int]
    rows: Sequence[Row]
    place: str
    numbers: Sequence[int]


def decode_raw(raw: bytes) -> str:
    """The text of a row for its dead letter: at most 64 KiB, undecodable bytes as U+FFFD."""
    return raw[:RAW_BYTES_MAX].decode("utf-8", "replace")


@dataclass(slots=True)
class RowReader:
    """Makes items from rows that hold the values of `columns`, in that order."""

    columns: tuple[str, ...]
    options: SourceOptions
    _url: int = field(init=False)
    _method: int | None = field(init=False)
    _headers: int | None = field(init=False)
    _body: int | None = field(init=False)
    _parse_header_text: Callable[[str], tuple[tuple[str, str], ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._url = self.columns.index(self.options.url_column)
        self._method = self._find(self.options.method_column)
        self._headers = self._find(self.options.headers_column)
        self._body = self._find(self.options.body_column)
        self._parse_header_text = lru_cache(maxsize=256)(parse_headers)  # rows of a list mostly share their headers

    def read(self, block: RowBlock, first_id: int) -> list[Item | BadRow]:
        """Return one item or bad row for each row of `block`, with ids from `first_id` on."""
        items: list[Item | BadRow] = []
        append, url_at = items.append, self._url
        is_plain = self._method is None and self._headers is None
        for item_id, row in enumerate(block.rows, first_id):
            if isinstance(row, UnreadableRow):
                append(self._refuse(item_id, block, first_id, row))
                continue
            try:
                wire_url, host = parse_url(_url_text(row[url_at]))
                if is_plain:
                    append(Item(item_id, wire_url, host, "GET", (), None, row))
                else:
                    append(self._make_item(item_id, wire_url, host, row))
            except (UrlError, FieldError) as error:
                append(self._refuse(item_id, block, first_id, UnreadableRow(error.kind, str(error), "", row)))
        return items

    def _find(self, name: str) -> int | None:
        return self.columns.index(name) if name and name in self.columns else None

    def _make_item(self, item_id: int, wire_url: str, host: str, row: tuple[object, ...]) -> Item:
        method = "" if self._method is None else parse_method(row[self._method])
        headers: tuple[tuple[str, str], ...] = ()
        if self._headers is not None:
            cell = row[self._headers]
            headers = self._parse_header_text(cell) if isinstance(cell, str) else parse_headers(cell)
        # Without a method of its own a row sends no body: a table of pages already fetched has a body column, too.
        body = parse_body(row[self._body]) if method and self._body is not None else None
        return Item(item_id, wire_url, host, method or "GET", headers, body, row)

    def _refuse(self, item_id: int, block: RowBlock, first_id: int, bad: UnreadableRow) -> BadRow:
        number = block.numbers[item_id - first_id]
        url = bad.values[self._url] if len(bad.values) > self._url else ""
        failure = Failure(bad.kind, f"{block.place}{number}: {bad.message}", is_unsent=True)
        return BadRow(item_id, failure, url if isinstance(url, str) else "", bad.values, bad.raw)


def _url_text(cell: object) -> str:
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError:
            raise UrlError("bad_encoding", "the URL is not UTF-8") from None
    raise UrlError("bad_url", f"expected text as the URL, got {type(cell).__name__}")
