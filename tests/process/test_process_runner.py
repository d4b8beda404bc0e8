"""make_runner refuses, before anything starts, what cannot work as asked."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import process_stage_functions as functions
import pytest

from penstock.errors import ConfigError
from penstock.model import Response
from penstock.process.options import ProcessOptions
from penstock.process.portable import WORKER_VARIABLE, Portable, portable
from penstock.process.runner import make_runner


def top_level(response: Response) -> dict[str, object]:
    return {}


async def top_level_async(response: Response) -> dict[str, object]:
    return {}


def closure() -> Callable[..., Any]:
    def inner(response: Response) -> dict[str, object]:
        return {}

    return inner


class Parser:
    def parse(self, response: Response) -> dict[str, object]:
        return {}


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (ProcessOptions("no_colon"), "expected module:function", "--process"),
        (ProcessOptions(Parser), "got the class Parser", "takes the response"),
        (ProcessOptions(closure), "closure()", "def parse(response)"),
        (ProcessOptions(lambda r: {}, mode="process"), "but a lambda cannot be sent", "module:function"),
        (ProcessOptions(closure(), mode="process"), "is defined inside another function", "use thread mode"),
        (ProcessOptions(lambda r: {}, timeout_s=1), "but a lambda cannot be sent", "drop the time limit"),
        (ProcessOptions(top_level, mode="inline", timeout_s=2.5), "a time limit (2.5 s)", "--process-mode process"),
        (ProcessOptions(top_level, mode="thread", timeout_s=2.5), "got thread mode", "--process-mode process"),
        (ProcessOptions(top_level_async, mode="thread"), "got `async def`", "--process-mode inline"),
    ],
)
def test_a_function_that_does_not_fit_the_mode_is_a_config_error(
    options: ProcessOptions, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_runner(options)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_wrong_numbers_are_reported_together() -> None:
    options = ProcessOptions(
        top_level,
        mode="fast",  # type: ignore[arg-type]  # what a config file might hold
        workers=0,
        timeout_s=0,
        worker_memory_bytes=1000,
        result_bytes_max=0,
    )
    with pytest.raises(ConfigError) as caught:
        make_runner(options)
    for part in ("process mode", "process workers", "process timeout", "worker memory", "largest result"):
        assert part in str(caught.value)


def test_a_marker_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="crash marker"):
        make_runner(ProcessOptions(top_level), marker_path=tmp_path / "missing" / "marker")


def test_a_run_started_while_a_worker_imports_the_script_names_the_main_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKER_VARIABLE, "1")
    with pytest.raises(ConfigError) as caught:
        make_runner(ProcessOptions(top_level))
    assert "if __name__ == '__main__':" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("options", "mode", "reason"),
    [
        (ProcessOptions(None), "none", "no process function"),
        (ProcessOptions(top_level, mode="inline"), "inline", "asked for"),
        (ProcessOptions(top_level, mode="thread"), "thread", "asked for"),
        (ProcessOptions(top_level, mode="process"), "process", "asked for"),
        (ProcessOptions(top_level, timeout_s=1), "process", "timeout_s"),
        (ProcessOptions(top_level_async), "inline", "async"),
        (ProcessOptions(top_level_async, timeout_s=1), "inline", "async"),
        (ProcessOptions(top_level_async, mode="process"), "process", "asked for"),
        (ProcessOptions(top_level), "measuring", "no call"),
    ],
)
def test_the_decision_says_where_and_why(options: ProcessOptions, mode: str, reason: str) -> None:
    runner = make_runner(options)
    assert runner.decision.mode == mode
    assert reason in runner.decision.reason
    asyncio.run(runner.aclose())


def test_functions_travel_by_name_and_other_callables_by_value() -> None:
    assert portable(top_level) == Portable(reference=f"{__name__}:top_level")
    assert portable(Parser.parse) == Portable(reference=f"{__name__}:Parser.parse")
    assert portable(lambda r: {}, "pages.py:parse") == Portable(reference="pages.py:parse")
    for function in (functools.partial(functions.act), Parser().parse):
        sent = portable(function)
        assert isinstance(sent, Portable)
        assert sent.pickled is not None


def test_a_function_whose_name_means_something_else_now_is_not_sent_by_name() -> None:
    wrapped = functools.wraps(top_level)(lambda response: {"wrapped": True})
    assert isinstance(portable(wrapped), str), "the name would find the function without its wrapper"
