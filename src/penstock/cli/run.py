"""What the commands that run a job share: what watches it while it runs, summary and exit code at its end."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.observe import Observation, Watchers
from penstock.cli.profiling import Profiling
from penstock.engine.job import Job, JobResult, Watcher
from penstock.engine.pipeline import Pipeline
from penstock.telemetry.progress import Mode, Progress
from penstock.version import __version__

if TYPE_CHECKING:
    from penstock.cli.dashboard import DashboardWatcher

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


class Session:
    """All that stands around one run: live view, dashboard, metrics, traces, JSON lines. A context manager.

    Once entered, `job` is the job with what they put around its parts; `watcher` goes to `run_job`, and `ended` takes
    its result.
    """

    def __init__(self, command: str, job: Job, parameters: dict[str, Any]) -> None:
        """`command`: `fetch` or `retry`. Raises ConfigError when a flag cannot be obeyed, or an extra is missing."""
        self._parameters = parameters
        self._observation = Observation(command, parameters)
        self.profiling = Profiling(command, parameters)
        self.job = job
        is_silent = parameters["quiet"] or self._observation.is_json
        self._progress = ProgressWatcher(
            "none" if is_silent else parameters["progress"], is_verbose=parameters["verbose"]
        )
        self._dashboard = _dashboard(parameters, self._observation)
        watchers = [*self._observation.watchers, self._progress]
        self.watcher: Watcher = Watchers(watchers if self._dashboard is None else [*watchers, self._dashboard])
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        with ExitStack() as stack:
            stack.enter_context(self.profiling)
            stack.enter_context(self._observation)
            if self._dashboard is not None:
                stack.enter_context(self._dashboard)
            stack.enter_context(self._progress)
            self._stack = stack.pop_all()
        self.job = replace(self.job, wrap_transport=self._observation.wrap_transport)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ended(self, result: JobResult) -> None:
        """Hand the result to all who tell of it."""
        self._observation.finished(result)
        if self._dashboard is not None:
            self._dashboard.finished(result)


def _dashboard(parameters: dict[str, Any], observation: Observation) -> DashboardWatcher | None:
    if parameters["dashboard"] is None:
        return None
    from penstock.cli.dashboard import DashboardWatcher

    about = {"title": parameters["out"], "version": __version__}
    return DashboardWatcher(parameters["dashboard"], about, observation.say)


def finish(result: JobResult, parameters: dict[str, Any], said: Sequence[str] = ()) -> None:
    """Print the summary on stderr, then the lines of `said`, write `--stats`, and leave with the run's exit code."""
    from penstock.telemetry.stats import summary_dict

    if parameters["stats"] is not None:
        summary = summary_dict(result.snapshot, result.facts, result.observed)
        parameters["stats"].write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    if parameters["log_format"] == "json":
        _leave(result.exit_code)  # JSON lines have told everything, errors too
    if not parameters["quiet"]:
        show_summary(result)
        click.echo("".join(f"{line}\n" for line in said), err=True, nl=False)
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
    verdict = result.observed.verdict if result.observed is not None else None
    write_lines(summary_lines(result.snapshot, facts, verdict), sys.stderr, os.environ)
