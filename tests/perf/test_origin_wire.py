"""Every fault as a client's kernel sees it: the exact bytes, and whether the end is a FIN or a RST."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator

import pytest

from penstock.perf.origin.content import Content
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow

GIVE_UP_S = 30.0
SEED = 5
CONTENT = Content(SEED)


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    # Answers without an end are ended by the origin after 0.3 s, so that no test waits with a clock of its own.
    with OriginProcess(
        {"rule": [{"host": "127.0.0.3", "accept_reset": 1}]}, hosts=2, seed=SEED, answer_s_max=0.3
    ) as process:
        yield process


def exchange(origin: OriginProcess, target: str, method: str = "GET", extra: str = "") -> tuple[bytes, str]:
    """Every byte of the answer up to the end of the connection, and how that ended: `fin` or `reset`."""
    with socket.create_connection(("127.0.0.1", origin.port), timeout=GIVE_UP_S) as client:
        client.sendall(f"{method} {target} HTTP/1.1\r\nHost: a.test\r\n{extra}\r\n".encode())
        return read_to_end(client)


def read_to_end(client: socket.socket) -> tuple[bytes, str]:
    received = bytearray()
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionResetError:
        return bytes(received), "reset"
    return bytes(received), "fin"


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def text(path: str, size: int = 1024) -> bytes:
    return CONTENT.text(path, size)


def test_an_undamaged_answer_has_the_body_that_the_seed_and_the_path_say(origin: OriginProcess) -> None:
    answer, end = exchange(origin, "/some/path?bytes=5000&connection=close")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (body_of(answer), end) == (text("/some/path", 5000), "fin")


def test_a_reset_at_accept_comes_before_any_request(origin: OriginProcess) -> None:
    before = origin.stats()
    with (
        pytest.raises(ConnectionResetError),  # in connect or in recv, whichever the RST overtakes
        socket.create_connection(("127.0.0.3", origin.port), timeout=GIVE_UP_S) as client,
    ):
        client.recv(1)
    after = origin.stats()
    assert after["accept_resets"] == before["accept_resets"] + 1
    assert after["requests"] == before["requests"]


def test_a_reset_before_the_answer_sends_nothing(origin: OriginProcess) -> None:
    assert exchange(origin, "/x?fault=reset-before") == (b"", "reset")


def test_a_reset_after_the_headers_sends_exactly_the_headers(origin: OriginProcess) -> None:
    answer, end = exchange(origin, "/x?fault=reset-headers")
    assert answer.endswith(b"\r\n\r\n")
    assert (body_of(answer), end) == (b"", "reset")


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_a_reset_inside_the_body_comes_at_the_cut(origin: OriginProcess, size: int) -> None:
    answer, end = exchange(origin, f"/x?fault=reset-body&bytes={size}&cut=0.75")
    assert (body_of(answer), end) == (text("/x", size)[: size * 3 // 4], "reset")


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_a_reset_after_the_last_byte_leaves_the_body_complete(origin: OriginProcess, size: int) -> None:
    answer, end = exchange(origin, f"/x?fault=reset-after&bytes={size}")
    assert (body_of(answer), end) == (text("/x", size), "reset")


def test_close_before_and_after(origin: OriginProcess) -> None:
    assert exchange(origin, "/x?fault=close-before") == (b"", "fin")
    answer, end = exchange(origin, "/x?fault=close-after")
    assert (body_of(answer), end) == (text("/x"), "fin")


def test_a_truncated_body_ends_in_a_fin(origin: OriginProcess) -> None:
    answer, end = exchange(origin, "/x?fault=truncate")
    assert b"Content-Length: 1024\r\n" in answer
    assert (body_of(answer), end) == (text("/x")[:512], "fin")


def test_a_truncated_chunked_body_lacks_its_last_chunk(origin: OriginProcess) -> None:
    answer, end = exchange(origin, "/x?fault=truncate-chunked&chunk=100&cut=1")
    assert b"Transfer-Encoding: chunked\r\n" in answer
    assert body_of(answer).startswith(b"64\r\n" + text("/x")[:100] + b"\r\n")
    assert body_of(answer).endswith(b"\r\n18\r\n" + text("/x")[1000:] + b"\r\n")
    assert end == "fin"


def test_truncated_gzip_is_a_whole_http_message(origin: OriginProcess) -> None:
    answer, _ = exchange(origin, "/x?fault=truncate-gzip&connection=close")
    assert f"Content-Length: {len(body_of(answer))}\r\n".encode() in answer
    with pytest.raises(EOFError):
        gzip.decompress(body_of(answer))


def test_length_long_waits_and_length_short_sends_on(origin: OriginProcess) -> None:
    answer, _ = exchange(origin, "/x?fault=length-long")
    assert b"Content-Length: 1124\r\n" in answer
    assert body_of(answer) == text("/x")
    answer, _ = exchange(origin, "/x?fault=length-short&connection=close")
    assert b"Content-Length: 512\r\n" in answer
    assert body_of(answer) == text("/x")


def test_garbage_is_not_http(origin: OriginProcess) -> None:
    answer, end = exchange(origin, "/x?fault=garbage")
    assert answer
    assert not answer.startswith(b"HTTP")
    assert end == "fin"


def test_a_hang_sends_nothing_and_a_stall_stops_at_the_cut(origin: OriginProcess) -> None:
    assert exchange(origin, "/x?fault=hang")[0] == b""
    assert body_of(exchange(origin, "/x?fault=stall&cut=0.25")[0]) == text("/x")[:256]


def test_drips_arrive_complete(origin: OriginProcess) -> None:
    for word in ("drip-headers", "drip-body"):
        answer, _ = exchange(origin, f"/x?fault={word}&drip=20K&connection=close")
        assert body_of(answer) == text("/x")


def test_an_infinite_body_goes_on_until_its_time_is_up(origin: OriginProcess) -> None:
    answer, _ = exchange(origin, "/x?fault=infinite&bandwidth=4M")
    assert len(answer) > 100_000
    assert b"\r\n0\r\n\r\n" not in answer


def test_many_headers_and_a_bomb(origin: OriginProcess) -> None:
    answer, _ = exchange(origin, "/x?fault=many-headers&connection=close")
    assert answer.count(b"\r\nX-Filler-") == 10_000
    answer, _ = exchange(origin, "/x?fault=gzip-bomb&bomb=3M&connection=close")
    assert gzip.decompress(body_of(answer)) == bytes(3 * 1024**2)


def test_pipelined_requests_are_answered_in_order(origin: OriginProcess) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), timeout=GIVE_UP_S) as client:
        names = [f"/p{number}" for number in range(250)]
        slow = "&latency=0.05"
        requests = [f"GET {name}?bytes=30{slow if name == '/p0' else ''} HTTP/1.1\r\nHost: a\r\n\r\n" for name in names]
        client.sendall("".join(requests).encode() + b"GET /last?connection=close HTTP/1.1\r\nHost: a\r\n\r\n")
        answer, end = read_to_end(client)
    found = [answer.index(text(name, 30)) for name in names]
    assert found == sorted(found)
    assert answer.count(b"HTTP/1.1 200 OK") == 251
    assert end == "fin"


def test_a_request_in_pieces_is_one_request(origin: OriginProcess) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), timeout=GIVE_UP_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /x?bytes=5&connection=close HTTP/1.1\r\nHost: a.test\r\n\r\n":
            client.sendall(bytes([byte]))
        assert body_of(read_to_end(client)[0]) == text("/x", 5)


def test_what_is_not_http_is_refused(origin: OriginProcess) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), timeout=GIVE_UP_S) as client:
        client.sendall(b"\x16\x03\x01\x00nonsense\r\n\r\n")
        assert read_to_end(client)[0].startswith(b"HTTP/1.1 400 ")


def test_expect_100_continue_is_answered(origin: OriginProcess) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), timeout=GIVE_UP_S) as client:
        client.sendall(
            b"POST /echo?connection=close HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert b'"body": "abc"' in read_to_end(client)[0]


def test_an_absolute_target_names_the_host(origin: OriginProcess) -> None:
    answer, _ = exchange(origin, "http://user@other.test:99/echo?connection=close")
    assert b'"host": "other.test"' in answer
    assert b'"target": "/echo?connection=close"' in answer


def test_the_log_tells_what_was_sent_and_what_was_whole(origin: OriginProcess) -> None:
    wanted = {
        "/log?fault=reset-body&bytes=1000": ("reset-body", 200, False),
        "/log?fault=reset-after&bytes=1000": ("reset-after", 200, True),
        "/log?fault=hang": ("hang", 0, False),
        "/log?fault=503&connection=close": ("503", 503, True),
        "/log?connection=close": ("ok", 200, True),
        "/log?nonsense=1": ("bad-request", 400, True),
    }
    received = {}
    for target in wanted:
        extra = "Connection: close\r\n"
        received[target] = len(exchange(origin, target, extra=extra)[0])
    logged = {request.path: request for request in origin.requests() if request.path.startswith("/log?")}
    assert {path: (line.outcome, line.status, line.complete) for path, line in logged.items()} == wanted
    assert {path: line.bytes_sent for path, line in logged.items()} == received
