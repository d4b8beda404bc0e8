"""`penstock.stream` and `penstock.run` over libcurl and a real server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import penstock
from penstock import ConfigError, Record
from penstock.perf.origin.content import Content
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow
LOCAL: Any = {"allow_private": ["127.0.0.0/8"]}


def test_stream_fetches_over_the_network(origin: OriginProcess) -> None:
    async def main() -> list[Record]:
        urls = [f"{origin.url}/page/{n}?encoding=gzip" for n in range(50)] + [f"{origin.url}/x?status=404"]
        return [record async for record in penstock.stream(urls, **LOCAL)]

    records = sorted(asyncio.run(main()), key=lambda record: record.item_id)
    assert [record.body for record in records[:50]] == [Content(0).page(n) for n in range(50)]
    assert records[50].failure is not None
    assert records[50].failure.http_status == 404


def test_leaving_a_stream_closes_its_connections(origin: OriginProcess) -> None:
    """The fixture that watches for leaks sees descriptors and threads; the origin sees its connections end."""

    async def main() -> None:
        urls = [f"{origin.url}/page/1", *(f"{origin.url}/x?fault=hang&id={n}" for n in range(8))]
        records = penstock.stream(urls, **LOCAL)
        async for record in records:
            assert record.ok
            break
        await records.aclose()  # type: ignore[attr-defined]  # an async generator
        async with asyncio.timeout(30):
            while sum(host["inflight"] for host in origin.stats()["hosts"].values()):
                await asyncio.sleep(0.005)

    asyncio.run(main())


def test_stream_runs_a_process_pool(origin: OriginProcess) -> None:
    async def main() -> list[Record]:
        urls = [f"{origin.url}/page/{n}" for n in range(6)]
        settings: Any = {"process": f"{__file__}:size_of", "process_mode": "process", "process_workers": 1}
        return [record async for record in penstock.stream(urls, **LOCAL, **settings)]

    records = asyncio.run(main())
    assert {record.item_id: record.data["size"] for record in records} == {n: len(Content(0).page(n)) for n in range(6)}


def size_of(response: penstock.Response) -> dict[str, int]:
    return {"size": len(response.body)}


def test_run_does_a_whole_job_and_goes_on_where_it_stopped(origin: OriginProcess, tmp_path: Path) -> None:
    origin.reset()
    lines = [f"{origin.url}/page/{n}" for n in range(20)] + [f"{origin.url}/page/20?fail=1:404"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    out = tmp_path / "out"
    result = penstock.run(tmp_path / "list.txt", out, **LOCAL, shard_rows=8)
    counters = result.run.counters
    assert (result.exit_code, result.run.state) == (1, "complete")
    assert (counters.admitted, counters.written, counters.failed) == (21, 20, 1)
    again = penstock.run([str(tmp_path / "list.txt")], str(out), **LOCAL)
    assert (again.exit_code, again.run.counters.written) == (1, 20)
    assert origin.stats()["requests"] == 21
    rows = [row for shard in sorted(out.glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]
    assert {row["item_id"]: row["body"] for row in rows} == {n: Content(0).page(n) for n in range(20)}
    letter = json.loads((out / "failed/00000.jsonl").read_text())
    assert letter["penstock"]["kind"] == "http_4xx"


def test_run_takes_literal_urls_and_functions(origin: OriginProcess, tmp_path: Path) -> None:
    result = penstock.run(
        [f"{origin.url}/page/1"], tmp_path / "out", process=size_of, process_mode="inline", format="jsonl", **LOCAL
    )
    assert result.exit_code == 0
    row = json.loads((tmp_path / "out/00000.jsonl").read_text())
    assert row["size"] == len(Content(0).page(1))


def test_run_refuses_before_anything_is_made(tmp_path: Path) -> None:
    for inputs, settings in (
        ("nowhere.txt", {}),
        ("http://x.test/", {"concurrency": "many"}),
        ("http://x.test/", {"process": "nowhere:f"}),
        ([], {}),
    ):
        bad: Any = settings
        with pytest.raises(ConfigError):
            penstock.run(inputs, tmp_path / "out", **bad)
    assert not (tmp_path / "out").exists()
