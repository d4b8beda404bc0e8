"""START HERE for the strategy penstock: the real engine, one Pipeline for each run, transport and process runner kept.

On uvloop where it is installed, as `penstock` itself runs. Telemetry and retries are off: nothing else measures itself,
and an attempt that fails is a lost item in every strategy. The rule: an item has ended when its output is in this
process's hands, as everywhere; the engine's batching on the way to its sink is not part of any item's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from penstock.engine.options import EngineOptions
from penstock.engine.pipeline import Pipeline
from penstock.fetch.callable import FetchFunction, FunctionTransport
from penstock.fetch.transport import Transport
from penstock.model import Failure, Item, Response
from penstock.perf.measure.recorder import Recorder
from penstock.perf.measure.schedule import Schedule
from penstock.perf.strategy.aio import async_function
from penstock.perf.strategy.clients.asynchronous import async_client
from penstock.perf.strategy.engine_run import Notes, RecordingSink, ScheduledSource, TimedRunner, TimedTransport
from penstock.perf.strategy.loops import engine_factory, make_room
from penstock.perf.strategy.losses import failure_of_error
from penstock.perf.strategy.model import AsyncClient
from penstock.perf.strategy.outputs import OutputRecord
from penstock.perf.strategy.pacing import Pacer
from penstock.perf.strategy.phases import NO_SUMS, mean_phases
from penstock.perf.strategy.workercosts import workers_cpu_s
from penstock.perf.workload.model import Alternative, Workload
from penstock.policy.retry import RetryPolicy
from penstock.process.inline import NoFunction
from penstock.process.options import ProcessOptions, Runner

_NEVER_S = 1e9
_BATCH_MIN = 8  # outcomes that wake the sink, when the concurrency is lower
_NO_RETRY = RetryPolicy(attempts_max=1, retry_after_max_s=0.0)


class EngineStrategy:
    """A `StrategyRunner` on Penstock's engine.

    The process function runs where Penstock decides (mode auto): on the loop while it is quick, in as many worker
    processes as there are cores when it computes for long. That is measured on the first items, so in the warm-up.
    Closed loop: the engine reads the schedule ahead as it does any source, so an item counts as due when a place took
    it (making the Pipeline, under 1 ms, stands before the first); at the end of the time the run is drained, and what
    was only read is never begun. Open loop: the source yields an item when it is due, without reading ahead.

    Its own cost above the engine's is 2 to 3 µs for each item; the engine's heartbeat, 50 a second, counts as CPU of
    the run, which shows where items are few.
    """

    def __init__(self, alternative: Alternative, workload: Workload) -> None:
        self._alternative = alternative
        self._workload = workload
        self._is_fetch = alternative.function is None
        self._runner: asyncio.Runner | None = None
        self._transport: TimedTransport | None = None
        self._process: TimedRunner | None = None
        self._pacer: Pacer | None = None
        self._notes = Notes()

    def start(self) -> None:
        """Raises ConfigError for: a client library that is missing, a function that is missing or of the wrong kind."""
        self._runner = asyncio.Runner(loop_factory=engine_factory())
        try:
            self._runner.run(self._open())
        except BaseException:
            self.stop()
            raise

    def run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        """Raises ConfigError for an output that cannot be compared, or more connections than may be opened;
        ProcessError when worker processes cannot be started."""
        assert self._runner is not None, "start() comes first"
        make_room(concurrency)
        self._runner.run(self._run(schedule, recorder, concurrency))

    def worker_cpu_s(self) -> float:
        return workers_cpu_s(self.worker_ids())

    def worker_ids(self) -> tuple[int, ...]:
        return self._process.worker_ids if self._process is not None else ()

    def phases(self) -> Mapping[str, float]:
        """Of fetches. `process` includes the way to a worker process and back, and the wait for a free one."""
        return mean_phases([NO_SUMS], [self._notes.phases.now()]) if self._is_fetch else {}

    def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        try:
            runner.run(self._close())
        finally:
            runner.close()

    async def _open(self) -> None:
        self._pacer = Pacer()
        process: Runner = NoFunction()
        if self._is_fetch:
            from penstock.process.runner import make_runner

            output = OutputRecord(self._workload)
            output.load()
            process = make_runner(ProcessOptions(output))
        self._process = TimedRunner(process)
        self._transport = TimedTransport(self._make_transport())

    def _make_transport(self) -> Transport:
        if not self._is_fetch:
            return FunctionTransport(self._calling(async_function(self._alternative)))
        if self._alternative.client == "curl":
            from penstock.perf.strategy.clients.curl_async import curl_transport

            return curl_transport(self._workload)
        return _ClientTransport(async_client(self._alternative.client, self._workload))

    def _calling(self, function: Callable[[str], Awaitable[object]]) -> FetchFunction:
        """The user's function as the engine's fetch: its output goes to the notes, around Penstock's records."""

        async def call(item: Item) -> Response | Failure:
            try:
                output = await function(item.url)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code: it costs this item alone
                return failure_of_error(error, function)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise  # somebody cancels the run
                return failure_of_error(error, function)
            self._notes.outputs[item.id] = (output, perf_counter())
            return Response(item.id, item.url, item.url, 200, b"")

        return call

    async def _run(self, schedule: Schedule, recorder: Recorder, concurrency: int) -> None:
        assert self._transport is not None
        assert self._process is not None
        assert self._pacer is not None
        notes = self._notes = self._transport.notes = Notes()
        batch = max(_BATCH_MIN, concurrency)
        options = EngineOptions(
            concurrency=concurrency,
            concurrency_per_host=concurrency,
            concurrency_max=concurrency,
            retry=_NO_RETRY,
            # Those in flight, as many ready to follow, and a batch on its way to the sink: places never wait for items,
            # and little is read that a short run never begins.
            items_max=2 * concurrency + batch,
            wake_items=batch,
            drain_s=_NEVER_S,  # whoever measures decides when it is too long
            telemetry=False,
        )
        source = ScheduledSource(
            schedule, self._workload.items, notes, self._pacer, is_fetch=self._is_fetch, rows=concurrency
        )
        sink = RecordingSink(recorder, notes, is_fetch=self._is_fetch)
        pipeline = Pipeline(source, self._transport, sink, runner=self._process, options=options)
        request = schedule.request
        end: asyncio.TimerHandle | None = None
        if request.loop == "closed" and request.items is None:
            left_s = schedule.began_s + request.run_s - perf_counter()
            end = asyncio.get_running_loop().call_later(max(0.0, left_s), pipeline.request_drain)
        try:
            result = await pipeline.run()
        finally:
            if end is not None:
                end.cancel()
        if result.error is not None:
            raise result.error

    async def _close(self) -> None:
        process, transport = self._process, self._transport
        self._process = self._transport = None
        if process is not None:
            await process.aclose()
        if transport is not None:
            await transport.aclose()
        pacer, self._pacer = self._pacer, None
        if pacer is not None:
            pacer.close()


class _ClientTransport:
    """Another library's client as the engine's transport. Its time-outs are its own."""

    buffered_bytes = 0

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def fetch(self, item: Item) -> Response | Failure:
        return await self._client.get(item.id, item.url)

    def sweep(self, now_s: float) -> None:
        """Nothing to end."""

    async def aclose(self) -> None:
        await self._client.aclose()
