"""Functions of the user's under asyncio, uvloop and penstock: what they return is the output, what they raise costs the
item and names their line, and neither hides from the other items."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from async_strategy_kit import MAKERS, Maker, all_items, make_libuv_ready, run_once, started, write_user_code
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.perf.measure.model import RunRequest
from penstock.perf.workload.digest import digest
from penstock.perf.workload.model import Workload

with_each_strategy = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@pytest.fixture(scope="module", autouse=True)
def libuv() -> None:
    make_libuv_ready()


@with_each_strategy
def test_what_an_async_function_returns_is_the_output(make: Maker, tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    workload = Workload("test", "", ("a", "not a URL", "ü"))
    with started(make(workload, function=f"{file}:double")) as strategy:
        result = run_once(strategy, workload, RunRequest(concurrency=2, items=6, first=1))
    assert dict(result.digests) == {n: digest(2 * item) for n, item in enumerate(workload.items)}
    assert result.items == 6
    assert result.phases == {}


@with_each_strategy
def test_as_many_run_at_once_as_asked_for(make: Maker, tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    workload = Workload("test", "", ("a",))
    with started(make(workload, function=f"{file}:gathered")) as strategy:
        for most in (3, 7):  # the function gives the most that ever ran at once
            result = run_once(strategy, workload, RunRequest(concurrency=most, items=8 * most))
            last = run_once(strategy, workload, RunRequest(concurrency=1, items=1))
            assert result.items == 8 * most
            assert last.samples[0] == str(most)


@with_each_strategy
def test_what_a_function_raises_costs_its_item_alone_and_names_the_line(make: Maker, tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    workload = Workload("test", "", ("a", "bad", "b", "refused", "cancelled", "exit", "c"))
    with started(make(workload, function=f"{file}:picky")) as strategy:
        result = run_once(strategy, workload, all_items(workload, 3))
    lines = file.read_text().splitlines()
    at = {text: next(n for n, line in enumerate(lines, 1) if text in line) for text in ("what a", "too much", "by it")}
    failures = dict(result.failures)
    assert sorted(result.digests) == [0, 2, 6]
    assert (result.items, result.failed, result.pushbacks) == (3, 4, 1)
    assert failures[1] == f"ValueError: what a bad item ({file}:{at['what a']}, in picky)"
    assert failures[3] == f"Refused: too much ({file}:{at['too much']}, in picky)"
    assert failures[4] == f"CancelledError: by itself ({file}:{at['by it']}, in picky)"
    assert failures[5].startswith("SystemExit: out of here")


@with_each_strategy
def test_each_item_of_any_run_is_told_once(make: Maker, tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    workload = Workload("test", "", ("a", "bad", "b", "refused", "cancelled", "exit", "c"))
    good = (0, 2, 6)
    with started(make(workload, function=f"{file}:picky")) as strategy:

        @settings(max_examples=30)
        @given(concurrency=st.integers(1, 12), items=st.integers(0, 40), first=st.integers(0, 30))
        def told_once(concurrency: int, items: int, first: int) -> None:
            result = run_once(strategy, workload, RunRequest(concurrency=concurrency, items=items, first=first))
            at = [number % 7 for number in range(first, first + items)]
            assert result.items == sum(index in good for index in at)
            assert result.failed == items - result.items
            assert result.pushbacks == at.count(3)
            assert set(result.digests) == set(at) & set(good)

        told_once()


@with_each_strategy
def test_an_output_that_cannot_be_compared_ends_the_run_as_a_config_error(make: Maker, tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    workload = Workload("test", "", ("a", "b", "c"))
    with started(make(workload, function=f"{file}:stranger")) as strategy:
        with pytest.raises(ConfigError, match="expected a value that can be compared"):
            run_once(strategy, workload, all_items(workload, 2))
        # Unchecked, it is only counted; and the loop is still good.
        result = run_once(strategy, workload, RunRequest(concurrency=2, items=3, is_checked=False))
    assert result.items == 3


@with_each_strategy
def test_more_places_than_the_system_opens_is_said_before_the_run(make: Maker, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    file = write_user_code(tmp_path)
    workload = Workload("test", "", ("a",))
    too_many = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if not 0 < too_many < 1_000_000:
        too_many = None
    with started(make(workload, function=f"{file}:double")) as strategy:
        if too_many is None:
            pytest.skip("this system opens as many files as one likes")
        with pytest.raises(ConfigError, match="connections at once") as raised:
            run_once(strategy, workload, RunRequest(concurrency=too_many, items=1))
    assert "ulimit" in str(raised.value.hint)


@with_each_strategy
def test_the_wait_for_an_item_that_is_due_later_does_not_stop_the_others(make: Maker, tmp_path: Path) -> None:
    file = write_user_code(tmp_path)
    workload = Workload("test", "", ("a",))
    request = RunRequest(loop="open", concurrency=64, run_s=0.1, rate_per_s=200.0)
    with started(make(workload, function=f"{file}:hurried")) as strategy:
        result = run_once(strategy, workload, request)
    assert result.items == 21
    assert all(start_s >= due_s for start_s, due_s in zip(result.start_s, result.intended_s, strict=True))


_ENDLESS = """
import sys
from penstock.perf.measure.model import RunRequest
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.make import make_strategy
from penstock.perf.workload.model import Alternative, Workload

workload = Workload("test", "", ("a",))
strategy = make_strategy(Alternative("x", sys.argv[1], function=sys.argv[2]), workload)
strategy.start()
schedule = Schedule(RunRequest(concurrency=2, items=5))
print("running", flush=True)
strategy.run(schedule, Recorder(schedule, 1, str), 2)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("strategy", ["asyncio", "uvloop", "penstock"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_whose_item_never_ends_is_ended_by_a_signal(
    strategy: str, number: signal.Signals, tmp_path: Path
) -> None:
    file = write_user_code(tmp_path)
    command = [sys.executable, "-c", _ENDLESS, strategy, f"{file}:endless"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"running\n"
            process.send_signal(number)
            assert process.wait(30) == -number
        finally:
            process.kill()
