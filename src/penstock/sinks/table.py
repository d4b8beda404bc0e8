"""Written outcomes turned into columns of plain Python values: the step before Parquet or JSONL, and the hot path.

One list comprehension per column: that is several times cheaper than a dict per row (benchmarks/micro/sink_build.py).
No types are decided here. Rule: a response's body is hashed once and never copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from penstock.model import Item, Response, Written
from penstock.sinks.layout import Layout


@dataclass(slots=True)
class Table:
    """Columns of equal length `rows`. `added` is keyed by the process function's own keys, in order of appearance."""

    rows: int
    input: list[list[object]]
    fetched: dict[str, list[object]]
    added: dict[str, list[object]]


@dataclass(slots=True)
class _Rows:
    """One entry per output row. `bodies` is None from an item's second record on: a body is stored once per item."""

    items: list[Item]
    responses: list[Response]
    digests: list[str]
    bodies: list[object]
    records: list[dict[str, object]]


class TableBuilder:
    """Builds tables for one layout; remembers what each Content-Type parses to (at most 1,000 of them)."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._media_types: dict[str, tuple[str, str]] = {}

    def build(self, written: Sequence[Written]) -> Table:
        """Columns for these outcomes; no rows for an outcome whose `records` is empty.

        Raises TypeError when a record is no dict with string keys or a row is no sequence.
        """
        rows, has_added = _flatten(written)
        return Table(
            rows=len(rows.items),
            input=_input_columns([item.row for item in rows.items], len(self._layout.input)),
            fetched=self._fetched_columns(rows),
            added=_added_columns(rows.records) if has_added else {},
        )

    def _fetched_columns(self, rows: _Rows) -> dict[str, list[object]]:
        answers = rows.responses
        media_types = [self._media_type(answer) for answer in answers]
        columns: dict[str, list[object]] = {
            "item_id": [item.id for item in rows.items],
            "url": [item.url for item in rows.items],
            "final_url": [answer.final_url for answer in answers],
            "fetch_time": [answer.fetch_time_us for answer in answers],
            "fetch_status": [answer.fetch_status for answer in answers],
            "content_mime_type": [mime_type for mime_type, _ in media_types],
            "content_charset": [charset for _, charset in media_types],
            "content_digest": list(rows.digests),
            "content_length": [len(answer.body) for answer in answers],
            "content_truncated": [answer.content_truncated for answer in answers],
            "attempts": [answer.attempts for answer in answers],
            "dns_s": [answer.dns_s for answer in answers],
            "connect_s": [answer.connect_s for answer in answers],
            "tls_s": [answer.tls_s for answer in answers],
            "ttfb_s": [answer.ttfb_s for answer in answers],
            "total_s": [answer.total_s for answer in answers],
            "body": rows.bodies,
        }
        return {name: columns[name] for name in self._layout.fetched}

    def _media_type(self, answer: Response) -> tuple[str, str]:
        known = self._media_types.get(answer.content_type)
        if known is None:
            known = (answer.mime_type, answer.charset)
            if len(self._media_types) < 1000:
                self._media_types[answer.content_type] = known
        return known


def _flatten(written: Sequence[Written]) -> tuple[_Rows, bool]:
    """One entry per record, and whether any record has columns of its own."""
    digests = [sha256(outcome.response.body).hexdigest() for outcome in written]
    if {len(outcome.records) for outcome in written} == {1}:
        records = [outcome.records[0] for outcome in written]
        responses = [outcome.response for outcome in written]
        rows = _Rows([outcome.item for outcome in written], responses, digests, [r.body for r in responses], records)  # type: ignore[arg-type]  # checked in _added_columns
        return rows, any(records)
    rows = _Rows([], [], [], [], [])
    for outcome, digest in zip(written, digests, strict=True):
        for index, record in enumerate(outcome.records):
            rows.items.append(outcome.item)
            rows.responses.append(outcome.response)
            rows.digests.append(digest)
            rows.bodies.append(None if index else outcome.response.body)
            rows.records.append(record)  # type: ignore[arg-type]  # checked in _added_columns
    return rows, any(rows.records)


def _input_columns(rows: list[tuple[object, ...]], count: int) -> list[list[object]]:
    if not count:
        return []
    if {len(row) for row in rows} <= {count}:
        return [[row[index] for row in rows] for index in range(count)]
    # A library source may leave cells out: they are null, never a shifted row.
    return [[row[index] if index < len(row) else None for row in rows] for index in range(count)]


def _added_columns(records: list[dict[str, object]]) -> dict[str, list[object]]:
    keys: dict[str, None] = {}
    for shape in dict.fromkeys(map(tuple, records)):  # few distinct shapes, so few turns of this loop
        keys.update(dict.fromkeys(shape))
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(f"process function: expected string keys, got {key!r}")
    return {key: [record.get(key) for record in records] for key in keys}
