"""A whole job: opens input, output, process function and transport, runs the pipeline, and closes everything again.

Decides what an existing output means (resume, refuse, overwrite). Nothing is created before every input was checked.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from penstock.engine.admit import IdSet, ResumePoint
from penstock.engine.descriptors import DescriptorFit, fit_descriptors
from penstock.engine.drain import Signals
from penstock.engine.options import EngineOptions
from penstock.engine.pipeline import Pipeline, RunResult
from penstock.engine.rundir import RunDir
from penstock.engine.runfacts import function_name, run_facts, settings_shown, write_stats
from penstock.engine.seriesfile import SERIES_NAME, SeriesFile
from penstock.engine.store import Store
from penstock.engine.storeoptions import ShardOptions
from penstock.engine.threads import DaemonThread
from penstock.errors import ConfigError, SinkError
from penstock.fetch.options import FetchOptions
from penstock.fetch.transport import Transport
from penstock.model import FailureKind
from penstock.policy.addresses import AddressPolicy
from penstock.process.options import ProcessOptions, Runner
from penstock.process.runner import make_runner
from penstock.sources.options import SourceOptions
from penstock.sources.source import Source
from penstock.telemetry.counters import Counters, Earlier
from penstock.telemetry.machinefacts import machine_facts
from penstock.telemetry.observed import Observed
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.stats import RunFacts
from penstock.version import __version__

if TYPE_CHECKING:
    import pyarrow

RUN_FORMAT = 1
_MARKER_NAME = "process.marker"


@dataclass(frozen=True)
class Job:
    """Everything a run is told. `on_existing`: what to do when `out` holds a run. "auto" resumes it if it is of the
    same input and refuses it otherwise, "resume" goes on even if the input looks different, "overwrite" starts anew.
    `wrap_transport` may put something around the transport, say, what traces each attempt."""

    inputs: tuple[str, ...]
    out: Path
    source: SourceOptions = field(default_factory=SourceOptions)
    fetch: FetchOptions = field(default_factory=FetchOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    process: ProcessOptions = field(default_factory=ProcessOptions)
    shards: ShardOptions = field(default_factory=ShardOptions)
    addresses: AddressPolicy = field(default_factory=AddressPolicy)
    on_existing: Literal["auto", "resume", "overwrite"] = "auto"
    wrap_transport: Callable[[Transport], Transport] | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended: `run` as the engine says, `snapshot` of the end, `facts` for the summary, `observed` the series
    and the verdict (None without telemetry), `note` what the user should know besides (may be empty)."""

    run: RunResult
    snapshot: Snapshot
    facts: RunFacts
    observed: Observed | None = None
    note: str = ""

    @property
    def exit_code(self) -> int:
        """0 all written · 1 some items failed · 75 stopped but resumable · 130 or 143 interrupted, drained cleanly."""
        if self.run.state == "stopped" or self.run.is_drain_overdue:
            return 75
        if self.run.signal is not None:
            return 128 + self.run.signal
        if self.run.state == "interrupted":
            return 75
        return 1 if self.run.counters.failed else 0


class Watcher:
    """Sees a job while it runs: `started` once, then `on_round` four times a second. This one does nothing."""

    def started(self, pipeline: Pipeline) -> None: ...

    def on_round(self, now_s: float) -> None: ...


async def run_job(
    job: Job,
    *,
    watcher: Watcher | None = None,
    handle_signals: bool = False,
    on_step: Callable[[str], None] | None = None,
) -> JobResult:
    """Fetch, process and write `job`. Raises ConfigError before anything is started or created.

    `on_step` is called at each step of the commit protocol (`store.STEPS`); for tests that kill the process there.
    """
    from penstock.sources.inputs import open_source

    source = open_source(job.inputs, job.source)
    make_runner(job.process)  # only to find out now whether the function can be used
    run_dir = RunDir(job.out)
    total = source.total if source.total is not None else source.estimate_total()
    prepared = _prepare(job, run_dir, source.fingerprint, source.columns, source.schema, on_step)
    try:
        resume = prepared.store.resume
        point = _resume_point(resume.checkpoint, resume.done)
        earlier = Earlier(resume.written, resume.failed, resume.skipped)
        result = await _run(job, prepared, source, point, earlier, total, watcher or Watcher(), handle_signals)
        if result.run.error is None:
            prepared.store.compact_failed()  # what a retry that was killed has left behind
        return result
    finally:
        prepared.store.close()


async def run_retry(
    job: Job,
    kinds: tuple[FailureKind, ...],
    *,
    watcher: Watcher | None = None,
    handle_signals: bool = False,
) -> JobResult:
    """Try the dead letters of `kinds` in `job.out` again (all kinds when empty), under their old ids.

    Each ends as written, skipped or failed anew; its old dead letter is then gone. Raises ConfigError when `job.out`
    holds no run.
    """
    from penstock.engine.retrysource import RETRYABLE_KINDS, DeadLetterSource

    run_dir = RunDir(job.out)
    if not run_dir.is_run():
        raise ConfigError(
            f"{job.out}: expected the output folder of a run, found none there", hint="penstock fetch … -o OUT"
        )
    make_runner(job.process)
    kinds = kinds or RETRYABLE_KINDS
    source = DeadLetterSource(run_dir, kinds)
    prepared = _prepare(job, run_dir, None, source.columns, source.schema, None, retry_kinds=kinds)
    try:
        resume = prepared.store.resume
        earlier = Earlier(resume.written, resume.failed - source.total, resume.skipped)
        point = ResumePoint(done=resume.done)
        result = await _run(job, prepared, source, point, earlier, source.total, watcher or Watcher(), handle_signals)
        if result.run.error is None:
            prepared.store.compact_failed()
        return result
    finally:
        prepared.store.close()


@dataclass(frozen=True, slots=True)
class _Prepared:
    run_dir: RunDir
    store: Store
    run: dict[str, object]
    before: Mapping[str, object]
    is_retry: bool
    fit: DescriptorFit


def _prepare(
    job: Job,
    run_dir: RunDir,
    fingerprint: str | None,
    columns: tuple[str, ...],
    schema: pyarrow.Schema | None,
    on_step: Callable[[str], None] | None,
    *,
    retry_kinds: tuple[FailureKind, ...] = (),
) -> _Prepared:
    from penstock.fetch.curl import check_features

    check_features()
    fit = fit_descriptors(job.engine)
    before: Mapping[str, object] = {}
    if run_dir.is_run():
        if job.on_existing == "overwrite":
            with _locked(run_dir):
                run_dir.erase()
        else:
            before = run_dir.read_run()
            _check_same_run(job, run_dir, before, fingerprint)
    store = Store.open(run_dir, job.shards, columns, schema, on_step, retry_kinds=retry_kinds)
    run: dict[str, object] = {
        "format": RUN_FORMAT,
        "penstock": __version__,
        "python": sys.version.split()[0],
        "inputs": before.get("inputs") if fingerprint is None else list(map(_shown, job.inputs)),
        "fingerprint": before.get("fingerprint") if fingerprint is None else fingerprint,
        "output_format": job.shards.format,
        "process": function_name(job.process.function),
        "created": before.get("created") or _now(),
        "started": _now(),
        "state": "running",
    }
    try:
        run_dir.write_run(run)
    except BaseException:
        store.close()
        raise
    return _Prepared(run_dir, store, run, before, fingerprint is None, fit)


def _check_same_run(job: Job, run_dir: RunDir, before: Mapping[str, object], fingerprint: str | None) -> None:
    old = before.get("fingerprint")
    if fingerprint is None or job.on_existing == "resume" or not old or not fingerprint or old == fingerprint:
        return
    raise ConfigError(
        f"{run_dir.root} holds the run of another input: expected {before.get('inputs')} as it was, "
        f"got {[_shown(name) for name in job.inputs]}, which differs in content",
        hint="choose another folder with -o, or give --overwrite to start anew, or --resume if it is the same list",
    )


async def _run(
    job: Job,
    prepared: _Prepared,
    source: Source,
    point: ResumePoint,
    earlier: Earlier,
    total: int | None,
    watcher: Watcher,
    handle_signals: bool,
) -> JobResult:
    from penstock.fetch.curl import CurlTransport

    store, run_dir = prepared.store, prepared.run_dir
    runner = make_runner(job.process, run_dir.internal / _MARKER_NAME)
    transport: Transport = CurlTransport(
        job.fetch,
        refusal=job.addresses.refusal,
        columns=source.columns,
        connections_max=prepared.fit.connections_max,
    )
    if job.wrap_transport is not None:
        transport = job.wrap_transport(transport)
    writer = DaemonThread("penstock-writer")
    series = SeriesFile(run_dir.internal / SERIES_NAME, str(prepared.run["started"]))
    pipeline = Pipeline(
        source,
        transport,
        store,
        runner=runner,
        options=prepared.fit.options,
        counters=Counters(earlier),
        resume=point,
        on_round=watcher.on_round,
        on_window=series.collector(writer.post, lambda: pipeline.observer.shape() if pipeline.observer else None),
        writer_caller=writer,
        total_hint=total,
    )
    with Signals(asyncio.get_running_loop()) if handle_signals else nullcontext() as signals:
        if signals is not None:
            signals.target = pipeline.on_signal
        try:
            watcher.started(pipeline)
            run = await pipeline.run()
        finally:
            writer.close()
            await runner.aclose()
            await transport.aclose()
    series.flush()
    return _concluded(job, prepared, pipeline, runner, run)


def _concluded(job: Job, prepared: _Prepared, pipeline: Pipeline, runner: Runner, run: RunResult) -> JobResult:
    """Write down how the run ended."""
    store, run_dir = prepared.store, prepared.run_dir
    snapshot = pipeline.snapshot(hosts_max=50)
    facts = run_facts(job.shards.format, run_dir, runner, run, pipeline.held_items)
    observed = None
    if pipeline.observer is not None:
        observed = replace(pipeline.observer.observed(), settings=settings_shown(job), machine=machine_facts())
    if run.error is not None:
        pipeline.acknowledge(store.unreported())  # committed before the output broke, and told to nobody yet
    with suppress(SinkError):  # the run's own error says that the output is broken
        run_dir.write_run({**prepared.run, **_ending(prepared, run), "ended": _now()})
    write_stats(run_dir, snapshot, facts, observed)
    return JobResult(run, snapshot, facts, observed, prepared.fit.note)


def _resume_point(checkpoint: tuple[int, str] | None, done: IdSet) -> ResumePoint:
    first_id, position = checkpoint if checkpoint is not None else (0, None)
    return ResumePoint(first_id, position, done)


def _ending(prepared: _Prepared, run: RunResult) -> dict[str, object]:
    """What `run.json` says of the end. A retry does not read the input, so it leaves that part as it was."""
    if prepared.is_retry:
        return {"state": prepared.before.get("state", run.state), "items_total": prepared.before.get("items_total", 0)}
    return {"state": run.state, "items_total": run.counters.admitted if run.state == "complete" else 0}


def _locked(run_dir: RunDir) -> _Released:
    return _Released(run_dir)


class _Released:
    def __init__(self, run_dir: RunDir) -> None:
        self._lock = run_dir.lock()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _shown(name: str) -> str:
    from penstock.fetch.classify import redact

    return redact(name)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
