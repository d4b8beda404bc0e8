"""Async iterables as input: prompt, bounded, and nothing lost when whoever waits is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from sources_kit import rows_of, values_of

from penstock.errors import ConfigError, SourceError
from penstock.model import BadRow, Batch, Item
from penstock.sources import SourceOptions
from penstock.sources.async_iterables import AsyncBatches, AsyncIterableSource


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):  # against a hang, not a measure
            await coroutine

    asyncio.run(bounded())


async def drain(batches: AsyncBatches) -> list[Batch]:
    return [batch async for batch in batches]


async def count_up(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield f"http://a/{number}"


def test_ready_elements_come_in_full_batches_and_in_order() -> None:
    async def main() -> None:
        source = AsyncIterableSource(count_up(100), options=SourceOptions(batch_rows=32))
        batches = await drain(source.aread())
        assert values_of(rows_of(batches)) == [(f"http://a/{number}",) for number in range(100)]
        assert [len(batch.items) for batch in batches] == [32, 32, 32, 4]
        assert (source.total, source.fingerprint, source.columns) == (None, "", ("url",))

    run(main())


def test_what_has_arrived_is_passed_on_while_the_next_is_awaited() -> None:
    async def main() -> None:
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        async def produce() -> AsyncIterator[str]:
            while (url := await queue.get()) is not None:
                yield url

        batches = AsyncIterableSource(produce()).aread()
        for sent in (1, 3, 2):
            for number in range(sent):
                queue.put_nowait(f"http://a/{number}")
            assert len((await anext(batches)).items) == sent
        queue.put_nowait(None)
        assert await drain(batches) == []

    run(main())


def test_cancelling_the_wait_loses_no_element() -> None:
    async def main() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def produce() -> AsyncIterator[str]:
            for _ in range(20):
                yield await queue.get()

        batches = AsyncIterableSource(produce()).aread()
        rows: list[Item | BadRow] = []
        for number in range(20):
            waiter = asyncio.ensure_future(anext(batches))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            queue.put_nowait(f"http://a/{number}")
            for _ in range(number % 3):
                await asyncio.sleep(0)
            waiter.cancel()
            try:
                rows.extend((await waiter).items)
            except asyncio.CancelledError:
                continue
        for batch in await drain(batches):
            rows.extend(batch.items)
        assert [row.url for row in rows] == [f"http://a/{number}" for number in range(20)]
        assert [row.id for row in rows] == list(range(20))

    run(main())


def test_the_producer_is_held_back_by_a_reader_that_does_not_read() -> None:
    async def main() -> None:
        made = 0

        async def produce() -> AsyncIterator[str]:
            nonlocal made
            while True:
                made += 1
                yield "http://a/"

        batches = AsyncIterableSource(produce(), options=SourceOptions(batch_rows=8)).aread()
        await anext(batches)
        for _ in range(100):
            await asyncio.sleep(0)
        assert made <= 17
        await batches.aclose()

    run(main())


def test_reading_from_every_position_gives_the_same_rows() -> None:
    async def main() -> None:
        def make() -> AsyncIterableSource:
            return AsyncIterableSource(lambda: count_up(30), options=SourceOptions(batch_rows=7))

        batches = await drain(make().aread())
        rows = rows_of(batches)
        for batch in batches:
            assert rows_of(await drain(make().aread(batch.first_id, batch.position))) == rows[batch.first_id :]
            assert rows_of(await drain(make().aread(batch.first_id))) == rows[batch.first_id :]

    run(main())


def test_aopen_takes_the_columns_of_the_first_element_and_keeps_the_element() -> None:
    async def rows() -> AsyncIterator[dict[str, object]]:
        for number in range(3):
            await asyncio.sleep(0)
            yield {"url": f"http://a/{number}", "n": number}

    async def main() -> None:
        source = AsyncIterableSource(rows())
        await source.aopen()
        await source.aopen()
        assert source.columns == ("url", "n")
        assert values_of(rows_of(await drain(source.aread()))) == [(f"http://a/{n}", n) for n in range(3)]
        unread = AsyncIterableSource(rows)
        await unread.aopen()
        await unread.aclose()
        empty = AsyncIterableSource(lambda: count_up(0))
        await empty.aopen()
        assert (empty.columns, await drain(empty.aread())) == (("url",), [])

    run(main())


def test_an_error_of_the_producer_comes_after_its_last_element() -> None:
    async def produce() -> AsyncIterator[str]:
        yield "http://a/"
        await asyncio.sleep(0)
        yield "http://b/"
        raise KeyError("gone")

    async def main() -> None:
        batches = AsyncIterableSource(produce()).aread()
        urls: list[str] = []

        async def collect() -> None:
            async for batch in batches:
                urls.extend(item.url for item in batch.items)

        with pytest.raises(SourceError, match="KeyError after 2 elements"):
            await collect()
        assert urls == ["http://a/", "http://b/"]

    run(main())


def test_a_producer_that_cancels_itself_does_not_hang_the_reader() -> None:
    async def produce() -> AsyncIterator[str]:
        yield "http://a/"
        raise asyncio.CancelledError

    async def main() -> None:
        batches = AsyncIterableSource(produce()).aread()
        assert len((await anext(batches)).items) == 1
        with pytest.raises(SourceError, match="CancelledError"):
            await anext(batches)

    run(main())


def test_aclose_stops_the_producer_where_it_waits_and_runs_its_cleanup() -> None:
    async def main() -> None:
        closed = []

        async def produce() -> AsyncIterator[str]:
            try:
                yield "http://a/"
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        batches = AsyncIterableSource(produce()).aread()
        await anext(batches)
        await batches.aclose()
        assert closed == [True]
        assert await drain(batches) == []

    run(main())


def test_the_producer_runs_in_one_task_so_that_its_timeouts_work() -> None:
    async def main() -> None:
        tasks = set()

        async def produce() -> AsyncIterator[str]:
            for number in range(3):
                async with asyncio.timeout(30):
                    await asyncio.sleep(0)
                tasks.add(asyncio.current_task())
                yield f"http://a/{number}"

        await drain(AsyncIterableSource(produce()).aread())
        assert len(tasks) == 1
        assert asyncio.current_task() not in tasks

    run(main())


def test_an_async_iterator_is_read_once_and_other_things_are_refused() -> None:
    async def main() -> None:
        source = AsyncIterableSource(count_up(1))
        assert len(await drain(source.aread())) == 1
        with pytest.raises(SourceError, match="only once"):
            source.aread()
        with pytest.raises(ConfigError, match="async iterable"):
            AsyncIterableSource(["http://a/"])  # type: ignore[arg-type] # wrong on purpose

    run(main())
