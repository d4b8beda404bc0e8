"""The engine in virtual time: conservation, limits, retries, backpressure, draining. No sockets, no real waiting."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.admit import ResumePoint
from penstock.engine.options import EngineOptions
from penstock.engine.pipeline import Pipeline, RunResult
from penstock.engine.threads import InlineCaller
from penstock.errors import SinkError, SourceError
from penstock.model import BadRow, Failed, Failure, Item, Response, Skipped, Written
from penstock.policy.concurrency import Sample
from penstock.policy.rate import Rate
from penstock.policy.retry import RetryPolicy
from penstock.process.options import Decision
from penstock.testing import ListSource, MemorySink, ScriptedTransport, answer, run_virtual


def urls(count: int, hosts: int = 1) -> list[str]:
    return [f"http://host{index % hosts}.test/{index}" for index in range(count)]


def fast(item: Item) -> tuple[float, Response | Failure]:
    return 0.1, answer(item)


def pipeline(
    source: Any, transport: Any, sink: Any, *, runner: Any = None, resume: ResumePoint | None = None, **options: Any
) -> Pipeline:
    return Pipeline(
        source,
        transport,
        sink,
        runner=runner,
        resume=resume,
        options=EngineOptions(seed=1, **options),
        reader_caller=InlineCaller(),
        writer_caller=InlineCaller(),
    )


def run(*args: Any, **kwargs: Any) -> tuple[RunResult, float]:
    timeout_s = kwargs.pop("timeout_s", 3600.0)
    return run_virtual(pipeline(*args, **kwargs).run(), timeout_s=timeout_s)


def test_every_item_is_written_once() -> None:
    sink = MemorySink()
    result, _ = run(ListSource(urls(1000, 7)), ScriptedTransport(fast), sink)
    assert result.state == "complete"
    assert sorted(sink.durable) == list(range(1000))
    assert result.counters.written == result.counters.admitted == 1000


def test_empty_input_ends_at_once() -> None:
    result, took_s = run(ListSource([]), ScriptedTransport(fast), MemorySink())
    assert (result.state, result.counters.admitted) == ("complete", 0)
    assert took_s < 1


def test_latency_bound_run_reaches_littles_law() -> None:
    """10 in flight at 0.1 s is 100 per second: 1,000 items take 10 s, and the pulse of the drain."""
    _, took_s = run(
        ListSource(urls(1000, 5)), ScriptedTransport(fast), MemorySink(), concurrency=10, concurrency_per_host=10
    )
    assert took_s == pytest.approx(10, abs=0.05)


def test_limits_hold_and_are_used() -> None:
    transport = ScriptedTransport(fast)
    run(ListSource(urls(400, 4)), transport, MemorySink(), concurrency=12, concurrency_per_host=5)
    assert transport.in_flight_max == 12
    transport = ScriptedTransport(fast)
    run(ListSource(urls(400, 2)), transport, MemorySink(), concurrency=12, concurrency_per_host=5)
    assert transport.in_flight_max_of == {"http://host0.test": 5, "http://host1.test": 5}


def test_one_slow_host_takes_at_most_half_while_others_wait() -> None:
    def script(item: Item) -> tuple[float, Response]:
        return (60.0 if "slow" in item.url else 0.1), answer(item)

    rows = [f"http://slow.test/{n}" for n in range(100)] + [f"http://quick{n % 3}.test/{n}" for n in range(300)]
    transport = ScriptedTransport(script)
    run(ListSource(rows), transport, MemorySink(), concurrency=10, concurrency_per_host=10, timeout_s=7200)
    quick_done = [start_s for start_s, item_id, _ in transport.starts if item_id >= 100]
    assert max(quick_done) < 60, "the quick hosts had to wait for the slow one"


def test_rate_is_kept() -> None:
    transport = ScriptedTransport(fast)
    run(ListSource(urls(100)), transport, MemorySink(), rate=Rate(10.0))
    starts = sorted(start_s for start_s, _, _ in transport.starts)
    assert all(starts[i + 20] - starts[i] >= 1.0 for i in range(len(starts) - 20))
    assert starts[-1] < 10.5


def test_transient_failures_are_retried_with_growing_jitter_until_they_pass() -> None:
    def script(item: Item) -> tuple[float, Response | Failure]:
        return 0.01, answer(item) if item.attempts == 3 else Failure("reset", "broke")

    sink = MemorySink()
    result, _ = run(ListSource(urls(8)), ScriptedTransport(script), sink)
    assert result.counters.retries + result.counters.deferred == 16
    assert sink.counts == {"written": 8, "failed": 0, "skipped": 0}


def test_final_failures_become_dead_letters_without_a_retry() -> None:
    def script(item: Item) -> tuple[float, Failure]:
        return 0.01, Failure("http_4xx", "HTTP 404 Not Found", http_status=404)

    transport, sink = ScriptedTransport(script), MemorySink()
    result, _ = run(ListSource(urls(5)), transport, sink)
    assert len(transport.starts) == 5
    assert result.counters.failures == {"http_4xx": 5}
    assert all(isinstance(outcome, Failed) for outcome in sink.durable.values())


def test_retry_after_pauses_the_host_not_only_the_item() -> None:
    def script(item: Item) -> tuple[float, Response | Failure]:
        if item.id == 0 and item.attempts == 1:
            return 0.0, Failure("http_429", "HTTP 429", http_status=429, server_retry_after_s=30.0)
        return 0.01, answer(item)

    rows = ["http://busy.test/0", *(f"http://busy.test/{n}" for n in range(1, 40)), "http://other.test/40"]
    transport = ScriptedTransport(script)
    run(ListSource(rows), transport, MemorySink(), concurrency=2, concurrency_per_host=1)
    later = [start_s for start_s, item_id, _ in transport.starts if 2 <= item_id < 40]
    assert min(later) >= 30.0
    assert next(start_s for start_s, item_id, _ in transport.starts if item_id == 40) < 1.0


def test_an_empty_retry_budget_defers_and_loses_nothing() -> None:
    """A dead host: every item gets all its attempts, those over the budget at the end, then a dead letter."""

    def script(item: Item) -> tuple[float, Response | Failure]:
        return 0.01, Failure("connect", "refused", is_unsent=True) if "dead" in item.url else answer(item)

    rows = [f"http://{'dead' if n % 2 else 'fine'}.test/{n}" for n in range(400)]
    sink = MemorySink()
    result, _ = run(ListSource(rows), ScriptedTransport(script), sink)
    assert result.counters.deferred > 0
    assert sink.counts == {"written": 200, "failed": 200, "skipped": 0}
    assert result.counters.failures == {"connect": 200}


def test_deferred_items_do_not_block_admission_for_ever() -> None:
    def script(item: Item) -> tuple[float, Response | Failure]:
        return 0.01, answer(item) if item.id >= 300 else Failure("connect", "refused", is_unsent=True)

    sink = MemorySink()
    result, _ = run(ListSource(urls(600)), ScriptedTransport(script), sink, items_max=50)
    assert result.state == "complete"
    assert sink.counts == {"written": 300, "failed": 300, "skipped": 0}


@pytest.mark.parametrize("items_max", [1, 2, 7, 50])
def test_a_window_smaller_than_the_writers_batch_does_not_deadlock(items_max: int) -> None:
    sink = MemorySink(shard_rows=10_000)
    result, took_s = run(ListSource(urls(60)), ScriptedTransport(fast), sink, items_max=items_max)
    assert result.state == "complete"
    assert len(sink.durable) == 60
    assert took_s < 60 * 0.2 / items_max + 2


def test_bytes_in_memory_stay_within_the_budget() -> None:
    waiting: list[float] = []
    body = b"x" * 10_000

    def script(item: Item) -> tuple[float, Response]:
        return 0.05, answer(item, body)

    job = pipeline(
        ListSource(urls(500)), ScriptedTransport(script), MemorySink(shard_rows=10_000),
        concurrency=50, concurrency_per_host=50, bytes_max=100_000, batch_bytes=1 << 20,
    )  # fmt: skip
    job._on_round = lambda _now_s: waiting.append(job.snapshot().bytes_held)
    result, _ = run_virtual(job.run())
    assert result.state == "complete"
    assert max(waiting[2:]) <= 100_000 + 64 * 1024


def test_a_slow_sink_stops_the_source() -> None:
    source = ListSource(urls(5000))
    read_at_write: list[int] = []
    sink = MemorySink(shard_rows=100, on_write=lambda _batch: read_at_write.append(source.read_rows))
    run(source, ScriptedTransport(fast), sink, items_max=200, batch_items=50)
    for written_before, read in enumerate(read_at_write):
        assert read <= (written_before + 1) * 50 + 200 + 64


def test_bad_rows_become_dead_letters_in_place() -> None:
    rows = [*urls(3), BadRow(3, Failure("bad_url", "no host"), url="http://")]
    sink = MemorySink()
    result, _ = run(ListSource(rows), ScriptedTransport(fast), sink)
    assert isinstance(sink.durable[3], Failed)
    assert result.counters.failures == {"bad_url": 1}


class FunctionRunner:
    decision = Decision("inline", "of this test")

    def __init__(self, function: Callable[[Response], Any]) -> None:
        self.inline = function

    async def run(self, response: Response) -> Any:
        raise AssertionError("inline was there")

    async def aclose(self) -> None: ...


def test_process_results_decide_the_outcome() -> None:
    def function(response: Response) -> Any:
        match response.item_id % 3:
            case 0:
                return [{"n": 1}, {"n": 2}]
            case 1:
                return None
            case _:
                return Failure("process", "ValueError: no")

    sink = MemorySink()
    result, _ = run(ListSource(urls(9)), ScriptedTransport(fast), sink, runner=FunctionRunner(function))
    assert sink.counts == {"written": 3, "failed": 3, "skipped": 3}
    assert result.counters.records == 6


def test_resume_fetches_only_what_is_not_durable() -> None:
    transport, sink = ScriptedTransport(fast), MemorySink()
    done = set(range(128, 200)) | {64, 66}
    run(ListSource(urls(300)), transport, sink, resume=ResumePoint(64, "64", done))
    assert {item_id for _, item_id, _ in transport.starts} == set(range(64, 300)) - done


def test_checkpoints_never_pass_an_unfinished_item() -> None:
    def script(item: Item) -> tuple[float, Response]:
        return (50.0 if item.id == 70 else 0.01), answer(item)

    sink = MemorySink(shard_rows=64)
    run(ListSource(urls(1000)), ScriptedTransport(script), sink, batch_items=64)
    before_last = [checkpoint for checkpoint in sink.checkpoints[:-2] if checkpoint]
    assert before_last
    assert all(first_id <= 64 for first_id, _ in before_last)


def test_drain_finishes_what_is_in_flight_and_starts_nothing() -> None:
    transport, sink = ScriptedTransport(lambda item: (2.0, answer(item))), MemorySink()
    job = pipeline(ListSource(urls(500)), transport, sink, concurrency=20, concurrency_per_host=20)

    async def main() -> RunResult:
        asyncio.get_running_loop().call_later(5.0, job.request_drain)
        return await job.run()

    result, took_s = run_virtual(main())
    assert result.state == "interrupted"
    assert took_s == pytest.approx(6.0, abs=0.1)
    assert len(sink.durable) == 60 == result.counters.written
    assert result.counters.pending == result.counters.admitted - 60


def test_drain_gives_up_after_its_grace_and_commits_the_rest() -> None:
    def script(item: Item) -> tuple[float, Response]:
        return (1e6 if item.id == 3 else 0.1), answer(item)

    sink = MemorySink()
    job = pipeline(ListSource(urls(10)), ScriptedTransport(script), sink, drain_s=25.0)

    async def main() -> RunResult:
        asyncio.get_running_loop().call_later(5.0, job.request_drain)
        return await job.run()

    result, took_s = run_virtual(main())
    assert (result.state, result.is_drain_overdue) == ("interrupted", True)
    assert took_s == pytest.approx(30.0, abs=0.1)
    assert sorted(sink.durable) == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_second_signal_cancels_what_is_in_flight() -> None:
    import signal

    sink = MemorySink()
    job = pipeline(ListSource(urls(100)), ScriptedTransport(lambda item: (10.0, answer(item))), sink, concurrency=5)

    async def main() -> RunResult:
        loop = asyncio.get_running_loop()
        loop.call_later(12.0, lambda: job._drain.on_signal(signal.SIGTERM))  # type: ignore[union-attr]
        loop.call_later(13.0, lambda: job._drain.on_signal(signal.SIGTERM))  # type: ignore[union-attr]
        return await job.run()

    result, took_s = run_virtual(main())
    assert took_s == pytest.approx(13.0, abs=0.1)
    assert (result.state, result.signal, len(sink.durable)) == ("interrupted", signal.SIGTERM, 5)


def test_a_sink_that_cannot_write_stops_the_run_with_its_error() -> None:
    def fail(_batch: Any) -> None:
        if len(sink.batches) == 2:
            raise SinkError("no space left", hint="free some")

    sink = MemorySink(on_write=fail)
    result, _ = run(ListSource(urls(500)), ScriptedTransport(fast), sink, batch_items=20)
    assert result.state == "stopped"
    assert isinstance(result.error, SinkError)
    assert result.counters.written == len(sink.durable)


def test_a_source_that_breaks_keeps_what_it_gave() -> None:
    class Broken(ListSource):
        def read(self, first_id: int = 0, position: str | None = None) -> Any:
            for index, batch in enumerate(super().read(first_id, position)):
                if index == 3:
                    raise SourceError("truncated gzip")
                yield batch

    sink = MemorySink()
    result, _ = run(Broken(urls(500)), ScriptedTransport(fast), sink)
    assert (result.state, type(result.error)) == ("stopped", SourceError)
    assert sorted(sink.durable) == list(range(192))


def test_a_bug_in_a_stage_surfaces_and_is_not_swallowed() -> None:
    def script(item: Item) -> tuple[float, Response]:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        run(ListSource(urls(3)), ScriptedTransport(script), MemorySink())
    assert caught.group_contains(ZeroDivisionError, depth=1)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 120),
    hosts=st.integers(1, 6),
    concurrency=st.integers(1, 20),
    per_host=st.integers(1, 20),
    items_max=st.integers(1, 64),
    shard_rows=st.integers(1, 40),
    stop_after_s=st.one_of(st.none(), st.floats(0, 20)),
)
def test_nothing_is_lost_or_repeated_whatever_happens(
    seed: int, count: int, hosts: int, concurrency: int, per_host: int, items_max: int, shard_rows: int,
    stop_after_s: float | None,
) -> None:  # fmt: skip
    """Random faults, latencies, limits and a drain at a random moment; then a resume. Each item exactly once."""
    rng = random.Random(seed)
    kinds = ["reset", "connect", "timeout_total", "http_4xx", "http_5xx"]

    def script(item: Item) -> tuple[float, Response | Failure]:
        delay_s = rng.expovariate(5)
        if rng.random() < 0.3:
            kind = rng.choice(kinds)
            status = {"http_4xx": 404, "http_5xx": 503}.get(kind)
            wait_s = rng.choice([None, 0.0, 3.0, 1e9]) if kind == "http_5xx" else None
            return delay_s, Failure(kind, "scripted", http_status=status, server_retry_after_s=wait_s)  # type: ignore[arg-type]
        return delay_s, answer(item)

    sink = MemorySink(shard_rows=shard_rows)
    limits: dict[str, Any] = {
        "concurrency": concurrency,
        "concurrency_per_host": per_host,
        "items_max": items_max,
        "batch_items": 8,
        "retry": RetryPolicy(retry_after_max_s=10),
    }
    transport = ScriptedTransport(script)
    job = pipeline(ListSource(urls(count, hosts), batch_rows=16), transport, sink, **limits)

    async def main() -> RunResult:
        if stop_after_s is not None:
            asyncio.get_running_loop().call_later(stop_after_s, job.request_drain)
        return await job.run()

    result, _ = run_virtual(main(), timeout_s=3_600)
    counters = result.counters
    assert counters.written + counters.failed + counters.skipped == len(sink.durable)
    assert transport.in_flight_max <= concurrency
    assert all(most <= per_host for most in transport.in_flight_max_of.values())
    checkpoint = sink.checkpoints[-1] if sink.checkpoints else None
    first_id, position = checkpoint or (0, None)
    assert all(item_id in sink.durable for item_id in range(first_id))
    resume = ResumePoint(first_id, position, frozenset(sink.durable))
    again = pipeline(
        ListSource(urls(count, hosts), batch_rows=16), ScriptedTransport(script), sink, resume=resume, **limits
    )
    run_virtual(again.run(), timeout_s=3_600)
    assert sorted(sink.durable) == list(range(count))
    assert all(isinstance(outcome, Written | Failed | Skipped) for outcome in sink.durable.values())


def test_deferred_items_back_off_too() -> None:
    """A server that answers 429 to everything for 5 s: nothing is given up although the budget is soon empty."""

    def script(item: Item) -> tuple[float, Response | Failure]:
        is_over = asyncio.get_running_loop().time() > 1.5
        return 0.01, answer(item) if is_over else Failure("http_429", "HTTP 429", http_status=429)

    sink = MemorySink()
    result, _ = run(ListSource(urls(300)), ScriptedTransport(script), sink, retry=RetryPolicy(attempts_max=6))
    assert result.counters.deferred > 50
    assert sink.counts["written"] >= 290


def test_a_limiter_of_your_own_is_obeyed_and_hears_of_every_attempt() -> None:
    class Learning:
        def __init__(self) -> None:
            self.samples: list[tuple[float | None, str | None]] = []

        def limit(self) -> int:
            return 3 if len(self.samples) < 50 else 6

        def observe(self, sample: Sample, now_s: float) -> None:
            self.samples.append((sample.ttfb_s, sample.failure_kind))

    def script(item: Item) -> tuple[float, Response | Failure]:
        if item.id % 10 == 0:
            return 0.1, Failure("http_4xx", "HTTP 404", http_status=404)
        return 0.1, answer(item, ttfb_s=0.05)

    limiter, transport = Learning(), ScriptedTransport(script)
    job = Pipeline(
        ListSource(urls(200)), transport, MemorySink(),
        global_limiter=limiter, reader_caller=InlineCaller(), writer_caller=InlineCaller(),
    )  # fmt: skip
    run_virtual(job.run())
    assert len(limiter.samples) == 200
    assert limiter.samples.count((None, "http_4xx")) == 20
    assert limiter.samples.count((0.05, None)) == 180
    assert transport.in_flight_max == 6


@pytest.mark.parametrize("kind", ["timeout_total", "timeout_idle", "reset", "truncated", "dns_temporary"])
def test_an_item_that_fails_every_attempt_ends_as_a_dead_letter_with_its_kind(kind: Any) -> None:
    sink = MemorySink()
    result, _ = run(ListSource(urls(20)), ScriptedTransport(lambda _item: (0.1, Failure(kind, "scripted"))), sink)
    assert result.counters.failures == {kind: 20}
    assert sink.counts == {"written": 0, "failed": 20, "skipped": 0}
    assert result.counters.attempts == 80


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), cancel_after_s=st.floats(0, 3), items_max=st.integers(1, 64))
def test_a_run_cancelled_anywhere_leaves_what_a_resume_needs(seed: int, cancel_after_s: float, items_max: int) -> None:
    """The task is cancelled from outside, as by a caller's timeout: nothing hangs, is lost, or comes twice."""
    rng = random.Random(seed)

    def script(item: Item) -> tuple[float, Response | Failure]:
        if rng.random() < 0.2:
            return rng.random(), Failure("reset", "scripted")
        return rng.random(), answer(item)

    sink = MemorySink(shard_rows=7)
    limits: dict[str, Any] = {"concurrency": 8, "concurrency_per_host": 4, "items_max": items_max, "batch_items": 5}
    source = [*urls(80, 3), BadRow(80, Failure("bad_url", "scripted"))]

    async def main() -> None:
        task = asyncio.create_task(pipeline(ListSource(source), ScriptedTransport(script), sink, **limits).run())
        await asyncio.sleep(cancel_after_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1, "a task was left behind"

    run_virtual(main())
    sink.close()
    first_id, position = next((point for point in reversed(sink.checkpoints) if point), (0, None))
    assert all(item_id in sink.durable for item_id in range(first_id))
    resume = ResumePoint(first_id, position, frozenset(sink.durable))
    run_virtual(pipeline(ListSource(source), ScriptedTransport(script), sink, resume=resume, **limits).run())
    assert sorted(sink.durable) == list(range(81))
