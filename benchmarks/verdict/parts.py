"""Pipelines of one's own for scenarios that `penstock.run` cannot set up: slow sinks, sources and clients in Python.

Each builder gets the URLs and returns a pipeline that probes like a job does. `PARTS` names them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any

from benchmarks.verdict.functions import compute
from benchmarks.verdict.scenario import Scenario

import penstock
from penstock.config import build_job
from penstock.engine.job import Job
from penstock.engine.pipeline import Pipeline
from penstock.fetch.curl import CurlTransport
from penstock.fetch.transport import Transport
from penstock.model import Ack, Failed, Item, Outcome, Skipped, Written
from penstock.sources.async_iterables import AsyncIterableSource
from penstock.sources.iterables import IterableSource


@dataclass(slots=True)
class Made:
    """A pipeline, what must be closed after it, and the tasks that belong to it."""

    pipeline: Pipeline
    transport: Transport
    extra: asyncio.Task[None] | None = None


class PacedSink:
    """Takes `item_s` for each outcome and keeps nothing; durable at once."""

    def __init__(self, item_s: float) -> None:
        self._item_s = item_s

    def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        time.sleep(self._item_s * len(outcomes))
        return acknowledged(outcomes)

    def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        return Ack()

    def close(self) -> None:
        """Nothing to release."""


class AwaitedSink:
    """The same on the loop, awaiting."""

    def __init__(self, item_s: float) -> None:
        self._item_s = item_s

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        await asyncio.sleep(self._item_s * len(outcomes))
        return acknowledged(outcomes)

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        return Ack()


def acknowledged(outcomes: Sequence[Outcome]) -> Ack:
    """All of them durable."""
    return Ack(
        ids=[outcome.item.id for outcome in outcomes],
        written=sum(isinstance(outcome, Written) for outcome in outcomes),
        failed=sum(isinstance(outcome, Failed) for outcome in outcomes),
        skipped=sum(isinstance(outcome, Skipped) for outcome in outcomes),
    )


def _job(scenario: Scenario) -> Job:
    settings: Any = {**scenario.settings, "allow_private": ["all"]}
    job = build_job((), "", settings)
    # Few results at a time and a small window: a slow sink pushes back within the first seconds.
    engine = replace(job.engine, items_max=96, batch_items=8, wake_items=1, probe="early")
    return replace(job, engine=engine)


def _curl(job: Job) -> Transport:
    return CurlTransport(job.fetch, refusal=job.addresses.refusal, columns=("url",))


def _with_sink(scenario: Scenario, urls: list[str], sink: Any) -> Made:
    job = _job(scenario)
    transport = _curl(job)
    return Made(Pipeline(IterableSource(urls), transport, sink, options=job.engine), transport)


async def sleeping_sink(scenario: Scenario, urls: list[str]) -> Made:
    return _with_sink(scenario, urls, PacedSink(0.010))


async def slower_sink(scenario: Scenario, urls: list[str]) -> Made:
    return _with_sink(scenario, urls, PacedSink(0.020))


async def awaiting_sink(scenario: Scenario, urls: list[str]) -> Made:
    return _with_sink(scenario, urls, AwaitedSink(0.020))


async def blocking_client(scenario: Scenario, urls: list[str]) -> Made:
    async def fetch(item: Item) -> bytes:
        await asyncio.sleep(0)
        time.sleep(0.01)  # noqa: ASYNC251 - the fault that this scenario is about
        return b"answer"

    job = _job(scenario)
    transport = penstock.FunctionTransport(fetch)
    source = IterableSource([{"url": url} for url in urls])
    return Made(Pipeline(source, transport, PacedSink(0.0), options=job.engine), transport)


async def computing_client(scenario: Scenario, urls: list[str]) -> Made:
    async def fetch(item: Item) -> bytes:
        await asyncio.sleep(0.01)
        compute(0.002)
        return b"answer"

    job = _job(scenario)
    transport = penstock.FunctionTransport(fetch)
    source = IterableSource([{"url": url} for url in urls])
    return Made(Pipeline(source, transport, PacedSink(0.0), options=job.engine), transport)


async def rogue_callback(scenario: Scenario, urls: list[str]) -> Made:
    made = _with_sink(scenario, urls, PacedSink(0.0))

    async def rogue() -> None:
        while True:
            await asyncio.sleep(0.010)
            time.sleep(0.080)  # noqa: ASYNC251 - the fault that this scenario is about

    made.extra = asyncio.create_task(rogue())
    return made


async def slow_generator(scenario: Scenario, urls: list[str]) -> Made:
    def elements() -> Iterator[str]:
        for url in chain.from_iterable(repeat(urls)):
            time.sleep(0.020)
            yield url

    job = _job(scenario)
    transport = _curl(job)
    return Made(Pipeline(IterableSource(elements), transport, PacedSink(0.0), options=job.engine), transport)


async def slow_async_iterable(scenario: Scenario, urls: list[str]) -> Made:
    async def elements() -> AsyncIterator[str]:
        for url in urls:
            await asyncio.sleep(0.030)
            yield url

    job = _job(scenario)
    transport = _curl(job)
    source = AsyncIterableSource(elements(), options=job.source)
    await source.aopen()
    return Made(Pipeline(source, transport, PacedSink(0.0), options=job.engine), transport)


_BUILDERS = (sleeping_sink, slower_sink, awaiting_sink, blocking_client, computing_client, rogue_callback)
PARTS: dict[str, Callable[[Scenario, list[str]], Any]] = {
    builder.__name__: builder for builder in (*_BUILDERS, slow_generator, slow_async_iterable)
}
