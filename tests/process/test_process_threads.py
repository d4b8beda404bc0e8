"""Threads: bounded, named, and a call's misbehaviour costs its item alone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import process_stage_functions as functions
import pytest

from penstock.errors import ProcessError
from penstock.model import Failure, Response
from penstock.process.marker import suspects
from penstock.process.options import ProcessOptions, Result
from penstock.process.runner import make_runner


def response(item_id: int, body: bytes = b"") -> Response:
    return Response(item_id, "http://a/", "http://a/", 200, body)


def test_results_come_back_to_their_items_from_named_threads() -> None:
    async def body() -> list[Result]:
        runner = make_runner(ProcessOptions(functions.thread_name, mode="thread", workers=2))
        results = await asyncio.gather(*[runner.run(response(index)) for index in range(20)])
        await runner.aclose()
        return results

    names = {record["thread"] for records in asyncio.run(body()) for record in records}  # type: ignore[union-attr]  # all succeed
    assert names <= {"penstock-process_0", "penstock-process_1"}


def test_at_most_twice_the_threads_are_inside_the_pool_and_the_rest_waits() -> None:
    gate, running = threading.Event(), threading.Semaphore(0)

    def hold(_: Response) -> dict[str, object]:
        running.release()
        gate.wait()
        return {}

    async def body() -> tuple[int, int]:
        runner = make_runner(ProcessOptions(hold, mode="thread", workers=2))
        tasks = [asyncio.ensure_future(runner.run(response(index))) for index in range(50)]
        await asyncio.to_thread(lambda: (running.acquire(), running.acquire()))
        queued = runner._executor._work_queue.qsize()  # type: ignore[attr-defined]  # no public way to see it
        gate.set()
        results = await asyncio.gather(*tasks)
        await runner.aclose()
        return queued, len(results)

    assert asyncio.run(body()) == (2, 50)


@pytest.mark.parametrize("body", [b"raise", b"system-exit", b"keyboard-interrupt", b"wrong-type"])
def test_what_a_call_raises_costs_its_item_alone(body: bytes) -> None:
    async def run() -> list[Result]:
        runner = make_runner(ProcessOptions(functions.act, mode="thread", workers=1))
        bodies = [b"", body, b""]
        results = await asyncio.gather(*[runner.run(response(i, what)) for i, what in enumerate(bodies)])
        await runner.aclose()
        return results

    first, bad, last = asyncio.run(run())
    assert isinstance(bad, Failure)
    assert bad.kind == "process"
    assert isinstance(first, list)
    assert isinstance(last, list)


def test_each_thread_marks_its_own_item(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    seen: list[dict[int, int]] = []

    def look(_: Response) -> dict[str, object]:
        both.wait()
        seen.append(dict(suspects(tmp_path / "marker")))
        both.wait()
        return {}

    async def body() -> None:
        runner = make_runner(ProcessOptions(look, mode="thread", workers=2), marker_path=tmp_path / "marker")
        await asyncio.gather(runner.run(response(3)), runner.run(response(4)))
        await runner.aclose()

    asyncio.run(body())
    assert seen == [{3: 1, 4: 1}] * 2
    assert suspects(tmp_path / "marker") == {}


def test_a_closed_pool_says_so() -> None:
    async def body() -> None:
        runner = make_runner(ProcessOptions(functions.act, mode="thread", workers=1))
        await runner.aclose()
        await runner.aclose()
        with pytest.raises(ProcessError, match="closed"):
            await runner.run(response(0))

    asyncio.run(body())
