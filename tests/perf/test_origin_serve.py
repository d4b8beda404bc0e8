"""The origin as a server: endpoints, attempts, limits, log, control paths, TLS, and the process around it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli.origin import origin as origin_command
from penstock.errors import ConfigError
from penstock.perf.origin.content import Content
from penstock.perf.origin.log import LoggedRequest, read_log
from penstock.perf.origin.process import OriginProcess
from penstock.perf.origin.scenario import parse_scenario

pytestmark = pytest.mark.slow

GIVE_UP_S = 30.0
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "origin.md"


@pytest.fixture(scope="module")
def shared() -> Iterator[OriginProcess]:
    with OriginProcess(hosts=3) as process:
        yield process


def get(
    origin: OriginProcess,
    target: str,
    host: str = "127.0.0.1",
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(host, origin.port, timeout=GIVE_UP_S)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def open_request(origin: OriginProcess, target: str, host: str = "127.0.0.1") -> socket.socket:
    """A request that was sent and not answered yet."""
    client = socket.create_connection((host, origin.port), timeout=GIVE_UP_S)
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    return client


def read_status(client: socket.socket) -> int:
    with client:
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return int(answer.split(b" ", 2)[1])


# Endpoints.


def test_each_path_serves_what_the_content_says(shared: OriginProcess) -> None:
    content = Content(0)
    assert get(shared, "/page/7?bytes=2K")[2] == content.page(7, 2048)
    assert get(shared, "/page/7")[2] == content.page(7)
    assert get(shared, "/bytes/5000")[2] == content.binary("/bytes/5000", 5000)
    assert get(shared, "/json/3")[2] == content.document(3)
    assert get(shared, "/else")[2] == content.text("/else")
    status, headers, body = get(shared, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"/redirect-to" in body


def test_what_makes_no_sense_is_said_so(shared: OriginProcess) -> None:
    assert get(shared, "/robots.txt")[0] == 404
    assert get(shared, "/page/x")[0] == 404
    assert get(shared, "/bytes/999999999999")[0] == 400
    assert get(shared, "/redirect-to")[0] == 400
    assert get(shared, "/items?page=0")[0] == 400
    status, _, body = get(shared, "/x?latncy=1")
    assert status == 400
    assert b"latncy: expected one of" in body


def test_redirects_count_down_loop_and_leave(shared: OriginProcess) -> None:
    target, hops = "/redirect/3?status=307", 0
    while (answer := get(shared, target))[0] != 200:
        assert answer[0] == 307
        target, hops = answer[1]["location"], hops + 1
    assert (target, hops) == ("/page/0", 3)
    assert get(shared, "/redirect-loop?id=1")[1]["location"] == "/redirect-loop?id=1"
    status, headers, _ = get(shared, "/redirect-to?url=ftp%3A%2F%2Fother.test%2Fa%3Fb&status=301")
    assert (status, headers["location"]) == (301, "ftp://other.test/a?b")


def test_pagination_reaches_every_item_once(shared: OriginProcess) -> None:
    target, ids = "/items?per_page=7&total=30", []
    while target:
        _, headers, body = get(shared, target)
        document = json.loads(body)
        ids += [item["id"] for item in document["items"]]
        target = document["next"]
        assert (target is not None) == ('rel="next"' in headers["link"])
        assert target is None or f'<{target}>; rel="next"' in headers["link"]
    assert ids == list(range(30))


def test_echo_tells_method_headers_and_body(shared: OriginProcess) -> None:
    body = bytes(range(256)) * 300
    document = json.loads(get(shared, "/echo?id=1", method="PUT", body=body, headers={"X-A": "b"})[2])
    assert (document["method"], document["target"], document["host"]) == ("PUT", "/echo?id=1", "127.0.0.1")
    assert ["X-A", "b"] in document["headers"]
    assert base64.b64decode(document["body_base64"]) == body
    assert document["body_bytes"] == len(body)


def test_a_request_body_over_the_limit_is_refused(shared: OriginProcess) -> None:
    assert get(shared, "/echo", method="POST", body=bytes(17 * 1024**2))[0] == 413


# Attempts and limits.


def test_attempts_are_counted_by_path_and_host(shared: OriginProcess) -> None:
    target = "/count?fail=2:503"
    assert [get(shared, target)[0] for _ in range(3)] == [503, 503, 200]
    assert [get(shared, target, host="127.0.0.2")[0] for _ in range(3)] == [503, 503, 200]
    assert get(shared, target + "&id=1")[0] == 503


def test_the_host_field_makes_a_virtual_host(shared: OriginProcess) -> None:
    for _ in range(2):
        get(shared, "/v", headers={"Host": "Some.Test:8080"})
    get(shared, "/v", headers={"Host": "other.test"})
    hosts = shared.stats()["hosts"]
    assert (hosts["some.test"]["requests"], hosts["other.test"]["requests"]) == (2, 1)


def test_a_token_bucket_answers_429_per_host(shared: OriginProcess) -> None:
    target = "/limited?limit=0.001,2&retry_after="
    for host in ("127.0.0.1", "127.0.0.2"):
        assert [get(shared, target + "auto", host)[0] for _ in range(4)] == [200, 200, 429, 429]
    _, headers, _ = get(shared, target + "auto")
    assert 900 <= int(headers["retry-after"]) <= 1000
    for value in ("0", "1000000000", "soon"):
        assert get(shared, target + value)[1]["retry-after"] == value
    assert "retry-after" not in get(shared, target + "none")[1]
    assert get(shared, target + "date:-60")[1]["retry-after"].endswith(" GMT")


def test_slots_serve_in_order_and_a_full_queue_answers_503(shared: OriginProcess) -> None:
    limits = "slots=1&queue=2"
    holder = open_request(shared, f"/held?{limits}&fault=hang", host="127.0.0.3")
    wait_until_inflight(shared, "127.0.0.3", 1)
    waiting = []
    for number in range(2):
        waiting.append(open_request(shared, f"/waiting/{number}?{limits}", host="127.0.0.3"))
        wait_until_inflight(shared, "127.0.0.3", 2 + number)
    assert get(shared, f"/too-many?{limits}", host="127.0.0.3")[0] == 503
    holder.close()
    assert [read_status(client) for client in waiting] == [200, 200]
    logged = [request for request in shared.requests() if request.host == "127.0.0.3"]
    assert [request.path.partition("?")[0] for request in logged] == ["/too-many", "/held", "/waiting/0", "/waiting/1"]
    assert [request.outcome for request in logged] == ["queue-full", "hang", "ok", "ok"]
    assert [request.inflight for request in logged] == [4, 1, 2, 3]


def test_a_client_that_leaves_the_queue_leaves_its_place(shared: OriginProcess) -> None:
    limits, host = "slots=1&queue=1", "127.0.0.4"
    holder = open_request(shared, f"/held?{limits}&fault=hang", host=host)
    wait_until_inflight(shared, host, 1)
    quitter = open_request(shared, f"/quitter?{limits}", host=host)
    wait_until_inflight(shared, host, 2)
    quitter.close()
    wait_until_inflight(shared, host, 1)
    last = open_request(shared, f"/last?{limits}", host=host)
    wait_until_inflight(shared, host, 2)
    holder.close()
    assert read_status(last) == 200


def wait_until_inflight(origin: OriginProcess, host: str, inflight: int) -> None:
    """Ask the origin until it has read what was sent; each question is a request, so nothing spins without end."""
    for _ in range(10_000):
        if origin.stats()["hosts"].get(host, {}).get("inflight", 0) == inflight:
            return
    raise AssertionError(f"{host} never had {inflight} requests in flight")


# The log, the control paths, and the process.


def test_control_paths_are_not_counted_and_reset_forgets() -> None:
    with OriginProcess() as origin:
        assert [get(origin, "/a?fail=1:503")[0] for _ in range(2)] == [503, 200]
        stats = origin.reset()
        assert (stats["requests"], stats["outcomes"]) == (2, {"503": 1, "ok": 1})
        assert stats["hosts"]["127.0.0.1"] == {
            "requests": 2, "inflight": 0, "inflight_max": 1, "outcomes": {"503": 1, "ok": 1},
        }  # fmt: skip
        assert (origin.stats()["requests"], origin.stats()["outcomes"]) == (0, {})
        assert get(origin, "/a?fail=1:503")[0] == 503
        assert [request.attempt for request in origin.requests()] == [1, 2, 1]
        assert get(origin, "/_origin/nothing")[0] == 404


def test_the_log_is_complete_after_the_stop_and_has_what_was_in_flight(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with OriginProcess(log=log) as origin:
        get(origin, "/done")
        hanging = open_request(origin, '/never?fault=hang&_="\\')
        wait_until_inflight(origin, "127.0.0.1", 1)
    hanging.close()
    done, never = read_log(log)
    assert origin.requests() == [done, never]
    assert (done.path, done.status, done.complete, done.attempt, done.request_id) == ("/done", 200, True, 1, 1)
    assert (never.path, never.status, never.complete) == ('/never?fault=hang&_="\\', 0, False)
    assert isinstance(done, LoggedRequest)
    assert done.t_ns <= never.t_ns
    assert done.connection_id < never.connection_id


def test_without_logging_there_is_no_log() -> None:
    with OriginProcess(is_logging=False) as origin:
        assert get(origin, "/x")[0] == 200
        with pytest.raises(ConfigError, match="is_logging"):
            origin.requests()


def test_seed_and_scenario_reach_the_server(tmp_path: Path) -> None:
    scenario = tmp_path / "s.toml"
    scenario.write_text('seed = 9\n[[rule]]\nhost = "127.0.0.2"\nstatus = 418\n')
    with OriginProcess(scenario, hosts=1) as origin:
        assert get(origin, "/page/1")[2] == Content(9).page(1)
        assert get(origin, "/page/1", host="127.0.0.2")[0] == 418
    with OriginProcess(scenario, seed=10) as origin:
        assert get(origin, "/page/1")[2] == Content(10).page(1)


def test_a_mistake_in_the_scenario_is_a_config_error_here() -> None:
    with pytest.raises(ConfigError, match="latncy: expected one of"):
        OriginProcess({"defaults": {"latncy": 1}}).start()


def test_https_is_trusted_through_its_authority() -> None:
    with OriginProcess(is_tls=True, hosts=1) as origin:
        context = ssl.create_default_context(cafile=str(origin.ca_path))
        for name, address in (("localhost", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("any.test", "127.0.0.1")):
            with (
                socket.create_connection((address, origin.port), timeout=GIVE_UP_S) as plain,
                context.wrap_socket(plain, server_hostname=name) as client,
            ):
                client.sendall(f"GET /bytes/300000 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while piece := client.recv(65536):
                    answer += piece
            assert answer.partition(b"\r\n\r\n")[2] == Content(0).binary("/bytes/300000", 300_000)
        assert [request.complete for request in origin.requests()] == [True] * 3
        assert origin.url.startswith("https://")


def test_it_stops_when_the_process_that_started_it_is_gone(tmp_path: Path) -> None:
    code = (
        "import os, sys; from penstock.perf.origin.process import OriginProcess\n"
        "origin = OriginProcess().start(); print(origin.port, flush=True); sys.stdin.read(); os._exit(0)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # os._exit cleans nothing up
    starter = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert starter.stdout is not None
    port = int(starter.stdout.readline())
    with socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_S) as client:
        starter.communicate(timeout=GIVE_UP_S)
        assert client.recv(1) == b""


# The command.


def test_every_option_stands_in_the_guide() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    options = [option.opts[0] for option in origin_command.params]
    assert len(options) > 8
    assert [option for option in options if f"| `{option}" not in guide] == []


def test_the_guides_scenario_is_one() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    scenario = parse_scenario(tomllib.loads(example))
    assert (scenario.seed, len(scenario.rules)) == (7, 4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_listens_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    ready, log = tmp_path / "ready.json", tmp_path / "log.jsonl"
    code = "from penstock.cli.origin import origin; origin()"
    command = [sys.executable, "-c", code, "--hosts", "1", "--ready-file", str(ready), "--log", str(log)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    facts = json.loads(ready.read_text())
    assert line == f"listening on {facts['url']}\n"
    assert (facts["pid"], facts["ca_path"]) == (process.pid, None)
    connection = http.client.HTTPConnection("127.0.0.2", facts["port"], timeout=GIVE_UP_S)
    connection.request("GET", "/x")
    assert connection.getresponse().read() == Content(0).text("/x")
    connection.close()
    process.send_signal(number)
    assert process.communicate(timeout=GIVE_UP_S) == ("", "")
    assert process.returncode == 0
    assert [request.path for request in read_log(log)] == ["/x"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--host", "0.0.0.0"], "--host: expected a loopback address"),
        (["--scenario", "/nowhere.toml"], "expected a readable file, got /nowhere.toml"),
        (["--log", "/nowhere/log.jsonl"], "--log: expected a file in a directory that exists"),
        (["--host", "::1", "--port", "1", "--hosts", "300"], "300"),
    ],
)
def test_a_mistake_on_the_command_line_exits_2(arguments: list[str], part: str) -> None:
    result = CliRunner().invoke(origin_command, arguments)
    assert result.exit_code == 2
    assert part in result.output
    assert result.stdout == ""


def test_a_port_in_use_exits_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(origin_command, ["--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "expected a free address" in result.output
    assert "hint: --port 0" in result.output
