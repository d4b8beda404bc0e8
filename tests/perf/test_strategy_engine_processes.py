"""Penstock's engine as a strategy: its process stage goes to worker processes when the function computes for long, with
the same outputs; its costs and its failures are told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from async_strategy_kit import (
    all_items,
    engine_of,
    fetch_workload,
    make_libuv_ready,
    plain_digests,
    run_once,
    started,
    write_user_code,
)

from penstock.perf.measure.model import RunRequest
from penstock.perf.origin.process import OriginProcess
from penstock.process.load import load_function

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="worker processes"),
]


@pytest.fixture(scope="module", autouse=True)
def libuv() -> None:
    make_libuv_ready()


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(is_logging=False) as started_origin:
        yield started_origin


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2 if hasattr(os, "sched_getaffinity") else False, reason="one core")
def test_a_function_that_computes_goes_to_processes_and_gives_the_same_outputs(
    origin: OriginProcess, tmp_path: Path
) -> None:
    file = write_user_code(tmp_path)
    workload = fetch_workload(origin, [f"page/{n}" for n in range(60)], process=f"{file}:heavy")
    expected = plain_digests(workload, load_function(f"{file}:heavy"))
    with started(engine_of(workload)) as strategy:
        first = run_once(strategy, workload, all_items(workload))
        used_s = strategy.worker_cpu_s()
        workers = strategy.worker_ids()
        second = run_once(strategy, workload, all_items(workload))
        assert strategy.worker_ids() == workers  # kept over runs
        assert strategy.worker_cpu_s() > used_s > 0
    assert workers
    assert dict(first.digests) == dict(second.digests) == expected
    assert second.phases["process"] > 0
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_that_dies_costs_the_item_it_was_at(origin: OriginProcess, tmp_path: Path) -> None:
    file = tmp_path / "dies.py"
    file.write_text(
        "import os, signal, time\n"
        "def at_three(response):\n"
        f"    if response.item_id == 103 and os.getpid() != {os.getpid()}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    end_s = time.thread_time() + 0.01\n"
        "    while time.thread_time() < end_s:\n"
        "        pass\n"
        "    return response.fetch_status\n"
    )
    workload = fetch_workload(origin, [f"page/{n}" for n in range(50)], process=f"{file}:at_three")
    with started(engine_of(workload)) as strategy:
        run_once(strategy, workload, all_items(workload))
        assert strategy.worker_ids()
        result = run_once(strategy, workload, RunRequest(concurrency=4, items=10, first=100))
    assert (result.items, result.failed) == (9, 1)
    number, line = result.failures[0]
    assert number == 103
    assert signal.SIGKILL.name in line or "killed" in line


def test_nothing_is_left_of_a_run_that_was_cut_off_by_its_time(origin: OriginProcess) -> None:
    workload = fetch_workload(origin, [f"x/{n}?latency=0.02" for n in range(50)])
    with started(engine_of(workload)) as strategy:
        for _ in range(3):
            origin.reset()
            result = run_once(strategy, workload, RunRequest(concurrency=8, run_s=0.1))
            # Items that the engine had read ahead were not begun, and are told neither as ended nor as lost.
            assert result.failed == 0
            assert result.items == origin.stats()["requests"] > 8


def test_a_server_that_asks_to_wait_does_not_stop_the_run(origin: OriginProcess) -> None:
    workload = fetch_workload(origin, [f"x/{n}?status=429&retry_after=100" for n in range(20)])
    with started(engine_of(workload)) as strategy:
        result = run_once(strategy, workload, all_items(workload))
    assert (result.items, result.failed, result.pushbacks) == (0, 20, 20)
