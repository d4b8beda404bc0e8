"""Checks what a peer left behind: the right records, the right bytes. A peer that loses one is an error, not fast.

Each check returns the trouble in one line, empty when all is well.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.nginx import BODIES_PER_SIZE, BODY_BYTES, digests_of

_HASHED_BODIES = 200  # bodies read and hashed a run, besides all lengths and all digest columns


@dataclass(frozen=True)
class Expected:
    """What a run must have produced: `records` answers for numbers 0 to records - 1, each of `body_bytes`."""

    records: int
    body_bytes: int
    digests: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        return self.records * self.body_bytes


def expected(body: str, records: int) -> Expected:
    """For a body name of nginx.BODY_BYTES."""
    return Expected(records, BODY_BYTES[body], tuple(digests_of(BODY_BYTES[body])))


def check_parquet(folder: Path, want: Expected, digest_column: str | None) -> str:
    """All Parquet files directly in `folder`: a `url` and a `body` column, each number once, lengths, digests."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    seen = bytearray(want.records)
    body_bytes = hashed = 0
    columns = ["url", "body"] + ([digest_column] if digest_column else [])
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=2000, columns=columns):
                body_bytes += pc.sum(pc.binary_length(batch.column("body"))).as_py() or 0
                numbers = [_number_of(url) for url in batch.column("url").to_pylist()]
                trouble = _mark(seen, numbers)
                if not trouble and digest_column:
                    trouble = _check_digests(numbers, batch.column(digest_column).to_pylist(), want)
                if trouble:
                    return trouble
                for number, body in zip(numbers, batch.column("body"), strict=True):
                    if hashed >= _HASHED_BODIES:
                        break
                    hashed += 1
                    if hashlib.sha256(body.as_py()).hexdigest() != want.digests[number % BODIES_PER_SIZE]:
                        return f"the body of number {number} is not what the server sent"
    return _check_totals(sum(seen), body_bytes, want)


def check_files(folder: Path, want: Expected) -> str:
    """One file a record, named by its number."""
    seen = bytearray(want.records)
    body_bytes = 0
    with os.scandir(folder) as entries:
        for hashed, entry in enumerate(entries):
            number = _number_of(entry.name)
            if trouble := _mark(seen, [number]):
                return trouble
            body_bytes += entry.stat().st_size
            if hashed < _HASHED_BODIES:
                digest = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
                if digest != want.digests[number % BODIES_PER_SIZE]:
                    return f"the file {entry.name} is not what the server sent"
    return _check_totals(sum(seen), body_bytes, want)


def check_counts(stdout: str, want: Expected) -> str:
    """The last line printed is JSON with `records` and `body_bytes` (the bare loops keep no bodies)."""
    try:
        counts = json.loads(stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return f"expected a line of JSON with its counts, got {stdout[-80:]!r}"
    return _check_totals(counts["records"], counts["body_bytes"], want)


@dataclass(frozen=True)
class WrkSummary:
    """What wrk printed: answers, and how many were not good."""

    requests: int
    errors: int


def parse_wrk(text: str) -> WrkSummary:
    """wrk's summary: `20000 requests in 1.00s`, and its lines about socket errors and non-2xx answers, if any.

    Raises ValueError when there is no such line.
    """
    if not (found := re.search(r"(\d+) requests in ", text)):
        raise ValueError(f"expected wrk's summary, got {text[-80:]!r}")
    errors = sum(int(count) for count in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    if bad := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        errors += int(bad[1])
    return WrkSummary(int(found[1]), errors)


def _check_totals(records: int, body_bytes: int, want: Expected) -> str:
    if records != want.records:
        return f"expected {want.records} records, got {records}"
    if body_bytes != want.total_bytes:
        return f"expected {want.total_bytes} bytes of bodies, got {body_bytes}"
    return ""


def _check_digests(numbers: list[int], digests: list[str], want: Expected) -> str:
    for number, digest in zip(numbers, digests, strict=True):
        if digest != want.digests[number % BODIES_PER_SIZE]:
            return f"the digest of number {number} is wrong: {digest!r}"
    return ""


def _mark(seen: bytearray, numbers: list[int]) -> str:
    for number in numbers:
        if not 0 <= number < len(seen):
            return f"a record that was not asked for: number {number}"
        if seen[number]:
            return f"number {number} stands there twice"
        seen[number] = 1
    return ""


def _number_of(url_or_name: str) -> int:
    last = url_or_name.rpartition("/")[2]
    return int(last) if last.isdigit() else -1
