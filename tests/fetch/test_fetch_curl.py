"""CurlTransport against a server that misbehaves: each fault is the right kind, and no damaged body is a success."""

from __future__ import annotations

import pytest
from fetch_kit import failure, fetch, fetch_all, item, response, run, transport

from penstock.model import FailureKind, Response
from penstock.perf.origin.content import Content
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow

BIG = "bytes=300K"
WHOLE = ("ok", "reset-after", "close-after", "drip-headers&drip=100K", "drip-body&drip=100K")
BROKEN: tuple[tuple[str, FailureKind], ...] = (
    (f"/x?fault=truncate&{BIG}", "truncated"),
    ("/x?fault=truncate&framing=close", "truncated"),
    (f"/x?fault=truncate-chunked&{BIG}", "truncated"),
    ("/x?fault=truncate-gzip", "truncated"),
    (f"/x?fault=truncate-gzip&{BIG}", "truncated"),
    (f"/x?fault=truncate-gzip&{BIG}&cut=0", "truncated"),
    (f"/x?fault=truncate-gzip&{BIG}&cut=0.9999", "truncated"),
    ("/x?fault=garbage", "protocol"),
    ("/x?fault=reset-before", "reset"),
    ("/x?fault=reset-headers", "reset"),
    (f"/x?fault=reset-body&{BIG}", "reset"),
    ("/x?fault=close-before", "reset"),
    ("/x?fault=many-headers", "protocol"),
    ("/x?fault=infinite", "too_large"),
    ("/x?fault=gzip-bomb&bomb=500M", "too_large"),
    ("/bytes/1048577", "too_large"),
    ("/x?bytes=1048577&encoding=br", "too_large"),
    ("/redirect/11", "redirects"),
    ("/redirect-loop", "redirects"),
    ("/redirect-to?url=file:///etc/passwd", "redirects"),
    ("/redirect-to?url=ftp://127.0.0.1/x", "redirects"),
    ("/redirect-to?url=gopher://127.0.0.1/x", "redirects"),
    ("/x?status=304", "http_3xx"),
    ("/x?status=404", "http_4xx"),
    ("/x?fault=408", "http_4xx"),
    ("/x?fault=429", "http_429"),
    ("/x?fault=500", "http_5xx"),
    ("/x?fault=503", "http_5xx"),
    ("/x?header=Content-Encoding:snappy", "decode"),
    ("/x?header=Content-Encoding:gzip", "decode"),
    ("/x?header=Content-Encoding:br", "decode"),
    ("/x?header=Content-Encoding:zstd", "decode"),
)


@pytest.mark.parametrize(("path", "kind"), BROKEN)
def test_a_broken_answer_is_a_failure_of_its_kind(origin: OriginProcess, path: str, kind: FailureKind) -> None:
    failed = failure(fetch(origin.url + path, body_bytes_max=1 << 20))
    assert failed.kind == kind, failed
    assert not failed.is_unsent


@pytest.mark.parametrize("fault", WHOLE)
def test_a_complete_answer_is_a_success_whatever_comes_after_it(origin: OriginProcess, fault: str) -> None:
    """A reset after the last byte, a close that was not announced, and slowness do no harm to the body."""
    path = f"/page/7?fault={fault}"
    assert response(fetch(origin.url + path)).body == Content(0).page(7)


def test_a_body_longer_than_its_length_is_taken_up_to_its_length(origin: OriginProcess) -> None:
    """HTTP has no other notion of the end; the rest must not become part of the next answer."""
    first, second = fetch_all([origin.url + "/page/7?fault=length-short", origin.url + "/page/8"])
    page = Content(0).page(7)
    assert response(first).body == page[: len(page) // 2]
    assert response(second).body == Content(0).page(8)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_bodies_are_decoded_byte_for_byte(origin: OriginProcess, encoding: str, framing: str) -> None:
    paths = [f"/page/{number}?encoding={encoding}&framing={framing}&bytes={size}" for number, size in enumerate(SIZES)]
    results = fetch_all([origin.url + path for path in paths])
    assert [response(result).body for result in results] == [Content(0).page(n, size) for n, size in enumerate(SIZES)]


SIZES = (0, 1, 1000, 131_072, 131_073, 700_000)


def test_a_body_exactly_at_the_limit_is_taken(origin: OriginProcess) -> None:
    for coding in ("identity", "gzip", "br", "zstd"):
        result = fetch(f"{origin.url}/bytes/65536?encoding={coding}", body_bytes_max=65_536)
        assert response(result).body == Content(0).binary("/bytes/65536", 65_536)


def test_the_limit_ends_a_transfer_and_lets_go_of_its_bytes(origin: OriginProcess) -> None:
    async def main() -> int:
        async with transport(body_bytes_max=1 << 20) as curl:
            for path in ("/x?fault=infinite", "/x?fault=gzip-bomb&bomb=500M", f"/x?fault=truncate&{BIG}", "/bytes/9"):
                await curl.fetch(item(origin.url + path))
            return curl.buffered_bytes

    assert run(main()) == 0


def test_an_error_page_that_is_too_large_or_does_not_decode_is_still_its_status(origin: OriginProcess) -> None:
    """What matters of it is the status: 429 and 503 are retried, `too_large` and `decode` are not."""
    for query in ("bytes=300K", "header=Content-Encoding:gzip", "header=Content-Encoding:snappy", "framing=chunked"):
        failed = failure(fetch(f"{origin.url}/x?status=503&{query}", body_bytes_max=100_000))
        assert (failed.kind, failed.http_status) == ("http_5xx", 503), (query, failed)


@pytest.mark.parametrize(
    ("wish", "expected_s"),
    [("7", (7, 7)), ("0", None), ("date:60", (55, 61)), ("date:-60", None), ("soon", None), ("none", None)],
)
def test_retry_after_is_read_in_every_form(
    origin: OriginProcess, wish: str, expected_s: tuple[float, float] | None
) -> None:
    """Zero, a date in the past and junk ask for nothing."""
    for status in ("429", "503"):
        wished_s = failure(fetch(f"{origin.url}/x?fault={status}&retry_after={wish}")).server_retry_after_s
        if expected_s is None:
            assert wished_s is None
        else:
            assert wished_s is not None
            assert expected_s[0] <= wished_s <= expected_s[1]


def test_an_absurd_retry_after_is_a_number_and_no_crash(origin: OriginProcess) -> None:
    wished_s = failure(fetch(f"{origin.url}/x?fault=503&retry_after=1000000000")).server_retry_after_s
    assert wished_s is not None
    assert wished_s >= 300, "more than any policy will grant"


def test_retry_after_of_one_answer_does_not_stick_to_the_next(origin: OriginProcess) -> None:
    first, second = fetch_all([f"{origin.url}/x?fault=503&retry_after=7", f"{origin.url}/x?fault=503&retry_after=none"])
    assert (failure(first).server_retry_after_s, failure(second).server_retry_after_s) == (7, None)


def test_a_response_says_where_it_came_from_and_how_long_it_took(origin: OriginProcess) -> None:
    one, two, three = map(
        response,
        fetch_all(
            [
                origin.url + "/redirect/3",
                origin.url + "/page/1?latency=0.05",
                origin.url + "/x?status=203&type=text/csv;charset=Latin-1",
            ]
        ),
    )
    assert (one.url, one.final_url) == (origin.url + "/redirect/3", origin.url + "/page/0")
    assert one.connect_s > 0
    assert (two.dns_s, two.connect_s, two.tls_s) == (0, 0, 0), "a reused connection costs nothing"
    assert two.ttfb_s >= 0.04
    assert two.total_s >= two.ttfb_s
    assert (three.fetch_status, three.mime_type, three.charset) == (203, "text/csv", "latin-1")
    assert one.headers["content-type"].startswith("text/html"), "of the last answer, not of the redirects"
    assert "location" not in one.headers


def test_columns_and_rows_travel_with_the_response(origin: OriginProcess) -> None:
    async def main() -> Response:
        async with transport() as curl:
            curl._columns = ("url", "shop")
            asked = item(origin.url + "/page/1")
            asked.row, asked.id, asked.attempts = (asked.url, "x"), 7, 3
            return response(await curl.fetch(asked))

    got = run(main())
    assert (got.item_id, got.attempts, got.input) == (7, 3, {"url": got.url, "shop": "x"})


def test_connections_are_reused_after_answers_that_allow_it(origin: OriginProcess) -> None:
    origin.flush()
    before = len(origin.requests())
    fetch_all([origin.url + path for path in ("/page/1", "/page/2?status=404", "/redirect/2", "/page/3?encoding=gzip")])
    seen = origin.requests()[before:]
    assert len(seen) == 6
    assert len({request.connection_id for request in seen}) == 1
