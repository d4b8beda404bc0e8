"""What must be true of an output after any number of crashes: the shards and dead letters against the origin's log."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from penstock.perf.origin.process import OriginProcess


def written_rows(out: Path) -> list[dict[str, Any]]:
    """Every row of every committed Parquet shard; reading them proves that they parse."""
    return [row for shard in sorted(out.glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]


def dead_letters(out: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for file in sorted((out / "failed").glob("*.jsonl")) for line in file.read_text().splitlines()
    ]


def assert_exactly_once(out: Path, urls: Sequence[str], origin: OriginProcess, *, is_complete: bool = True) -> int:
    """Each id at most once in shards and dead letters together (exactly once if complete), each body as it was served
    in full, nothing left in the temporary folder. Returns how many items are durable."""
    rows, letters = written_rows(out), dead_letters(out)
    ids = Counter([row["item_id"] for row in rows] + [letter["penstock"]["item_id"] for letter in letters])
    assert [item_id for item_id, count in ids.items() if count > 1] == [], "duplicated"
    served = {request.path for request in origin.requests() if request.complete} if is_complete else None
    for row in rows:
        assert row["url"] == urls[row["item_id"]]
        assert hashlib.sha256(row["body"]).hexdigest() == row["content_digest"]
        assert len(row["body"]) == row["content_length"] == 1024
        parts = urlsplit(row["url"])
        path = f"{parts.path}?{parts.query}".rstrip("?")
        assert served is None or path in served, "written, but never served in full"
    if is_complete:
        assert sorted(ids) == list(range(len(urls))), "lost"
        assert list((out / "_penstock" / "tmp").iterdir()) == []
    return len(ids)
