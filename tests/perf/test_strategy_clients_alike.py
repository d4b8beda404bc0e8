"""The blocking libcurl client does what Penstock's transport does: else strategies would not be all that differs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import fields

import pytest
from async_strategy_kit import fetch_workload

from penstock.fetch import curl as transport
from penstock.model import Failure, Response
from penstock.perf.origin.process import OriginProcess
from penstock.perf.strategy.clients import curl_blocking
from penstock.perf.strategy.clients.asynchronous import async_client
from penstock.perf.strategy.clients.blocking import blocking_client
from penstock.perf.workload.model import Client, Workload

_DIFFERS = ("fetch_time_us", "dns_s", "connect_s", "tls_s", "ttfb_s", "total_s", "raw_headers")


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(is_logging=False) as started_origin:
        yield started_origin


@pytest.fixture
def overheard() -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server that answers each connection once, and the requests it was sent, byte for byte."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(65536)
                if not request:
                    return
                requests.append(request)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    server = threading.Thread(target=serve)
    server.start()
    host, port = listener.getsockname()
    yield f"http://{host}:{port}", requests
    socket.create_connection((host, port)).close()
    server.join()
    listener.close()


def blocking_answers(name: Client, workload: Workload) -> list[Response | Failure]:
    client = blocking_client(name, workload)
    try:
        return [client.get(number, url) for number, url in enumerate(workload.items)]
    finally:
        client.close()


def asynchronous_answers(name: Client, workload: Workload) -> list[Response | Failure]:
    async def fetch() -> list[Response | Failure]:
        client = async_client(name, workload)
        try:
            return [await client.get(number, url) for number, url in enumerate(workload.items)]
        finally:
            await client.aclose()

    return asyncio.run(fetch())


@pytest.mark.slow
@pytest.mark.parametrize("client", ["curl", "httpx"])
def test_answers_are_equal_in_all_but_their_times(origin: OriginProcess, client: Client) -> None:
    paths = ["page/1", "a?encoding=gzip", "b?framing=chunked", "redirect/2", "empty?bytes=0", "ä b?bytes=10#part"]
    workload = fetch_workload(origin, paths)
    expected, found = asynchronous_answers(client, workload), blocking_answers(client, workload)
    assert all(isinstance(answer, Response) for answer in expected)
    for one, other in zip(expected, found, strict=True):
        assert isinstance(one, Response)
        assert isinstance(other, Response)
        for field in fields(Response):
            if field.name not in _DIFFERS:
                assert getattr(other, field.name) == getattr(one, field.name), field.name
        for answer in (one, other):
            answer.raw_headers = [line for line in answer.raw_headers if not line.lower().startswith(b"date:")]
        assert other.headers == one.headers


@pytest.mark.slow
@pytest.mark.parametrize("client", ["curl", "httpx"])
def test_failures_are_of_the_same_kind(origin: OriginProcess, client: Client) -> None:
    paths = ["gone?status=404", "busy?fault=429&retry_after=7", "cut?fault=truncate", "cut?fault=reset-headers"]
    workload = fetch_workload(origin, paths)
    items = (*workload.items, "http://127.0.0.1:1/", "ftp://127.0.0.1/", "http://[bad")
    workload = Workload("test", "", items)
    expected, found = asynchronous_answers(client, workload), blocking_answers(client, workload)
    kinds = [answer.kind for answer in expected if isinstance(answer, Failure)]
    assert len(kinds) == len(items)
    assert [answer.kind for answer in found if isinstance(answer, Failure)] == kinds
    assert isinstance(found[1], Failure)
    assert found[1].server_retry_after_s == 7.0


@pytest.mark.parametrize("client", ["curl", "httpx"])
def test_the_server_is_sent_the_same_request_to_the_byte(overheard: tuple[str, list[bytes]], client: Client) -> None:
    url, requests = overheard
    workload = Workload("test", "", (f"{url}/a%20b?c=d",))
    blocking_answers(client, workload)
    asynchronous_answers(client, workload)
    assert len(requests) == 2
    assert requests[0] == requests[1]


def test_libcurl_is_given_the_same_constants() -> None:
    assert curl_blocking.BUFFER_BYTES == transport._BUFFER_BYTES
    assert curl_blocking.FOLLOW_AS_THE_CODE_SAYS == transport._FOLLOW_AS_THE_CODE_SAYS


@pytest.mark.slow
def test_a_body_over_the_limit_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit of 10 bytes of body; the transport's own tests say the same of it."""
    from penstock.fetch.handle import Handle

    first = Handle.__init__

    def small(handle: Handle, curl: object, meter: object, body_bytes_max: int) -> None:
        first(handle, curl, meter, 10)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(Handle, "__init__", small)
    with OriginProcess(is_logging=False) as origin:
        (answer,) = blocking_answers("curl", fetch_workload(origin, ["page/1"]))
    assert isinstance(answer, Failure)
    assert answer.kind == "too_large"
