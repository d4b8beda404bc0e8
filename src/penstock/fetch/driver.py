"""Drives libcurl's multi interface from an asyncio loop, many transfers for few wake-ups. Knows nothing of HTTP.

On Linux every curl socket lives in one epoll object, and the loop watches only that object's descriptor: one loop
callback per wake serves all sockets that are ready. Measured against pycurl's AsyncCurlMulti: see
docs/design/0003-curl-driver.md. Elsewhere the loop watches each socket.
"""

from __future__ import annotations

import asyncio
import select
import sys
from typing import Any, Protocol

import pycurl

_READ, _WRITE, _ERROR = pycurl.CSELECT_IN, pycurl.CSELECT_OUT, pycurl.CSELECT_ERR
_REMOVE = pycurl.POLL_REMOVE
_EVENTS_MAX = 512


class Transfer(Protocol):
    """What the driver carries: an easy handle, and the future that gets libcurl's code (0 is success) and message."""

    curl: pycurl.Curl
    done: asyncio.Future[tuple[int, str]]


class CurlDriver:
    """One multi handle on one loop. Not thread-safe; every method is called on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, connections_max: int) -> None:
        self._loop = loop
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections_max)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_curl_timer)
        self._transfers: dict[pycurl.Curl, Transfer] = {}
        self._deadline_s: float | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_due_s = 0.0
        self._is_kick_due = False
        self._is_closed = False
        self._sockets: _Sockets = _EpollSockets(self) if sys.platform == "linux" else _LoopSockets(self)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._sockets.on_curl_socket)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def start(self, transfer: Transfer) -> None:
        """Begin; `transfer.done` is set when it ends. The handle must be idle."""
        self._transfers[transfer.curl] = transfer
        self._multi.add_handle(transfer.curl)

    def abort(self, transfer: Transfer) -> None:
        """Take a running transfer out; its connection is closed. `done` is left to the caller."""
        if self._transfers.pop(transfer.curl, None) is not None:
            self._multi.remove_handle(transfer.curl)

    def close(self) -> None:
        """Abort everything and close every connection."""
        if self._is_closed:
            return
        self._is_closed = True
        for transfer in list(self._transfers.values()):
            self.abort(transfer)
        if self._timer is not None:
            self._timer.cancel()
        self._multi.close()
        self._sockets.close()

    def act(self, ready: list[tuple[int, int]]) -> None:
        """Tell libcurl which sockets are ready, then settle what finished. `ready` is (descriptor, CSELECT mask)."""
        socket_action = self._multi.socket_action
        for descriptor, mask in ready:
            socket_action(descriptor, mask)
        self._settle()

    def _settle(self) -> None:
        multi, transfers = self._multi, self._transfers
        remaining = 1
        while remaining:
            remaining, succeeded, failed = multi.info_read()
            for curl in succeeded:
                multi.remove_handle(curl)
                done = transfers.pop(curl).done
                if not done.done():
                    done.set_result((0, ""))
            for curl, code, message in failed:
                multi.remove_handle(curl)
                done = transfers.pop(curl).done
                if not done.done():
                    done.set_result((code, message))

    # libcurl asks for one timer. Re-arming a loop timer at each request would cost more than the request's own work,
    # so an earlier loop timer is left to fire and re-arms itself for the deadline that is current then.
    def _on_curl_timer(self, timeout_ms: int) -> None:
        if timeout_ms < 0:
            self._deadline_s = None
        elif timeout_ms == 0:
            self._deadline_s = None
            if not self._is_kick_due:
                self._is_kick_due = True
                self._loop.call_soon(self._kick)
        else:
            self._deadline_s = self._loop.time() + timeout_ms / 1000
            self._arm()

    def _arm(self) -> None:
        if self._deadline_s is None:
            return
        if self._timer is not None:
            if self._timer_due_s <= self._deadline_s:
                return
            self._timer.cancel()
        self._timer_due_s = self._deadline_s
        self._timer = self._loop.call_at(self._timer_due_s, self._on_loop_timer)

    def _on_loop_timer(self) -> None:
        self._timer = None
        if self._deadline_s is not None and self._loop.time() >= self._deadline_s - 0.001:
            self._deadline_s = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._settle()
        self._arm()

    def _kick(self) -> None:
        self._is_kick_due = False
        if not self._is_closed:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._settle()


class _Sockets(Protocol):
    """Keeps watch over the sockets libcurl names, and hands the ready ones to `CurlDriver.act`."""

    def on_curl_socket(self, what: int, descriptor: int, multi: Any, data: Any) -> None: ...

    def close(self) -> None: ...


class _EpollSockets:
    """All sockets in one epoll object. One that libcurl no longer wants stays registered until it fires or closes."""

    def __init__(self, driver: CurlDriver) -> None:
        self._driver = driver
        self._epoll = select.epoll()
        self._registered: set[int] = set()
        self._unwanted: set[int] = set()
        self._event_mask = {
            pycurl.POLL_IN: select.EPOLLIN,
            pycurl.POLL_OUT: select.EPOLLOUT,
            pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
        }
        self._curl_mask = [0] * 64
        for events in range(64):
            self._curl_mask[events] = (
                (_READ if events & (select.EPOLLIN | select.EPOLLHUP) else 0)
                | (_WRITE if events & select.EPOLLOUT else 0)
                | (_ERROR if events & select.EPOLLERR else 0)
            )
        driver.loop.add_reader(self._epoll.fileno(), self._on_ready)

    def on_curl_socket(self, what: int, descriptor: int, multi: Any, data: Any) -> None:
        if what == _REMOVE:
            self._unwanted.add(descriptor)
            return
        # Always a system call: the number may belong to a new socket by now (the kernel forgets closed ones by
        # itself), and libcurl gives no reliable word of that. Keeping idle ones registered still saves every second.
        events = self._event_mask[what]
        if descriptor in self._registered:
            self._unwanted.discard(descriptor)
            try:
                self._epoll.modify(descriptor, events)
            except FileNotFoundError:
                self._epoll.register(descriptor, events)
        else:
            self._epoll.register(descriptor, events)
            self._registered.add(descriptor)

    def _on_ready(self) -> None:
        curl_mask, unwanted = self._curl_mask, self._unwanted
        ready = []
        for descriptor, events in self._epoll.poll(0, _EVENTS_MAX):
            if descriptor in unwanted:
                # An idle connection was closed by its server: libcurl notices when it next wants to use it.
                unwanted.discard(descriptor)
                self._registered.discard(descriptor)
                self._epoll.unregister(descriptor)
            else:
                ready.append((descriptor, curl_mask[events & 63]))
        self._driver.act(ready)

    def close(self) -> None:
        self._driver.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()


class _LoopSockets:
    """Each socket watched by the loop itself: macOS, and Windows on a selector loop."""

    def __init__(self, driver: CurlDriver) -> None:
        self._driver = driver
        self._watched: dict[int, int] = {}

    def on_curl_socket(self, what: int, descriptor: int, multi: Any, data: Any) -> None:
        loop = self._driver.loop
        before = self._watched.pop(descriptor, 0)
        now = 0 if what == _REMOVE else what
        if before & pycurl.POLL_IN and not now & pycurl.POLL_IN:
            loop.remove_reader(descriptor)
        if before & pycurl.POLL_OUT and not now & pycurl.POLL_OUT:
            loop.remove_writer(descriptor)
        if now & pycurl.POLL_IN and not before & pycurl.POLL_IN:
            loop.add_reader(descriptor, self._driver.act, [(descriptor, _READ)])
        if now & pycurl.POLL_OUT and not before & pycurl.POLL_OUT:
            loop.add_writer(descriptor, self._driver.act, [(descriptor, _WRITE)])
        if now:
            self._watched[descriptor] = now

    def close(self) -> None:
        for descriptor, events in self._watched.items():
            if events & pycurl.POLL_IN:
                self._driver.loop.remove_reader(descriptor)
            if events & pycurl.POLL_OUT:
                self._driver.loop.remove_writer(descriptor)
        self._watched.clear()
