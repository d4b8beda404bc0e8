"""For tests of the strategies on an event loop: a run in this process against the real origin, and what must come out.

Also the user's code they run, written to a file, since strategies load functions by reference.
"""

from __future__ import annotations

import gzip
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import uvloop

from penstock.model import Response
from penstock.perf.measure.model import RunRequest, RunResult
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.origin.process import OriginProcess
from penstock.perf.strategy.aio import AsyncioStrategy
from penstock.perf.strategy.engine import EngineStrategy
from penstock.perf.strategy.model import StrategyRunner
from penstock.perf.workload.digest import digest
from penstock.perf.workload.model import Alternative, Client, Workload
from penstock.perf.workload.work import record

USER_CODE = """
import asyncio

class Refused(Exception):
    status = 429

async def double(item):
    await asyncio.sleep(0)
    return item * 2

async def hurried(item):
    return None

async def gathered(item):
    running[0] += 1
    most[0] = max(most)
    most[0] = max(most[0], running[0])
    await asyncio.sleep(0.001)
    running[0] -= 1
    return most[0]

running = [0]
most = [0]

async def picky(item):
    if item == "cancelled":
        raise asyncio.CancelledError("by itself")
    if item == "refused":
        raise Refused("too much")
    if item == "exit":
        raise SystemExit("out of here")
    if item == "bad":
        raise ValueError("what a\\nbad item")  # line 31
    return item

async def stranger(item):
    return object()

async def endless(item):
    await asyncio.Event().wait()

def plain(item):
    return item

def title(response):
    return response.text[:40], len(response.body), sorted(response.input)

def nothing(response):
    return None

def stumbles(response):
    if response.url.endswith("1"):
        raise KeyError("no title")  # line 50
    return len(response.body)

def heavy(response):
    total = len(response.body)
    for number in range(60_000):
        total = (total * 31 + number) % 1_000_003
    return {"total": total, "item": response.item_id}
"""


def write_user_code(folder: Path) -> Path:
    file = folder / "user_code.py"
    file.write_text(USER_CODE, encoding="utf-8")
    return file


def make_libuv_ready() -> None:
    """libuv opens one pipe for each process, with its first loop, and keeps it for good."""
    uvloop.new_event_loop().close()


def fetch_workload(origin: OriginProcess, paths: list[str], *, process: str | None = None, **fields: Any) -> Workload:
    urls = tuple(f"{origin.url}/{path}" for path in paths)
    return Workload("test", "of a test", urls, process=process, **fields)


def asyncio_of(workload: Workload, *, client: Client = "curl", function: str | None = None) -> StrategyRunner:
    return AsyncioStrategy(Alternative("asyncio", "asyncio", client, function), workload, is_uvloop=False)


def uvloop_of(workload: Workload, *, client: Client = "curl", function: str | None = None) -> StrategyRunner:
    return AsyncioStrategy(Alternative("uvloop", "uvloop", client, function), workload, is_uvloop=True)


def engine_of(workload: Workload, *, client: Client = "curl", function: str | None = None) -> StrategyRunner:
    return EngineStrategy(Alternative("penstock", "penstock", client, function), workload)


Maker = Callable[..., StrategyRunner]
MAKERS: dict[str, Maker] = {"asyncio": asyncio_of, "uvloop": uvloop_of, "penstock": engine_of}


@contextmanager
def started(strategy: StrategyRunner) -> Iterator[StrategyRunner]:
    try:
        strategy.start()
        yield strategy
    finally:
        strategy.stop()


def run_once(strategy: StrategyRunner, workload: Workload, request: RunRequest) -> RunResult:
    schedule = Schedule(request, time.perf_counter)
    recorder = Recorder(schedule, len(workload.items), digest)
    strategy.run(schedule, recorder, request.concurrency)
    return recorder.result(
        concurrency=request.concurrency, cpu_s=strategy.worker_cpu_s(), rss_bytes=0, phases=strategy.phases()
    )


def all_items(workload: Workload, concurrency: int = 4, first: int = 0) -> RunRequest:
    """A run of each item once."""
    return RunRequest(concurrency=concurrency, items=len(workload.items), first=first)


def plain_digests(workload: Workload, output: Callable[[Response], object] = record) -> dict[int, str]:
    """The outputs' digests without any strategy: one URL after the other, with the standard library."""
    digests = {}
    for number, url in zip(count(), workload.items, strict=False):
        with urllib.request.urlopen(url) as answer:
            body = answer.read()
            body = gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body
            response = Response(number, url, url, answer.status, body, columns=("url",), row=(url,))
        digests[number] = digest(output(response))
    return digests


def in_flight_max(origin: OriginProcess) -> int:
    """The most requests the origin had at once since its last reset."""
    return max(host["inflight_max"] for host in origin.stats()["hosts"].values())
