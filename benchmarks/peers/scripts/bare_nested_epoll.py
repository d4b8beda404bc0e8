"""The floor for libcurl inside an event loop: curl's sockets in one epoll object, that object as one reader of uvloop.

No futures, no tasks, no rows: what is above this number is the engine's own work. Prints answers and bytes as JSON.
"""

from __future__ import annotations

import asyncio
import json
import select

import pycurl
import uvloop
from arguments import arguments, urls_of
from bare_pycurl import Counted, easy_handle

EPOLL_OF_POLL = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


class NestedLoop:
    """Fetches every URL of `source`, `limit` at a time; `done` is set at the end, or holds libcurl's error."""

    def __init__(self, source: list[str], limit: int, cacert: str | None) -> None:
        self.counted = Counted()
        self.answers = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._source = iter(source)
        self._in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._registered: set[int] = set()
        self._idle = [easy_handle(cacert, self.counted) for _ in range(limit)]
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, limit)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)
        self._start_more()

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _on_socket(self, event: int, descriptor: int, multi: pycurl.CurlMulti, data: object) -> None:
        if event == pycurl.POLL_REMOVE:
            if descriptor in self._registered:
                self._registered.discard(descriptor)
                self._epoll.unregister(descriptor)
        elif descriptor in self._registered:
            self._epoll.modify(descriptor, EPOLL_OF_POLL[event])
        else:
            self._registered.add(descriptor)
            self._epoll.register(descriptor, EPOLL_OF_POLL[event])

    def _on_timer(self, timeout_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if timeout_ms >= 0:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._on_timeout)

    def _on_timeout(self) -> None:
        self._timer = None
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()

    def _on_ready(self) -> None:
        for descriptor, mask in self._epoll.poll(0):
            flags = (pycurl.CSELECT_IN if mask & ~select.EPOLLOUT else 0) | (
                pycurl.CSELECT_OUT if mask & select.EPOLLOUT else 0
            )
            self._multi.socket_action(descriptor, flags)
        self._collect()

    def _collect(self) -> None:
        _, done, failed = self._multi.info_read()
        if failed and not self.done.done():
            self.done.set_exception(RuntimeError(f"libcurl error {failed[0][1]}: {failed[0][2]}"))
        for handle in done:
            self._multi.remove_handle(handle)
            self._idle.append(handle)
        self.answers += len(done)
        self._in_flight -= len(done)
        self._start_more()

    def _start_more(self) -> None:
        while self._idle and (url := next(self._source, None)) is not None:
            handle = self._idle.pop()
            handle.setopt(pycurl.URL, url)
            self._multi.add_handle(handle)
            self._in_flight += 1
        if not self._in_flight and not self.done.done():
            self.done.set_result(None)


async def main() -> None:
    args = arguments()
    nested = NestedLoop(urls_of(args.input), args.concurrency, args.cacert)
    try:
        await nested.done
    finally:
        nested.close()
    print(json.dumps({"records": nested.answers, "body_bytes": nested.counted.body_bytes}))


uvloop.run(main())
