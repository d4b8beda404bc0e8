"""The event stream and the commands, against a run that is a plain event loop: what pages are told, and when."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from dashboard_kit import Reader, ask, bearer, control, dashboard_threads, reading, serving, token_of, until

from penstock.errors import ConfigError
from penstock.perf.dashboard.hub import CLIENTS_MAX, Hub, Update
from penstock.perf.dashboard.server import DashboardServer
from penstock.telemetry.window import COLUMNS, Window

pytestmark = pytest.mark.slow


def publish(server: DashboardServer, first: int, last: int, **live: object) -> None:
    for number in range(first, last + 1):
        window = Window(end_s=float(number), span_s=1.0, ended=number)
        server.hub.publish(Update((window,), json.dumps({"number": number, **live}).encode()))


def ended(data: dict[str, Any]) -> list[int]:
    return [row[COLUMNS.index("ended")] for row in data["fine"]]


@contextmanager
def not_reading(server: DashboardServer) -> Iterator[None]:
    """A page that has opened the stream and reads nothing of it."""
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((server.address.host, server.address.port))
        token = bearer(server)["Authorization"]
        slow.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
        until(lambda: server.hub.clients == 1)
        yield


@pytest.fixture
def server() -> Iterator[DashboardServer]:
    with serving() as running:
        yield running


def test_a_page_that_comes_late_first_gets_everything_so_far(server: DashboardServer) -> None:
    publish(server, 1, 50)
    until(lambda: json.loads(server.hub._live) is not None and json.loads(server.hub._live)["number"] == 50)
    with reading(server) as reader:
        assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
        kind, data = reader.until(lambda *_: True)
        assert kind == "history"
        assert data["about"] == {"title": "run-of-a-test"}
        assert data["columns"] == list(COLUMNS)
        assert ended(data) == list(range(1, 51))
        assert data["coarse"] == data["fine"], "as long as the run is short"
        assert data["live"] == {"number": 50}
        publish(server, 51, 52)
        kind, data = reader.until(lambda kind, _: kind == "update")
        assert (ended(data), data["live"]) == ([51], {"number": 51})
        assert ended(reader.until(lambda kind, _: kind == "update")[1]) == [52]


def test_a_long_history_comes_bounded_with_its_counts_whole(server: DashboardServer) -> None:
    publish(server, 1, 3000)
    until(lambda: json.loads(server.hub._live) and json.loads(server.hub._live)["number"] == 3000)
    with reading(server) as late:
        _, data = late.until(lambda kind, _: kind == "history")
    assert ended(data) == list(range(2701, 3001))
    assert len(data["coarse"]) <= 480
    assert sum(row[COLUMNS.index("ended")] for row in data["coarse"]) == sum(range(1, 3001)) - missing(data)


def missing(data: dict[str, Any]) -> int:
    """What has ended since the last coarse window was complete."""
    end_s = data["coarse"][-1][COLUMNS.index("end_s")]
    return sum(row[COLUMNS.index("ended")] for row in data["fine"] if row[COLUMNS.index("end_s")] > end_s)


def test_a_page_that_follows_for_long_sees_what_a_late_one_is_told(server: DashboardServer) -> None:
    with reading(server) as early:
        whole: list[Any] = []
        for number in range(1, 600):
            publish(server, number, number)
            data: dict[str, Any] = {"live": None}
            while data["live"] != {"number": number}:
                event = early.next()
                assert event
                kind, data = event
                whole = data["coarse"] if kind == "history" else whole + data["coarse"]
        assert server.hub._history.coarse_s == 2, "the coarse windows have been joined meanwhile"
        with reading(server) as late:
            assert whole == late.until(lambda kind, _: kind == "history")[1]["coarse"]


def test_several_pages_see_the_same(server: DashboardServer) -> None:
    with reading(server) as one, reading(server) as other:
        for reader in (one, other):
            reader.until(lambda kind, _: kind == "history")
        publish(server, 1, 3)
        for reader in (one, other):
            assert [ended(reader.until(lambda kind, _: kind == "update")[1]) for _ in range(3)] == [[1], [2], [3]]


def test_a_page_that_does_not_read_costs_the_publisher_nothing_and_gets_the_whole_later(
    server: DashboardServer,
) -> None:
    sent = itertools.count(1)
    with not_reading(server):
        (client,) = server.hub._clients

        def is_behind() -> bool:
            number = next(sent)
            publish(server, number, number, filler="x" * 200_000)
            return client._is_behind

        until(is_behind)  # what the kernel buffers is full by then
        assert len(client._pending) <= 8, "what waits for a slow page is bounded"
        with reading(server) as quick:  # others are not held up
            assert quick.until(lambda kind, _: kind == "history")
            publish(server, 0, 0)
            assert quick.until(lambda kind, data: kind == "update" and ended(data) == [0])
    until(lambda: server.hub.clients == 0)


def test_a_page_that_does_not_read_for_long_loses_its_place(
    server: DashboardServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.perf.dashboard.app.STALLED_S", 0.2)
    sent = itertools.count(1)
    with not_reading(server):

        def is_out() -> bool:
            number = next(sent)
            publish(server, number, number, filler="x" * 200_000)
            return server.hub.clients == 0

        until(is_out)


def test_a_page_that_was_too_slow_gets_the_whole_again() -> None:
    async def scenario() -> list[bytes | None]:
        hub = Hub({})
        client = hub.join()
        assert client
        taken = [await client.take(1)]
        for number in range(1, 10):
            hub.publish(Update((Window(float(number), 1.0),), b"{}"))
        await asyncio.sleep(0)
        taken.append(await client.take(1))
        hub.finish(Update())
        return [*taken, await client.take(1), await client.take(1)]

    first, second, *rest = asyncio.run(scenario())
    assert first
    assert second
    assert first.startswith(b"event: history")
    assert second.startswith(b"event: history")
    assert second.count(b"[") - first.count(b"[") == 18, "with the nine windows that it missed, fine and coarse"
    assert rest[0]
    assert rest[0].startswith(b"event: finished")
    assert rest[1] is None


def test_the_end_is_told_and_every_stream_closed_also_of_a_page_that_does_not_read() -> None:
    before = dashboard_threads()
    with serving() as server, not_reading(server), reading(server) as reader:
        until(lambda: server.hub.clients == 2)
        for number in range(1, 30):
            publish(server, number, number, filler="x" * 200_000)
            reader.until(lambda kind, data, number=number: data["live"] and data["live"]["number"] == number)
        server.stop(Update((Window(301.0, 1.0, ended=301),), b'{"phase":"complete"}'))
        _, data = reader.until(lambda kind, _: kind == "finished")
        assert data["live"] == {"phase": "complete"}
        assert reader.next() is None
        assert dashboard_threads() == before


def test_too_many_pages_are_refused_until_one_closes(server: DashboardServer) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(reading(server)) for _ in range(CLIENTS_MAX)]
        until(lambda: server.hub.clients == CLIENTS_MAX)
        refused = ask(server, "GET", "/events", bearer(server))
        assert refused.status == 503
        assert refused.headers["retry-after"]
        readers[0].close()
        until(lambda: server.hub.clients < CLIENTS_MAX)
        late = Reader(server.address.port, token_of(server))
        assert late.status == 200
        late.close()


def test_a_page_that_is_closed_gives_its_place_back(server: DashboardServer) -> None:
    with reading(server) as reader:
        reader.until(lambda kind, _: kind == "history")
        assert server.hub.clients == 1
    until(lambda: server.hub.clients == 0)


def test_a_loop_that_is_blocked_is_told_while_it_is_and_when_it_turns_again(server: DashboardServer) -> None:
    with reading(server) as reader:
        server.hub.beat()
        _, data = reader.until(lambda kind, _: kind == "blocked")  # nobody beats any more
        assert data["blocked_s"] > 1
        _, later = reader.until(lambda kind, _: kind == "blocked")
        assert later["blocked_s"] > data["blocked_s"]
        server.hub.beat()
        assert reader.until(lambda kind, _: kind == "blocked")[1]["blocked_s"] == 0


def test_before_the_run_begins_nothing_is_called_blocked(server: DashboardServer) -> None:
    server.hub.tick()
    assert not server.hub._is_blocked


def test_a_verdict_is_worked_out_by_the_server_and_kept(server: DashboardServer) -> None:
    threads = []

    def judge() -> dict[str, object]:
        threads.append(threading.current_thread().name)
        return {"label": "server", "confidence": float("nan")}

    with reading(server) as reader:
        reader.until(lambda kind, _: kind == "history")
        server.hub.publish(Update((), b"{}", judge))
        assert reader.until(lambda kind, _: kind == "update")[1]["verdict"] == {"label": "server", "confidence": None}
        publish(server, 1, 1)
        assert reader.until(lambda kind, _: kind == "update")[1]["verdict"]["label"] == "server"
    assert threads == ["penstock-dashboard"]


# --- commands


class Run:
    """What a pipeline does with commands, without a pipeline."""

    def __init__(self) -> None:
        self.is_paused = False
        self.is_draining = False
        self.limit = 8
        self.threads: set[str] = set()

    def pause(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def request_drain(self) -> None:
        self.is_draining = True

    def set_concurrency(self, concurrency: int) -> int:
        if concurrency == 13:
            raise ConfigError("expected a run with a fixed limit, got another", hint="leave it alone")
        if concurrency == 14:
            raise ZeroDivisionError
        self.limit = min(concurrency, 1000)
        return self.limit


@contextmanager
def steered(server: DashboardServer) -> Iterator[tuple[Run, asyncio.AbstractEventLoop]]:
    """A run whose loop turns in a thread of its own."""
    run, loop = Run(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="the-run")
    thread.start()
    server.steering.attach(run, loop)
    try:
        yield run, loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_commands_are_carried_out_on_the_loop_of_the_run(server: DashboardServer) -> None:
    with steered(server) as (run, _):
        assert control(server, "pause").json() == {"action": "pause", "is_done": True, "is_paused": True}
        assert run.is_paused
        assert run.threads == {"the-run"}
        assert control(server, "resume").json()["is_paused"] is False
        answer = control(server, "concurrency", value=5000).json()
        assert (answer["concurrency"], run.limit) == (1000, 1000)
        assert control(server, "drain").json()["is_done"]
        assert run.is_draining


def test_what_the_run_refuses_is_told_and_a_mistake_of_ours_is_no_silence(server: DashboardServer) -> None:
    with steered(server) as (run, _):
        refused = control(server, "concurrency", value=13)
        assert refused.status == 409
        assert refused.json() == {"error": "expected a run with a fixed limit, got another", "hint": "leave it alone"}
        assert control(server, "concurrency", value=14).status == 500
        assert control(server, "concurrency", value=15).json()["concurrency"] == 15
        assert run.limit == 15


def test_a_command_to_a_blocked_loop_is_answered_and_obeyed_once_it_turns(server: DashboardServer) -> None:
    with steered(server) as (run, loop):
        release = threading.Event()
        loop.call_soon_threadsafe(release.wait)
        try:
            answer = control(server, "pause")
            assert answer.json() == {"action": "pause", "is_done": False}
            assert not run.is_paused
        finally:
            release.set()
        until(lambda: run.is_paused)


def test_a_command_after_the_end_of_the_run_is_refused(server: DashboardServer) -> None:
    with steered(server) as (_, loop):
        pass
    assert loop.is_closed()
    assert control(server, "pause").status == 409
    server.steering.detach()
    assert control(server, "resume").status == 409


def test_publishing_to_a_server_that_is_gone_is_harmless() -> None:
    with serving() as server:
        hub = server.hub
    hub.publish(Update((), b"{}"))
    hub.beat()
    assert hub.beat_s <= time.monotonic()
