"""Inline: whatever the function does becomes a value; only the keyboard and cancellation pass through."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Callable
from pathlib import Path

import process_stage_functions as functions
import pytest

from penstock.model import Failure, Response
from penstock.process.call import code_of, is_async
from penstock.process.marker import suspects
from penstock.process.options import ProcessOptions, Runner
from penstock.process.runner import make_runner


def response(body: bytes = b"", item_id: int = 0) -> Response:
    return Response(item_id, "http://a/", "http://a/", 200, body)


def run_one(runner: Runner, what: Response) -> object:
    async def body() -> object:
        try:
            return await runner.run(what)
        finally:
            await runner.aclose()

    return asyncio.run(body())


def inline(function: Callable[..., object] | None) -> Runner:
    return make_runner(ProcessOptions(function, mode="inline"))


def test_without_a_function_each_response_is_one_record_without_columns() -> None:
    runner = inline(None)
    assert runner.inline is not None
    assert runner.inline(response()) == [{}]
    assert run_one(runner, response()) == [{}]
    assert runner.decision.mode == "none"


@pytest.mark.parametrize(
    ("body", "result"),
    [(b"two", [{"n": 1}, {"n": 2}]), (b"none", None)],
)
@pytest.mark.parametrize("function", [functions.act, functions.act_async])
def test_records_and_skips_come_back(function: Callable[..., object], body: bytes, result: object) -> None:
    assert run_one(inline(function), response(body)) == result


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"raise", "ValueError: boo ("),
        (b"two-arguments", "TwoArguments: 1 2 ("),
        (b"system-exit", "SystemExit: 4 ("),
        (b"recursion", "RecursionError: maximum recursion depth exceeded ("),
        (b"memory", "(Error"),
        (b"wrong-type", "returned int 42"),
    ],
)
@pytest.mark.parametrize("function", [functions.act, functions.act_async])
def test_what_the_function_raises_costs_the_item_alone(function: Callable[..., object], body: bytes, text: str) -> None:
    got = run_one(inline(function), response(body))
    assert isinstance(got, Failure)
    assert got.kind == "process"
    if body == b"memory":
        assert got.message.startswith(("MemoryError", "OverflowError"))
    else:
        assert text in got.message
    if body != b"wrong-type":
        assert "process_stage_functions.py:" in got.message


def test_a_keyboard_interrupt_under_a_draining_run_is_the_functions_own() -> None:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        got = inline(functions.act).inline(response(b"keyboard-interrupt"))  # type: ignore[misc]  # inline mode: is set
        assert isinstance(got, Failure)
        assert got.message.startswith("KeyboardInterrupt")
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_keyboard_interrupt_from_the_keyboard_passes_and_leaves_no_suspect(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    runner = make_runner(ProcessOptions(functions.act, mode="inline"), marker_path=tmp_path / "marker")
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.inline(response(b"keyboard-interrupt"))  # type: ignore[misc]  # inline mode: it is set
    finally:
        signal.signal(signal.SIGINT, before)
        asyncio.run(runner.aclose())
    assert suspects(tmp_path / "marker") == {}


def test_the_marker_holds_the_item_only_while_the_function_runs(tmp_path: Path) -> None:
    seen = []

    def look(what: Response) -> dict[str, object]:
        seen.append(dict(suspects(tmp_path / "marker")))
        if what.body:
            raise ValueError
        return {}

    runner = make_runner(ProcessOptions(look, mode="inline"), marker_path=tmp_path / "marker")
    assert runner.inline is not None
    runner.inline(response(item_id=7))
    runner.inline(response(b"raise", item_id=8))
    assert seen == [{7: 1}, {8: 1}]
    assert suspects(tmp_path / "marker") == {}
    asyncio.run(runner.aclose())


def test_an_async_function_is_stopped_at_the_time_limit_and_says_so() -> None:
    runner = make_runner(ProcessOptions(functions.wait_for_ever, timeout_s=0.001))
    got = run_one(runner, response())
    assert isinstance(got, Failure)
    assert got.kind == "process_timeout"
    assert "0.001 s" in got.message


def test_a_timeout_error_of_the_async_function_itself_is_no_time_limit() -> None:
    async def own_timeout(_: Response) -> None:
        raise TimeoutError("the database")

    got = run_one(make_runner(ProcessOptions(own_timeout, timeout_s=60)), response())
    assert isinstance(got, Failure)
    assert got.kind == "process"
    assert got.message.startswith("TimeoutError: the database")


def test_cancelling_the_run_passes_through_but_a_cancelled_error_of_the_function_does_not() -> None:
    async def raises_it(_: Response) -> None:
        raise asyncio.CancelledError

    assert isinstance(run_one(inline(raises_it), response()), Failure)

    async def cancel_from_outside() -> bool:
        task = asyncio.ensure_future(inline(functions.wait_for_ever).run(response()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancel_from_outside())


def test_async_is_seen_through_partials_methods_and_callable_objects() -> None:
    class Parser:
        async def __call__(self, what: Response) -> None: ...

        async def parse(self, what: Response) -> None: ...

        def plain(self, what: Response) -> None: ...

    assert is_async(Parser())
    assert is_async(Parser().parse)
    assert is_async(functools.partial(functions.act_async))
    assert not is_async(Parser().plain)
    assert not is_async(functools.partial(functions.act))
    assert code_of(functools.partial(functions.act)) is functions.act.__code__
