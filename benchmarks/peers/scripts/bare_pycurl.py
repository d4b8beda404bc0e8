"""The floor for anything on libcurl from Python: one multi handle, 64 easy handles, bodies counted and thrown away.

No event loop, no rows, no digest. Prints the count of answers and bytes as JSON.
"""

from __future__ import annotations

import json

import pycurl
from arguments import arguments, urls_of


class Counted:
    """Counts body bytes; its `write` is libcurl's write callback."""

    def __init__(self) -> None:
        self.body_bytes = 0

    def write(self, chunk: bytes) -> None:
        self.body_bytes += len(chunk)


def easy_handle(cacert: str | None, counted: Counted) -> pycurl.Curl:
    """One handle as all loops here use it: large buffer, HTTP errors fail, certificate checked against `cacert`."""
    handle = pycurl.Curl()
    handle.setopt(pycurl.WRITEFUNCTION, counted.write)
    handle.setopt(pycurl.BUFFERSIZE, 131_072)
    handle.setopt(pycurl.FAILONERROR, True)
    handle.setopt(pycurl.NOSIGNAL, True)
    if cacert:
        handle.setopt(pycurl.CAINFO, cacert)
    return handle


def main() -> None:
    args = arguments()
    counted = Counted()
    source = iter(urls_of(args.input))
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, args.concurrency)
    idle = [easy_handle(args.cacert, counted) for _ in range(args.concurrency)]
    answers = in_flight = 0
    while True:
        while idle and (url := next(source, None)) is not None:
            handle = idle.pop()
            handle.setopt(pycurl.URL, url)
            multi.add_handle(handle)
            in_flight += 1
        if not in_flight:
            break
        multi.perform()
        _, done, failed = multi.info_read()
        if failed:
            raise SystemExit(f"libcurl error {failed[0][1]}: {failed[0][2]}")
        for handle in done:
            multi.remove_handle(handle)
            idle.append(handle)
        answers += len(done)
        in_flight -= len(done)
        if not done:
            multi.select(1.0)
    print(json.dumps({"records": answers, "body_bytes": counted.body_bytes}))


if __name__ == "__main__":
    main()
