"""The library's front door: `run`, a whole job, blocking; and `stream`, answers in a loop of your own.

Both stand on the same engine. `run` writes files and survives a kill; `stream` keeps nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack, assert_never

from penstock.config import Settings, build_job
from penstock.engine.admit import AsyncSource
from penstock.engine.descriptors import connections_kept
from penstock.engine.pipeline import Pipeline, RunResult
from penstock.errors import ConfigError
from penstock.fetch.callable import FetchFunction, FunctionTransport
from penstock.fetch.transport import Transport
from penstock.model import Ack, Failed, Failure, Item, Outcome, Response, Skipped, Written
from penstock.sources.options import SourceOptions
from penstock.sources.source import Source

if TYPE_CHECKING:
    from penstock.engine.job import Job, JobResult

_READ_AHEAD_ROWS = 64
Urls: TypeAlias = Iterable[str | Mapping[str, Any] | Item] | AsyncIterable[str | Mapping[str, Any] | Item]


@dataclass(slots=True)
class Record:
    """One result of `stream`: an answer with what the process function made of it, or the reason there is none.

    `failure` is None on success; otherwise `response` is None and `data` empty. `input` holds the row's columns.
    """

    item_id: int
    url: str
    response: Response | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    failure: Failure | None = None
    input: Mapping[str, object] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.failure is None

    @property
    def body(self) -> bytes:
        """The decoded body. Raises ValueError when the item failed."""
        if self.response is None:
            raise ValueError(f"item {self.item_id} has no body: {self.failure}")
        return self.response.body


def run(inputs: str | Path | Sequence[str | Path], out: str | Path, **settings: Unpack[Settings]) -> JobResult:
    """Fetch, process and write a whole list, blocking; the same as `penstock fetch` with flags as keywords.

    Called again after an interruption or a crash it goes on where it stopped. Ctrl-C drains first. The result's
    `exit_code` and `run.counters` say how it went. Raises ConfigError before anything is started, PenstockError when
    the input or output breaks (what was committed stays).
    """
    from penstock.engine.job import run_job
    from penstock.engine.loop import run_blocking

    names = [str(inputs)] if isinstance(inputs, str | Path) else [str(name) for name in inputs]
    result = run_blocking(run_job(build_job(names, out, settings), handle_signals=True))
    if result.run.error is not None:
        raise result.run.error
    return result


async def stream(
    urls: Urls, *, fetch: FetchFunction | None = None, **settings: Unpack[Settings]
) -> AsyncIterator[Record]:
    """Fetch `urls` concurrently and yield a `Record` for each as it ends, in the order of completion.

    `urls` is any iterable or async iterable of URLs, dicts with a `url`, or `Item`s; it is read no faster than records
    are taken. Settings are the flags of `penstock fetch` (those that concern files have no effect); `fetch` replaces
    libcurl with a function of your own. An item whose process function returns None is not yielded, one with several
    records yields each. Failures are yielded too: look at `record.failure`. Leaving the loop early stops the run.
    """
    from penstock.process.runner import make_runner

    job = build_job((), "", settings)
    # A lazy iterable is read a few items ahead, no further.
    ahead = settings.get("window") or 4 * job.engine.concurrency
    source = await _source_of(urls, replace(job.source, batch_rows=max(1, min(_READ_AHEAD_ROWS, ahead // 4))))
    runner = make_runner(job.process)
    transport: Transport = FunctionTransport(fetch) if fetch is not None else _curl(job, source.columns)
    handover = _Handover(source.columns)
    # Records are handed over as they come.
    options = replace(job.engine, items_max=ahead, batch_items=64, wake_items=1, telemetry=False)
    task = asyncio.create_task(handover.run(Pipeline(source, transport, handover, runner=runner, options=options)))
    try:
        while (records := await handover.next()) is not None:
            for record in records:
                yield record
        result = await task
        if result.error is not None:
            raise result.error
    finally:
        handover.abandon()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.aclose()
        await transport.aclose()


def _curl(job: Job, columns: tuple[str, ...]) -> Transport:
    from penstock.fetch.curl import CurlTransport, check_features

    check_features()
    return CurlTransport(
        job.fetch,
        refusal=job.addresses.refusal,
        columns=columns,
        connections_max=connections_kept(job.engine.concurrency),
    )


async def _source_of(urls: Urls, options: SourceOptions) -> Source | AsyncSource:
    from penstock.sources.async_iterables import AsyncIterableSource
    from penstock.sources.iterables import IterableSource

    if isinstance(urls, str | bytes):
        raise ConfigError(f"urls: expected an iterable of URLs, got one {type(urls).__name__}", hint="pass [url]")
    if isinstance(urls, AsyncIterable):
        source = AsyncIterableSource(urls, options=options)
        await source.aopen()
        return source
    # A generator's first element is taken to see its columns: not on the loop, it may be slow.
    return await asyncio.to_thread(IterableSource, urls, options=options)


class _Handover:
    """A sink whose store is the caller's loop. At most one batch waits to be taken; the writer waits for its turn."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._batches: asyncio.Queue[list[Record] | None] = asyncio.Queue(maxsize=1)
        self._is_abandoned = False

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        records = [record for outcome in outcomes for record in _records_of(outcome, self._columns)]
        if records and not self._is_abandoned:
            await self._batches.put(records)
        ack = Ack(ids=[outcome.item.id for outcome in outcomes])
        for outcome in outcomes:
            ack.written += isinstance(outcome, Written)
            ack.failed += isinstance(outcome, Failed)
            ack.skipped += isinstance(outcome, Skipped)
        return ack

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        return Ack()

    async def next(self) -> list[Record] | None:
        """The next batch; None after the last."""
        return await self._batches.get()

    async def run(self, pipeline: Pipeline) -> RunResult:
        """Run the pipeline, and let the consumer know the end, however it came."""
        try:
            return await pipeline.run()
        finally:
            if not self._is_abandoned:
                await self._batches.put(None)

    def abandon(self) -> None:
        """The consumer has left: nobody will take anything any more."""
        self._is_abandoned = True
        while not self._batches.empty():
            self._batches.get_nowait()


def _records_of(outcome: Outcome, columns: tuple[str, ...]) -> list[Record]:
    item = outcome.item
    row = dict(zip(columns, item.row, strict=False))
    match outcome:
        case Written():
            response = outcome.response
            return [Record(item.id, item.url, response, data, input=row) for data in outcome.records]
        case Failed():
            return [Record(item.id, item.url, failure=outcome.failure, input=row)]
        case Skipped():
            return []
        case _:
            assert_never(outcome)
