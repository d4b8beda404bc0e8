"""When items begin and end under sync, threads and processes, in closed and open loops. Times are compared with each
other and with what must have passed at least; nothing here depends on how fast the machine is."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from async_strategy_kit import run_once, started
from measured_kit import FUNCTIONS, calls, workload_of, write_functions

from penstock.errors import ConfigError
from penstock.perf.measure.model import RunRequest, RunResult
from penstock.perf.strategy.make import make_strategy
from penstock.perf.workload.model import Alternative, Strategy, Workload

BLOCKING: tuple[Strategy, ...] = (
    "sync",
    "threads",
    pytest.param("processes", marks=pytest.mark.slow),  # type: ignore[list-item]  # a parameter with its mark
)
with_each_strategy = pytest.mark.parametrize("strategy", BLOCKING)
SLEEP_S = 0.02  # what `sleeps` takes at least

MEETING = """
import threading

meeting = threading.Barrier(3, timeout=60)


def meets(item):
    meeting.wait()
    return item
"""


def run(folder: Path, function: str, strategy: Strategy, workload: Workload, request: RunRequest) -> RunResult:
    with started(make_strategy(calls(folder, function, strategy), workload)) as made:
        return run_once(made, workload, request)


def rows(result: RunResult) -> list[tuple[float, float, float]]:
    """Intended, start and end of each item, in the order of their due times."""
    return sorted(zip(result.intended_s, result.start_s, result.end_s, strict=True))


@with_each_strategy
def test_an_open_run_does_each_item_that_came_due_and_none_before(tmp_path: Path, strategy: Strategy) -> None:
    request = RunRequest(loop="open", rate_per_s=200.0, run_s=0.1, concurrency=2)
    result = run(tmp_path, "echo", strategy, workload_of("a", "b"), request)
    assert sorted(result.intended_s) == pytest.approx([number / 200 for number in range(21)], abs=1e-9)
    assert all(due_s <= start_s <= end_s for due_s, start_s, end_s in rows(result))


def test_one_place_that_is_too_slow_makes_items_late_but_not_longer(tmp_path: Path) -> None:
    """Items are due every 10 ms and take 20: item k begins at least 10 ms × k late, which its latency shows and its
    service time does not."""
    request = RunRequest(loop="open", rate_per_s=100.0, run_s=0.1)
    result = rows(run(tmp_path, "sleeps", "sync", workload_of("a"), request))
    assert len(result) == 11
    for (_, _, end_before_s), (_, start_s, _) in pairwise(result):
        assert start_s >= end_before_s
    for number, (due_s, start_s, end_s) in enumerate(result):
        assert end_s - start_s >= SLEEP_S
        assert (end_s - due_s) - (end_s - start_s) >= number * (SLEEP_S - 0.01) - 1e-6


@pytest.mark.parametrize("strategy", ["sync", pytest.param("processes", marks=pytest.mark.slow)])
def test_items_begin_in_the_order_they_are_due(tmp_path: Path, strategy: Strategy) -> None:
    request = RunRequest(loop="open", rate_per_s=200.0, run_s=0.1, concurrency=2)
    result = rows(run(tmp_path, "sleeps", strategy, workload_of("a", processes=1), request))
    assert len(result) == 21
    assert all(start_s < next_s for (_, start_s, _), (_, next_s, _) in pairwise(result))


@with_each_strategy
def test_a_closed_run_begins_nothing_after_its_time_and_ends_what_it_began(tmp_path: Path, strategy: Strategy) -> None:
    request = RunRequest(run_s=0.1, concurrency=2)
    result = run(tmp_path, "sleeps", strategy, workload_of("a", "b"), request)
    assert result.items > 0
    assert result.failed == 0
    assert all(due_s <= 0.1 for due_s in result.intended_s)
    assert all(end_s - start_s >= SLEEP_S for _, start_s, end_s in rows(result))
    assert result.wall_s == max(result.end_s) - min(result.intended_s)


@with_each_strategy
def test_a_run_of_a_number_of_items_does_each_once_however_long(tmp_path: Path, strategy: Strategy) -> None:
    workload = workload_of("a", "b", "c", "d", "e", "f", "g")
    result = run(tmp_path, "sleeps", strategy, workload, RunRequest(items=7, first=3, run_s=0.001, concurrency=3))
    assert result.items == 7
    assert {number: text.strip("'") for number, text in result.samples.items()} == dict(enumerate("abcdefg"))


@pytest.mark.parametrize("strategy", ["sync", pytest.param("processes", marks=pytest.mark.slow)])
def test_one_at_a_time_means_that_no_two_overlap(tmp_path: Path, strategy: Strategy) -> None:
    result = rows(run(tmp_path, "sleeps", strategy, workload_of("a"), RunRequest(items=6, concurrency=1)))
    assert all(end_s <= next_s for (_, _, end_s), (_, next_s, _) in pairwise(result))


def test_as_many_threads_as_asked_for_work_at_once_in_every_run(tmp_path: Path) -> None:
    """Three must be inside the function for any to come out; the second run needs more threads than were started."""
    path = write_functions(tmp_path, FUNCTIONS + MEETING)
    workload = workload_of("a", "b", "c", concurrency=1)
    with started(make_strategy(Alternative("threads", "threads", function=f"{path}:meets"), workload)) as made:
        for _ in range(3):
            result = run_once(made, workload, RunRequest(items=9, concurrency=3))
            assert (result.items, result.failed) == (9, 0)


@pytest.mark.parametrize("strategy", ["sync", "threads"])
def test_an_output_that_cannot_be_compared_ends_the_run_for_all_places(tmp_path: Path, strategy: Strategy) -> None:
    workload = workload_of("a", "b")
    with started(make_strategy(calls(tmp_path, "makes_function", strategy), workload)) as made:
        with pytest.raises(ConfigError, match="can be compared"):
            run_once(made, workload, RunRequest(items=1_000_000, concurrency=2))
        assert run_once(made, workload, RunRequest(items=2, concurrency=2, is_checked=False)).items == 2


@pytest.mark.slow
def test_a_pool_counts_the_way_back_as_service_and_the_wait_before_as_latency(tmp_path: Path) -> None:
    """One worker, items of 20 ms, ten due at once: the last one's latency is all ten, its service time is its own."""
    request = RunRequest(loop="open", rate_per_s=1e6, run_s=9e-6, concurrency=1)
    result = rows(run(tmp_path, "sleeps", "processes", workload_of("a", processes=1), request))
    assert len(result) == 10
    due_s, start_s, end_s = result[-1]
    assert end_s - due_s >= 10 * SLEEP_S
    assert start_s - due_s >= 9 * SLEEP_S


def test_items_wait_for_their_time_without_spinning(tmp_path: Path) -> None:
    """Two items, 0.2 s apart: the CPU time of this process stays far below the time that passes."""
    workload = workload_of("a")
    with started(make_strategy(calls(tmp_path, "echo"), workload)) as made:
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        run_once(made, workload, RunRequest(loop="open", rate_per_s=5.0, run_s=0.3))
        passed_s, used_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    assert passed_s >= 0.2
    assert used_s < passed_s / 2
