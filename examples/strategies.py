"""The same page fetched in two ways, and read: what docs/guides/choose-a-strategy.md compares and profiles.

    penstock compare examples/strategies.py:fetch_blocking examples/strategies.py:fetch_async --items urls.txt

As a script it is a program to look into; it starts a local server of its own:

    penstock profile await examples/strategies.py waiting
    penstock profile cpu examples/strategies.py computing

Needs `pip install httpx`.
"""

from __future__ import annotations

import asyncio
import sys
from functools import cache

import httpx

from penstock.perf.origin.process import OriginProcess

PAGES = 400


@cache
def blocking_client() -> httpx.Client:
    return httpx.Client()  # one for all threads: it keeps connections open


@cache
def async_client() -> httpx.AsyncClient:
    return httpx.AsyncClient()


def fetch_blocking(url: str) -> str:
    return blocking_client().get(url).raise_for_status().text


async def fetch_async(url: str) -> str:
    answer = await async_client().get(url)
    return answer.raise_for_status().text


def compute(text: str) -> int:
    """Work that only computes, some 5 ms of it: a checksum in plain Python."""
    total = 0
    for character in text[:100]:
        for number in range(700):
            total = (total * 31 + ord(character) + number) % 65521
    return total


async def work_through(urls: list[str], is_computing: bool) -> int:
    total = 0

    async def worker() -> None:
        nonlocal total
        while urls:
            text = await fetch_async(urls.pop())
            total += compute(text) if is_computing else len(text)

    async with async_client():
        await asyncio.gather(*(worker() for _ in range(16)))
    return total


def main(kind: str) -> None:
    latency_s = 0.02 if kind == "waiting" else 0
    with OriginProcess(is_logging=False) as origin:
        urls = [f"{origin.url}/page/{number}?latency={latency_s}" for number in range(PAGES)]
        print(asyncio.run(work_through(urls, kind == "computing")))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "waiting")
