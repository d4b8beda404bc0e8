"""One attempt's progress, judged by `Handle.overdue` at given times: a fake libcurl, no network, no clock."""

from __future__ import annotations

import gzip
from typing import Any

import pycurl
import pytest

from penstock.fetch.handle import Handle, Meter
from penstock.fetch.options import FetchOptions

OPTIONS = FetchOptions(
    first_byte_timeout_s=30, idle_timeout_s=20, speed_limit_bytes_per_s=100, speed_time_s=10, body_bytes_max=1000
)
HEAD = (b"HTTP/1.1 200 OK\r\n", b"Content-Type: text/plain\r\n", b"\r\n")


class FakeCurl:
    """Answers `getinfo` with what the test sets."""

    def __init__(self) -> None:
        self.sent = self.uploaded = self.downloaded = 0

    def getinfo(self, what: int) -> int:
        numbers = {
            pycurl.REQUEST_SIZE: self.sent,
            pycurl.SIZE_UPLOAD_T: self.uploaded,
            pycurl.SIZE_DOWNLOAD_T: self.downloaded,
            pycurl.HEADER_SIZE: 0,
        }
        return numbers[what]


@pytest.fixture
def curl() -> FakeCurl:
    return FakeCurl()


@pytest.fixture
def handle(curl: FakeCurl) -> Handle:
    made: Any = Handle(curl, Meter(), 1000)  # type: ignore[arg-type]  # the fake has what is used
    made.reset(0.0)
    return made  # type: ignore[no-any-return]


def receive(handle: Handle, curl: FakeCurl, *, head: tuple[bytes, ...] = (), body: bytes = b"") -> None:
    handle.header_lines.extend(head)
    if body:
        curl.downloaded += len(body)
        handle.write(body)


def test_connecting_is_not_waiting_for_a_first_byte(handle: Handle, curl: FakeCurl) -> None:
    """A slow handshake once left less time for the answer."""
    assert all(handle.overdue(float(now_s), OPTIONS) is None for now_s in range(200))
    curl.sent = 100
    assert handle.overdue(200.0, OPTIONS) is None
    assert handle.overdue(230.0, OPTIONS) is None
    assert handle.overdue(230.1, OPTIONS) == "timeout_first_byte"


def test_a_long_upload_is_progress(handle: Handle, curl: FakeCurl) -> None:
    curl.sent = 100
    for now_s in range(0, 200, 10):
        curl.uploaded += 1
        assert handle.overdue(float(now_s), OPTIONS) is None
    assert handle.overdue(221.0, OPTIONS) == "timeout_first_byte"


def test_silence_counts_from_the_last_byte(handle: Handle, curl: FakeCurl) -> None:
    curl.sent = 100
    assert handle.overdue(29.0, OPTIONS) is None
    receive(handle, curl, head=HEAD)
    assert handle.overdue(30.0, OPTIONS) is None
    for now_s in range(31, 90, 9):
        receive(handle, curl, body=b"x" * 2)
        curl.downloaded += 5000  # fast enough
        assert handle.overdue(float(now_s), OPTIONS) is None
    curl.downloaded += 50_000
    assert handle.overdue(105.0, OPTIONS) is None
    assert handle.overdue(105.1, OPTIONS) == "timeout_idle"


@pytest.mark.parametrize(("bytes_per_s", "verdict"), [(99, "timeout_speed"), (101, None)])
def test_speed_is_judged_over_the_whole_window(
    handle: Handle, curl: FakeCurl, bytes_per_s: int, verdict: str | None
) -> None:
    receive(handle, curl, head=HEAD, body=b"x")
    verdicts = set()
    for now_s in range(100):
        receive(handle, curl, body=b"x")
        curl.downloaded += bytes_per_s - 1
        verdicts.add(handle.overdue(float(now_s), OPTIONS))
    assert verdicts - {None} == ({verdict} if verdict else set())


def test_a_burst_at_the_start_does_not_excuse_a_drip(handle: Handle, curl: FakeCurl) -> None:
    receive(handle, curl, head=HEAD, body=b"x" * 900)
    curl.downloaded += 1_000_000
    assert handle.overdue(0.0, OPTIONS) is None
    receive(handle, curl, body=b"x")
    assert handle.overdue(9.9, OPTIONS) is None
    assert handle.overdue(10.0, OPTIONS) == "timeout_speed"


@pytest.mark.parametrize("status", [b"302 Found", b"100 Continue", b"103 Early Hints"])
def test_after_a_redirect_or_an_interim_answer_the_first_byte_is_awaited_again(
    handle: Handle, curl: FakeCurl, status: bytes
) -> None:
    curl.sent = 100
    receive(handle, curl, head=(b"HTTP/1.1 " + status + b"\r\n", b"\r\n"))
    assert handle.overdue(0.0, OPTIONS) is None
    assert handle.overdue(29.0, OPTIONS) is None, "longer than the idle timeout"
    assert handle.overdue(31.0, OPTIONS) == "timeout_first_byte"


def test_a_half_sent_header_is_not_waiting(handle: Handle, curl: FakeCurl) -> None:
    curl.sent = 100
    receive(handle, curl, head=(b"HTTP/1.1 302 Found\r\n",))
    assert handle.overdue(0.0, OPTIONS) is None
    assert handle.overdue(20.1, OPTIONS) == "timeout_idle"


def test_the_body_is_bounded_after_decoding(handle: Handle, curl: FakeCurl) -> None:
    receive(handle, curl, head=(b"HTTP/2 200 \r\n", b"content-encoding: gzip\r\n", b"\r\n"))
    wire = gzip.compress(bytes(10_000_000))
    assert handle.write(wire) == 0
    assert 1000 < handle.received_bytes < 3000
    handle.forget_body()
    assert handle.meter.buffered_bytes == 0


def test_only_the_last_answers_encoding_counts(handle: Handle, curl: FakeCurl) -> None:
    receive(handle, curl, head=(b"HTTP/1.1 302 Found\r\n", b"Content-Encoding: gzip\r\n", b"\r\n", *HEAD))
    receive(handle, curl, body=b"plain")
    assert (handle.chunks, handle.decode_problem) == ([b"plain"], None)


def test_several_encoding_fields_are_one_list(handle: Handle, curl: FakeCurl) -> None:
    lines = (b"HTTP/1.1 200 OK\r\n", b"Content-Encoding: gzip\r\n", b"CONTENT-ENCODING: deflate\r\n", b"\r\n")
    receive(handle, curl, head=lines)
    import zlib

    receive(handle, curl, body=zlib.compress(gzip.compress(b"both")))
    assert b"".join(handle.chunks) == b"both"


def test_reset_forgets_the_attempt_before(handle: Handle, curl: FakeCurl) -> None:
    receive(handle, curl, head=(b"HTTP/1.1 200 OK\r\n", b"Content-Encoding: nonsense\r\n", b"\r\n"), body=b"x")
    assert handle.decode_problem
    handle.forget_body()
    handle.reset(50.0)
    receive(handle, curl, head=HEAD, body=b"plain")
    assert (handle.chunks, handle.decode_problem, handle.decoder) == ([b"plain"], None, None)
