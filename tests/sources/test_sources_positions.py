"""Reading from any batch's position gives the rest: the same rows and ids, in every format and compression."""

from __future__ import annotations

import itertools
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources_kit import COMPRESSIONS, rows_of, write

from penstock.errors import SourceError
from penstock.sources import SourceOptions, byte_inputs, open_source

_HEAD = {"txt": b"", "csv": b"url,n\n", "tsv": b"url\tn\n", "jsonl": b'{"url": "http://a/"}\n'}
_PIECES = st.sampled_from(
    [
        b"http://a/,1\n",
        b"http://a/\t1\r\n",
        b'"http://b/\n,2",3\n',
        b'"',
        b",",
        b"\n",
        b"\r\n",
        b"# note\n",
        b'{"url": "http://c/", "n": 1}\n',
        b'{"url": 1}\n',
        b"\xff",
        "\u00e9".encode(),
        b"http://" + b"d" * 300,
    ]
)
_CONTENT = st.lists(_PIECES | st.binary(max_size=8), max_size=40).map(b"".join)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunk borders everywhere, without large files."""
    monkeypatch.setattr(byte_inputs, "CHUNK_BYTES", 37)


@pytest.mark.parametrize("text_format", list(_HEAD))
@pytest.mark.parametrize("compression", COMPRESSIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(content=_CONTENT, batch_rows=st.integers(1, 5))
def test_any_bytes_read_from_every_position_give_the_same_rows(
    tmp_path: Path, text_format: str, compression: str, content: bytes, batch_rows: int
) -> None:
    path = write(tmp_path / f"a.{text_format}{compression}", _HEAD[text_format] + content)
    source = open_source(["http://first/", path, path], SourceOptions(batch_rows=batch_rows))
    batches = list(source.read())
    rows = rows_of(batches)
    assert [row.id for row in rows] == list(range(len(rows)))
    for batch in batches:
        assert len(batch.items) <= batch_rows
        assert rows_of(source.read(batch.first_id, batch.position)) == rows[batch.first_id :]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(count=st.integers(0, 30), group_rows=st.integers(1, 20), batch_rows=st.integers(1, 8))
def test_parquet_read_from_every_position_gives_the_same_rows(
    tmp_path: Path, count: int, group_rows: int, batch_rows: int
) -> None:
    path = str(tmp_path / "a.parquet")
    pq.write_table(
        pa.table({"url": pa.array([f"http://a/{n}" for n in range(count)], pa.string())}),
        path,
        row_group_size=group_rows,
    )
    source = open_source([path, path], SourceOptions(batch_rows=batch_rows))
    batches = list(source.read())
    rows = rows_of(batches)
    assert [row.row for row in rows] == [(f"http://a/{n}",) for n in range(count)] * 2
    for batch in batches:
        assert rows_of(source.read(batch.first_id, batch.position)) == rows[batch.first_id :]


def test_a_resume_may_use_another_batch_size(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    pq.write_table(pa.table({"url": [f"http://a/{n}" for n in range(50)]}), path, row_group_size=20)
    batches = list(open_source([path], SourceOptions(batch_rows=3)).read())
    rows = rows_of(batches)
    for batch in batches:
        resumed = open_source([path], SourceOptions(batch_rows=7))
        assert rows_of(resumed.read(batch.first_id, batch.position)) == rows[batch.first_id :]


def test_a_first_id_without_position_counts_the_rows_before_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "".join(f"http://a/{n}\n" for n in range(20)))
    source = open_source([path], SourceOptions(batch_rows=3))
    batches = list(source.read(first_id=10))
    assert batches[0].first_id <= 10 < batches[0].end_id
    rows = rows_of(batches)
    assert [row.url for row in rows] == [f"http://a/{row.id}" for row in rows]


@pytest.mark.parametrize(
    "position", ["", "x", "[]", "{}", '{"file": 9}', '{"file": -1}', '{"file": true}', '{"file": 0, "offset": "1"}']
)
def test_what_is_no_position_is_refused(tmp_path: Path, position: str) -> None:
    source = open_source([write(tmp_path / "a.txt", "http://a/\n")])
    with pytest.raises(SourceError, match="position"):
        next(source.read(0, position))


def test_a_resume_near_the_end_of_a_plain_file_reads_only_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_inputs, "CHUNK_BYTES", 262_144)
    path = write(tmp_path / "a.txt", b"".join(b"http://a.example/%06d\n" % n for n in range(200_000)))
    size = os.stat(path).st_size
    source = open_source([path])
    late = next(itertools.islice(source.read(), 190, None))
    assert json.loads(late.position)["offset"] > size * 0.9
    bytes_read = 0
    really_read = byte_inputs._read_file

    def count(path: str, offset: int) -> Iterator[bytes]:
        nonlocal bytes_read
        for chunk in really_read(path, offset):
            bytes_read += len(chunk)
            yield chunk

    monkeypatch.setattr(byte_inputs, "_read_file", count)
    rows = rows_of(source.read(late.first_id, late.position))
    assert rows[-1].id == 199_999
    assert 0 < bytes_read < size * 0.1


def peak_bytes(path: str) -> int:
    """The most that was allocated at once while reading the whole source."""
    source = open_source([path])
    rows = 0
    tracemalloc.start()
    try:
        for batch in source.read():
            rows += len(batch.items)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert rows


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.txt.gz", "a.txt.zst", "a.parquet"])
def test_memory_does_not_grow_with_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(byte_inputs, "CHUNK_BYTES", 16_384)

    def make(count: int) -> str:
        urls = [f"http://a.example/page/{n}" for n in range(count)]
        path = tmp_path / f"{count}-{name}"
        if name == "a.parquet":
            pq.write_table(pa.table({"url": urls}), path, row_group_size=10_000)
            return str(path)
        line = '{{"url": "{}"}}' if ".jsonl" in name else "{}"
        return write(path, "\n".join((*(["url"] if ".csv" in name else []), *map(line.format, urls))))

    peak_bytes(make(100))  # imports, and memos that fill once
    scale = 20_000 if name in {"a.txt", "a.txt.zst"} else 3000
    small, large = make(scale), make(scale * 10)
    # A list of the URLs alone would take 80 bytes for each of the rows that are more.
    assert peak_bytes(large) - peak_bytes(small) < scale * 9 * 20
