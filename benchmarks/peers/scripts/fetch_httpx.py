"""httpx, async, in the same shape as the aiohttp script with workers: 64 tasks over one iterator, one client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import httpx
import uvloop
from arguments import arguments, urls_of
from parquet_batches import ParquetBatches


async def main() -> None:
    args = arguments()
    context = ssl.create_default_context(cafile=args.cacert) if args.cacert else True
    limits = httpx.Limits(max_connections=args.concurrency, max_keepalive_connections=args.concurrency)

    async def worker(source: Iterator[str]) -> None:
        for url in source:
            response = await client.get(url)
            response.raise_for_status()
            batches.add(url, response.status_code, response.content)

    source = iter(urls_of(args.input))
    with ParquetBatches(args.output) as batches:
        async with (
            httpx.AsyncClient(limits=limits, verify=context, timeout=60) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(args.concurrency):
                group.create_task(worker(source))


uvloop.run(main())
