"""The dashboard as a server: real sockets, one request each. What is refused, what is served, with which headers."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from dashboard_kit import ask, bearer, control, dashboard_threads, raw, serving, token_of

from penstock.perf.dashboard.address import Address
from penstock.perf.dashboard.security import SECURITY_HEADERS
from penstock.perf.dashboard.server import DashboardServer, ServerOptions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[DashboardServer]:
    with serving() as running:
        yield running


# --- what is served


def test_the_page_and_its_assets_are_served_without_a_token(server: DashboardServer) -> None:
    page = ask(server, "GET", "/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    names = re.findall(r'(?:src|href)="/assets/([^"]+)"', page.body.decode())
    assert len(names) == 8
    for name in names:
        asset = ask(server, "GET", f"/assets/{name}")
        assert (asset.status, asset.headers["content-type"].split("/")[0]) == (200, "text")
        assert asset.body


def test_the_page_has_nothing_inline_and_nothing_of_the_run(server: DashboardServer) -> None:
    text = ask(server, "GET", "/").body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
    assert "run-of-a-test" not in text
    assert token_of(server) not in text


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", "/assets/theme.css"),
        ("GET", "/nothing"),
        ("DELETE", "/"),
        ("GET", "/events"),
        ("POST", "/control"),
    ],
)
def test_every_answer_carries_the_security_headers(server: DashboardServer, method: str, target: str) -> None:
    headers = ask(server, method, target).headers
    assert {name: headers.get(name) for name, _ in SECURITY_HEADERS} == dict(SECURITY_HEADERS)
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "target",
    [
        "/assets/../server.py",
        "/assets/..%2fserver.py",
        "/assets/%2e%2e/%2e%2e/security.py",
        "/assets/..%5cserver.py",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/",
        "/assets",
        "/assets/assets.py",
        "/assets/dashboard.html",
        "/assets/theme.css/",
        "/assets/theme.css%00.js",
        "//etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/dashboard.html",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_out_of_the_assets(server: DashboardServer, target: str) -> None:
    answer = ask(server, "GET", target)
    assert answer.status == 404
    assert set(answer.json()) == {"error", "hint"}


# --- who is refused


@pytest.mark.parametrize("target", ["/", "/assets/theme.css", "/events", "/metrics", "/nothing"])
def test_a_wrong_host_is_refused_on_every_path_even_with_the_token(server: DashboardServer, target: str) -> None:
    answer = ask(server, "GET", target, {**bearer(server), "Host": f"evil.example:{server.address.port}"})
    assert answer.status == 421
    assert "evil.example" in answer.json()["error"]


def test_a_request_without_host_or_with_two_is_refused(server: DashboardServer) -> None:
    assert b" 421 " in raw(server, b"GET / HTTP/1.0\r\n\r\n").split(b"\r\n")[0]
    two = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(server, two).split(b"\r\n")[0].split()[1] in {b"400", b"421"}
    absolute = b"GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(server, absolute).split(b"\r\n")[0].split()[1] == b"421"


@pytest.mark.parametrize("target", ["/events", "/control"])
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic dXNlcjpwYXNz"])
def test_steering_and_reading_need_the_token(server: DashboardServer, target: str, authorization: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
    answer = ask(server, "POST" if target == "/control" else "GET", target, headers, b"{}")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "link" in answer.json()["hint"]


def test_a_token_in_the_url_is_not_taken(server: DashboardServer) -> None:
    assert ask(server, "GET", f"/events?token={token_of(server)}").status == 401


@pytest.mark.parametrize(
    "more",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_cannot_steer_even_with_the_token(server: DashboardServer, more: dict[str, str]) -> None:
    headers = {**bearer(server), "Content-Type": "application/json", **more}
    assert ask(server, "POST", "/control", headers, b'{"action":"pause"}').status == 403


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("GET", "/control", "POST"),
        ("PUT", "/control", "POST"),
        ("OPTIONS", "/control", "POST"),
        ("POST", "/events", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(server: DashboardServer, method: str, target: str, allowed: str) -> None:
    answer = ask(server, method, target, bearer(server))
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert set(answer.json()) == {"error", "hint"}


def test_a_body_that_is_too_large_is_not_read_to_its_end(server: DashboardServer) -> None:
    headers = {**bearer(server), "Content-Type": "application/json"}
    assert ask(server, "POST", "/control", headers, b" " * 1025).status == 413
    endless = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Transfer-Encoding": "chunked"}.items())
    request = (
        f"POST /control HTTP/1.1\r\nHost: localhost\r\n{endless}\r\n".encode()
        + b"400\r\n"
        + b" " * 1024
        + b"\r\n"
        + b"1\r\n \r\n"
    )
    assert b" 413 " in raw(server, request).split(b"\r\n")[0]  # answered although the body has not ended


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b'{"action":"pause"}', 415),
        ("application/x-www-form-urlencoded", b"action=pause", 415),
        ("application/json", b"", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"[" * 1000, 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", b'{"action":"stop"}', 400),
        ("application/json", b'{"action":["pause"]}', 400),
        ("application/json", b'{"action":"pause","value":3}', 400),
        ("application/json", b'{"action":"concurrency"}', 400),
        ("application/json", b'{"action":"concurrency","value":0}', 400),
        ("application/json", b'{"action":"concurrency","value":true}', 400),
        ("application/json", b'{"action":"concurrency","value":1e3}', 400),
        ("application/json", b'{"action":"concurrency","value":"8"}', 400),
        ("application/json", b'{"action":"concurrency","value":10001}', 400),
        ("application/json; charset=utf-8", b'{"action":"pause"}', 409),  # understood, but there is no run here
    ],
)
def test_a_command_that_is_not_understood_whole_says_why(content_type: str, body: bytes, status: int) -> None:
    with serving() as server:
        answer = ask(server, "POST", "/control", {**bearer(server), "Content-Type": content_type}, body)
    assert answer.status == status
    assert set(answer.json()) == {"error", "hint"}


def test_commands_are_limited_in_number(server: DashboardServer) -> None:
    answers = [control(server, "pause") for _ in range(12)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert answers[0].status != 429


# --- metrics


async def metrics(accept: str) -> tuple[bytes, str]:
    await asyncio.sleep(0)
    return f"penstock_items_written_total 3 # {accept}\n".encode(), "text/plain; version=0.0.4"


def test_metrics_need_no_token_on_loopback_but_the_right_host() -> None:
    with serving(metrics=metrics) as server:
        answer = ask(server, "GET", "/metrics", {"Accept": "text/plain"})
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4")
        assert answer.body == b"penstock_items_written_total 3 # text/plain\n"
        assert ask(server, "GET", "/metrics", {"Host": "evil.example"}).status == 421
        assert ask(server, "GET", "/metrics", {"Sec-Fetch-Site": "cross-site"}).status == 403


def test_metrics_beside_a_page_that_others_can_reach_need_the_token() -> None:
    with serving(Address("0.0.0.0", 0), metrics=metrics) as server:
        assert ask(server, "GET", "/metrics").status == 401
        assert ask(server, "GET", "/metrics", bearer(server)).status == 200
        assert ask(server, "GET", "/", {"Host": "evil.example"}).status == 421


def test_a_server_for_metrics_only_has_no_page_and_answers_to_the_name_of_a_service() -> None:
    with serving(Address("0.0.0.0", 0), metrics=metrics, has_page=False) as server:
        assert ask(server, "GET", "/metrics", {"Host": "a-service:9464"}).status == 200
        for target in ("/", "/events", "/assets/theme.css"):
            assert ask(server, "GET", target, bearer(server)).status == 404
        assert control(server, "pause").status == 404


def test_a_mistake_in_the_metrics_is_an_answer_and_no_end() -> None:
    async def broken(accept: str) -> tuple[bytes, str]:
        raise ZeroDivisionError(accept)

    with serving(metrics=broken) as server:
        answer = ask(server, "GET", "/metrics")
        assert answer.status == 500
        assert "bug" in answer.json()["error"]
        assert ask(server, "GET", "/").status == 200


# --- start and stop


def test_a_port_in_use_is_told_and_leaves_nothing_behind() -> None:
    before = dashboard_threads()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = DashboardServer(ServerOptions(Address("127.0.0.1", taken.getsockname()[1])))
        with pytest.raises(OSError, match="in use") as refused:
            server.start()
    assert refused.value.errno == errno.EADDRINUSE
    assert dashboard_threads() == before
    server.stop()


def test_a_name_that_does_not_exist_is_told() -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the text is the system's
        DashboardServer(ServerOptions(Address("no-such-host.invalid", 0))).start()


def test_after_stop_the_port_is_free_and_the_thread_gone() -> None:
    before = dashboard_threads()
    with serving() as server:
        address = server.address
        assert ask(server, "GET", "/").status == 200
    assert dashboard_threads() == before
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((address.host, address.port))
    server.stop()


def test_a_connection_that_says_nothing_does_not_hold_up_the_end() -> None:
    before = dashboard_threads()
    with serving() as server, socket.create_connection((server.address.host, server.address.port)) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\nHost: localh")
        server.stop()
        assert dashboard_threads() == before


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET /\r\n\r\n", b"A" * 100_000 + b"\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_silence(
    server: DashboardServer, noise: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with suppress(ConnectionResetError):  # it was closed before all of it had been taken
        assert b" 400 " in raw(server, noise).split(b"\r\n")[0]
    assert capfd.readouterr() == ("", ""), "the live view is on this terminal"
    assert ask(server, "GET", "/").status == 200


def test_each_run_has_a_token_of_its_own_in_the_fragment_of_the_link() -> None:
    with serving() as one, serving() as other:
        assert token_of(one) != token_of(other)
        assert len(token_of(one)) >= 43  # 256 bits in base 64
        assert one.url.startswith(f"http://127.0.0.1:{one.address.port}/#token=")
        assert token_of(one) not in repr(one._options)
        assert ask(one, "GET", "/events", bearer(other)).status == 401


def test_the_server_answers_on_ipv6_where_there_is_one() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with serving(Address("::1", 0)) as server:
        assert ask(server, "GET", "/").status == 200
        assert server.url.startswith(f"http://[::1]:{server.address.port}/#")


def test_the_dashboard_has_one_thread_and_it_is_no_daemon(server: DashboardServer) -> None:
    (thread,) = [each for each in threading.enumerate() if each.name == "penstock-dashboard"]
    assert not thread.daemon
    assert json.dumps(str(server.address))
