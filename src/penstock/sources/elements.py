"""What a program may yield as input, and how it becomes rows: a URL, a dict with the URL and columns, or an `Item`.

Shared by the sync and the async source. Position: {"index": elements before the batch}; an element's index is its id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from penstock.errors import ConfigError, SourceError
from penstock.model import Batch, Item
from penstock.sources.options import SourceOptions
from penstock.sources.request_fields import FieldError, parse_headers, parse_method
from penstock.sources.rows import Row, RowBlock, RowReader, UnreadableRow
from penstock.sources.urls import UrlError, parse_url

Element: TypeAlias = str | Mapping[str, object] | Item


@dataclass(slots=True)
class ElementReader:
    """Makes batches of elements; what is no element becomes a `BadRow`. Raises ConfigError without the URL column."""

    columns: tuple[str, ...]
    options: SourceOptions
    _rows: RowReader = field(init=False)
    _known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        url_column = self.options.url_column
        if url_column not in self.columns or len(set(self.columns)) != len(self.columns):
            raise ConfigError(
                f"expected distinct columns with '{url_column}' among them, got {', '.join(self.columns) or 'none'}",
                hint="pass columns=(...) or SourceOptions(url_column=...)",
            )
        self._rows = RowReader(self.columns, self.options)
        self._known = frozenset(self.columns)

    def read(self, elements: Sequence[object], first_id: int, index: int) -> Batch:
        """One batch of `elements`, of which the first is number `index` (0-based) of the whole input."""
        made = {at: self._copy_item(each) for at, each in enumerate(elements) if isinstance(each, Item)}
        rows = [made[at] if at in made else self._to_row(each) for at, each in enumerate(elements)]
        blank = UnreadableRow("bad_row", "", "")
        block = RowBlock(
            {}, [blank if isinstance(row, Item) else row for row in rows], "element ", range(index, index + len(rows))
        )
        items = self._rows.read(block, first_id)
        for at, item in made.items():
            if isinstance(item, Item):
                item.id = first_id + at
                items[at] = item
        return Batch(first_id, json.dumps({"index": index}), items)

    def _to_row(self, element: object) -> Row:
        if isinstance(element, str):
            return self._url_row(element)
        if isinstance(element, Mapping):
            unknown = element.keys() - self._known
            if unknown:
                message = f"expected the columns {', '.join(self.columns)}, got also {sorted(map(str, unknown))[0]!a}"
                return UnreadableRow("bad_row", f"{message}; name all of them in columns=", repr(element)[:4096])
            return tuple(map(element.get, self.columns))
        message = f"expected a URL, a dict or an Item, got {type(element).__name__}"
        return UnreadableRow("bad_row", message, repr(element)[:4096])

    def _url_row(self, url: str) -> tuple[object, ...]:
        if len(self.columns) == 1:
            return (url,)
        return tuple(url if name == self.options.url_column else None for name in self.columns)

    def _copy_item(self, item: Item) -> Item | UnreadableRow:
        row = item.row or self._url_row(item.url)
        if len(row) != len(self.columns):
            return UnreadableRow("bad_row", f"expected {len(self.columns)} values in Item.row, got {len(row)}", "", row)
        try:
            # What is not HTTP is for a fetch stage of the user's own, who then names the host that limits count by.
            is_own = bool(item.host) and item.url[:4].lower() != "http"
            wire_url, host = (item.url, item.host) if is_own else parse_url(item.url)
            method = parse_method(item.method) or "GET"
            return Item(0, wire_url, host, method, parse_headers(list(item.headers)), item.body, row)
        except (UrlError, FieldError) as error:
            return UnreadableRow(error.kind, str(error), "", row)


def first_columns(element: object, options: SourceOptions) -> tuple[str, ...]:
    """The columns that a first element implies: a dict's keys, else the URL column alone."""
    if isinstance(element, Mapping) and element:
        return tuple(str(name) for name in element)
    return (options.url_column,)


def start_index(first_id: int, position: str | None) -> int:
    """How many elements lie before `position`. Raises SourceError when it is no position of an iterable."""
    if position is None:
        return first_id
    try:
        index = json.loads(position)["index"]
    except (ValueError, KeyError, TypeError):
        index = None
    if type(index) is not int or index < 0:
        raise SourceError(f'expected a position such as {{"index": 0}}, got {position[:200]!r}')
    return index


def failed_input(error: BaseException, index: int) -> SourceError:
    """The user's iterable raised."""
    return SourceError(f"the input raised {type(error).__name__} after {index:,} elements: {error}")
