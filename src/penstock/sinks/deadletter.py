"""Dead letters: one JSON line per item that was given up, holding all that is needed to try it again.

The input's columns stand at the top level, verbatim, so that the file is itself a valid input; all that is ours is in
one object, `penstock` (`penstock_` and so on when the input has a column of that name). If the input has no column
`url`, the request's URL is added under that name. Format version 1 of the object:

| key         | when                     | meaning                                                          |
|-------------|--------------------------|------------------------------------------------------------------|
| item_id     | always                   | the item's id                                                    |
| kind        | always                   | the failure's kind                                               |
| error       | always                   | its text, without user names and passwords of URLs               |
| attempts    | always                   | tries made; 0 when nothing was ever sent                         |
| http_status | the server answered      | its status                                                       |
| time        | always                   | RFC 3339, UTC, when the dead letter was written                  |
| url         | column `url` says other  | the request's URL                                                |
| host        | not a bad row            | the request's host key                                           |
| method, headers, body | unlike a plain GET | the rest of the request; `body` in base64                     |
| marks       | some value was no JSON   | by column, how its value was written (plain.py's table)          |
| width       | the row was short        | how many of the input's columns it had                           |
| raw         | a bad row                | the row's text                                                   |
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from penstock.model import BadRow, Failed, Failure, FailureKind, Item
from penstock.sinks.layout import free_name
from penstock.sinks.plain import from_plain, mark_plain

_ERROR_CHARS_MAX = 4000
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#@]*(?:@[^\s/?#@]*)*@")


def encode_dead_letter(failed: Failed, columns: Sequence[str], time: str) -> str:
    """The line for one outcome, with its line break. Never raises for any value of the row. About 10 µs."""
    item, failure = failed.item, failed.failure
    ours: dict[str, object] = {
        "item_id": item.id,
        "kind": failure.kind,
        "error": without_userinfo(failure.message)[:_ERROR_CHARS_MAX],
        "attempts": item.attempts if isinstance(item, Item) else 0,
    }
    if failure.http_status is not None:
        ours["http_status"] = failure.http_status
    ours["time"] = time
    fields, marks = _row_fields(item.row, columns)
    if marks:
        ours["marks"] = marks
    if len(item.row) < len(columns):
        ours["width"] = len(item.row)
    if "url" not in columns:
        fields["url"] = item.url
    elif fields.get("url") != item.url:
        ours["url"] = item.url
    if isinstance(item, BadRow):
        ours["raw"] = item.raw
    else:
        ours |= _request_fields(item)
    fields[own_key(columns)] = ours
    try:
        line = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(fields, separators=(",", ":"))  # lone surrogates survive as \u escapes only
    return line + "\n"


def decode_dead_letters(lines: Iterable[str], columns: Sequence[str]) -> Iterator[Failed]:
    """Items and bad rows as they were, with the failure that ended them. Raises ValueError naming the line."""
    key = own_key(columns)
    for number, line in enumerate(lines, start=1):
        try:
            fields = json.loads(line)
            yield _decode(fields, fields[key], columns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number}: expected a dead letter, got {type(error).__name__}: {error}") from error


def own_key(columns: Iterable[str]) -> str:
    """The name of the object that is ours, free among the input's columns."""
    taken = set(columns)
    name = "penstock"
    while name in taken:
        name += "_"
    return name


def without_userinfo(text: str) -> str:
    """`text` with `user:password@` taken out of every URL in it."""
    return _USERINFO.sub(r"\1", text) if "@" in text else text


def _row_fields(row: Sequence[object], columns: Sequence[str]) -> tuple[dict[str, object], dict[str, str]]:
    fields: dict[str, object] = {}
    marks: dict[str, str] = {}
    for column, value in zip(columns, row, strict=False):
        name = free_name(column, "input_", fields)  # a repeated column name; the same rule as in the data
        fields[name], mark = mark_plain(value)
        if mark:
            marks[name] = mark
    return fields, marks


def _request_fields(item: Item) -> dict[str, object]:
    fields: dict[str, object] = {"host": item.host}
    if item.method != "GET":
        fields["method"] = item.method
    if item.headers:
        fields["headers"] = [list(header) for header in item.headers]
    if item.body is not None:
        fields["body"] = base64.b64encode(item.body).decode("ascii")
    return fields


def _decode(fields: Mapping[str, object], ours: Mapping[str, object], columns: Sequence[str]) -> Failed:
    marks = cast("Mapping[str, str]", ours.get("marks", {}))
    width = cast("int", ours.get("width", len(columns)))
    row: list[object] = []
    seen: set[str] = set()
    for column in columns[:width]:
        name = free_name(column, "input_", seen)
        seen.add(name)
        row.append(from_plain(fields.get(name), marks.get(name, "")))
    failure = Failure(
        cast("FailureKind", ours["kind"]), str(ours["error"]), http_status=cast("int | None", ours.get("http_status"))
    )
    item_id, url = cast("int", ours["item_id"]), str(ours.get("url", fields.get("url", "")))
    if "raw" in ours:
        return Failed(BadRow(item_id, failure, url=url, row=tuple(row), raw=str(ours["raw"])), failure)
    body = ours.get("body")
    headers = cast("Sequence[Sequence[str]]", ours.get("headers", ()))
    item = Item(
        id=item_id,
        url=url,
        host=str(ours["host"]),
        method=str(ours.get("method", "GET")),
        headers=tuple((str(name), str(value)) for name, value in headers),
        body=None if body is None else base64.b64decode(str(body)),
        row=tuple(row),
    )
    return Failed(item, failure)
