"""Fetch URLs concurrently in a loop of your own: what a script with aiohttp and a semaphore does, less its surprises.

python examples/stream_urls.py http://127.0.0.1:8000/a http://127.0.0.1:8000/b
"""

from __future__ import annotations

import asyncio
import sys

import penstock


async def main(urls: list[str]) -> None:
    async for record in penstock.stream(urls, concurrency=64, retries=2, allow_private=["127.0.0.0/8"]):
        if record.failure:
            print(f"{record.url}: {record.failure.kind}: {record.failure.message}")
        else:
            print(f"{record.url}: {len(record.body)} bytes")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
