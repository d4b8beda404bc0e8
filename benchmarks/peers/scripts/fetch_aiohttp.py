"""The script that people write today: aiohttp on uvloop, at most 64 at a time, rows with SHA-256 into Parquet.

Two shapes: a task per URL behind a semaphore (what most write), or 64 worker tasks over one iterator (a little leaner).
It does not retry, resume or commit; it has less to do than Penstock.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import aiohttp
import uvloop
from arguments import arguments, urls_of
from parquet_batches import ParquetBatches


async def fetch(session: aiohttp.ClientSession, url: str, batches: ParquetBatches) -> None:
    async with session.get(url) as response:
        response.raise_for_status()
        batches.add(url, response.status, await response.read())


async def behind_semaphore(
    session: aiohttp.ClientSession, urls: list[str], batches: ParquetBatches, limit: int
) -> None:
    semaphore = asyncio.Semaphore(limit)

    async def one(url: str) -> None:
        async with semaphore:
            await fetch(session, url, batches)

    await asyncio.gather(*(one(url) for url in urls))


async def with_workers(session: aiohttp.ClientSession, urls: list[str], batches: ParquetBatches, limit: int) -> None:
    async def worker(source: Iterator[str]) -> None:
        for url in source:
            await fetch(session, url, batches)

    source = iter(urls)
    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(worker(source))


async def main() -> None:
    args = arguments()
    context = ssl.create_default_context(cafile=args.cacert) if args.cacert else True
    connector = aiohttp.TCPConnector(limit=args.concurrency, ssl=context)
    run = behind_semaphore if args.shape == "semaphore" else with_workers
    with ParquetBatches(args.output) as batches:
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            await run(session, urls_of(args.input), batches, args.concurrency)


uvloop.run(main())
