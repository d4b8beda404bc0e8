"""What goes out: method, headers, body, cookies, credentials; and that a pooled handle forgets all of it."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from fetch_kit import failure, fetch, fetch_all, item, response, run, transport

from penstock.model import Item
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow

DEFAULT_FIELDS = {"host", "user-agent", "accept", "accept-encoding"}


async def echo(curl: Any, asked: Item) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(response(await curl.fetch(asked)).body)
    document["fields"] = {name.lower(): value for name, value in document["headers"]}
    return document


def echoed(origin: OriginProcess, asked: Item, **options: Any) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        async with transport(**options) as curl:
            return await echo(curl, asked)

    return run(main())


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")


def test_a_pooled_handle_leaks_nothing_into_the_next_request(origin: OriginProcess) -> None:
    """300 requests of random method, headers and body over four handles: each arrives as it was meant."""
    rng = random.Random(20)

    def ask(number: int) -> Item:
        url = f"{origin.url}/echo?id={number}"
        headers = {f"X-{number}": str(number)} if rng.random() < 0.5 else {}
        if rng.random() < 0.2:
            headers["User-Agent"] = f"agent {number}"
        body = f"body {number} ".encode() * rng.randint(0, 5) if rng.random() < 0.4 else None
        return item(url, rng.choice(METHODS) if rng.random() < 0.7 else "GET", body, **headers)

    asked = [ask(number) for number in range(300)]
    disturbances = [f"/x?fault={fault}" for fault in ("truncate", "reset-headers", "404", "garbage")]

    async def main() -> list[tuple[Item, bytes]]:
        answers = []
        async with transport(headers=(("X-Default", "yes"),)) as curl:

            async def work(turn: int) -> None:
                for number, one in enumerate(asked[turn::4]):
                    answers.append((one, response(await curl.fetch(one)).body))
                    if number % 10 == 9:
                        failure(await curl.fetch(item(origin.url + disturbances[number // 10 % 4], "POST", b"zz")))

            await asyncio.gather(*map(work, range(4)))
        return answers

    answers = run(main())
    assert len(answers) == 300
    for one, body in answers:
        if one.method == "HEAD":
            assert body == b""
            continue
        got = json.loads(body)
        fields = {name.lower(): value for name, value in got["headers"]}
        assert (got["method"], got["target"]) == (one.method, one.url.removeprefix(origin.url))
        assert got["body"] == (one.body or b"").decode()
        own = {name.lower(): value for name, value in one.headers}
        assert {name: fields[name] for name in own} == own
        allowed = DEFAULT_FIELDS | {"x-default"} | set(own)
        if one.body is not None or one.method == "POST":
            allowed |= {"content-length", "content-type"}
        assert set(fields) <= allowed, (one, fields)
        assert fields["x-default"] == "yes"
        assert "agent" not in fields["user-agent"] or "user-agent" in own or "penstock" in fields["user-agent"]


def test_a_head_request_is_a_head_request(origin: OriginProcess) -> None:
    before = len(origin.requests())

    async def main() -> None:
        async with transport() as curl:
            head = response(await curl.fetch(item(origin.url + "/page/3?encoding=gzip", "HEAD")))
            assert (head.body, head.fetch_status) == (b"", 200)
            assert response(await curl.fetch(item(origin.url + "/page/3"))).body

    run(main())
    assert [request.method for request in origin.requests()[before:]] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("method", "body", "methods"),
    [  # what the request to the target is after 301, 302, 303, 307, 308
        ("GET", None, ("GET", "GET", "GET", "GET", "GET")),
        ("HEAD", None, ("HEAD", "HEAD", "HEAD", "HEAD", "HEAD")),
        ("POST", b"x", ("GET", "GET", "GET", "POST", "POST")),
        ("PUT", b"x", ("PUT", "PUT", "GET", "PUT", "PUT")),
        ("PATCH", b"x", ("PATCH", "PATCH", "GET", "PATCH", "PATCH")),
        ("DELETE", None, ("DELETE", "DELETE", "GET", "DELETE", "DELETE")),
    ],
)
def test_redirects_keep_or_change_the_method_as_rfc_9110_says(
    origin: OriginProcess, method: str, body: bytes | None, methods: tuple[str, ...]
) -> None:
    """With a custom method libcurl by default repeats it everywhere, POST after 303 for one, and without its body."""
    before = len(origin.requests())

    async def main() -> None:
        async with transport() as curl:
            for status in (301, 302, 303, 307, 308):
                asked = item(f"{origin.url}/redirect-to?url=/echo&status={status}", method, body)
                response(await curl.fetch(asked))

    run(main())
    followed = [request for request in origin.requests()[before:] if request.path == "/echo"]
    assert tuple(request.method for request in followed) == methods
    for request in followed:
        assert request.body_bytes == (len(body) if body and request.method == method else 0)


def test_credentials_do_not_follow_a_redirect_to_another_host(origin: OriginProcess) -> None:
    target = f"{origin.url_of('127.0.0.2')}/echo"
    asked = item(f"{origin.url}/redirect-to?url={target}", Authorization="Bearer secret", Cookie="session=secret")
    got = echoed(origin, asked)
    assert got["host"].startswith("127.0.0.2")
    assert "secret" not in json.dumps(got)
    at_home = echoed(origin, item(f"{origin.url}/redirect-to?url=/echo", Authorization="Bearer secret"))
    assert at_home["fields"]["authorization"] == "Bearer secret"


def test_default_headers_are_replaced_by_the_items_own(origin: OriginProcess) -> None:
    options: dict[str, Any] = {
        "headers": (("X-Kept", "1"), ("X-Mine", "default")),
        "user_agent": "me/1",
    }

    async def main() -> tuple[dict[str, Any], dict[str, Any]]:
        async with transport(**options) as curl:
            url = origin.url + "/echo"
            return await echo(curl, item(url, x_mine="own")), await echo(curl, item(url))

    own, plain = run(main())
    assert (own["fields"]["x-kept"], own["fields"]["x-mine"]) == ("1", "own")
    assert (plain["fields"]["x-mine"], plain["fields"]["user-agent"]) == ("default", "me/1")
    assert sum(name.lower() == "x-mine" for name, _ in own["headers"]) == 1


def test_every_coding_we_decode_is_asked_for(origin: OriginProcess) -> None:
    fields = echoed(origin, item(origin.url + "/echo"))["fields"]
    assert fields["accept-encoding"] == "gzip, deflate, zstd, br"
    own = echoed(origin, item(origin.url + "/echo", Accept_Encoding="identity"))["fields"]
    assert own["accept-encoding"] == "identity"


def test_cookies_are_kept_only_when_asked_for(origin: OriginProcess) -> None:
    urls = [origin.url + "/x?header=Set-Cookie:a=1", origin.url + "/echo"]
    without, with_jar = fetch_all(urls)[1], fetch_all(urls, cookies="given=2")[1]
    assert b"Cookie" not in response(without).body
    fields = dict(json.loads(response(with_jar).body)["headers"])
    assert set(fields["Cookie"].split("; ")) == {"a=1", "given=2"}


def test_a_cookie_file_is_read_and_one_jar_serves_all_handles(origin: OriginProcess, tmp_path: Path) -> None:
    jar = tmp_path / "cookies.txt"
    jar.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tfrom_file\tyes\n")

    async def main() -> list[dict[str, Any]]:
        async with transport(cookies=str(jar)) as curl:
            response(await curl.fetch(item(origin.url + "/x?header=Set-Cookie:later=1")))
            return list(await asyncio.gather(*(echo(curl, item(origin.url + "/echo?latency=0.05")) for _ in range(3))))

    for got in run(main()):
        assert set(got["fields"]["cookie"].split("; ")) == {"from_file=yes", "later=1"}


def test_netrc_gives_basic_credentials_to_its_host_only(origin: OriginProcess, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret\n")
    got = echoed(origin, item(origin.url + "/echo"), netrc=str(netrc))
    assert got["fields"]["authorization"] == "Basic YWRhOnNlY3JldA=="
    assert "authorization" not in echoed(origin, item(origin.url_of("127.0.0.2") + "/echo"), netrc=str(netrc))["fields"]
    assert "authorization" not in echoed(origin, item(origin.url + "/echo"))["fields"]


def test_userinfo_of_a_url_is_used_and_never_shown(origin: OriginProcess) -> None:
    secret = origin.url.replace("://", "://ada:s3cret@")
    got = response(fetch(secret + "/echo"))
    assert dict(json.loads(got.body)["headers"])["Authorization"].startswith("Basic ")
    redirected = response(fetch(f"{origin.url}/redirect-to?url={secret}/page/1"))
    failures = [
        failure(fetch(url))
        for url in (
            secret + "/x?fault=reset-before",
            secret + "/x?status=404",
            secret + "/redirect-loop",
            "http://ada:s3cret@127.0.0.1:1/",
            "http://ada:s3cret@nowhere.invalid/",
            "http://ada:s3cret@127.0.0.1:99999/",
        )
    ]
    refused = failure(fetch(secret + "/page/1", refusal=lambda address: f"{address} is refused"))
    for text in (got.url, got.final_url, redirected.final_url, *(each.message for each in [*failures, refused])):
        assert "s3cret" not in text
        assert "ada" not in text


def test_a_request_libcurl_cannot_make_fails_alone(origin: OriginProcess) -> None:
    async def main() -> None:
        async with transport() as curl:
            for url in (
                "http://127.0.0.1:99999/",
                "http://exa mple/",
                "http://[::1/",
                "http://127.0.0.1/\udc80",
                "http://a\0b/",
            ):
                failed = failure(await curl.fetch(item(url)))
                assert failed.kind in ("bad_url", "dns"), failed
                assert failed.is_unsent
                assert response(await curl.fetch(item(origin.url + "/page/1"))).body

    run(main())
