"""Runs one origin: binds its addresses, says that it is ready, serves until it is told to stop, flushes the log.

The one blocking call is `run_origin`. It binds loopback addresses only, by design: this server obeys its clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import resource
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from penstock.errors import ConfigError
from penstock.perf.origin.certificates import make_tls_context
from penstock.perf.origin.connection import Connection
from penstock.perf.origin.log import RequestLog
from penstock.perf.origin.scenario import Scenario
from penstock.perf.origin.state import OriginState

HOSTS_MAX = 253
_BACKLOG = 4096
_PORT_TRIES = 20


@dataclass(frozen=True, slots=True)
class OriginOptions:
    """How to run. `port` 0 takes a free one; `hosts` binds 127.0.0.2 to 127.0.0.(hosts + 1) too, on the same port.

    `seed` None: the scenario's, or 0. `answer_s_max` ends answers that would never end. `stops_with_stdin`: also stop
    when standard input is closed, so that the origin never outlives the process that started it. `cpu`: run on that
    core only, where the system can be told so.
    """

    host: str = "127.0.0.1"
    port: int = 0
    hosts: int = 0
    scenario: Scenario = field(default_factory=Scenario)
    log: Path | None = None
    is_tls: bool = False
    cert_dir: Path | None = None
    seed: int | None = None
    answer_s_max: float = 300.0
    ready_file: Path | None = None
    prints_json: bool = False
    stops_with_stdin: bool = False
    cpu: int | None = None


def run_origin(options: OriginOptions) -> None:
    """Serve until SIGINT or SIGTERM. Prints one line to standard output once every address accepts connections.

    Raises ConfigError before anything is bound when an option cannot be carried out.
    """
    _check(options)
    if options.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    _raise_descriptor_limit()
    with _certificate_directory(options) as cert_dir:
        addresses = [options.host, *(f"127.0.0.{number}" for number in range(2, options.hosts + 2))]
        addresses = list(dict.fromkeys(addresses))
        context, ca_path = make_tls_context(cert_dir, addresses) if cert_dir is not None else (None, None)
        sockets = _bind(addresses, options.port)
        try:
            with asyncio.Runner(loop_factory=_find_loop_factory()) as runner:
                runner.run(_serve(options, sockets, context, ca_path))
        finally:
            for bound in sockets:
                bound.close()


async def _serve(
    options: OriginOptions, sockets: list[socket.socket], context: ssl.SSLContext | None, ca_path: Path | None
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.stops_with_stdin:
        _watch_stdin(loop, stop)
    log = None if options.log is None else _open_log(options.log, loop)
    seed = options.seed if options.seed is not None else options.scenario.seed
    state = OriginState(seed or 0, options.scenario, log, time.monotonic())
    connections: set[Connection] = set()

    def make_connection() -> Connection:
        return Connection(state, loop, options.answer_s_max, connections, is_tls=context is not None)

    servers = [
        await loop.create_server(make_connection, sock=bound, ssl=context, backlog=_BACKLOG) for bound in sockets
    ]
    _announce(options, sockets[0].getsockname()[1], ca_path)
    try:
        await stop.wait()
    finally:
        for server in servers:
            server.close()
        for connection in list(connections):
            connection.stop()
        if log is not None:
            log.close()


def _announce(options: OriginOptions, port: int, ca_path: Path | None) -> None:
    scheme = "http" if ca_path is None else "https"
    url = f"{scheme}://{options.host}:{port}"
    facts = {"url": url, "port": port, "pid": os.getpid(), "ca_path": None if ca_path is None else str(ca_path)}
    if options.ready_file is not None:
        partial = options.ready_file.with_name(options.ready_file.name + ".partial")
        partial.write_text(json.dumps(facts) + "\n", encoding="utf-8")
        partial.replace(options.ready_file)
    if options.prints_json:
        line = json.dumps(facts)
    else:
        line = f"listening on {url}" + ("" if ca_path is None else f" (certificate authority: {ca_path})")
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _check(options: OriginOptions) -> None:
    try:
        is_loopback = ipaddress.ip_address(options.host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ConfigError(f"--host: expected a loopback address, as in 127.0.0.1, got {options.host!r}")
    if not 0 <= options.hosts <= HOSTS_MAX:
        raise ConfigError(f"--hosts: expected 0 to {HOSTS_MAX}, got {options.hosts}")
    if options.cpu is not None and not 0 <= options.cpu < (os.cpu_count() or 1):
        raise ConfigError(f"cpu: expected a core from 0 to {(os.cpu_count() or 1) - 1}, got {options.cpu}")
    for name, path in (("--log", options.log), ("--ready-file", options.ready_file)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise ConfigError(f"{name}: expected a file in a directory that exists, got {path}")


def _bind(addresses: list[str], port: int) -> list[socket.socket]:
    """Sockets on every address, all on one port. Raises ConfigError when an address or the port cannot be had."""
    for tries_left in range(_PORT_TRIES if port == 0 else 1, 0, -1):
        sockets: list[socket.socket] = []
        wanted = port
        try:
            for address in addresses:
                bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
                sockets.append(bound)
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                bound.bind((address, wanted))
                wanted = bound.getsockname()[1]
        except OSError as error:
            for bound in sockets:
                bound.close()
            if tries_left == 1:
                place = f"{addresses[len(sockets) - 1]}:{wanted}"
                raise ConfigError(
                    f"expected a free address, got {place}: {error.strerror}", hint="--port 0 takes a free port"
                ) from error
        else:
            return sockets
    raise AssertionError("unreachable: the last try returns or raises")


@contextlib.contextmanager
def _certificate_directory(options: OriginOptions) -> Iterator[Path | None]:
    if not options.is_tls:
        yield None
    elif options.cert_dir is not None:
        try:
            options.cert_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--cert-dir: expected a directory, got {options.cert_dir}: {error.strerror}") from error
        yield options.cert_dir
    else:
        with tempfile.TemporaryDirectory(prefix="penstock-origin-") as directory:
            yield Path(directory)


def _open_log(path: Path, loop: asyncio.AbstractEventLoop) -> RequestLog:
    try:
        return RequestLog(path, loop)
    except OSError as error:
        raise ConfigError(f"--log: expected a writable file, got {path}: {error.strerror}") from error


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, read)


def _find_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _raise_descriptor_limit() -> None:
    """Allow as many connections as the hard limit does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
