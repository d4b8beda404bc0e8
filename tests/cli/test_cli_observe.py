"""What watches a run besides the live view, on the real engine in virtual time: JSON events and the metrics page."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.cli.jsonlog import JsonLogWatcher, LoggedAsJson
from penstock.cli.metrics import MetricsFeed, MetricsServer
from penstock.cli.observe import Observation, Watchers
from penstock.engine.job import Watcher
from penstock.engine.options import EngineOptions
from penstock.engine.pipeline import Pipeline
from penstock.engine.threads import InlineCaller
from penstock.errors import ConfigError
from penstock.telemetry.jsonlog import JsonLog
from penstock.telemetry.verdict import Verdict, judge
from penstock.testing import ListSource, MemorySink, ScriptedTransport, answer, run_virtual

NOON_S = 1_769_860_800.0
FLAGS = {"quiet": False, "log_format": "text", "metrics": None, "metrics_hosts": 0, "otel": False, "otel_ratio": 0.01}


def say_nothing(text: str, *, is_warning: bool = False) -> None:
    pytest.fail(f"expected nothing to say, got {text!r}, {is_warning}")


def drive(
    watcher: Watcher, *, seconds: float = 12.0, beside: Callable[[Pipeline], Coroutine[Any, Any, object]] | None = None
) -> tuple[Pipeline, object]:
    """A run that takes about `seconds` of virtual time, watched as `run_job` does it; `beside` runs next to it."""

    async def go() -> tuple[Pipeline, object]:
        pipeline = Pipeline(
            ListSource([f"http://h{n % 2}.test/{n}?token=S3CR3T" for n in range(round(seconds * 20))]),
            ScriptedTransport(lambda item: (0.5, answer(item))),
            MemorySink(),
            options=EngineOptions(concurrency=10, seed=1),
            on_round=watcher.on_round,
            reader_caller=InlineCaller(),
            writer_caller=InlineCaller(),
        )
        watcher.started(pipeline)
        running = asyncio.ensure_future(pipeline.run())
        found = await beside(pipeline) if beside is not None else None
        await running
        return pipeline, found

    return run_virtual(go())[0]


# --- JSON events


def logged(**options: Any) -> tuple[io.StringIO, JsonLogWatcher]:
    stream = io.StringIO()
    return stream, JsonLogWatcher(JsonLog(stream, lambda: NOON_S, **options), "out")


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stream.getvalue().splitlines()]


def test_progress_comes_every_five_seconds_and_holds_no_url() -> None:
    stream, watcher = logged()
    drive(watcher, seconds=12)
    said = events(stream)
    assert [event["event"] for event in said] == ["run_started", "progress", "progress"]
    assert [round(event["elapsed_s"] / 5) for event in said[1:]] == [1, 2]
    assert said[1]["in_flight"] == 10
    assert said[1]["items_per_s"] == pytest.approx(20, rel=0.25)
    assert "S3CR3T" not in stream.getvalue()


def test_a_short_run_has_no_progress() -> None:
    stream, watcher = logged()
    drive(watcher, seconds=2)
    assert [event["event"] for event in events(stream)] == ["run_started"]


def test_draining_is_told_once() -> None:
    stream, watcher = logged()

    async def stop(pipeline: Pipeline) -> None:
        await asyncio.sleep(2.1)
        pipeline.request_drain()

    drive(watcher, beside=stop)
    (drained,) = [event for event in events(stream) if event["event"] == "drain_started"]
    assert drained["level"] == "warning"
    assert drained["in_flight"] <= 10


def test_a_late_loop_is_told_once() -> None:
    stream, watcher = logged()

    async def block(_: Pipeline) -> None:
        for _ in range(60):
            await asyncio.sleep(0.05)
            asyncio.get_running_loop().jump(0.06)  # type: ignore[attr-defined]  # the virtual loop

    drive(watcher, beside=block)
    (late,) = [event for event in events(stream) if event["event"] == "loop_late"]
    assert late["loop_lag_s_p95"] > 0.02


def test_quiet_leaves_warnings_and_errors() -> None:
    stream = io.StringIO()
    log = JsonLog(stream, lambda: NOON_S, is_quiet=True)
    drive(JsonLogWatcher(log, "out"))
    log.write("warning", {"message": "careful"})
    assert [event["event"] for event in events(stream)] == ["warning"]


def test_what_libraries_log_is_an_event_while_it_is_wanted() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("some.library")
    with LoggedAsJson(JsonLog(stream, lambda: NOON_S)) as handler:
        logger.warning("http://me:hunter2@collector %s", "is away")
        logger.error("gave up")
        logger.info("not this")
    assert handler not in logging.getLogger().handlers
    first, second = events(stream)
    assert (first["event"], first["logger"], first["message"]) == (
        "warning",
        "some.library",
        "http://collector is away",
    )
    assert second["event"] == "error"


# --- metrics


def numbers(text: bytes) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.labels
    }


def test_a_scrape_gets_numbers_that_are_fresh() -> None:
    feed = MetricsFeed(say_nothing)

    async def scrape(pipeline: Pipeline) -> list[tuple[float, float, int]]:
        found = []
        for pause_s in (0.1, 2.9, 3.0):
            await asyncio.sleep(pause_s)
            text, _ = await feed.page()
            found.append((numbers(text)["penstock_attempts_total"], pipeline.counters.attempts))
        return found  # type: ignore[return-value]  # pairs of shown and true

    _, found = drive(feed, beside=scrape)
    shown = [pair[0] for pair in found]  # type: ignore[attr-defined]  # as above
    assert shown == sorted(set(shown))
    for shown_attempts, attempts in found:  # type: ignore[attr-defined]  # as above
        assert attempts - 10 <= shown_attempts <= attempts  # a round is 0.25 s, 20 attempts end in a second


def test_nobody_scrapes_so_nothing_is_measured() -> None:
    feed = MetricsFeed(say_nothing)
    drive(feed)
    assert feed.read() is not None
    assert feed.read().values["penstock_attempts"] == [((), 0.0)]  # type: ignore[union-attr]  # just checked


def test_a_steady_feed_measures_every_second_and_judges_when_read() -> None:
    feed = MetricsFeed(say_nothing, is_steady=True)
    drive(feed)
    measured = feed.read()
    assert measured is not None
    assert measured.values["penstock_attempts"][0][1] >= 200
    assert measured.values["penstock_verdict"][0][0][0]
    assert feed.read() == measured


def test_a_verdict_is_worked_out_every_five_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []

    def counting(windows: Any, *others: Any) -> Verdict:
        judged.append(len(windows))
        return judge(windows, *others)

    monkeypatch.setattr("penstock.cli.metrics.judge", counting)
    feed = MetricsFeed(say_nothing)

    async def scrape(_: Pipeline) -> None:
        for _ in range(20):
            await feed.page()
            await asyncio.sleep(0.5)

    drive(feed, beside=scrape)
    assert 2 <= len(judged) <= 3


def test_a_blocked_loop_costs_the_scrape_a_second_and_it_gets_the_last_numbers() -> None:
    feed = MetricsFeed(say_nothing)
    drive(feed, seconds=3)  # the run is over, but nobody has told the feed: to a scraper as if its loop stood still
    before = feed.read()

    async def scrape() -> bytes:
        return (await feed.page())[0]

    text, took_s = run_virtual(scrape())
    assert took_s == pytest.approx(1.0, abs=0.05)
    assert feed.read() == before
    assert "penstock_snapshot_timestamp_seconds" in numbers(text)


def test_a_scrape_before_the_run_is_answered_at_once() -> None:
    async def scrape() -> bytes:
        return (await MetricsFeed(say_nothing).page("application/openmetrics-text; version=1.0.0"))[0]

    text, took_s = run_virtual(scrape())
    assert took_s == 0
    assert b"penstock_build_info{" in text
    assert text.endswith(b"# EOF\n")


def test_hosts_are_measured_on_request_only() -> None:
    for hosts_max, count in ((0, 0), (1, 1), (5, 2)):
        feed = MetricsFeed(say_nothing, hosts_max=hosts_max, is_steady=True)
        drive(feed, seconds=3)
        measured = feed.read()
        assert measured is not None
        assert len(measured.values.get("penstock_host_answers", ())) == count


def test_a_mistake_in_the_metrics_costs_the_metrics_and_not_the_run() -> None:
    said: list[tuple[str, bool]] = []
    feed = MetricsFeed(lambda text, *, is_warning=False: said.append((text, is_warning)), is_steady=True)
    feed._hosts_max = "many"  # type: ignore[assignment]  # what no code does: a mistake
    pipeline, _ = drive(feed)
    assert pipeline.counters.written == 240
    assert len(said) == 1
    assert said[0][0].startswith("no more metrics, the run goes on: TypeError")
    assert said[0][1]


def test_watchers_are_called_in_their_order() -> None:
    calls: list[str] = []

    class Noted(Watcher):
        def __init__(self, name: str) -> None:
            self.name = name

        def started(self, pipeline: Pipeline) -> None:
            calls.append(f"{self.name} started")

        def on_round(self, now_s: float) -> None:
            if len(calls) < 4:
                calls.append(f"{self.name} round")

    drive(Watchers([Noted("a"), Noted("b")]), seconds=1)
    assert calls == ["a started", "b started", "a round", "b round"]


# --- flags


def test_without_flags_nothing_watches() -> None:
    with Observation("fetch", {**FLAGS, "out": "out"}) as observation:
        assert observation.watchers == []
        assert observation.wrap_transport is None
        assert not observation.is_json


@pytest.mark.parametrize("where", ["urls.txt", "localhost", "1.2.3.4:99999", ":"])
def test_an_address_that_is_none_is_refused_with_the_flag_in_the_message(where: str) -> None:
    with pytest.raises(ConfigError, match="--metrics: expected HOST:PORT"):
        Observation("fetch", {**FLAGS, "out": "out", "metrics": where})


def test_missing_packages_are_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.cli.metrics.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="prometheus_client and starlette and uvicorn") as caught:
        MetricsServer("127.0.0.1:0", MetricsFeed(say_nothing), say_nothing)
    assert caught.value.hint == "pip install 'penstock[metrics]'"
