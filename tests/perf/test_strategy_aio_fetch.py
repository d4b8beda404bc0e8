"""Fetching under asyncio, uvloop and penstock: the same outputs as without a strategy, the concurrency that was asked
for, and each failure told once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from async_strategy_kit import (
    MAKERS,
    Maker,
    all_items,
    asyncio_of,
    fetch_workload,
    in_flight_max,
    make_libuv_ready,
    plain_digests,
    run_once,
    started,
    write_user_code,
)

from penstock.errors import ConfigError
from penstock.perf.measure.model import RunRequest
from penstock.perf.origin.process import OriginProcess
from penstock.perf.workload.model import Client, Workload
from penstock.process.load import load_function

pytestmark = pytest.mark.slow  # each starts or asks a server

with_each_client = pytest.mark.parametrize(
    "client",
    [
        "curl",
        *(
            pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
            for name in ("aiohttp", "httpx")
        ),
    ],
)
with_each_strategy = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@pytest.fixture(scope="module", autouse=True)
def libuv() -> None:
    make_libuv_ready()


@pytest.fixture(scope="module")
def shared_origin() -> Iterator[OriginProcess]:
    with OriginProcess(is_logging=False) as started_origin:
        yield started_origin


@pytest.fixture
def origin(shared_origin: OriginProcess) -> OriginProcess:
    shared_origin.reset()
    return shared_origin


@pytest.fixture(scope="module")
def tls_origin() -> Iterator[OriginProcess]:
    with OriginProcess(is_logging=False, is_tls=True) as started_origin:
        yield started_origin


@with_each_strategy
@with_each_client
def test_outputs_equal_those_of_a_plain_fetch(origin: OriginProcess, make: Maker, client: Client) -> None:
    paths = [*(f"page/{n}" for n in range(6)), "a?encoding=gzip", "b?framing=chunked", "redirect/2", "empty?bytes=0"]
    workload = fetch_workload(origin, paths)
    with started(make(workload, client=client)) as strategy:
        result = run_once(strategy, workload, all_items(workload))
    assert result.failures == []
    assert dict(result.digests) == plain_digests(workload)


@with_each_strategy
def test_the_process_function_makes_the_output_whatever_its_type(
    origin: OriginProcess, make: Maker, tmp_path: Path
) -> None:
    file = write_user_code(tmp_path)
    for name in ("title", "nothing"):
        workload = fetch_workload(origin, [f"page/{n}" for n in range(4)], process=f"{file}:{name}")
        with started(make(workload)) as strategy:
            result = run_once(strategy, workload, all_items(workload, first=8))
        assert result.failures == []
        assert dict(result.digests) == plain_digests(workload, load_function(f"{file}:{name}"))


@with_each_strategy
def test_the_concurrency_is_reached_and_never_exceeded(origin: OriginProcess, make: Maker) -> None:
    workload = fetch_workload(origin, [f"x/{n}?latency=0.05" for n in range(40)])
    with started(make(workload)) as strategy:
        for concurrency in (5, 2, 9):
            origin.reset()
            result = run_once(strategy, workload, all_items(workload, concurrency))
            assert result.items == 40
            assert in_flight_max(origin) == concurrency


@with_each_strategy
def test_a_closed_run_starts_nothing_after_its_time(origin: OriginProcess, make: Maker) -> None:
    workload = fetch_workload(origin, [f"x/{n}?latency=0.03" for n in range(40)])
    with started(make(workload)) as strategy:
        run_once(strategy, workload, all_items(workload, 4))
        before = origin.reset()["requests"]
        result = run_once(strategy, workload, RunRequest(concurrency=4, run_s=0.2))
    assert before == 40
    assert result.failed == 0
    # What was begun has ended, and is all that the server saw.
    assert result.items == origin.stats()["requests"]
    assert all(start_s >= due_s for start_s, due_s in zip(result.start_s, result.intended_s, strict=True))
    assert all(end_s > start_s for end_s, start_s in zip(result.end_s, result.start_s, strict=True))
    # A loop that stood still begins one more round at most, whatever the machine does.
    late = [start_s for start_s in result.start_s if start_s > 0.2]
    assert len(late) <= 4


@with_each_strategy
def test_an_open_run_starts_each_item_when_it_is_due(origin: OriginProcess, make: Maker) -> None:
    workload = fetch_workload(origin, [f"x/{n}?latency=0.01" for n in range(40)])
    request = RunRequest(loop="open", concurrency=8, run_s=0.3, rate_per_s=100.0, first=3)
    with started(make(workload)) as strategy:
        result = run_once(strategy, workload, request)
    assert result.failed == 0
    assert result.items == 31  # at 0, 10, … 300 ms
    assert sorted(result.intended_s) == pytest.approx([n / 100 for n in range(31)])
    assert all(start_s >= due_s for start_s, due_s in zip(result.start_s, result.intended_s, strict=True))


@with_each_strategy
def test_an_open_run_does_every_item_that_came_due_although_it_is_behind(origin: OriginProcess, make: Maker) -> None:
    workload = fetch_workload(origin, [f"x/{n}?latency=0.05" for n in range(10)])
    request = RunRequest(loop="open", concurrency=2, run_s=0.2, rate_per_s=100.0)
    with started(make(workload)) as strategy:
        result = run_once(strategy, workload, request)
    assert result.items == 21
    assert in_flight_max(origin) == 2
    # First come, first served: the last one waited for nine pairs before it, 50 ms each.
    assert [round(100 * due_s) for due_s in result.intended_s] == pytest.approx(range(21), abs=1)
    assert result.end_s[-1] - result.intended_s[-1] >= 10 * 0.05 - 0.2


@with_each_strategy
@with_each_client
def test_each_failure_is_told_once_and_not_tried_again(origin: OriginProcess, make: Maker, client: Client) -> None:
    paths = ["ok", "gone?status=404", "busy?status=429", "down?status=503&retry_after=9", "cut?fault=truncate"]
    workload = fetch_workload(origin, paths)
    with started(make(workload, client=client)) as strategy:
        result = run_once(strategy, workload, all_items(workload))
    assert (result.items, result.failed, result.pushbacks) == (1, 4, 2)
    assert sorted(result.digests) == [0]
    lines = dict(result.failures)
    assert "404" in lines[1]
    assert "429" in lines[2]
    assert "503" in lines[3]
    assert workload.items[3] in lines[3]
    assert all("\n" not in line for line in lines.values())
    assert origin.stats()["requests"] == 5


@with_each_strategy
@with_each_client
def test_a_server_that_is_not_there_and_a_bad_url_cost_their_items(make: Maker, client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        workload = Workload("test", "", (f"http://127.0.0.1:{port}/", "ftp://127.0.0.1/x", "http://[bad"))
        with started(make(workload, client=client)) as strategy:
            result = run_once(strategy, workload, all_items(workload))
    assert (result.items, result.failed, result.pushbacks) == (0, 3, 0)


@with_each_strategy
@with_each_client
def test_an_item_that_takes_too_long_fails_and_says_so(origin: OriginProcess, make: Maker, client: Client) -> None:
    workload = fetch_workload(origin, ["ok", "slow?latency=20"], item_s_max=0.3)
    with started(make(workload, client=client)) as strategy:
        result = run_once(strategy, workload, all_items(workload))
    assert (result.items, result.failed) == (1, 1)
    assert "time" in result.failures[0][1].lower()


@with_each_strategy
@with_each_client
def test_https_is_trusted_by_the_workloads_certificate_only(
    tls_origin: OriginProcess, make: Maker, client: Client
) -> None:
    paths = [f"x/{n}?connection=close" for n in range(8)]
    trusting = fetch_workload(tls_origin, paths, ca_file=str(tls_origin.ca_path))
    with started(make(trusting, client=client)) as strategy:
        result = run_once(strategy, trusting, all_items(trusting))
    assert result.failures == []
    assert len(result.digests) == 8
    wary = fetch_workload(tls_origin, paths)
    with started(make(wary, client=client)) as strategy:
        refused = run_once(strategy, wary, all_items(wary))
    assert (refused.items, refused.failed) == (0, 8)


@with_each_strategy
def test_the_phases_of_connecting_are_told_when_connections_are_not_kept(
    tls_origin: OriginProcess, make: Maker
) -> None:
    for connection, has_connected in (("close", True), ("keep", False)):
        paths = [f"x/{n}?connection={connection}&latency=0.01" for n in range(8)]
        workload = fetch_workload(tls_origin, paths, ca_file=str(tls_origin.ca_path))
        with started(make(workload)) as strategy:
            run_once(strategy, workload, all_items(workload, 2))
            phases = run_once(strategy, workload, all_items(workload, 2)).phases
        assert set(phases) == {"dns", "connect", "tls", "ttfb", "body", "process"}
        assert (phases["tls"] > 0) == has_connected
        assert (phases["connect"] > 0) == has_connected
        assert phases["ttfb"] >= 0.005
        assert phases["process"] > 0


@with_each_strategy
def test_a_process_function_that_raises_costs_its_item_and_names_its_line(
    origin: OriginProcess, make: Maker, tmp_path: Path
) -> None:
    file = write_user_code(tmp_path)
    workload = fetch_workload(origin, [f"page/{n}" for n in range(3)], process=f"{file}:stumbles")
    with started(make(workload)) as strategy:
        result = run_once(strategy, workload, all_items(workload))
    assert result.items == 2
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "KeyError" in text)
    assert result.failures == [(1, f"KeyError: 'no title' ({file}:{line}, in stumbles)")]


def test_what_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    missing = Workload("test", "", ("http://127.0.0.1:1/",), process=f"{file}:absent")
    plain = Workload("test", "", ("item",))
    for make in MAKERS.values():
        with pytest.raises(ConfigError, match="absent"):
            make(missing).start()
        with pytest.raises(ConfigError, match=r"requests.*event loop"):
            make(plain, client="requests").start()
        with pytest.raises(ConfigError, match=r"expected `async def`.*plain `def`"):
            make(plain, function=f"{file}:plain").start()


def test_without_uvloop_its_strategy_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    with pytest.raises(ConfigError, match="expected the package uvloop") as raised:
        MAKERS["uvloop"](Workload("test", "", ("item",))).start()
    assert "pip install uvloop" in str(raised.value.hint)


def test_the_asyncio_strategy_runs_on_the_standard_librarys_loop(origin: OriginProcess, tmp_path: Path) -> None:
    file = tmp_path / "which_loop.py"
    file.write_text("import asyncio\nasync def name(item):\n    return type(asyncio.get_running_loop()).__module__\n")
    workload = Workload("test", "", ("item",))
    found = {}
    for name, make in MAKERS.items():
        with started(make(workload, function=f"{file}:name")) as strategy:
            found[name] = run_once(strategy, workload, all_items(workload)).samples[0]
    assert "asyncio" in found["asyncio"]
    assert "uvloop" in found["uvloop"]
    assert "uvloop" in found["penstock"]  # it is installed here


def test_stopping_twice_or_before_the_start_is_harmless() -> None:
    strategy = asyncio_of(Workload("test", "", ("http://127.0.0.1:1/",)))
    strategy.stop()
    strategy.start()
    strategy.stop()
    strategy.stop()
