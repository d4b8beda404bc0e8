"""Parquet: types without loss, lazily by row group, exact totals, damage named."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources_kit import kinds_of, rows_of, values_of, write

from penstock.errors import ConfigError, SourceError
from penstock.model import Item
from penstock.sources import SourceOptions, open_source
from penstock.sources.arrow_values import to_values

_NS = 10**18 + 1
_COLUMNS = [
    pa.array([1, None, -(2**63)], pa.int64()),
    pa.array([2**64 - 1, None, 0], pa.uint64()),
    pa.array([0.1, None, float("inf")], pa.float32()),
    pa.array([1.5, None, 0.0], pa.float16()),
    pa.array([True, None, False]),
    pa.array([decimal.Decimal("1.00000"), None, decimal.Decimal("-2.5")], pa.decimal128(38, 5)),
    pa.array(["007", None, "\u00e9"], pa.large_string()),
    pa.array(["a", None, "b"], pa.string_view()),
    pa.array([b"\xff", None, b""], pa.binary()),
    pa.array([b"abc", None, b"def"], pa.binary(3)),
    pa.array(["a", None, "a"], pa.dictionary(pa.int32(), pa.string())),
    pa.array([1, None, 2**30], pa.date32()),
    pa.array([86_400_000, None, 0], pa.date64()),
    pa.array([1, None, 2], pa.time32("ms")),
    pa.array([1, None, 2], pa.time64("us")),
    pa.array([1, None, 2], pa.time64("ns")),
    pa.array([1, None, _NS], pa.timestamp("ns")),
    pa.array([1, None, _NS], pa.timestamp("ns", "Europe/Berlin")),
    pa.array([1, None, -(2**62)], pa.timestamp("us")),
    pa.array([1, None, 10**15 + 1], pa.timestamp("us", "UTC")),
    # 2023-10-29 02:30 happened twice in Berlin
    pa.array([1698539400, None, 1698543000], pa.timestamp("s", "Europe/Berlin")),
    pa.array([1, None, 2**40], pa.duration("s")),
    pa.array([1, None, 2**62], pa.duration("ns")),
    pa.array([[1, None], None, []], pa.list_(pa.int8())),
    pa.array([[1], None, []], pa.large_list(pa.timestamp("ns"))),
    pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
    pa.array([[("a", 1), ("a", 2)], None, []], pa.map_(pa.string(), pa.int32())),
    pa.array(
        [{"a": 1, "t": _NS}, None, {"a": None, "t": None}], pa.struct([("a", pa.int8()), ("t", pa.timestamp("ns"))])
    ),
    pa.array([{"a": 1}, None, {"a": None}], pa.struct([("a", pa.int8())])),
    pa.array([(1, 2, 3), None, (0, 0, 0)], pa.month_day_nano_interval()),
    pa.array([None, None, None], pa.null()),
]


@pytest.mark.parametrize("column", _COLUMNS, ids=lambda column: str(column.type))
def test_every_type_comes_back_the_same(column: pa.Array) -> None:
    values = to_values(column)
    assert values[1] is None
    assert pa.array(values, column.type).equals(column)


def test_common_types_are_plain_python_objects() -> None:
    assert to_values(pa.array([1], pa.timestamp("us", "UTC"))) == [
        datetime.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=datetime.UTC)
    ]
    assert to_values(pa.array(["x"], pa.dictionary(pa.int8(), pa.string()))) == ["x"]
    assert to_values(pa.array([{"a": [1]}])) == [{"a": [1]}]


def test_rows_schema_and_total_are_those_of_the_file(tmp_path: Path) -> None:
    table = pa.table({"url": [f"http://a/{n}" for n in range(5000)], "t": pa.array(range(5000), pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1500)
    source = open_source([str(tmp_path / "a.parquet")])
    assert source.schema is not None
    assert source.schema.equals(table.schema)
    assert source.total == source.estimate_total() == 5000
    batches = list(source.read())
    assert max(len(batch.items) for batch in batches) == 1024
    columns = zip(*values_of(rows_of(batches)), strict=True)
    back = pa.table(
        [pa.array(list(values), field.type) for values, field in zip(columns, table.schema, strict=True)], table.schema
    )
    assert back.equals(table)


def test_wide_rows_come_in_small_batches(tmp_path: Path) -> None:
    table = pa.table({"url": ["http://a/"] * 40, "blob": [bytes([n]) * 1_000_000 for n in range(40)]})
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    sizes = [len(batch.items) for batch in open_source([str(tmp_path / "a.parquet")]).read()]
    assert sum(sizes) == 40
    assert max(sizes) <= 8


def test_request_columns_may_be_map_struct_and_binary(tmp_path: Path) -> None:
    headers_map = pa.array([[("X-A", "1"), ("X-A", "2")]], pa.map_(pa.string(), pa.string()))
    table = pa.table({"url": ["http://a/"], "method": ["POST"], "headers": headers_map, "body": pa.array([b"\xff"])})
    pq.write_table(table, tmp_path / "a.parquet")
    headers_struct = pa.array([{"X-A": "1", "X-B": None}], pa.struct([("X-A", pa.string()), ("X-B", pa.string())]))
    pq.write_table(pa.table({"url": ["http://b/"], "headers": headers_struct}), tmp_path / "b.parquet")
    (first,) = rows_of(open_source([str(tmp_path / "a.parquet")]).read())
    (second,) = rows_of(open_source([str(tmp_path / "b.parquet")]).read())
    assert (first.method, first.headers, first.body) == ("POST", (("X-A", "1"), ("X-A", "2")), b"\xff")
    assert (second.method, second.headers, second.body) == ("GET", (("X-A", "1"),), None)


def test_a_bad_url_cell_costs_its_row(tmp_path: Path) -> None:
    buffers = [None, pa.py_buffer((0).to_bytes(4, "little") + (2).to_bytes(4, "little")), pa.py_buffer(b"a\xff")]
    undecodable = pa.concat_arrays([pa.Array.from_buffers(pa.string(), 1, buffers), pa.array(["http://a/"])])
    pq.write_table(pa.table({"url": undecodable, "n": [1, 2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"url": ["http://a/", None, "ftp://x"]}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"url": pa.array([b"http://a/", b"\xff"])}), tmp_path / "c.parquet")
    pq.write_table(pa.table({"url": [1]}), tmp_path / "d.parquet")
    kinds = [kinds_of(rows_of(open_source([str(tmp_path / f"{name}.parquet")]).read())) for name in "abcd"]
    assert kinds == [["bad_encoding", ""], ["", "bad_url", "bad_scheme"], ["", "bad_encoding"], ["bad_url"]]
    assert values_of(rows_of(open_source([str(tmp_path / "a.parquet")]).read())) == [("a\ufffd", 1), ("http://a/", 2)]
    bad = rows_of(open_source([str(tmp_path / "b.parquet")]).read())[2]
    assert f"{tmp_path}/b.parquet row 3: " in bad.failure.message


def test_damage_is_found_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"url": [f"http://a/{n}" for n in range(3000)]})
    pq.write_table(table, path, row_group_size=1000, write_page_checksum=True, use_dictionary=False)
    start = pq.read_metadata(path).row_group(2).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start + 200] ^= 0xFF
    path.write_bytes(data)
    kept: list[object] = []
    with pytest.raises(SourceError, match=r"a\.parquet: expected a readable row group 2") as caught:
        kept.extend(item for batch in open_source([str(path)]).read() for item in batch.items)
    assert caught.value.hint
    assert len(kept) == 2000
    assert all(isinstance(item, Item) for item in kept)


def test_what_is_no_parquet_file_is_a_config_error(tmp_path: Path) -> None:
    for name, content in (("a.parquet", b"url\n"), ("b.parquet", b""), ("c.parquet.gz", b"PAR1")):
        with pytest.raises(ConfigError, match="Parquet"):
            open_source([write(tmp_path / name, content)])


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": pa.array([], pa.string())}), tmp_path / "a.parquet")
    source = open_source([str(tmp_path / "a.parquet")], SourceOptions(batch_rows=1))
    assert (source.total, list(source.read())) == (0, [])
