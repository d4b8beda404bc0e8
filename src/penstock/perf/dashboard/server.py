"""Runs the dashboard beside a run: a socket, a thread of its own with an event loop of its own, uvicorn on it.

A run whose loop is blocked still has a page that says so. The rule: whatever happens here, the run goes on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import uvicorn

from penstock.perf.dashboard.address import Address
from penstock.perf.dashboard.app import Services, create_app
from penstock.perf.dashboard.controls import Steering
from penstock.perf.dashboard.hub import Hub, Update
from penstock.perf.dashboard.security import Gate

START_S_MAX = 10.0
STOP_S_MAX = 5.0
_TICK_S = 0.5
_CONNECTIONS_MAX = 64
_BACKLOG = 64


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """`about`: what a page is told once (JSON values). `metrics` makes Prometheus' text and its content type for an
    `Accept` header, on the server's loop.

    `has_page` False: metrics only, which then need no token, and off loopback answer to any name (of a service, say).
    `token`: by default 256 random bits, new for every run.
    """

    address: Address
    about: dict[str, object] = field(default_factory=dict)
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]] | None = None
    has_page: bool = True
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


class DashboardServer:
    """A running dashboard, from `start` to `stop`. Both block for a moment and belong on the run's thread."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._bound: Address | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: Hub | None = None
        self._server: uvicorn.Server | None = None
        self._failed: BaseException | None = None
        self.steering = Steering(time.monotonic)

    @property
    def address(self) -> Address:
        """Where it listens; the port is the real one. Raises RuntimeError before `start`."""
        if self._bound is None:
            raise RuntimeError("expected a dashboard that was started")
        return self._bound

    @property
    def url(self) -> str:
        """The link with the token. It is in the fragment, which browsers do not send and servers do not log."""
        address = self.address
        if address.is_any:
            address = Address(socket.gethostname(), address.port)
        return f"http://{address}/#token={self._options.token}"

    @property
    def hub(self) -> Hub:
        """Where to publish. Raises RuntimeError before `start`."""
        if self._hub is None:
            raise RuntimeError("expected a dashboard that was started")
        return self._hub

    def start(self) -> None:
        """Bind and serve. Raises OSError when the address cannot be had, and then nothing is left behind."""
        listening = _bind(self._options.address)
        self._bound = Address(self._options.address.host, listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run, args=(listening,), name="penstock-dashboard")
        self._thread.start()
        if not self._ready.wait(START_S_MAX) or self._failed is not None:
            self.stop()
            raise OSError(f"the dashboard did not start: {self._failed or f'no sign of it in {START_S_MAX:g} s'}")

    def stop(self, last: Update | None = None) -> None:
        """Publish `last`, end every stream, close the port, join the thread. At most about 5 s; repeated: nothing."""
        thread, self._thread = self._thread, None
        self.steering.detach()
        if thread is None:
            return
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._finish, last or Update())
        thread.join(STOP_S_MAX)

    def _finish(self, last: Update) -> None:
        if self._hub is not None:
            self._hub.finish(last)
        if self._server is not None:
            self._server.should_exit = True

    def _run(self, listening: socket.socket) -> None:
        """The thread."""
        try:
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                runner.run(self._serve(listening))
        except BaseException as error:  # noqa: BLE001 - a broken dashboard must not end the run; `start` tells it
            self._failed = error
        finally:
            listening.close()
            self._ready.set()

    async def _serve(self, listening: socket.socket) -> None:
        options = self._options
        self._loop = asyncio.get_running_loop()
        hub = self._hub = Hub(options.about)
        gate = Gate.of(self.address, options.token, socket.gethostname())
        if not options.has_page and not self.address.is_loopback:
            gate = replace(gate, names=frozenset())
        services = Services(
            hub,
            gate,
            self.steering,
            metrics=options.metrics,
            has_page=options.has_page,
            metrics_need_token=options.has_page and not self.address.is_loopback,
        )
        server = self._server = uvicorn.Server(
            uvicorn.Config(
                create_app(services),
                http="h11",  # the strictest parser; speed is no concern here
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level=logging.CRITICAL + 1,  # a port scanner must not write into the live view
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_CONNECTIONS_MAX,
                backlog=_BACKLOG,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
            )
        )
        ticking = asyncio.create_task(_tick(hub))
        self._ready.set()
        try:
            await server.serve(sockets=[listening])
        finally:
            ticking.cancel()
            for connection in list(server.server_state.connections):
                connection.transport.abort()  # a page that did not read to the end
            await asyncio.sleep(0)


async def _tick(hub: Hub) -> None:
    while True:
        await asyncio.sleep(_TICK_S)
        hub.tick()


def _bind(address: Address) -> socket.socket:
    """A listening socket. Raises OSError."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would mean to take the port from whoever has it
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening
