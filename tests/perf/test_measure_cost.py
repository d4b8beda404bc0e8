"""The measuring measured: CPU time against an independent reading inside the items, memory and switches against what
was surely used."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from measured_kit import FUNCTIONS, calls, workload_of, write_functions

from penstock.perf.measure.cost import CostMeter, status_number, used_cpu_s
from penstock.perf.measure.model import RunRequest, RunResult
from penstock.perf.measure.process import MeasuredProcess
from penstock.perf.workload.model import Alternative, Strategy

BURNT_S = 0.03  # what `burns` uses at least, by the clock of its own thread
HOARDS = """

def hoards(item):
    held = bytearray(int(item))
    held[::4096] = b"x" * len(held[::4096])
    return len(held)


def starts_process(item):
    import subprocess
    code = "import time\\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    return item
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")


def run(folder: Path, function: str, strategy: Strategy, *items: str, places: int = 2) -> list[RunResult]:
    """Two runs of all items, the same in each; the first warms up."""
    path = write_functions(folder, FUNCTIONS + HOARDS)
    workload = workload_of(*items, concurrency=places, processes=places)
    request = RunRequest(items=len(items), concurrency=places)
    with MeasuredProcess(Alternative(strategy, strategy, function=f"{path}:{function}"), workload) as measured:
        return [measured.run(request) for _ in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["sync", "threads", "processes"])
def test_cpu_time_agrees_with_the_items_own_clocks(tmp_path: Path, strategy: Strategy) -> None:
    for result in run(tmp_path, "burns", strategy, *(str(number) for number in range(10))):
        used_s = sum(float(text) for text in result.samples.values())
        assert result.items == 10
        assert used_s >= 10 * BURNT_S
        # Nothing is missed; and what is more than the items' own is handing them out and back: well under 2 ms each.
        assert used_s <= result.cpu_s <= used_s + 10 * 0.002


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["sync", "processes"])
def test_cpu_time_includes_processes_that_an_item_started_and_waited_for(tmp_path: Path, strategy: Strategy) -> None:
    for result in run(tmp_path, "starts_process", strategy, "a", "b"):
        assert result.cpu_s >= 2 * 0.2


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["sync", "threads", "asyncio", "processes"])
def test_waiting_costs_next_to_no_cpu_time(tmp_path: Path, strategy: Strategy) -> None:
    if strategy == "asyncio":
        path = write_functions(
            tmp_path, "import asyncio\nasync def f(item):\n    await asyncio.sleep(0.02)\n    return item"
        )
        alternative = Alternative("asyncio", "asyncio", function=f"{path}:f")
    else:
        alternative = calls(tmp_path, "sleeps", strategy)
    with MeasuredProcess(alternative, workload_of("a", "b")) as measured:
        result = measured.run(RunRequest(items=20, concurrency=2))
    assert result.wall_s >= 10 * 0.02
    assert result.cpu_s < 0.1 * 20 * 0.02


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["sync", "threads", "processes"])
def test_the_peak_of_memory_is_the_runs_own_and_not_an_earlier_one(tmp_path: Path, strategy: Strategy) -> None:
    many, few = 200 << 20, 1 << 10
    path = write_functions(tmp_path, FUNCTIONS + HOARDS)
    alternative = Alternative(strategy, strategy, function=f"{path}:hoards")
    with MeasuredProcess(alternative, workload_of(str(many), str(few), concurrency=1, processes=1)) as measured:
        big = measured.run(RunRequest(items=1, first=0)).rss_bytes
        small = measured.run(RunRequest(items=1, first=1)).rss_bytes
    assert big >= many
    assert 10 << 20 < small < many


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["sync", "threads", "processes"])
def test_each_wait_of_an_item_is_a_voluntary_switch(tmp_path: Path, strategy: Strategy) -> None:
    for result in run(tmp_path, "sleeps", strategy, *"abcdefghij"):
        assert result.switches_voluntary >= 10
        assert result.switches_involuntary >= 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "asked", "expected"), [("sync", 9, 1), ("threads", 9, 9), ("processes", 9, 2), ("processes", 1, 1)]
)
def test_a_result_says_the_concurrency_there_was(tmp_path: Path, strategy: Strategy, asked: int, expected: int) -> None:
    with MeasuredProcess(calls(tmp_path, "echo", strategy), workload_of("a")) as measured:
        assert measured.run(RunRequest(items=1, concurrency=asked)).concurrency == expected


def test_the_cost_of_a_span_is_the_difference_of_its_ends() -> None:
    workers_cpu_s = iter([2.5, 4.0])
    meter = CostMeter(lambda: (), lambda: next(workers_cpu_s))
    begun_s = used_cpu_s()
    meter.begin()
    while used_cpu_s() < begun_s + 0.01:
        pass
    cost = meter.end()
    assert 1.5 <= cost.cpu_s <= 1.5 + used_cpu_s() - begun_s


def test_a_worker_that_has_ended_costs_nothing_and_breaks_nothing() -> None:
    nobody = 2**22 + 1  # past the largest process id of Linux
    meter = CostMeter(lambda: (nobody,), lambda: 0.0)
    meter.begin()
    cost = meter.end()
    assert cost.rss_bytes >= (1 << 20 if sys.platform == "linux" else 0)
    assert cost.switches[0] >= 0


def test_a_status_file_without_the_line_or_without_a_file_is_zero(tmp_path: Path) -> None:
    path = tmp_path / "status"
    path.write_text("VmRSS:\t  12 kB\nVmHWM:\n")
    assert status_number(str(path), "VmRSS") == 12
    assert status_number(str(path), "VmHWM") == 0
    assert status_number(str(path), "VmSwap") == 0
    assert status_number(os.fspath(tmp_path / "none"), "VmRSS") == 0
