"""What the transport tests share: a loop as the product runs it, one-shot fetches, and waiting for a condition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvloop

from penstock.fetch.curl import CurlTransport
from penstock.fetch.options import FetchOptions
from penstock.model import Failure, Item, Response
from penstock.policy.addresses import AddressPolicy

T = TypeVar("T")
LOOPBACK = AddressPolicy.parse(["127.0.0.0/8"]).refusal


def run(main: Coroutine[Any, Any, T], *, timeout_s: float = 60.0) -> T:
    """Run on uvloop, as the product does; the limit only turns a hang into a failure."""

    async def bounded() -> T:
        async with asyncio.timeout(timeout_s):
            return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


@asynccontextmanager
async def transport(
    options: FetchOptions | None = None, *, refusal: Callable[[str], str | None] = LOOPBACK, **changes: Any
) -> AsyncIterator[CurlTransport]:
    made = CurlTransport(options or FetchOptions(**changes), refusal=refusal)
    try:
        yield made
    finally:
        await made.aclose()


def item(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Item:
    """An item; header names are written with `_` for `-`."""
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Item(0, url, url[: url.index("/", 8)] if "/" in url[8:] else url, method, fields, body, attempts=1)


def fetch_all(urls: list[str], **options: Any) -> list[Response | Failure]:
    """Fetch one after another on one transport."""

    async def main() -> list[Response | Failure]:
        async with transport(**options) as curl:
            return [await curl.fetch(item(url)) for url in urls]

    return run(main())


def fetch(url: str, **options: Any) -> Response | Failure:
    return fetch_all([url], **options)[0]


def response(result: Response | Failure) -> Response:
    assert isinstance(result, Response), result
    return result


def failure(result: Response | Failure) -> Failure:
    assert isinstance(result, Failure), result
    return result


async def until(condition: Callable[[], object], *, timeout_s: float = 30.0) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)
