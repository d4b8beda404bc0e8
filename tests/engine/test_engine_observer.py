"""What the observer sees of runs whose truth is known by construction, in virtual time; and the controls of a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from penstock.engine.options import EngineOptions
from penstock.engine.pipeline import Pipeline, RunResult
from penstock.engine.threads import InlineCaller
from penstock.errors import ConfigError
from penstock.model import Ack, Batch, Failure, Item, Outcome, Response
from penstock.policy.rate import Rate
from penstock.telemetry.window import Window
from penstock.testing import ListSource, MemorySink, ScriptedTransport, answer, run_virtual

SOURCE = ("source_busy", "source_blocked", "source_ended")
FETCH = ("fetch_busy", "fetch_process", "fetch_blocked", "fetch_input", "fetch_rate", "fetch_host", "fetch_ended")


def urls(count: int, hosts: int = 1) -> list[str]:
    return [f"http://host{index % hosts}.test/{index}" for index in range(count)]


def fast(item: Item) -> tuple[float, Response | Failure]:
    """About 0.1 s, but no multiple of a beat: in virtual time each look would come just as answers do."""
    return 0.097, answer(item, ttfb_s=0.08, total_s=0.097)


class SlowSink:
    """An async sink that takes `delay_s` for each batch."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        await asyncio.sleep(self._delay_s)
        return Ack(ids=[outcome.item.id for outcome in outcomes], written=len(outcomes))

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        return Ack()


class SlowSource:
    """An async source that gives a row every `delay_s`."""

    columns: tuple[str, ...] = ("url",)
    total = None

    def __init__(self, rows: list[str], delay_s: float) -> None:
        self._rows = rows
        self._delay_s = delay_s

    async def aread(self, first_id: int = 0, position: str | None = None) -> AsyncIterator[Batch]:
        for index, url in enumerate(self._rows):
            await asyncio.sleep(self._delay_s)
            yield Batch(index, str(index), [Item(index, url, "http://host0.test", row=(url,))])


def pipeline(source: Any, sink: Any, transport: Any = None, **options: Any) -> Pipeline:
    return Pipeline(
        source,
        transport or ScriptedTransport(fast),
        sink,
        options=EngineOptions(seed=1, **options),
        reader_caller=InlineCaller(),
        writer_caller=InlineCaller(),
    )


def watched(source: Any, sink: Any, **options: Any) -> tuple[list[Window], RunResult]:
    made = pipeline(source, sink, **options)
    result, _ = run_virtual(made.run())
    assert made.observer is not None
    return made.observer.series.windows, result


def mean(windows: list[Window], name: str) -> float:
    """Over the middle of the run."""
    inner = windows[1:-2]
    assert len(inner) >= 3
    return float(sum(getattr(window, name) for window in inner) / len(inner))


@pytest.mark.parametrize(
    ("made", "expected", "at_least"),
    [
        (lambda: (ListSource(urls(1000)), MemorySink(), {}), "fetch_busy", 0.97),
        (lambda: (ListSource(urls(1000)), MemorySink(), {"concurrency_per_host": 2}), "fetch_host", 0.75),
        (lambda: (ListSource(urls(400)), MemorySink(), {"rate": Rate(20.0)}), "fetch_rate", 0.7),
        (lambda: (ListSource(urls(400)), MemorySink(), {"rate_per_host": Rate(20.0)}), "fetch_rate", 0.7),
        (lambda: (SlowSource(urls(200), 0.05), MemorySink(), {}), "fetch_input", 0.7),
        (
            lambda: (ListSource(urls(400)), SlowSink(0.5), {"items_max": 16, "batch_items": 8, "wake_items": 8}),
            "fetch_blocked",
            0.5,
        ),
    ],
    ids=["latency", "host limit", "rate", "rate per host", "input", "sink"],
)
def test_empty_places_are_blamed_on_what_empties_them(made: Any, expected: str, at_least: float) -> None:
    source, sink, options = made()
    windows, _ = watched(source, sink, **{"concurrency": 10, "concurrency_per_host": 10, **options})
    assert mean(windows, expected) >= at_least
    for window in windows:
        assert sum(getattr(window, name) for name in SOURCE) == pytest.approx(1.0)
        assert sum(getattr(window, name) for name in FETCH) == pytest.approx(1.0)


def test_a_slow_sink_is_seen_busy_and_holds_the_credits() -> None:
    windows, _ = watched(
        ListSource(urls(400)), SlowSink(0.5), concurrency=10, items_max=16, batch_items=8, wake_items=8
    )
    assert mean(windows, "sink_busy") > 0.95
    assert mean(windows, "credit_items") > 12
    assert mean(windows, "source_blocked") > 0.9


def test_windows_add_up_to_the_counters_and_to_littles_law() -> None:
    def script(item: Item) -> tuple[float, Response | Failure]:
        if item.id % 10 == 0 and item.attempts == 1:
            return 0.05, Failure("http_5xx", "HTTP 503", http_status=503)
        return 0.1, answer(item, b"x" * item.id, ttfb_s=0.08, total_s=0.1)

    made = pipeline(ListSource(urls(500, 5)), MemorySink(), ScriptedTransport(script), concurrency=10)
    result, _ = run_virtual(made.run())
    assert made.observer is not None
    windows, counters = made.observer.series.windows, result.counters
    for name in ("admitted", "ended", "written", "attempts", "answers", "retries", "throttled", "bytes_body"):
        assert sum(getattr(window, name) for window in windows) == getattr(counters, name), name
    assert sum(window.slot_s for window in windows) == pytest.approx(500 * 0.1 + 50 * 0.05)
    assert sum(window.in_flight * window.span_s for window in windows) == pytest.approx(52.5, rel=0.05)
    assert sum(window.total_s for window in windows) == pytest.approx(50.0)
    assert sum(window.body_s for window in windows) == pytest.approx(10.0)
    assert windows[1].ttfb_s_p50 == pytest.approx(0.08, rel=0.02)


def test_new_connections_are_counted_with_their_phases() -> None:
    def script(item: Item) -> tuple[float, Response | Failure]:
        is_new = item.id < 10
        phases = {"dns_s": 0.01, "connect_s": 0.02, "tls_s": 0.03} if is_new else {}
        return 0.2, answer(item, ttfb_s=0.1, total_s=0.2, **phases)

    made = pipeline(ListSource(urls(100)), MemorySink(), ScriptedTransport(script), concurrency=10)
    result, _ = run_virtual(made.run())
    counters = result.counters
    assert (counters.answers, counters.connects, counters.tls.n) == (100, 10, 10)
    assert counters.tls_sum_s == pytest.approx(0.3)
    assert counters.body_sum_s == pytest.approx(90 * 0.1 + 10 * 0.04)


def test_probes_lower_the_limit_for_moments_and_measure_what_it_is_worth() -> None:
    made = pipeline(ListSource(urls(3000)), MemorySink(), concurrency=10, concurrency_per_host=10, probe="early")
    _, took_s = run_virtual(made.run())
    assert made.observer is not None
    probes = made.observer.probes()
    assert [(probe.limit, probe.limit_low) for probe in probes] == [(10, 5)] * 3
    for probe in probes:  # nothing but latency: half the places, half the answers
        assert probe.answers_per_s == pytest.approx(100, rel=0.1)
        assert probe.answers_per_s_low == pytest.approx(50, rel=0.1)
    assert any(window.is_probe for window in made.observer.series.windows)
    assert took_s < 30 * 1.06, "probing may not cost a run of half a minute more than its allowance"


def test_without_telemetry_nothing_is_observed() -> None:
    made = pipeline(ListSource(urls(100)), MemorySink(), telemetry=False)
    result, _ = run_virtual(made.run())
    assert made.observer is None
    assert result.counters.written == 100


def test_a_paused_run_starts_nothing_until_it_is_resumed() -> None:
    transport = ScriptedTransport(fast)
    made = pipeline(ListSource(urls(300)), MemorySink(), transport, concurrency=10, concurrency_per_host=10)

    async def controlled() -> RunResult:
        running = asyncio.create_task(made.run())
        await asyncio.sleep(0.95)
        made.pause()
        assert made.is_paused
        await asyncio.sleep(5.0)
        assert "paused" in made.snapshot().state
        made.resume()
        return await running

    result, took_s = run_virtual(controlled())
    assert not [start_s for start_s, _, _ in transport.starts if 1.0 < start_s < 5.9]
    assert result.counters.written == 300
    assert took_s == pytest.approx(3 + 5, abs=0.2)


def test_a_paused_run_can_be_drained() -> None:
    made = pipeline(ListSource(urls(300)), MemorySink(), concurrency=10, concurrency_per_host=10)

    async def controlled() -> RunResult:
        running = asyncio.create_task(made.run())
        await asyncio.sleep(0.95)
        made.pause()
        await asyncio.sleep(1.0)
        made.request_drain()
        return await running

    result, took_s = run_virtual(controlled())
    assert result.state == "interrupted"
    assert took_s < 3
    assert 0 < result.counters.written < 300


@pytest.mark.parametrize(("limit", "at_most", "rate_per_s"), [(2, 2, 20), (40, 40, 400)])
def test_the_concurrency_can_be_set_while_the_run_goes_on(limit: int, at_most: int, rate_per_s: int) -> None:
    transport = ScriptedTransport(fast)
    made = pipeline(ListSource(urls(2000, 50)), MemorySink(), transport, concurrency=10, concurrency_per_host=10)

    async def controlled() -> RunResult:
        running = asyncio.create_task(made.run())
        await asyncio.sleep(1.05)
        assert made.set_concurrency(limit) == limit
        await asyncio.sleep(0.2)
        transport.in_flight_max = 0
        return await running

    run_virtual(controlled())
    assert transport.in_flight_max == at_most
    starts = [start_s for start_s, _, _ in transport.starts if 1.3 < start_s <= 3.3]
    assert len(starts) == pytest.approx(2 * rate_per_s, rel=0.1)
    assert made.snapshot().limit == limit


def test_a_limit_that_makes_no_sense_is_refused() -> None:
    made = pipeline(ListSource(urls(1)), MemorySink(), concurrency_max=100)
    with pytest.raises(ConfigError, match="at least 1"):
        made.set_concurrency(0)
    assert made.set_concurrency(1_000_000) == 100
