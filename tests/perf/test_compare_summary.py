"""A row of the table: each number from its runs, or the reason why it cannot be said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from runs_kit import COMPUTING, WAITING, WORKLOAD, Shape, compared, run, runs

from penstock.perf.compare.serial import serial_share
from penstock.perf.compare.summary import summarise
from penstock.perf.workload.model import Alternative

ASYNCIO = Alternative("asyncio", "asyncio")
SHAPE = Shape(1000, 0.02, 0.0005, switches=0.5, rss_bytes=50_000_000)


def test_throughput_cost_memory_and_switches_come_from_the_closed_loop() -> None:
    one = summarise(WORKLOAD, ASYNCIO, runs(SHAPE, 1), runs(SHAPE, 2, rounds=5, rate_per_s=500), 500)
    assert one.throughput_per_s.value == pytest.approx(1000, rel=0.03)
    assert one.throughput_per_s.n == one.runs == 8
    assert one.cpu_s_per_1000.value == pytest.approx(0.5, rel=0.03)
    assert one.rss_bytes.value == pytest.approx(50e6)
    assert one.switches_per_item.value == pytest.approx(0.5, rel=0.02)
    assert one.items == one.service.p50.n
    assert one.keeps_up is True
    assert one.wait_share is None


def test_latency_is_from_the_intended_start_and_service_time_from_the_actual() -> None:
    late = run(500, loop="open", rate_per_s=400, service_s=0.01)
    for number in range(late.items):
        late.start_s[number] += 0.005
        late.end_s[number] += 0.005
    one = summarise(WORKLOAD, ASYNCIO, [run(500, service_s=0.01)] * 5, [late] * 5, 400)
    assert one.latency is not None
    assert one.latency.p50.value == pytest.approx(0.015)
    assert one.service.p50.value == pytest.approx(0.01)


def test_without_an_open_loop_there_is_no_latency() -> None:
    one = summarise(WORKLOAD, ASYNCIO, runs(SHAPE, 1), [], None)
    assert (one.latency, one.keeps_up) == (None, None)


def test_who_cannot_keep_up_has_no_percentiles_but_the_reason() -> None:
    slow = Shape(100, 0.01, 0.001)
    one = summarise(WORKLOAD, ASYNCIO, runs(slow, 1), runs(slow, 2, rounds=5, rate_per_s=400), 400)
    assert one.keeps_up is False
    assert one.latency is not None
    assert one.latency.p50.value is None
    assert one.latency.p95.note.startswith("cannot keep up (")
    assert one.latency.p95.note.endswith(" of 400/s)")


def test_who_was_not_run_in_the_open_loop_is_judged_by_the_closed_one() -> None:
    one = summarise(WORKLOAD, ASYNCIO, runs(Shape(100, 0.01, 0.001), 1), [], 400)
    assert one.keeps_up is False
    assert one.latency is not None
    assert one.latency.p99.value is None


def test_the_waiting_share_is_told_at_concurrency_one_only() -> None:
    sync = summarise(WORKLOAD, Alternative("sync", "sync"), runs(WAITING["sync"], 1), [], None)
    assert sync.wait_share == pytest.approx(1 - 48 * 0.0004, abs=0.005)
    assert summarise(WORKLOAD, ASYNCIO, runs(SHAPE, 1), [], None).wait_share is None


def test_the_function_takes_the_clients_place() -> None:
    mine = Alternative("mine", "threads", function="my_module:fetch")
    one = summarise(WORKLOAD, mine, [], [], None)
    assert (one.client, one.function) == (None, "my_module:fetch")
    assert one.concurrency == WORKLOAD.concurrency
    assert summarise(WORKLOAD, ASYNCIO, [], [], None).client == "curl"


def test_no_runs_make_a_row_of_reasons() -> None:
    one = summarise(WORKLOAD, Alternative("sync", "sync"), [], [], None)
    assert one.runs == one.items == 0
    assert one.concurrency == 1
    for estimate in (one.throughput_per_s, one.cpu_s_per_1000, one.rss_bytes, one.service.p95, one.switches_per_item):
        assert estimate.value is None
        assert estimate.note


def test_what_the_system_does_not_tell_is_none() -> None:
    blind = [replace(one, rss_bytes=0, cpu_s=0.0) for one in runs(WAITING["sync"], 1)]
    one = summarise(WORKLOAD, Alternative("sync", "sync"), blind, [], None)
    assert one.rss_bytes.value is None
    assert one.cpu_s_per_1000.value is None
    assert one.wait_share is None
    assert one.throughput_per_s.value is not None


def test_phases_are_means_over_the_runs_that_tell_them() -> None:
    told = [
        replace(run(100), phases={"dns": 0.1, "body": 0.3}),
        replace(run(100), phases={"dns": 0.3}),
        run(100),
    ]
    assert summarise(WORKLOAD, ASYNCIO, told, [], None).phases == pytest.approx({"dns": 0.2, "body": 0.3})


def test_the_serial_share_bounds_what_one_interpreter_can_do() -> None:
    waiting, computing = serial_share(compared(WAITING).summaries), serial_share(compared(COMPUTING).summaries)
    assert waiting is not None
    leanest = min(one.cpu_s_per_1000.value or 1 for one in compared(WAITING).summaries if one.strategy != "processes")
    assert waiting.cpu_s == pytest.approx(leanest / 1000)
    assert waiting.share == pytest.approx(48 * waiting.cpu_s, rel=0.05)
    assert waiting.speedup_max == pytest.approx(1 / waiting.share)
    assert waiting.reached == pytest.approx(1430 / 48, rel=0.05)
    assert waiting.alone_s == pytest.approx(1 / 48, rel=0.03)
    assert computing is not None
    assert computing.reached_by == "processes"
    assert computing.share == pytest.approx(0.97, abs=0.03)


def test_the_serial_share_never_passes_one() -> None:
    computing = Shape(100, 0.01, 0.02, concurrency=1)
    busy = serial_share(compared({"sync": computing, "processes": SHAPE}).summaries)
    assert busy is not None
    assert busy.share == busy.speedup_max == 1


def test_without_a_run_at_concurrency_one_there_is_no_serial_share() -> None:
    assert serial_share(compared({"threads": SHAPE, "asyncio": SHAPE}).summaries) is None
    assert serial_share([]) is None
