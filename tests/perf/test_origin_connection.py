"""The connection on a transport of our own: what it does when the kernel takes only part, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.perf.origin.connection import Connection
from penstock.perf.origin.content import Content
from penstock.perf.origin.log import LoggedRequest, RequestLog, read_log
from penstock.perf.origin.scenario import Scenario
from penstock.perf.origin.state import OriginState


class FakeTransport(asyncio.Transport):
    """Takes every byte, unless `is_full` (then it pauses its protocol) or `is_broken` (then it closes)."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 80)})
        self.protocol: Connection | None = None
        self.written = b""
        self.is_full = self.is_broken = self.is_closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == low == 0

    def get_write_buffer_size(self) -> int:
        return 10 if self.is_full else 0

    def write(self, data: bytes | bytearray | memoryview) -> None:  # type: ignore[override]
        self.written += bytes(data)
        if self.is_broken:
            self.is_closed = True
        elif self.is_full:
            assert self.protocol is not None
            self.protocol.pause_writing()

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close


class Rig:
    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.path = directory / "log.jsonl"
        self.log = RequestLog(self.path, self.loop)
        self.state = OriginState(0, Scenario(), self.log, 0.0)
        self.transport = FakeTransport()
        self.connection = self.transport.protocol = Connection(self.state, self.loop, 60.0, set())
        self.connection.connection_made(self.transport)

    def request(self, target: str) -> None:
        self.connection.data_received(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def logged(self) -> list[LoggedRequest]:
        self.log.flush()
        return read_log(self.path)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    if made.state.connections_open:
        made.connection.connection_lost(None)
    made.log.close()
    made.loop.close()


def test_a_request_ends_only_when_the_kernel_has_taken_every_byte(rig: Rig) -> None:
    rig.transport.is_full = True
    rig.request("/x")
    assert rig.logged() == []
    assert rig.state.stats()["inflight"] == 1
    rig.transport.is_full = False
    rig.connection.resume_writing()
    (line,) = rig.logged()
    assert (line.complete, line.bytes_sent) == (True, len(rig.transport.written))


def test_a_client_that_goes_away_before_the_kernel_took_all_leaves_it_incomplete(rig: Rig) -> None:
    rig.transport.is_full = True
    rig.request("/x")
    rig.connection.connection_lost(None)
    (line,) = rig.logged()
    assert (line.complete, line.bytes_sent) == (False, len(rig.transport.written) - 10)


def test_a_failed_write_is_not_logged_as_sent(rig: Rig) -> None:
    rig.transport.is_broken = True
    rig.request("/x")
    assert rig.logged() == []
    rig.connection.connection_lost(BrokenPipeError())
    (line,) = rig.logged()
    assert (line.complete, line.bytes_sent) == (False, 0)


def test_no_more_than_one_piece_is_handed_over_while_the_transport_is_full(rig: Rig) -> None:
    rig.request("/bytes/1000000")
    assert rig.transport.written.endswith(Content(0).binary("/bytes/1000000", 1_000_000))
    rig.transport.written = b""
    rig.transport.is_full = True
    rig.request("/bytes/1000000")
    assert len(rig.transport.written) < 1000
    rig.connection.resume_writing()
    assert len(rig.transport.written) < 300_000


def test_a_request_that_was_pipelined_behind_a_closing_answer_is_dropped(rig: Rig) -> None:
    one = b"GET /x?connection=close HTTP/1.1\r\nHost: a\r\n\r\n"
    rig.connection.data_received(one + one)
    assert len(rig.logged()) == 1
    assert rig.transport.is_closed


def test_an_offer_to_upgrade_is_not_taken(rig: Rig) -> None:
    rig.connection.data_received(
        b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABk\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert [line.path for line in rig.logged()] == ["/x", "/y"]
    assert rig.transport.written.count(b"HTTP/1.1 200 OK") == 2
