"""A link between client and server: one speed for all answers together, and a wait before a connection's first bytes.

`relay.py --to HOST:PORT [--bytes-per-s B] [--delay-s S]` prints the port it listens on and runs until its standard
input closes. Answers take turns in pieces of 4 KiB, so that connections share the link evenly. The rule: bytes pass
unchanged and in order.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

_PIECE_BYTES = 4096


class Link:
    """When the next piece may pass: the pieces of all connections one after the other at `bytes_per_s`."""

    def __init__(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_s = 0.0

    async def carry(self, count: int) -> None:
        if self._bytes_per_s is None:
            return
        now_s = asyncio.get_running_loop().time()
        self._free_s = max(now_s, self._free_s) + count / self._bytes_per_s
        await asyncio.sleep(self._free_s - now_s)


class Relay:
    """Connects every client to one server."""

    def __init__(self, host: str, port: int, link: Link, delay_s: float) -> None:
        self._host, self._port, self._link, self._delay_s = host, port, link, delay_s

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side closes it."""
        try:
            up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask(reader, up_writer))
                group.create_task(self._answer(up_reader, writer))
        except* OSError:
            pass
        finally:
            up_writer.close()
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        piece = await reader.read(_PIECE_BYTES)
        await asyncio.sleep(self._delay_s)
        while piece:
            writer.write(piece)
            await writer.drain()
            piece = await reader.read(_PIECE_BYTES)
        if writer.can_write_eof():
            writer.write_eof()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            await self._link.carry(len(piece))
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def main() -> None:
    parser = argparse.ArgumentParser(description="Relay TCP connections at one speed.")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--bytes-per-s", type=float)
    parser.add_argument("--delay-s", type=float, default=0.0)
    args = parser.parse_args()
    host, port = args.to.rsplit(":", 1)
    relay = Relay(host, int(port), Link(args.bytes_per_s), args.delay_s)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, limit=_PIECE_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
