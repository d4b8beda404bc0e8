"""A dashboard server of a test's own, plain HTTP towards it, and a reader of its event stream."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.perf.dashboard.address import Address
from penstock.perf.dashboard.server import DashboardServer, ServerOptions

LIMIT_S = 30.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def token_of(server: DashboardServer) -> str:
    return server.url.partition("#token=")[2]


def bearer(server: DashboardServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(server)}"}


def ask(
    server: DashboardServer, method: str, target: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """One request on a connection of its own, until the server has closed it. A `Host` given replaces the true one."""
    connection = http.client.HTTPConnection(server.address.host, server.address.port, timeout=LIMIT_S)
    connection.connect()
    closing = connection.sock.dup()
    try:
        connection.request(method, target, body=body, headers={"Connection": "close", **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        # The server's end of it is no leftover of this test. A reset is an end, too: it left a body unread.
        with suppress(ConnectionResetError):
            while closing.recv(65_536):
                pass
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
    finally:
        closing.close()
        connection.close()


def raw(server: DashboardServer, request: bytes) -> bytes:
    """Send these bytes and read until the server closes."""
    with socket.create_connection((server.address.host, server.address.port), timeout=LIMIT_S) as client:
        client.sendall(request)
        answer = b""
        while piece := client.recv(65_536):
            answer += piece
        return answer


def control(server: DashboardServer, action: object, **more: object) -> Answer:
    headers = {**bearer(server), "Content-Type": "application/json"}
    return ask(server, "POST", "/control", headers, json.dumps({"action": action, **more}).encode())


class Reader:
    """An open event stream. `next` is one event, (kind, data); heartbeats are passed over."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        self._connection.request("GET", "/events", headers={"Authorization": f"Bearer {token}"})
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}

    def next(self) -> tuple[str, Any] | None:
        """None when the server has ended the stream."""
        kind = ""
        while line := self._answer.readline().decode("ascii"):
            if line.startswith("event: "):
                kind = line[7:].strip()
            elif line.startswith("data: "):
                return kind, json.loads(line[6:])
        return None

    def until(self, wanted: Callable[[str, Any], bool]) -> tuple[str, Any]:
        """The first event that is wanted; AssertionError when the stream ends before."""
        while (event := self.next()) is not None:
            if wanted(*event):
                return event
        raise AssertionError("the stream ended before the event that was waited for")

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


@contextmanager
def reading(server: DashboardServer | LiveRun) -> Iterator[Reader]:
    is_live = isinstance(server, LiveRun)
    reader = Reader(server.port, server.token) if is_live else Reader(server.address.port, token_of(server))
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def serving(where: Address | None = None, **options: Any) -> Iterator[DashboardServer]:
    server = DashboardServer(ServerOptions(where or Address("127.0.0.1", 0), {"title": "run-of-a-test"}, **options))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread or process does."""
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "never came true"
        time.sleep(0.01)


def dashboard_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "penstock-dashboard"}


@dataclass
class LiveRun:
    """`penstock fetch` as a process, with a dashboard. `url` is the page's, without the token."""

    process: subprocess.Popen[str]
    folder: Path
    link: str
    said: str = ""

    @property
    def url(self) -> str:
        return self.link.partition("/#token=")[0]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def token(self) -> str:
        return self.link.partition("#token=")[2]

    def command(self, action: str, **more: object) -> dict[str, Any]:
        """What the page's buttons do. Fails unless the run has obeyed."""
        answer = self.ask("POST", "/control", json.dumps({"action": action, **more}).encode())
        assert answer.status == 200, answer.body
        document: dict[str, Any] = answer.json()
        assert document["is_done"], document
        return document

    def ask(self, method: str, target: str, body: bytes | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def end(self) -> int:
        """Wait for the run to end; its exit code. `said` is then all that it said."""
        _, said = self.process.communicate(timeout=LIMIT_S)
        self.said += said
        return self.process.returncode


@contextmanager
def live_run(folder: Path, urls: list[str], *arguments: str) -> Iterator[LiveRun]:
    """Fetch `urls` into `folder`/out with `--dashboard`; whatever happens, the process ends with the block."""
    (folder / "urls.txt").write_text("".join(f"{url}\n" for url in urls))
    command = [sys.executable, "-m", "penstock", "fetch", "urls.txt", "-o", "out", *arguments]
    command += ["--allow-private", "127.0.0.0/8", "--progress", "none", "--dashboard"]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            said = process.stderr.readline()
            link = re.search(r"http://\S+/#token=\S+", said)
            assert link, said + process.stderr.read()
            yield LiveRun(process, folder, link[0], said)
        finally:
            process.kill()
