"""What the commands that run a job share: the live view while it runs, summary and exit code at its end."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import click

from penstock.engine.job import JobResult, Watcher
from penstock.engine.pipeline import Pipeline
from penstock.telemetry.progress import Mode, Progress

_HOSTS_SHOWN = 15


class ProgressWatcher(Watcher):
    """Draws the live view from the engine's rounds. A context manager: leaving it restores the terminal."""

    def __init__(self, mode: Mode, *, is_verbose: bool) -> None:
        self._mode: Mode = mode
        self._hosts_max = _HOSTS_SHOWN if is_verbose else 0
        self._progress: Progress | None = None

    def __enter__(self) -> ProgressWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.close()

    def started(self, pipeline: Pipeline) -> None:
        self._progress = Progress(lambda: pipeline.snapshot(hosts_max=self._hosts_max), mode=self._mode)

    def on_round(self, now_s: float) -> None:
        if self._progress is not None:
            self._progress.tick(now_s)


def keep_memory_flat() -> None:
    """Let Arrow allocate with jemalloc where its build has it: the peak of a long run is 120 MB instead of 140 to 155,
    at the same CPU: freed row groups go back. It concerns the whole process, so the library leaves it alone."""
    import pyarrow as pa

    if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
        with suppress(NotImplementedError):
            pa.set_memory_pool(pa.jemalloc_memory_pool())


def watch(parameters: dict[str, Any]) -> ProgressWatcher:
    """The live view that the flags ask for."""
    return ProgressWatcher("none" if parameters["quiet"] else parameters["progress"], is_verbose=parameters["verbose"])


def finish(result: JobResult, parameters: dict[str, Any]) -> None:
    """Print the summary on stderr, write `--stats`, and leave with the run's exit code."""
    from penstock.telemetry.stats import summary_dict

    if parameters["stats"] is not None:
        parameters["stats"].write_text(
            json.dumps(summary_dict(result.snapshot, result.facts), indent=2) + "\n", "utf-8"
        )
    if not parameters["quiet"]:
        if parameters["log_format"] == "json":
            click.echo(json.dumps(summary_dict(result.snapshot, result.facts)), err=True)
        else:
            show_summary(result)
    if result.note:
        click.echo(f"penstock: {result.note}", err=True)
    error = result.run.error
    if error is not None:
        click.echo(f"penstock: {error}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
    _leave(result.exit_code)


def _leave(code: int) -> None:
    """Exit, also when a thread of the process function never ends: the interpreter would wait for it."""
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if any(thread.name.startswith("penstock-process") for thread in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def show_summary(result: JobResult) -> None:
    """The end of a run for people, on stderr, with the command that goes on where it stopped."""
    from penstock.telemetry.summary import summary_lines
    from penstock.telemetry.terminal import write_lines

    facts = replace(result.facts, resume_command=shlex.join(["penstock", *sys.argv[1:]]))
    write_lines(summary_lines(result.snapshot, facts), sys.stderr, os.environ)
