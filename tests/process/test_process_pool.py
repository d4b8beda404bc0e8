"""Worker processes: every way of dying or misbehaving costs one item, and says how it died."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import process_stage_functions as functions
import pytest

from penstock.errors import ProcessError
from penstock.model import Failure, Response
from penstock.process.link import WorkerLink, describe_exit
from penstock.process.options import ProcessOptions, Result
from penstock.process.pool import ProcessRunner
from penstock.process.runner import make_runner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="worker processes are not supported on Windows"),
]
T = TypeVar("T")


def response(item_id: int, body: bytes = b"", url: str = "http://a/") -> Response:
    return Response(item_id, url, url, 200, body)


def in_pool(body: Callable[[ProcessRunner], Awaitable[T]], function: Any = functions.act, **options: Any) -> T:
    """Run `body` with a pool of two workers, close the pool and check that no worker is left."""

    async def main() -> T:
        runner = make_runner(ProcessOptions(function, **{"mode": "process", "workers": 2, **options}))
        assert isinstance(runner, ProcessRunner)
        try:
            return await body(runner)
        finally:
            pids = runner.worker_pids
            await runner.aclose()
            for pid in pids:
                with pytest.raises(ProcessLookupError):
                    os.kill(pid, 0)

    return asyncio.run(main())


async def run_bodies(runner: ProcessRunner, bodies: list[bytes]) -> list[Result]:
    return await asyncio.gather(*[runner.run(response(index, body)) for index, body in enumerate(bodies)])


async def warm(runner: ProcessRunner) -> None:
    """Until both workers are ready: several calls at once start both."""
    await run_bodies(runner, [b""] * 4)
    while len(runner.worker_pids) < 2:
        await asyncio.sleep(0.001)


def check_neighbours(results: list[Result], guilty: set[int]) -> None:
    for index, result in enumerate(results):
        if index not in guilty:
            assert isinstance(result, list), f"item {index} was hurt: {result}"
            assert result[0]["id"] == index


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"segfault", "process_crash", "killed by SIGSEGV"),
        (b"abort", "process_crash", "killed by SIGABRT"),
        (b"kill", "process_crash", "killed by SIGKILL (Killed; perhaps the kernel ran out of memory)"),
        (b"exit", "process_crash", "exited with code 3"),
        (b"close-descriptors", "process_crash", "exited with code"),
        (b"raise", "process", "ValueError: boo ("),
        (b"two-arguments", "process", "TwoArguments: 1 2 ("),
        (b"system-exit", "process", "SystemExit: 4 ("),
        (b"keyboard-interrupt", "process", "KeyboardInterrupt ("),
        (b"recursion", "process", "RecursionError"),
        (b"memory", "process", "Error"),
        (b"wrong-type", "process", "returned int 42"),
        (b"unpicklable", "process", "expected values that can be sent between processes (pickled), got"),
        (b"exits-when-pickled", "process", "got SystemExit"),
        (b"unreadable", "process", "the worker's result cannot be read back: ValueError"),
        (b"huge", "process", "expected a result of at most 1,048,576 bytes, got 2,097,"),
    ],
)
def test_one_bad_item_among_twenty_costs_itself_alone(body: bytes, kind: str, text: str) -> None:
    bodies = [b""] * 20
    bodies[7] = body
    results = in_pool(lambda runner: run_bodies(runner, bodies), result_bytes_max=1 << 20)
    check_neighbours(results, guilty={7})
    bad = results[7]
    assert isinstance(bad, Failure)
    assert bad.kind == kind
    assert text in bad.message


def test_a_fatal_signal_names_the_users_line() -> None:
    (bad,) = in_pool(lambda runner: run_bodies(runner, [b"segfault"]))
    assert isinstance(bad, Failure)
    assert re.search(r"process_stage_functions\.py:\d+, in ", bad.message)


def test_every_second_item_crashes_and_the_others_do_not_notice() -> None:
    bodies = [b"segfault" if index % 2 else b"" for index in range(24)]
    results = in_pool(lambda runner: run_bodies(runner, bodies))
    check_neighbours(results, guilty=set(range(1, 24, 2)))


@pytest.mark.parametrize("body", [b"loop", b"stop"])
def test_an_endless_loop_ends_at_the_limit_even_inside_c(body: bytes) -> None:
    bodies = [b""] * 8
    bodies[3] = body
    results = in_pool(lambda runner: run_bodies(runner, bodies), timeout_s=0.5)
    check_neighbours(results, guilty={3})
    bad = results[3]
    assert isinstance(bad, Failure)
    assert bad.kind == "process_timeout"
    assert "0.5 s" in bad.message


@pytest.mark.skipif(sys.platform != "linux", reason="a stopped process is recognised on Linux")
def test_a_stopped_worker_is_given_up_without_a_time_limit() -> None:
    (bad,) = in_pool(lambda runner: run_bodies(runner, [b"stop"]))
    assert isinstance(bad, Failure)
    assert bad.kind == "process_crash"
    assert "SIGSTOP" in bad.message


def test_a_death_is_noticed_although_a_forked_child_holds_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_TEST_CHILD", os.fspath(tmp_path / "pid"))
    try:
        (bad,) = in_pool(lambda runner: run_bodies(runner, [b"leave-a-child"]))
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert isinstance(bad, Failure)
    assert "exited with code 7" in bad.message


def test_a_function_that_forks_and_returns_twice_is_answered_once() -> None:
    results = in_pool(lambda runner: run_bodies(runner, [b"", b"fork", b"", b"fork", b"", b""]), workers=1)
    check_neighbours(results, guilty=set())
    assert len({records[0]["pid"] for records in results}) == 1  # type: ignore[index]  # all succeed


def test_workers_killed_while_idle_cost_nothing() -> None:
    async def body(runner: ProcessRunner) -> list[Result]:
        await warm(runner)
        pids = set(runner.worker_pids)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        while pids & set(runner.worker_pids):  # until both deaths have been noticed
            await asyncio.sleep(0.001)
        return await run_bodies(runner, [b""] * 4)

    check_neighbours(in_pool(body), guilty=set())


def test_workers_killed_at_random_cost_at_most_one_item_each_and_none_is_lost_or_charged_twice(tmp_path: Path) -> None:
    rng = random.Random(23)
    log = tmp_path / "log"
    kills = 0

    async def body(runner: ProcessRunner) -> list[Result]:
        nonlocal kills
        tasks = [asyncio.ensure_future(runner.run(response(index, url=str(log)))) for index in range(3000)]
        for _ in range(12):
            target = min(len(tasks) - 1, sum(task.done() for task in tasks) + rng.randrange(1, 200))
            await tasks[target]
            pids = runner.worker_pids
            if pids:
                os.kill(rng.choice(pids), rng.choice([signal.SIGKILL, signal.SIGSEGV]))
                kills += 1
        return await asyncio.gather(*tasks)

    results = in_pool(body, functions.record_call)
    failed = {index for index, result in enumerate(results) if isinstance(result, Failure)}
    assert all(result.kind == "process_crash" for result in results if isinstance(result, Failure))
    assert len(failed) <= kills
    check_neighbours(results, guilty=failed)
    ran = [int(line) for line in log.read_text().split()]
    assert len(ran) == len(set(ran)), "an item that had started was run again"
    assert set(range(3000)) - set(ran) <= failed


def test_large_bodies_and_large_results_pass_through_both_ways() -> None:
    size = 8 << 20

    async def body(runner: ProcessRunner) -> list[Result]:
        return await asyncio.gather(*[runner.run(response(index, bytes(size))) for index in range(6)])

    results = in_pool(body, "process_stage_functions:echo")
    assert [len(records[0]["body"]) for records in results] == [size] * 6  # type: ignore[index,arg-type]  # all succeed


@pytest.mark.parametrize(("quick_call_s", "queued"), [(float("inf"), 2), (0.0, 1)])
def test_a_second_call_waits_at_a_worker_only_while_calls_are_quick(
    monkeypatch: pytest.MonkeyPatch, quick_call_s: float, queued: int
) -> None:
    monkeypatch.setattr("penstock.process.pool._QUICK_CALL_S", quick_call_s)

    async def body(runner: ProcessRunner) -> tuple[int, int]:
        await warm(runner)  # while one worker starts, nothing is queued at the other
        tasks = [asyncio.ensure_future(runner.run(response(index))) for index in range(200)]
        most = workers = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            most = max(most, *(len(link.pending) for link in runner._links), 0)
            workers = max(workers, len(runner._links))
        return most, workers

    assert in_pool(body) == (queued, 2)


def test_a_cancelled_caller_hurts_nobody() -> None:
    async def body(runner: ProcessRunner) -> list[Result]:
        tasks = [asyncio.ensure_future(runner.run(response(index))) for index in range(60)]
        await tasks[0]
        for task in tasks[1::2]:
            task.cancel()
        return list(await asyncio.gather(*tasks[0::2]))

    results = in_pool(body)
    assert [records[0]["id"] for records in results] == list(range(0, 60, 2))  # type: ignore[index]  # all succeed


def test_an_async_function_runs_on_a_loop_of_its_own_in_each_worker() -> None:
    bodies = [b"", b"segfault", b"", b"raise", b"two"]
    results = in_pool(lambda runner: run_bodies(runner, bodies), functions.act_async)
    check_neighbours([results[0], [{"id": 1}], results[2]], guilty=set())
    assert [r.kind for r in results if isinstance(r, Failure)] == ["process_crash", "process"]
    assert results[4] == [{"n": 1}, {"n": 2}]


def test_a_function_of_a_file_and_a_bound_method_run_in_workers(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("FACTOR = 10\n")
    (tmp_path / "pages.py").write_text(
        "import neighbour\ndef f(response): return {'n': len(response.body) * neighbour.FACTOR}\n"
    )
    assert in_pool(lambda runner: run_bodies(runner, [b"abc"]), f"{tmp_path / 'pages.py'}:f") == [[{"n": 30}]]
    assert in_pool(lambda runner: run_bodies(runner, [b"abc"]), functions.Scaled(2).parse) == [[{"n": 6}]]


MAIN_SCRIPT = """
import asyncio
from penstock.model import Response
from penstock.process.options import ProcessOptions
from penstock.process.runner import make_runner

def parse(response):
    return {"n": len(response.body)}

async def main():
    runner = make_runner(ProcessOptions(parse, mode="process", workers=1))
    try:
        print(await runner.run(Response(0, "", "", 200, b"abc")))
    finally:
        await runner.aclose()
"""


@pytest.mark.parametrize("guard", ["if __name__ == '__main__':\n    asyncio.run(main())", "asyncio.run(main())"])
def test_a_function_of_the_main_script_runs_in_workers_and_a_missing_guard_is_named(tmp_path: Path, guard: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(MAIN_SCRIPT + guard + "\n")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=60)
    if guard.startswith("if"):
        assert ended.stdout == "[{'n': 3}]\n", ended.stderr
    else:
        assert ended.returncode == 1
        assert "starts a run when it is imported" in ended.stderr
        assert ended.stdout == ""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os\nif 'PENSTOCK_WORKER_IS_LOADING' in os.environ: raise RuntimeError('no licence')\n", "no licence"),
        ("import os\nif 'PENSTOCK_WORKER_IS_LOADING' in os.environ: os._exit(9)\n", "exited with code 9"),
    ],
)
def test_a_module_that_loads_here_but_not_in_workers_stops_the_stage(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "moody.py").write_text(source + "def f(response): return {}\n")

    async def body(runner: ProcessRunner) -> None:
        results = await asyncio.gather(*[runner.run(response(index)) for index in range(5)], return_exceptions=True)
        assert all(isinstance(result, ProcessError) and message in str(result) for result in results)
        with pytest.raises(ProcessError, match=message):
            await runner.run(response(9))

    in_pool(body, f"{tmp_path / 'moody.py'}:f")


def test_when_no_more_workers_can_be_started_it_goes_on_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    launch = WorkerLink._launch
    started: list[WorkerLink] = []

    def only_one(link: WorkerLink, *descriptors: int) -> object:
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(link)
        return launch(link, *descriptors)

    monkeypatch.setattr(WorkerLink, "_launch", only_one)
    results = in_pool(lambda runner: run_bodies(runner, [b""] * 12), workers=4)
    check_neighbours(results, guilty=set())


def test_when_no_worker_can_be_started_at_all_the_stage_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(link: WorkerLink, *descriptors: int) -> object:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(WorkerLink, "_launch", none)

    async def body(runner: ProcessRunner) -> None:
        with pytest.raises(ProcessError, match="cannot be started: BlockingIOError"):
            await runner.run(response(0))

    in_pool(body)


def test_a_worker_has_its_own_empty_stdin_and_its_children_hear_signals() -> None:
    ((record,),) = in_pool(lambda runner: run_bodies(runner, [b""]), functions.environment)  # type: ignore[misc]  # succeeds
    assert record == {"cwd": os.getcwd(), "child_hears_sigterm": "True", "stdin": "", "is_loading": False}


def test_a_signal_to_the_whole_group_is_left_to_the_parent() -> None:
    async def body(runner: ProcessRunner) -> list[Result]:
        await warm(runner)  # or the second worker is started only after the signals
        before = await run_bodies(runner, [b""] * 4)
        pids = runner.worker_pids
        for pid in pids:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(pid, number)
        after = await run_bodies(runner, [b""] * 4)
        assert {records[0]["pid"] for records in after} <= set(pids)  # type: ignore[index]  # all succeed
        return before + after

    assert not any(isinstance(result, Failure) for result in in_pool(body))


@pytest.mark.skipif(sys.platform != "linux", reason="address space limits hold on Linux")
def test_memory_over_the_workers_limit_is_that_items_failure() -> None:
    def bodies(runner: ProcessRunner) -> Awaitable[list[Result]]:
        return run_bodies(runner, [b"", b"a-gibibyte", b""])

    results = in_pool(bodies, worker_memory_bytes=512 << 20)
    check_neighbours(results, guilty={1})
    assert isinstance(results[1], Failure)
    assert results[1].message.startswith("MemoryError")


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is signalled on Linux")
def test_workers_die_with_a_parent_that_is_killed_even_inside_an_endless_loop(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, os, signal, sys\n"
        f"sys.path.insert(0, {os.fspath(Path(__file__).parent)!r})\n"
        "from penstock.model import Response\n"
        "from penstock.process.options import ProcessOptions\n"
        "from penstock.process.runner import make_runner\n"
        "async def main():\n"
        "    runner = make_runner(ProcessOptions('process_stage_functions:act', mode='process', workers=1))\n"
        "    await runner.run(Response(0, '', '', 200, b''))\n"
        "    task = asyncio.ensure_future(runner.run(Response(1, '', '', 200, b'loop')))\n"
        "    await asyncio.sleep(0)\n"
        "    print(runner.worker_pids[0], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    # The worker holds the write end of stdout: reading to the end waits for its death, whatever the order.
    ended = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    with contextlib.suppress(ProcessLookupError):  # gone already
        worker = os.pidfd_open(int(ended.stdout))
        readable, _, _ = select.select([worker], [], [], 30)
        os.close(worker)
        assert readable, "the worker lives on"


def test_closing_in_the_middle_cancels_what_runs_and_what_waits() -> None:
    async def body(runner: ProcessRunner) -> list[object]:
        await runner.run(response(0))
        tasks = [asyncio.ensure_future(runner.run(response(index, b"loop"))) for index in range(8)]
        await asyncio.sleep(0)
        await runner.aclose()
        results: list[object] = list(await asyncio.gather(*tasks, return_exceptions=True))
        with pytest.raises(ProcessError, match="closed"):
            await runner.run(response(9))
        return results

    assert all(isinstance(result, asyncio.CancelledError) for result in in_pool(body))


def test_a_response_that_cannot_be_pickled_fails_alone() -> None:
    async def body(runner: ProcessRunner) -> list[Result]:
        bad = response(1)
        bad.row = (lambda: 1,)
        return list(await asyncio.gather(runner.run(response(0)), runner.run(bad), runner.run(response(2))))

    results = in_pool(body)
    check_neighbours(results, guilty={1})
    assert isinstance(results[1], Failure)
    assert "cannot be sent to a worker process" in results[1].message


@pytest.fixture(scope="module")
def uvloop() -> Any:
    """uvloop after its first loop: libuv keeps two pipes for good from then on."""
    module = pytest.importorskip("uvloop")
    module.new_event_loop().close()
    return module


def test_it_works_on_uvloop_too(uvloop: Any) -> None:
    async def body() -> list[Result]:
        runner = make_runner(ProcessOptions(functions.act, mode="process", workers=2, timeout_s=30))
        assert isinstance(runner, ProcessRunner)
        results = await run_bodies(runner, [b"", b"segfault", b"", b"exit", b""])
        await runner.aclose()
        return results

    check_neighbours(uvloop.run(body()), guilty={1, 3})


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exited with code 0"), (-9, "SIGKILL"), (-11, "SIGSEGV"), (-64, "signal"), (-200, "signal 200")],
)
def test_an_exit_code_is_told_in_words(code: int, text: str) -> None:
    assert text in describe_exit(code)
