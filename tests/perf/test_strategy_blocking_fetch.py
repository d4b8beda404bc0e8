"""Fetching under sync, threads and processes: the same outputs as without a strategy, the concurrency that was asked
for, connections that are kept, and each failure told once."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from async_strategy_kit import (
    all_items,
    fetch_workload,
    in_flight_max,
    plain_digests,
    run_once,
    started,
    write_user_code,
)

from penstock.errors import ConfigError
from penstock.perf.origin.process import OriginProcess
from penstock.perf.strategy.make import make_strategy
from penstock.perf.strategy.model import StrategyRunner
from penstock.perf.workload.model import Alternative, Client, Strategy, Workload
from penstock.process.load import load_function

pytestmark = pytest.mark.slow  # each starts or asks a server

BLOCKING: tuple[Strategy, ...] = ("sync", "threads", "processes")
with_each_strategy = pytest.mark.parametrize("strategy", BLOCKING)
with_each_client = pytest.mark.parametrize("client", ["curl", "requests", "httpx"])


@pytest.fixture(scope="module")
def shared_origin() -> Iterator[OriginProcess]:
    with OriginProcess() as started_origin:
        yield started_origin


@pytest.fixture
def origin(shared_origin: OriginProcess) -> OriginProcess:
    shared_origin.reset()
    return shared_origin


@pytest.fixture(scope="module")
def tls_origin() -> Iterator[OriginProcess]:
    with OriginProcess(is_logging=False, is_tls=True) as started_origin:
        yield started_origin


def runner(strategy: Strategy, workload: Workload, client: Client = "curl") -> StrategyRunner:
    return make_strategy(Alternative(strategy, strategy, client), workload)


@with_each_strategy
@with_each_client
def test_outputs_equal_those_of_a_plain_fetch(origin: OriginProcess, strategy: Strategy, client: Client) -> None:
    paths = [*(f"page/{n}" for n in range(6)), "a?encoding=gzip", "b?framing=chunked", "redirect/2", "empty?bytes=0"]
    workload = fetch_workload(origin, paths, concurrency=4, processes=2)
    with started(runner(strategy, workload, client)) as made:
        result = run_once(made, workload, all_items(workload))
    assert result.failures == []
    assert dict(result.digests) == plain_digests(workload)


@with_each_strategy
def test_the_process_function_makes_the_output_whatever_its_type(
    origin: OriginProcess, strategy: Strategy, tmp_path: Path
) -> None:
    file = write_user_code(tmp_path)
    for name in ("title", "nothing"):
        workload = fetch_workload(origin, [f"page/{n}" for n in range(4)], process=f"{file}:{name}", processes=2)
        with started(runner(strategy, workload)) as made:
            result = run_once(made, workload, all_items(workload, first=8))
        assert result.failures == []
        assert dict(result.digests) == plain_digests(workload, load_function(f"{file}:{name}"))


def test_threads_reach_the_concurrency_and_never_exceed_it(origin: OriginProcess) -> None:
    workload = fetch_workload(origin, [f"x/{n}?latency=0.05" for n in range(30)], concurrency=4)
    with started(runner("threads", workload)) as made:
        for concurrency in (4, 2, 9):
            origin.reset()
            assert run_once(made, workload, all_items(workload, concurrency)).items == 30
            assert in_flight_max(origin) == concurrency


def test_processes_are_as_many_at_once_as_workers_or_fewer_if_asked(origin: OriginProcess) -> None:
    workload = fetch_workload(origin, [f"x/{n}?latency=0.05" for n in range(12)], processes=2)
    with started(runner("processes", workload)) as made:
        for concurrency, expected in ((1, 1), (2, 2), (8, 2)):
            origin.reset()
            assert run_once(made, workload, all_items(workload, concurrency)).items == 12
            assert in_flight_max(origin) == expected


@with_each_strategy
@with_each_client
def test_connections_are_kept_within_a_run_and_between_runs(
    origin: OriginProcess, strategy: Strategy, client: Client
) -> None:
    workload = fetch_workload(origin, [f"kept/{strategy}/{client}/{n}" for n in range(12)], concurrency=2, processes=2)
    with started(runner(strategy, workload, client)) as made:
        for _ in range(3):
            assert run_once(made, workload, all_items(workload, 2)).items == 12
    used = {entry.connection_id for entry in origin.requests() if entry.path.startswith(f"/kept/{strategy}/{client}/")}
    assert 1 <= len(used) <= (1 if strategy == "sync" else 2)


@with_each_strategy
@with_each_client
def test_each_failure_is_told_once_and_not_tried_again(
    origin: OriginProcess, strategy: Strategy, client: Client
) -> None:
    paths = ["ok", "gone?status=404", "busy?status=429", "down?status=503&retry_after=9", "cut?fault=truncate"]
    workload = fetch_workload(origin, paths, processes=2)
    with started(runner(strategy, workload, client)) as made:
        result = run_once(made, workload, all_items(workload))
    assert (result.items, result.failed, result.pushbacks) == (1, 4, 2)
    assert sorted(result.digests) == [0]
    lines = dict(result.failures)
    assert "404" in lines[1]
    assert "429" in lines[2]
    assert "503" in lines[3]
    assert workload.items[3] in lines[3]
    assert all("\n" not in line for line in lines.values())
    assert origin.stats()["requests"] == 5


@with_each_client
def test_a_server_that_is_not_there_and_a_bad_url_cost_their_items(client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        workload = Workload("test", "", (f"http://127.0.0.1:{port}/", "ftp://127.0.0.1/x", "http://[bad"))
        with started(runner("sync", workload, client)) as made:
            result = run_once(made, workload, all_items(workload))
    assert (result.items, result.failed, result.pushbacks) == (0, 3, 0)


@with_each_client
def test_an_item_that_takes_too_long_fails_and_says_so(origin: OriginProcess, client: Client) -> None:
    workload = fetch_workload(origin, ["ok", "slow?latency=20"], item_s_max=0.3)
    with started(runner("sync", workload, client)) as made:
        result = run_once(made, workload, all_items(workload))
    assert (result.items, result.failed) == (1, 1)
    assert "time" in result.failures[0][1].lower()


@with_each_client
def test_https_is_trusted_by_the_workloads_certificate_only(tls_origin: OriginProcess, client: Client) -> None:
    paths = [f"x/{n}?connection=close" for n in range(4)]
    trusting = fetch_workload(tls_origin, paths, ca_file=str(tls_origin.ca_path), concurrency=2)
    with started(runner("threads", trusting, client)) as made:
        assert run_once(made, trusting, all_items(trusting)).failures == []
    wary = fetch_workload(tls_origin, paths, concurrency=2)
    with started(runner("threads", wary, client)) as made:
        refused = run_once(made, wary, all_items(wary))
    assert (refused.items, refused.failed) == (0, 4)


@with_each_strategy
def test_the_phases_of_connecting_are_told_when_connections_are_not_kept(
    tls_origin: OriginProcess, strategy: Strategy
) -> None:
    for connection, has_connected in (("close", True), ("keep", False)):
        paths = [f"x/{n}?connection={connection}&latency=0.01" for n in range(8)]
        workload = fetch_workload(tls_origin, paths, ca_file=str(tls_origin.ca_path), concurrency=1, processes=1)
        with started(runner(strategy, workload)) as made:
            run_once(made, workload, all_items(workload, 1))
            phases = run_once(made, workload, all_items(workload, 1)).phases
        assert set(phases) == {"dns", "connect", "tls", "ttfb", "body", "process"}
        assert (phases["tls"] > 0) == has_connected
        assert (phases["connect"] > 0) == has_connected
        assert phases["ttfb"] >= 0.005
        assert phases["process"] > 0


@with_each_strategy
def test_a_process_function_that_raises_costs_its_item_and_names_its_line(
    origin: OriginProcess, strategy: Strategy, tmp_path: Path
) -> None:
    file = write_user_code(tmp_path)
    workload = fetch_workload(origin, [f"page/{n}" for n in range(3)], process=f"{file}:stumbles", processes=2)
    with started(runner(strategy, workload)) as made:
        result = run_once(made, workload, all_items(workload))
    assert result.items == 2
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "KeyError" in text)
    assert result.failures == [(1, f"KeyError: 'no title' ({file}:{line}, in stumbles)")]


def test_what_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    missing = Workload("test", "", ("http://127.0.0.1:1/",), process=f"{file}:absent")
    plain = Workload("test", "", ("item",))
    for strategy in BLOCKING:
        with pytest.raises(ConfigError, match="absent"):
            runner(strategy, missing).start()
        with pytest.raises(ConfigError, match="at least one item"):
            runner(strategy, Workload("test", "", ()))
    for strategy in ("sync", "threads"):
        made = runner(strategy, plain, "aiohttp")
        with pytest.raises(ConfigError, match=r"aiohttp.*event loop"):
            made.start()
        made.stop()


@pytest.mark.parametrize("client", ["requests", "httpx"])
def test_a_client_that_is_not_installed_is_refused_with_a_hint(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"requests": "requests", "httpx": "httpx_blocking"}[client]
    monkeypatch.delitem(sys.modules, f"penstock.perf.strategy.clients.{module}", raising=False)
    monkeypatch.setitem(sys.modules, client, None)
    with pytest.raises(ConfigError, match=f"expected the package {client}") as raised:
        runner("sync", Workload("test", "", ("item",)), client).start()
    assert raised.value.hint == f"pip install {client}"


@with_each_strategy
def test_stopping_twice_or_before_the_start_is_harmless(strategy: Strategy) -> None:
    made = runner(strategy, Workload("test", "", ("http://127.0.0.1:1/",), concurrency=2, processes=1))
    made.stop()
    made.start()
    made.stop()
    made.stop()
