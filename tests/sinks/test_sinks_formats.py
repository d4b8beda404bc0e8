"""What stands in the data shards: columns, types, values, in Parquet and in JSONL; and what becomes of odd records."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import io
import json
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from penstock.model import Item, Response, Written
from penstock.sinks.disk import Disk
from penstock.sinks.encoder import DataFormat, Encoded
from penstock.sinks.jsonl import JsonlFormat
from penstock.sinks.layout import FETCHED_COLUMNS, make_layout
from penstock.sinks.parquet import ParquetFormat, fetched_types
from penstock.sinks.shard import ShardFile


def outcome(
    item_id: int = 7,
    records: list[dict[str, object]] | None = None,
    row: tuple[object, ...] = ("http://h/7",),
    body: bytes = "héllo".encode(),
    content_type: str = 'text/HTML; Charset="UTF-8"',
) -> Written:
    answer = Response(
        item_id,
        "http://h/7",
        "http://h/final",
        206,
        body,
        content_type,
        fetch_time_us=1_767_225_600_123_456,
        attempts=2,
        dns_s=0.5,
        ttfb_s=0.25,
        total_s=1.5,
        content_truncated=True,
    )
    item = Item(item_id, "http://h/7", "http://h:80", row=row, attempts=2)
    return Written(item, answer, [{}] if records is None else records)


def save(data_format: DataFormat, encoded: Encoded, path: Path) -> Path:
    """All chunks in one shard: they must share a schema."""
    file = ShardFile(Disk("process"), path)
    writer = data_format.start(file, encoded.chunks[0])
    for chunk in encoded.chunks:
        assert chunk.schema_key is encoded.chunks[0].schema_key
        writer.add(chunk)
    writer.finish()
    file.finish()
    file.sync()
    return path


def parquet(tmp_path: Path, *outcomes: Written, columns: tuple[str, ...] = ("url",), **options: object) -> pa.Table:
    data_format = ParquetFormat(make_layout(columns), **options)  # type: ignore[arg-type]  # the tests' shorthand
    encoded = data_format.encode(outcomes)
    assert encoded.rejected == []
    return pq.read_table(save(data_format, encoded, tmp_path / "shard.parquet"))


def jsonl(tmp_path: Path, *outcomes: Written, columns: tuple[str, ...] = ("url",)) -> list[dict[str, object]]:
    data_format = JsonlFormat(make_layout(columns))
    encoded = data_format.encode(outcomes)
    assert encoded.rejected == []
    return [json.loads(line) for line in save(data_format, encoded, tmp_path / "shard.jsonl").read_text().splitlines()]


def test_every_column_has_its_documented_type_and_value(tmp_path: Path) -> None:
    table = parquet(tmp_path, outcome())
    types = fetched_types()
    assert table.schema.names == ["url", *(name for name in FETCHED_COLUMNS if name != "url")]
    assert {name: table.schema.field(name).type for name in table.schema.names} == types
    assert table.to_pylist() == [
        {
            "url": "http://h/7",
            "item_id": 7,
            "final_url": "http://h/final",
            "fetch_time": dt.datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=dt.UTC),
            "fetch_status": 206,
            "content_mime_type": "text/html",
            "content_charset": "utf-8",
            "content_digest": hashlib.sha256("héllo".encode()).hexdigest(),
            "content_length": 6,
            "content_truncated": True,
            "attempts": 2,
            "dns_s": 0.5,
            "connect_s": 0.0,
            "tls_s": 0.0,
            "ttfb_s": 0.25,
            "total_s": 1.5,
            "body": "héllo".encode(),
        }
    ]


def test_jsonl_holds_the_same_values_as_json(tmp_path: Path) -> None:
    (line,) = jsonl(tmp_path, outcome())
    assert list(line) == ["url", *(name for name in FETCHED_COLUMNS if name != "url")]
    assert line["fetch_time"] == "2026-01-01T00:00:00.123456Z"
    assert line["body"] == "héllo"
    assert line["content_truncated"] is True


def test_a_body_that_is_no_text_is_base64_in_jsonl(tmp_path: Path) -> None:
    text, noise = jsonl(tmp_path, outcome(1), outcome(2, body=b"\xff\x00"))
    assert (text["body"], "body_base64" in text) == ("héllo", False)
    assert (noise["body"], noise["body_base64"]) == (None, "/wA=")


def test_jsonl_has_no_nan_and_no_unreadable_value(tmp_path: Path) -> None:
    record: dict[str, object] = {
        "score": float("nan"),
        "day": dt.date(2026, 1, 2),
        "raw": b"\xff",
        "n": decimal.Decimal("1.50"),
    }
    (line,) = jsonl(tmp_path, outcome(records=[record]))
    assert (line["score"], line["day"], line["raw"], line["raw_base64"], line["n"]) == (
        "nan",
        "2026-01-02",
        None,
        "/w==",
        "1.50",
    )


def test_compressed_jsonl_is_one_zstd_stream(tmp_path: Path) -> None:
    data_format = JsonlFormat(make_layout(["url"]), "jsonl.zst")
    path = save(data_format, data_format.encode([outcome(1), outcome(2)]), tmp_path / "shard.jsonl.zst")
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        lines = io.TextIOWrapper(stream).read().splitlines()
    assert [json.loads(line)["item_id"] for line in lines] == [1, 2]


INPUT = [
    ("a", pa.int8(), 5),
    ("b", pa.large_string(), "x"),
    ("c", pa.timestamp("ms", "Europe/Zurich"), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ("d", pa.decimal128(10, 2), decimal.Decimal("1.50")),
    ("e", pa.list_(pa.int16()), [1, 2]),
    ("f", pa.struct([("x", pa.string())]), {"x": "y"}),
    ("g", pa.dictionary(pa.int32(), pa.string()), "cat"),
    ("h", pa.binary(2), b"ab"),
    ("i", pa.float32(), 0.5),
    ("j", pa.date32(), dt.date(2026, 1, 1)),
    ("k", pa.map_(pa.string(), pa.int32()), [("k", 1)]),
    ("l", pa.bool_(), None),
    ("m", pa.duration("us"), dt.timedelta(seconds=3)),
]


def test_the_inputs_columns_keep_their_types_and_values(tmp_path: Path) -> None:
    names = ("url", *(name for name, _, _ in INPUT))
    schema = pa.schema([("url", pa.string()), *((name, kind) for name, kind, _ in INPUT)])
    row = ("http://h/7", *(value for _, _, value in INPUT))
    table = parquet(tmp_path, outcome(row=row), columns=names, input_schema=schema)
    for name, kind, value in INPUT:
        assert table.schema.field(name).type == kind
        assert table.column(name).to_pylist() == [value]


def test_a_row_shorter_than_the_columns_is_filled_with_nulls_never_shifted(tmp_path: Path) -> None:
    table = parquet(tmp_path, outcome(1, row=("u",)), outcome(2, row=("u", 5)), columns=("url", "n"))
    assert table.column("n").to_pylist() == [None, 5]


def test_the_process_functions_columns_come_last_and_missing_keys_are_null(tmp_path: Path) -> None:
    table = parquet(tmp_path, outcome(1, [{"title": "A"}]), outcome(2, [{"links": 3}]), outcome(3, [{"url": "mine"}]))
    assert table.schema.names[-3:] == ["title", "links", "process_url"]
    assert table.column("title").to_pylist() == ["A", None, None]
    assert table.column("links").to_pylist() == [None, 3, None]
    assert table.column("process_url").to_pylist() == [None, None, "mine"]


@pytest.mark.parametrize("as_json", [False, True])
def test_several_records_share_the_item_and_its_body_is_stored_once(tmp_path: Path, as_json: bool) -> None:
    outcomes = outcome(1, [{"a": 1}, {"a": 2}]), outcome(2, []), outcome(3, [{"a": 3}])
    rows = jsonl(tmp_path, *outcomes) if as_json else parquet(tmp_path, *outcomes).to_pylist()
    assert [(row["item_id"], row["a"], row["body"] is None) for row in rows] == [
        (1, 1, False),
        (1, 2, True),
        (3, 3, False),
    ]
    assert {row["content_length"] for row in rows} == {6}


def test_a_batch_that_needs_wider_types_gets_another_schema(tmp_path: Path) -> None:
    data_format = ParquetFormat(make_layout(["url"]))
    keys = [
        data_format.encode([outcome(records=[record])]).chunks[0].schema_key
        for record in (
            {"a": 1},
            {"a": 2},
            {},
            {"a": None},
            {"a": 2.5},
            {"a": 1},
            {"b": 1},
            {"a": "x"},
            {"a": 5, "b": 2},
        )
    ]
    same = [left is right for left, right in pairwise(keys)]
    assert same == [True, True, True, False, True, False, False, True]


def test_a_resumed_run_starts_with_the_types_of_the_last_shard(tmp_path: Path) -> None:
    first = ParquetFormat(make_layout(["url"]))
    first.encode([outcome(records=[{"a": 1, "m": 1}])])
    known = first.encode([outcome(records=[{"a": 2.5, "m": "x"}])]).chunks[0].schema_key
    resumed = ParquetFormat(make_layout(["url"]), known=known)
    chunk = resumed.encode([outcome(records=[{"a": 1, "m": 2}])]).chunks[0]
    assert isinstance(chunk.payload, pa.RecordBatch)
    assert chunk.payload.schema.equals(known, check_metadata=True)


@pytest.mark.parametrize("make", [ParquetFormat, JsonlFormat])
@pytest.mark.parametrize(
    "record",
    [
        {"a": object()},
        {"a": 1j},
        {"a": "\ud800"},
        {5: "key is no text"},
        {"\ud800": 1},
        "not a dict",
        {"a": [[{"b": {1j}}]]},
    ],
)
def test_one_record_that_cannot_be_encoded_costs_only_itself(make: type[ParquetFormat], record: object) -> None:
    data_format = make(make_layout(["url"]))
    outcomes = [outcome(i, [{"a": i}]) for i in range(50)]
    outcomes[33] = outcome(33, [record])  # type: ignore[list-item]  # what a wrong process function may return
    encoded = data_format.encode(outcomes)
    assert [bad.item.id for bad, _ in encoded.rejected] == [33]
    assert encoded.rejected[0][1]
    assert [o.item.id for chunk in encoded.chunks for o in chunk.written] == [i for i in range(50) if i != 33]
    if isinstance(data_format, ParquetFormat):
        (last,) = data_format.encode([outcome(99, [{"a": 1}])]).chunks
        assert isinstance(last.payload, pa.RecordBatch)
        assert last.payload.schema.field("a").type == pa.int64()  # the bad record widened nothing


def test_an_input_cell_that_does_not_fit_its_declared_type_costs_only_its_row(tmp_path: Path) -> None:
    data_format = ParquetFormat(make_layout(["url", "n"]), pa.schema([("url", pa.string()), ("n", pa.int8())]))
    encoded = data_format.encode([outcome(1, row=("u", 5)), outcome(2, row=("u", 500)), outcome(3, row=("u", 6))])
    assert [bad.item.id for bad, _ in encoded.rejected] == [2]


def test_each_chunk_is_one_row_group_with_statistics_on_the_id_only(tmp_path: Path) -> None:
    data_format = ParquetFormat(make_layout(["url"]))
    encoded = data_format.encode([outcome(1), outcome(2)])
    encoded.chunks += data_format.encode([outcome(3)]).chunks
    with pq.ParquetFile(save(data_format, encoded, tmp_path / "shard.parquet")) as file:
        metadata = file.metadata
    assert metadata.num_row_groups == 2
    group = metadata.row_group(0)
    named = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert named["item_id"].statistics.max == 2
    assert named["url"].statistics is None
    assert {column.compression for column in named.values()} == {"ZSTD"}


def test_a_dropped_shard_leaves_no_file_and_no_complaint(tmp_path: Path) -> None:
    data_format = ParquetFormat(make_layout(["url"]))
    chunk = data_format.encode([outcome()]).chunks[0]
    file = ShardFile(Disk("process"), tmp_path / "shard.part")
    writer = data_format.start(file, chunk)
    writer.add(chunk)
    file.drop()
    writer.abandon()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="closed"):
        file.sync()
