"""An item that took a whole run down is run in a process of its own the next time; never a crash loop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import process_stage_functions as functions
import pytest

from penstock.model import Failure, Response
from penstock.process.inline import InlineRunner
from penstock.process.isolate import SuspectRunner
from penstock.process.marker import Marker, suspects
from penstock.process.options import Decision, ProcessOptions, Result, Runner
from penstock.process.runner import make_runner


def response(item_id: int, body: bytes = b"") -> Response:
    return Response(item_id, "http://a/", "http://a/", 200, body)


def runner_that_says(where: str, ran: list[tuple[str, int]]) -> Runner:
    def function(what: Response) -> dict[str, object]:
        ran.append((where, what.item_id))
        return {}

    return InlineRunner(function, Decision("inline", where))


def run_ids(runner: Runner, ids: list[int]) -> list[Result]:
    async def body() -> list[Result]:
        results = []
        for item_id in ids:
            call = runner.inline
            results.append(call(response(item_id)) if call is not None else await runner.run(response(item_id)))
        await runner.aclose()
        return results

    return asyncio.run(body())


def test_suspects_go_to_the_isolated_runner_once_and_then_everything_is_inline_again() -> None:
    ran: list[tuple[str, int]] = []
    runner = SuspectRunner(runner_that_says("usual", ran), runner_that_says("isolated", ran), {2: 1, 4: 1})
    assert [runner.inline is None, run_ids(runner, [1, 2, 3, 4, 5]) != [], runner.inline is None] == [True, True, False]
    assert ran == [("usual", 1), ("isolated", 2), ("usual", 3), ("isolated", 4), ("usual", 5)]


def test_without_isolation_a_suspect_has_one_more_try_and_is_given_up_after_the_second_death() -> None:
    ran: list[tuple[str, int]] = []
    runner = SuspectRunner(runner_that_says("usual", ran), None, {2: 1, 4: 2})
    results = run_ids(runner, [2, 4])
    assert ran == [("usual", 2)]
    assert isinstance(results[1], Failure)
    assert results[1].kind == "process_crash"
    assert "2 runs died" in results[1].message


def test_a_cancelled_suspect_stays_a_suspect() -> None:
    async def body() -> None:
        isolated = make_runner(ProcessOptions(functions.wait_for_ever))
        runner = SuspectRunner(runner_that_says("usual", []), isolated, {2: 1})
        task = asyncio.ensure_future(runner.run(response(2)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert runner.inline is None
        await runner.aclose()

    asyncio.run(body())


def test_make_runner_takes_suspects_from_the_marker_and_from_the_caller(tmp_path: Path) -> None:
    marker = Marker(tmp_path / "marker")
    marker.slots[0] = 7 + 1
    marker.close()
    for options in (ProcessOptions(functions.act, mode="inline"), ProcessOptions(functions.act)):
        runner = make_runner(options, marker_path=tmp_path / "marker")
        assert runner.inline is None
        asyncio.run(runner.aclose())
    runner = make_runner(ProcessOptions(functions.act, mode="inline"), suspect_ids=frozenset({3}))
    assert runner.inline is None
    asyncio.run(runner.aclose())
    # In a process every item is isolated anyway; an async function leaves no marks.
    assert not isinstance(
        make_runner(ProcessOptions(functions.act, mode="process"), tmp_path / "marker"), SuspectRunner
    )
    assert not isinstance(make_runner(ProcessOptions(functions.act_async), tmp_path / "marker"), SuspectRunner)


RUN = """
import asyncio, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.path.insert(0, {tests!r})
from penstock.model import Failure, Response
from penstock.process.options import ProcessOptions
from penstock.process.runner import make_runner

async def main(folder, mode):
    done = folder / "done"
    before = set(done.read_text().split()) if done.exists() else set()
    runner = make_runner(ProcessOptions("process_stage_functions:act", mode=mode, workers=2), folder / "marker")
    try:
        for item_id in range(30):
            if str(item_id) in before:
                continue
            response = Response(item_id, "", "", 200, b"segfault" if item_id in (4, 11) else b"")
            call = runner.inline
            result = call(response) if call is not None else await runner.run(response)
            with done.open("a") as file:
                file.write(f"{{item_id}}\\n")
            if isinstance(result, Failure):
                print(item_id, result.kind, flush=True)
    finally:
        await runner.aclose()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="worker processes are not supported on Windows")
@pytest.mark.parametrize("mode", ["inline", "auto", "thread"])
def test_a_segfaulting_item_costs_one_restart_and_then_only_itself(tmp_path: Path, mode: str) -> None:
    script = RUN.format(tests=os.fspath(Path(__file__).parent))

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, os.fspath(tmp_path), mode]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    first, second, third = run(), run(), run()
    assert (first.returncode, first.stdout) == (-signal.SIGSEGV, "")
    assert (second.returncode, second.stdout) == (-signal.SIGSEGV, "4 process_crash\n")
    assert (third.returncode, third.stdout) == (0, "11 process_crash\n"), third.stderr
    assert sorted(map(int, (tmp_path / "done").read_text().split())) == list(range(30))
    assert suspects(tmp_path / "marker") == {4: 1, 11: 1}
