"""The dashboard of a real run, spoken to as the page does. The origin's log is the witness of what its buttons do."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_kit import Reader, live_run, reading, until

from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(answer_s_max=60) as running:
        yield running


@pytest.fixture
def fresh(origin: OriginProcess) -> OriginProcess:
    origin.reset()
    return origin


def pages(origin: OriginProcess, count: int, latency_s: float = 0.05) -> list[str]:
    return [f"{origin.url}/page/{number}?latency={latency_s}&bytes=2K" for number in range(count)]


def started(origin: OriginProcess) -> int:
    return int(origin.stats()["requests"])


def in_flight(origin: OriginProcess) -> int:
    return int(origin.stats()["inflight"])


def most_at_once(origin: OriginProcess, since: int) -> int:
    """The most requests in flight, among those that ended after line `since` of the log."""
    return max(each.inflight for each in origin.requests()[since:])


def seconds_pass(reader: Reader, count: int) -> None:
    """Let the run publish `count` windows: time by its own clock."""
    for _ in range(count):
        reader.until(lambda kind, data: kind == "update" and len(data["fine"]) > 0)


def accounts(said: str) -> dict[str, int]:
    """The numbers of the summary's accounting line."""
    (line,) = [line for line in said.splitlines() if line.startswith("admitted ")]
    return {name: int(number.replace(",", "")) for name, number in re.findall(r"([a-z]+) ([\d,]+)", line)}


def test_pause_stops_new_requests_and_resume_goes_on(tmp_path: Path, fresh: OriginProcess) -> None:
    with live_run(tmp_path, pages(fresh, 4000), "-j", "8") as run, reading(run) as reader:
        until(lambda: started(fresh) > 20)
        assert run.command("pause")["is_paused"] is True
        until(lambda: in_flight(fresh) == 0)
        before = started(fresh)
        reader.until(lambda kind, data: kind == "update" and data["live"]["phase"] == "paused")
        seconds_pass(reader, 2)
        assert started(fresh) == before, "a request was made while the run was paused"
        assert run.command("resume")["is_paused"] is False
        until(lambda: started(fresh) > before + 20)
        reader.until(lambda kind, data: kind == "update" and data["live"]["phase"] == "running")
        run.command("drain")
        assert run.end() == 75


def test_the_concurrency_can_be_raised_and_lowered(tmp_path: Path, fresh: OriginProcess) -> None:
    since = len(fresh.requests())
    with (
        live_run(tmp_path, pages(fresh, 8000), "-j", "4", "--max-per-host", "64", "--probe", "off") as run,
        reading(run) as reader,
    ):
        until(lambda: len(fresh.requests()) > since + 20)
        assert most_at_once(fresh, since) <= 4
        assert run.command("concurrency", value=12)["concurrency"] == 12
        until(lambda: most_at_once(fresh, since) == 12)
        reader.until(lambda kind, data: kind == "update" and data["live"]["limit"] == 12)
        assert run.command("concurrency", value=2)["concurrency"] == 2
        until(lambda: in_flight(fresh) <= 2)
        lowered = len(fresh.requests())
        seconds_pass(reader, 2)
        run.command("drain")
        assert run.end() == 75
    assert most_at_once(fresh, since) == 12
    # The log has a request when it has ended: the first two may have begun among more.
    assert most_at_once(fresh, lowered + 2) <= 2


def test_drain_finishes_what_is_in_flight_and_the_accounts_are_right(tmp_path: Path, fresh: OriginProcess) -> None:
    since, count = len(fresh.requests()), 4000
    with live_run(tmp_path, pages(fresh, count), "-j", "8") as run, reading(run) as reader:
        until(lambda: started(fresh) > 50)
        run.command("drain")
        _, last = reader.until(lambda kind, _: kind == "finished")
        assert run.end() == 75
        assert reader.next() is None
    answered = sum(each.complete and each.status == 200 for each in fresh.requests()[since:])
    told = accounts(run.said)
    assert told["written"] == answered
    assert told["admitted"] == told["written"] + told["pending"]
    items = {key: value for key, value in last["live"]["items"].items() if key in told}
    assert items == told, "the page's last numbers are the summary's"
    assert last["live"]["phase"] == "interrupted"
    assert last["verdict"]["label"]


def test_a_complete_run_says_so_and_frees_the_port(tmp_path: Path, fresh: OriginProcess) -> None:
    with live_run(tmp_path, pages(fresh, 300), "-j", "8") as run, reading(run) as reader:
        kind, first = reader.until(lambda *_: True)
        assert kind == "history"
        assert first["about"]["title"] == "out"
        assert run.token not in json.dumps(first)
        _, last = reader.until(lambda kind, _: kind == "finished")
        assert run.end() == 0
    assert last["live"]["phase"] == "complete"
    assert last["live"]["items"]["written"] == 300
    assert last["live"]["ended"] == last["live"]["total"] == 300
    with socket.socket() as again, pytest.raises(ConnectionRefusedError):
        again.connect(("127.0.0.1", run.port))


def test_metrics_are_served_beside_the_page(tmp_path: Path, fresh: OriginProcess) -> None:
    pytest.importorskip("prometheus_client")
    with live_run(tmp_path, pages(fresh, 3000), "-j", "4") as run:
        until(lambda: started(fresh) > 20)
        answer = run.ask("GET", "/metrics")
        assert answer.status == 200
        assert b"penstock_" in answer.body
        assert fresh.url.encode() not in answer.body.replace(f'host="{fresh.url}"'.encode(), b"")
        run.command("drain")
        assert run.end() == 75


BLOCKS = """
import time

def process(response):
    if "/page/7?" in response.url:
        time.sleep(4)
    return {"size": len(response.body)}
"""


def test_a_blocked_event_loop_is_told_while_it_lasts(tmp_path: Path, fresh: OriginProcess) -> None:
    (tmp_path / "blocking.py").write_text(BLOCKS)
    flags = ("-j", "1", "--process", "blocking.py:process", "--process-mode", "inline")
    with live_run(tmp_path, pages(fresh, 400), *flags) as run, reading(run) as reader:
        _, data = reader.until(lambda kind, _: kind == "blocked")
        assert data["blocked_s"] > 1
        reader.until(lambda kind, data: kind == "blocked" and data["blocked_s"] == 0)
        run.command("drain")
        assert run.end() == 75


def test_a_port_in_use_costs_the_dashboard_not_the_run(tmp_path: Path, fresh: OriginProcess) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = fetch(tmp_path, pages(fresh, 5), f"--dashboard={taken.getsockname()[1]}")
    assert done.returncode == 0
    assert "no dashboard" in done.stderr
    assert "--dashboard alone takes a free port" in done.stderr
    assert accounts(done.stderr)["written"] == 5


def test_what_is_no_address_stops_the_run_before_it_starts(tmp_path: Path, fresh: OriginProcess) -> None:
    done = fetch(tmp_path, pages(fresh, 5), "--dashboard", "nonsense")
    assert done.returncode == 2
    assert "--dashboard: expected HOST:PORT or PORT, got 'nonsense'" in done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_the_extra_the_run_stops_before_it_starts(tmp_path: Path, fresh: OriginProcess) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'uvicorn' else find(name, *a)\n"
    )
    done = fetch(tmp_path, pages(fresh, 5), "--dashboard", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert "expected uvicorn to be installed" in done.stderr
    assert "pip install 'penstock[dashboard]'" in done.stderr
    assert not (tmp_path / "out").exists()


def fetch(
    folder: Path, urls: list[str], *flags: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command to its end."""
    (folder / "urls.txt").write_text("".join(f"{url}\n" for url in urls))
    command = [sys.executable, "-m", "penstock", "fetch", "urls.txt", "-o", "out", "--allow-private", "127.0.0.0/8"]
    return subprocess.run(
        [*command, "--progress", "none", *flags],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **(env or {})},
    )
