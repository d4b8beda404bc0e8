"""`penstock.stream` with a fetch function of the test's own: what it yields, how far it reads ahead, how it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

import penstock
from penstock import ConfigError, Failure, Item, Record, Response

URLS = [f"http://host{n % 3}.test/{n}" for n in range(200)]


async def body_of(item: Item) -> bytes:
    await asyncio.sleep(0)
    return item.url.encode()


def collect(urls: Any, **settings: Any) -> list[Record]:
    async def main() -> list[Record]:
        return [record async for record in penstock.stream(urls, **settings)]

    return asyncio.run(main())


def test_every_url_is_yielded_once_with_its_answer() -> None:
    records = collect(URLS, fetch=body_of)
    assert sorted(record.item_id for record in records) == list(range(200))
    for record in records:
        assert record.ok
        assert (record.url, record.body) == (URLS[record.item_id], URLS[record.item_id].encode())
        assert record.input == {"url": record.url}


def test_no_urls_no_records() -> None:
    assert collect([], fetch=body_of) == []


def test_records_come_before_the_list_has_ended() -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def urls() -> AsyncIterator[str]:
            yield URLS[0]
            await asked.wait()
            yield URLS[1]

        seen = []
        async for record in penstock.stream(urls(), fetch=body_of):
            seen.append(record.item_id)
            asked.set()
        assert seen == [0, 1]

    asyncio.run(asyncio.wait_for(main(), 30))


def test_rows_bring_their_columns_and_items_their_requests() -> None:
    async def fetch(item: Item) -> str:
        return f"{item.method} {dict(item.headers)} {item.body!r}"

    rows: list[Any] = [
        {"url": URLS[0], "shop": "a", "method": "PUT", "headers": {"X": "1"}, "body": "data"},
        {"url": URLS[1], "shop": "b"},
    ]
    first, second = sorted(collect(rows, fetch=fetch), key=lambda record: record.item_id)
    assert first.body == b"PUT {'X': '1'} b'data'"
    assert (first.input["shop"], second.input["shop"]) == ("a", "b")
    assert second.body == b"GET {} None"


def test_failures_are_yielded_with_their_kind() -> None:
    async def fetch(item: Item) -> Any:
        match item.id:
            case 0:
                raise RuntimeError("mine")
            case 1:
                return Failure("http_4xx", "HTTP 404 Not Found", http_status=404)
            case 2:
                return 7
            case 3 if item.attempts == 1:
                raise ConnectionResetError("once")
            case 4:
                raise TimeoutError("always")
        return b"fine"

    records = {record.item_id: record for record in collect([*URLS[:6], "ftp://x/", "junk"], fetch=fetch, retries=1)}
    kinds = {number: record.failure.kind for number, record in records.items() if record.failure}
    assert kinds == {0: "fetch", 1: "http_4xx", 2: "fetch", 4: "timeout_total", 6: "bad_scheme", 7: "bad_url"}
    assert (records[3].body, records[5].body) == (b"fine", b"fine")
    assert records[0].failure is not None
    assert "RuntimeError: mine" in records[0].failure.message
    with pytest.raises(ValueError, match="item 0 has no body"):
        _ = records[0].body


def test_a_process_function_adds_data_skips_and_splits() -> None:
    def process(response: Response) -> Any:
        number = int(response.url.rpartition("/")[2])
        if number == 1:
            return None
        if number == 2:
            return [{"part": 0}, {"part": 1}]
        if number == 3:
            raise KeyError("three")
        return {"size": len(response.body)}

    records = collect(URLS[:6], fetch=body_of, process=process, process_mode="inline")
    assert sorted(record.item_id for record in records) == [0, 2, 2, 3, 4, 5]
    by_id = {record.item_id: record for record in records}
    assert by_id[0].data == {"size": len(URLS[0])}
    assert sorted(record.data["part"] for record in records if record.item_id == 2) == [0, 1]
    failed = by_id[3].failure
    assert failed is not None
    assert (failed.kind, "KeyError: 'three'" in failed.message) == ("process", True)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_list_is_read_no_faster_than_records_are_taken(is_async: bool) -> None:
    """An endless list: at most the window is read ahead, and the consumer may stop when it likes."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"http://host.test/{read}"

    async def endless_async() -> AsyncIterator[str]:
        for url in endless():
            yield url

    async def main() -> None:
        urls: Any = endless_async() if is_async else endless()
        taken = 0
        async for _ in penstock.stream(urls, fetch=body_of, concurrency=4, window=20):
            taken += 1
            await asyncio.sleep(0)
            # A window in the engine, one handed over, one in the caller's hand, and what the source has read on.
            assert read <= taken + 4 * 20, (read, taken)
            if taken == 300:
                break

    asyncio.run(asyncio.wait_for(main(), 60))
    assert read <= 300 + 4 * 20


def test_no_more_than_concurrency_fetches_run_at_once() -> None:
    running = most = 0

    async def fetch(item: Item) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return b""

    assert len(collect(URLS, fetch=fetch, concurrency=7)) == 200
    assert most == 7


Ending = Callable[[AsyncIterator[Record]], Any]


async def leave(records: AsyncIterator[Record]) -> None:
    async for _ in records:
        break


async def fail(records: AsyncIterator[Record]) -> None:
    async def consume() -> None:
        async for _ in records:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await consume()


async def be_cancelled(records: AsyncIterator[Record]) -> None:
    async def consume() -> None:
        async for _ in records:
            started.set()

    started = asyncio.Event()
    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


@pytest.mark.parametrize("ending", [leave, fail, be_cancelled])
@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_leaving_early_leaves_no_task_and_no_thread(ending: Ending, mode: Any) -> None:
    cancelled = 0

    async def fetch(item: Item) -> bytes:
        nonlocal cancelled
        if item.id % 2:
            try:
                await asyncio.Event().wait()  # an answer that never comes
            except asyncio.CancelledError:
                cancelled += 1
                raise
        return b"x"

    def process(response: Response) -> dict[str, int]:
        return {"n": 1}

    async def main() -> None:
        before = asyncio.all_tasks()
        records = penstock.stream(URLS, fetch=fetch, process=process, process_mode=mode, concurrency=20)
        await ending(records)
        await records.aclose()  # type: ignore[attr-defined]  # an async generator; what `async for` leaves to the collector
        assert asyncio.all_tasks() == before
        assert cancelled > 0

    asyncio.run(asyncio.wait_for(main(), 60))
    for thread in threading.enumerate():
        if thread.name.startswith("penstock"):
            thread.join(30)
            assert not thread.is_alive(), thread


def test_an_iterable_that_raises_ends_the_stream_with_its_error() -> None:
    def urls() -> Iterable[str]:
        yield URLS[0]
        raise OSError("the database went away")

    seen = []

    async def main() -> None:
        async for record in penstock.stream(urls(), fetch=body_of):
            seen.append(record.item_id)  # noqa: PERF401 - what came before the error must be kept

    with pytest.raises(penstock.PenstockError, match="the database went away"):
        asyncio.run(asyncio.wait_for(main(), 60))
    assert seen == [0], "what came before the error is not lost"


@pytest.mark.parametrize(
    ("urls", "settings", "words"),
    [
        ("http://one.test/", {}, "an iterable of URLs"),
        (URLS, {"concurrency": 0}, "--concurrency"),
        (URLS, {"timeout": "soon", "rate": "fast"}, "--rate"),
        (URLS, {"concurency": 3}, "concurency"),
        (URLS, {"process": "nowhere:f"}, "nowhere"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_starts(urls: Any, settings: Any, words: str) -> None:
    called = []

    async def fetch(item: Item) -> bytes:
        called.append(item)
        return b""

    with pytest.raises(ConfigError, match=words):
        collect(urls, fetch=fetch, **settings)
    assert called == []


def test_two_streams_in_one_loop_do_not_meet() -> None:
    async def main() -> None:
        async def one(urls: list[str]) -> set[str]:
            return {record.url async for record in penstock.stream(urls, fetch=body_of, concurrency=3)}

        first, second = await asyncio.gather(one(URLS[:50]), one(URLS[50:]))
        assert (first, second) == (set(URLS[:50]), set(URLS[50:]))

    asyncio.run(asyncio.wait_for(main(), 60))
