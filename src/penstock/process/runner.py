"""START HERE: makes the runner that the options ask for, after checking them against each other.

It runs nothing itself. The one rule: whatever cannot work as asked is a ConfigError now, before the first request.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from penstock.errors import ConfigError
from penstock.process.auto import AutoRunner, Clocks, Places
from penstock.process.call import guarded, is_async, marked
from penstock.process.inline import AsyncRunner, InlineRunner, NoFunction
from penstock.process.isolate import SuspectRunner
from penstock.process.load import check_function, load_function
from penstock.process.marker import Marker, suspects
from penstock.process.options import Decision, Mode, ProcessOptions, Runner
from penstock.process.portable import WORKER_VARIABLE, Portable, portable

_WORKERS_MAX = 64


def make_runner(
    options: ProcessOptions,
    marker_path: Path | None = None,
    suspect_ids: frozenset[int] = frozenset(),
    clocks: Clocks | None = None,
) -> Runner:
    """The runner for `options`. Starts no thread or process yet; call inside the event loop's thread.

    `marker_path`, in a folder that exists, is where a sync function outside a worker process leaves the ids of the
    items it is at, so that after a crash of the whole run the next one runs those in a process of their own.
    `suspect_ids` are further items to run that way. Raises ConfigError as `load_function`, and for options that do not
    fit each other or the function.
    """
    _check_numbers(options)
    if options.function is None:
        return NoFunction()
    plan = _plan(options, clocks)
    if plan.mode == "process" or is_async(plan.function):
        return plan.direct_runner()
    deaths: Mapping[int, int] = dict.fromkeys(suspect_ids, 1)
    marker = None
    if marker_path is not None:
        deaths = {**deaths, **suspects(marker_path)}
        try:
            marker = Marker(marker_path)
        except OSError as error:
            raise ConfigError(f"crash marker {marker_path}: expected a file that can be written, {error}") from error
    inner = plan.sync_runner(marker)
    if not deaths:
        return inner
    isolated = None if plan.cannot_isolate else plan.processes(Decision("process", "suspects of an earlier crash"))
    return SuspectRunner(inner, isolated, deaths)


def available_cores() -> int:
    """The cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Plan:
    options: ProcessOptions
    function: Callable[..., Any]
    mode: Mode
    where: Portable | str
    clocks: Clocks | None

    @property
    def cannot_isolate(self) -> str | None:
        return self.where if isinstance(self.where, str) else None

    def direct_runner(self) -> Runner:
        if self.mode == "process":
            asked = "asked for" if self.options.mode == "process" else "the only place where timeout_s can be kept"
            return self.processes(Decision("process", asked))
        return AsyncRunner(self.function, Decision("inline", "async, awaited on the loop"), self.options.timeout_s)

    def sync_runner(self, marker: Marker | None) -> Runner:
        if self.mode == "inline":
            return InlineRunner(self.function, Decision("inline", "asked for"), marker)
        if self.mode == "thread":
            return self.threads(Decision("thread", "asked for"), marker)
        call = guarded(self.function) if marker is None else marked(self.function, marker, slot=0)
        places = Places(
            call=call,
            make_threads=lambda decision: self.threads(decision, marker),
            make_processes=self.processes,
            cannot_isolate=self.cannot_isolate,
            cores=available_cores(),
        )
        return AutoRunner(places, self.clocks, marker=marker)

    def threads(self, decision: Decision, marker: Marker | None) -> Runner:
        from penstock.process.threads import ThreadRunner

        # A function that waits profits from more threads than cores; the standard library's default for the same case.
        workers = self.options.workers or min(32, available_cores() + 4)
        return ThreadRunner(self.function, workers, replace(decision, workers=workers), marker)

    def processes(self, decision: Decision) -> Runner:
        from penstock.process.pool import ProcessRunner  # with subprocess and tempfile: 30 ms of start-up
        from penstock.process.worker import Setup

        assert isinstance(self.where, Portable)
        setup = Setup(self.where, os.getpid(), self.options.result_bytes_max, self.options.worker_memory_bytes)
        workers = self.options.workers or available_cores()
        return ProcessRunner(setup, workers, self.options.timeout_s, replace(decision, workers=workers))


def _plan(options: ProcessOptions, clocks: Clocks | None) -> _Plan:
    if os.environ.get(WORKER_VARIABLE):
        raise ConfigError(
            "the script with the process function starts a run when it is imported; worker processes import it",
            hint="put the start of the run under: if __name__ == '__main__':",
        )
    reference = options.function if isinstance(options.function, str) else None
    if isinstance(options.function, str):
        function = load_function(options.function)
    else:
        assert options.function is not None
        check_function(options.function, _label(options.function))
        function = options.function
    where = portable(function, reference)
    mode = options.mode
    if is_async(function):
        if mode == "thread":
            raise ConfigError(
                f"process function {_label(function)}: expected a plain `def` for thread mode, got `async def`",
                hint="--process-mode inline awaits it on the event loop; process gives each worker its own loop",
            )
        mode = "process" if mode == "process" else "inline"
    elif options.timeout_s is not None:
        if mode in ("inline", "thread"):
            raise ConfigError(
                f"a time limit ({options.timeout_s:g} s) on a process function needs process mode, got {mode} mode, "
                "where a running function cannot be stopped",
                hint="--process-mode process, or leave out --process-timeout",
            )
        mode = "process"
    if mode == "process" and isinstance(where, str):
        raise ConfigError(
            f"process function {_label(function)}: expected one that a worker process can import, but {where}",
            hint="define it with def at the top level of a module and name it as module:function, or "
            + ("use thread mode" if options.timeout_s is None else "drop the time limit"),
        )
    return _Plan(options, function, mode, where, clocks)


def _check_numbers(options: ProcessOptions) -> None:
    problems = []
    if options.mode not in get_args(Mode):
        problems.append(f"process mode: expected one of {', '.join(get_args(Mode))}, got {options.mode!r}")
    if options.workers is not None and not 1 <= options.workers <= _WORKERS_MAX:
        problems.append(f"process workers: expected 1 to {_WORKERS_MAX}, got {options.workers}")
    if options.timeout_s is not None and not 0 < options.timeout_s < float("inf"):
        problems.append(f"process timeout: expected seconds over 0, got {options.timeout_s}")
    if options.worker_memory_bytes is not None and options.worker_memory_bytes < 64 * 2**20:
        problems.append(f"worker memory: expected at least 64 MiB, got {options.worker_memory_bytes} bytes")
    if options.result_bytes_max < 1:
        problems.append(f"largest result: expected at least 1 byte, got {options.result_bytes_max}")
    if problems:
        raise ConfigError("; ".join(problems))


def _label(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', '?')}:{name}"
