"""A name server that takes its time: every name under `.test` is 127.0.0.1, after `--delay-s`.

`resolver.py --address 127.0.0.153 --delay-s 0.2` answers on UDP port 53 (which needs root) and prints `ready`; it runs
until its standard input closes. Queries wait side by side, as at a resolver that must ask far away. RFC 1035 §4.1.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import sys
from typing import cast

_A = 1
_HEADER = struct.Struct("!HHHHHH")


class Resolver(asyncio.DatagramProtocol):
    """Answers A with 127.0.0.1 and everything else with no record, `delay_s` after the question."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's own is none by inheritance in 3.11

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        assert self._transport is not None
        reply = answer(data)
        if reply is not None:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.sendto, reply, addr)


def answer(query: bytes) -> bytes | None:
    """The reply to one query; None to what is no query with one question."""
    if len(query) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(query)
    end = _HEADER.size
    while end < len(query) and query[end]:
        end += query[end] + 1
    end += 5  # the root label, type and class
    if flags & 0x8000 or questions != 1 or end > len(query):
        return None
    question = query[_HEADER.size : end]
    is_address = struct.unpack("!H", question[-4:-2])[0] == _A
    record = b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 0, 4) + bytes((127, 0, 0, 1)) if is_address else b""
    recursion_flags = 0x8180 | (flags & 0x0100)
    return _HEADER.pack(number, recursion_flags, 1, int(is_address), 0, 0) + question + record


async def main() -> None:
    parser = argparse.ArgumentParser(description="A slow name server.")
    parser.add_argument("--address", default="127.0.0.153")
    parser.add_argument("--delay-s", type=float, required=True)
    args = parser.parse_args()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Resolver(args.delay_s), local_addr=(args.address, 53))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    transport.close()


if __name__ == "__main__":
    asyncio.run(main())
