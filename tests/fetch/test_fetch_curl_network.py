"""The way to the server: refused addresses, names, TLS, HTTP/2, proxies."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from fetch_kit import failure, fetch, item, response, run, transport
from proxy_kit import running_proxy

from nginx_server import running_nginx
from penstock.fetch.curl import CurlTransport
from penstock.fetch.options import FetchOptions
from penstock.model import Failure, Response
from penstock.perf.origin.content import Content
from penstock.perf.origin.process import OriginProcess
from penstock.policy.addresses import AddressPolicy

pytestmark = pytest.mark.slow

PAGE = "/page/1"


@pytest.fixture
def forbidden() -> Iterator[socket.socket]:
    """A listener on an address that the tests do not allow."""
    with socket.create_server(("127.0.0.9", 0)) as listener:
        listener.setblocking(False)
        yield listener


ONLY_ONE = AddressPolicy.parse(["127.0.0.1"]).refusal


@pytest.mark.parametrize("way", ["direct", "redirect", "resolve", "name"])
def test_a_refused_address_is_never_dialled(origin: OriginProcess, forbidden: socket.socket, way: str) -> None:
    port = forbidden.getsockname()[1]
    url = {
        "direct": f"http://127.0.0.9:{port}/",
        "redirect": f"{origin.url}/redirect-to?url=http://127.0.0.9:{port}/",
        "resolve": f"http://innocent.test:{port}/",
        "name": f"http://2130706441:{port}/",  # the same address as one number
    }[way]
    failed = failure(fetch(url, refusal=ONLY_ONE, resolve=(f"innocent.test:{port}:127.0.0.9",)))
    assert failed.kind == "address_refused", failed
    assert "--allow-private" in failed.message
    assert failed.is_unsent is (way != "redirect"), "the request that was redirected has been sent"
    with pytest.raises(BlockingIOError):
        forbidden.accept()


def test_a_refusal_concerns_its_request_only(origin: OriginProcess, forbidden: socket.socket) -> None:
    async def main() -> list[Response | Failure]:
        async with transport(refusal=ONLY_ONE) as curl:
            urls = [f"http://127.0.0.9:{forbidden.getsockname()[1]}/", origin.url + PAGE, "http://127.0.0.1:1/"]
            return [await curl.fetch(item(url)) for url in urls]

    refused, fetched, unreachable = run(main())
    assert failure(refused).kind == "address_refused"
    assert response(fetched).body == Content(0).page(1)
    assert (failure(unreachable).kind, failure(unreachable).is_unsent) == ("connect", True)


def test_resolve_sends_a_name_to_an_address(origin: OriginProcess) -> None:
    entries = (f"shop.test:{origin.port}:127.0.0.2",)

    async def main() -> None:
        async with transport(resolve=entries) as curl:
            for _ in range(3):  # also from a handle that was used before
                got = response(await curl.fetch(item(f"http://shop.test:{origin.port}/echo", "POST", b"x")))
                assert json.loads(got.body)["host"] == "shop.test"
            await asyncio.gather(*(curl.fetch(item(f"http://shop.test:{origin.port}{PAGE}")) for _ in range(8)))

    run(main())
    assert {each.local for each in origin.requests() if each.host == "shop.test"} == {"127.0.0.2"}


@pytest.mark.parametrize("url", ["http://nowhere.invalid/", "http://nowhere.invalid:81/x", "http://a@nowhere.invalid/"])
def test_a_name_that_does_not_exist_is_a_dns_failure(url: str) -> None:
    failed = failure(fetch(url))
    assert failed.kind in ("dns", "dns_temporary")  # temporary where there is no resolver at all
    assert failed.is_unsent


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "dns_temporary"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns"),
    ],
)
def test_a_lookup_that_may_work_later_is_told_from_one_that_cannot(
    monkeypatch: pytest.MonkeyPatch, answer: socket.gaierror, kind: str
) -> None:
    """A URL without a port was looked up as a whole once, so that it was never temporary."""
    asked = []

    def getaddrinfo(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise answer

    async def main() -> Response | Failure:
        curl = CurlTransport(FetchOptions(), refusal=ONLY_ONE)
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        try:
            return await curl.fetch(item("http://ada@nowhere.invalid/path"))
        finally:
            await curl.aclose()

    assert failure(asyncio.run(main())).kind == kind  # not on uvloop, which does not ask Python's resolver
    assert asked == ["nowhere.invalid"]


def test_tls_with_the_right_authority(tls_origin: OriginProcess) -> None:
    got = response(fetch(tls_origin.url + PAGE, ca_file=str(tls_origin.ca_path)))
    assert got.body == Content(0).page(1)
    assert got.tls_s > 0


def test_tls_is_refused_without_the_authority_or_for_another_name(tls_origin: OriginProcess, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("this is no certificate\n")
    port = tls_origin.port
    cases: list[tuple[str, str | None]] = [
        (tls_origin.url + PAGE, None),
        (f"https://other.example:{port}/", str(tls_origin.ca_path)),
        (tls_origin.url + PAGE, str(junk)),
    ]
    for url, ca_file in cases:
        failed = failure(fetch(url, ca_file=ca_file, resolve=(f"other.example:{port}:127.0.0.1",)))
        assert failed.kind == "tls", failed
        assert failed.is_unsent


def test_insecure_takes_any_certificate(tls_origin: OriginProcess) -> None:
    assert response(fetch(tls_origin.url + PAGE, insecure=True)).body == Content(0).page(1)


def test_the_environment_names_the_authority(tls_origin: OriginProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_origin.ca_path))
    assert response(fetch(tls_origin.url + PAGE)).body == Content(0).page(1)


def test_tls_where_none_is_spoken_is_a_tls_failure(origin: OriginProcess) -> None:
    assert failure(fetch(origin.url.replace("http:", "https:") + PAGE)).kind == "tls"


@pytest.mark.parametrize(("http", "protocol"), [("auto", "HTTP/2.0"), ("2", "HTTP/2.0"), ("1.1", "HTTP/1.1")])
def test_http_2_is_spoken_over_tls_and_multiplexed(
    require_server: Callable[[str], str], tmp_path: Path, http: str, protocol: str
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "cert.pem"), append=True)
    bodies = {f"/{number}.bin": bytes([number]) * (number * 5000) for number in range(20)}
    (tmp_path / "www").mkdir()
    for path, body in bodies.items():
        (tmp_path / "www" / path[1:]).write_bytes(body)
    tls = f"ssl_certificate {tmp_path}/cert.pem; ssl_certificate_key {tmp_path}/key.pem;"
    with running_nginx(require_server("nginx"), tmp_path, server=tls, tls=True) as nginx:

        async def main() -> list[Response | Failure]:
            async with transport(ca_file=str(tmp_path / "ca.pem"), http_version=http) as curl:
                first = await curl.fetch(item(nginx.url + "/0.bin"))
                later = (curl.fetch(item(nginx.url + path)) for path in list(bodies)[1:])
                return [first, *await asyncio.gather(*later)]

        results = run(main())
        lines = nginx.access_lines()
    assert [response(result).body for result in results] == list(bodies.values())
    assert {line[0] for line in lines} == {protocol}
    if protocol == "HTTP/2.0":
        assert len({line[1] for line in lines}) == 1, "once it is known, one connection carries all"


@pytest.mark.parametrize("http", ["auto", "1.1", "2"])
def test_the_first_request_to_a_server_holds_up_no_other(
    origin: OriginProcess, tls_origin: OriginProcess, http: str
) -> None:
    """libcurl once awaited the first answer of each new server, to see whether it multiplexes; if it hung, all did."""

    async def main(server: OriginProcess) -> None:
        async with transport(http_version=http, insecure=True) as curl:
            hanging = asyncio.create_task(curl.fetch(item(server.url + "/x?fault=hang")))
            others = [curl.fetch(item(f"{server.url}/page/{number}")) for number in range(5)]
            for number, got in enumerate(await asyncio.gather(*others)):
                assert response(got).body == Content(0).page(number)
            assert not hanging.done()
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)

    for server in (origin, tls_origin):
        run(main(server), timeout_s=20)


def test_a_proxy_is_used_and_may_live_at_a_private_address(origin: OriginProcess) -> None:
    """The user named the proxy, so it may be dialled; what it dials is its own business."""

    async def main() -> None:
        async with running_proxy() as proxy, transport(proxy=proxy.url, refusal=AddressPolicy().refusal) as curl:
            assert response(await curl.fetch(item(origin.url + PAGE))).body == Content(0).page(1)
            assert proxy.requests == [f"GET {origin.url}{PAGE} HTTP/1.1"]

    run(main())


def test_https_goes_through_a_tunnel(tls_origin: OriginProcess) -> None:
    async def main() -> None:
        async with running_proxy() as proxy, transport(proxy=proxy.url, ca_file=str(tls_origin.ca_path)) as curl:
            got = response(await curl.fetch(item(tls_origin.url + PAGE)))
            assert (got.body, got.fetch_status) == (Content(0).page(1), 200)
            assert proxy.requests == [f"CONNECT 127.0.0.1:{tls_origin.port} HTTP/1.1"]

    run(main())


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_the_environment_names_the_proxy_and_the_exceptions(
    origin: OriginProcess, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def main() -> None:
        async with running_proxy() as proxy:
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv("NO_PROXY", "127.0.0.2,other.test")
            async with transport() as curl:
                response(await curl.fetch(item(origin.url_of("127.0.0.2") + PAGE)))
                assert proxy.requests == []
                response(await curl.fetch(item(origin.url + PAGE)))
                assert len(proxy.requests) == 1
            async with transport(proxy="") as curl:  # the flag with nothing in it: no proxy at all
                response(await curl.fetch(item(origin.url + PAGE)))
                assert len(proxy.requests) == 1

    run(main())


def test_a_proxys_password_is_given_and_never_shown(origin: OriginProcess, tls_origin: OriginProcess) -> None:
    async def main() -> None:
        async with running_proxy(authorization="Basic YWRhOnMzY3JldA==") as proxy:
            right, wrong = (proxy.url.replace("://", f"://ada:{word}@") for word in ("s3cret", "wr0ng"))
            async with transport(proxy=right) as curl:
                assert response(await curl.fetch(item(origin.url + PAGE))).body
            async with transport(proxy=wrong) as curl:
                plain = failure(await curl.fetch(item(origin.url + PAGE)))
                tunnel = failure(await curl.fetch(item(tls_origin.url + PAGE)))
        assert (plain.kind, plain.http_status) == ("http_4xx", 407)
        assert tunnel.kind == "proxy"
        assert "wr0ng" not in plain.message + tunnel.message

    run(main())


def test_a_proxy_that_refuses_or_is_not_there_is_a_proxy_failure(
    origin: OriginProcess, tls_origin: OriginProcess
) -> None:
    async def main() -> list[Failure]:
        failed = []
        async with running_proxy(refuses=True) as proxy, transport(proxy=proxy.url) as curl:
            failed.append(failure(await curl.fetch(item(tls_origin.url + PAGE))))
        for gone in (proxy.url, "http://nowhere.invalid:3128"):
            async with transport(proxy=gone) as curl:
                failed += [failure(await curl.fetch(item(url + PAGE))) for url in (origin.url, tls_origin.url)]
        return failed

    for each in run(main()):
        assert each.kind == "proxy", each


def test_a_failure_to_connect_past_the_proxy_is_no_proxy_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.2")
    assert failure(fetch("http://127.0.0.2:1/")).kind == "connect"
