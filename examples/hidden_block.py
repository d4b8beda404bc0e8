"""A plain asyncio and aiohttp program, no Penstock in it, that is slower than it should be. Why?

It fetches 40 pages from a server that takes 20 ms for each, eight at a time: a tenth of a second, it should be. Ask:

    penstock profile loop examples/hidden_block.py

and it names the line that holds up the event loop. Needs `pip install aiohttp`; the server is in the same process.
"""

from __future__ import annotations

import asyncio
import hashlib
import time

from aiohttp import ClientSession, web


async def answer(request: web.Request) -> web.Response:
    await asyncio.sleep(0.02)
    return web.Response(text=f"page {request.path}")


def fingerprint(text: str) -> str:
    """Looks harmless, takes long, and nothing else can happen meanwhile."""
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"salt", 400_000).hex()


async def worker(session: ClientSession, paths: list[str], found: dict[str, str]) -> None:
    while paths:
        path = paths.pop()
        async with session.get(path) as response:
            text = await response.text()
        found[path] = fingerprint(text) if path.endswith("0") else text


async def main() -> None:
    application = web.Application()
    application.router.add_get("/{name}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    paths = [f"/{number}" for number in range(40)]
    found: dict[str, str] = {}
    began_s = time.perf_counter()
    async with ClientSession(f"http://{host}:{port}") as session:
        await asyncio.gather(*(worker(session, paths, found) for _ in range(8)))
    print(f"{len(found)} pages in {time.perf_counter() - began_s:.1f} s")
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
