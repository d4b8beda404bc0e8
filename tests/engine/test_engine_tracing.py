"""Spans of attempts: which are recorded, what they say, and that the attempts themselves are not changed."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from penstock.engine.pipeline import EngineOptions, Pipeline
from penstock.engine.threads import InlineCaller
from penstock.engine.tracing import RETRIED_MAX, TracingTransport, redacted_url, request_attributes
from penstock.model import Failure, Item, Response
from penstock.testing import ListSource, MemorySink, ScriptedTransport, answer, run_virtual

Script = Callable[[Item], tuple[float, Response | Failure]]
DOWN = Failure("http_5xx", "HTTP 503", http_status=503, server_retry_after_s=2.0)


class Recorder:
    """A tracer whose spans are kept in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.provider.shutdown()


def run(script: Script, recorder: Recorder, *, count: int = 20, ratio: float = 1.0) -> tuple[MemorySink, Pipeline]:
    """A whole run of the engine in virtual time, through the tracing transport."""
    sink = MemorySink()
    transport = TracingTransport(ScriptedTransport(script), recorder.tracer, ratio=ratio)

    async def go() -> Pipeline:
        pipeline = Pipeline(
            ListSource([f"http://user:pass@h{n % 3}.test/{n}" for n in range(count)]),
            transport,
            sink,
            options=EngineOptions(concurrency=5, seed=1),
            reader_caller=InlineCaller(),
            writer_caller=InlineCaller(),
        )
        await pipeline.run()
        await transport.aclose()
        return pipeline

    return sink, run_virtual(go())[0]


def once_down(item: Item) -> tuple[float, Response | Failure]:
    return 0.1, (DOWN if item.attempts == 1 and item.id == 7 else answer(item))


def test_a_run_is_the_same_and_every_attempt_has_a_span(recorder: Recorder) -> None:
    sink, pipeline = run(once_down, recorder)
    assert sink.counts == {"written": 20, "failed": 0, "skipped": 0}
    assert len(recorder.spans) == pipeline.counters.attempts == 21
    assert {span.attributes["penstock.item.id"] for span in recorder.spans if span.attributes} == set(range(20))


def test_the_attempts_of_an_item_are_one_trace_and_items_are_traces_of_their_own(recorder: Recorder) -> None:
    run(once_down, recorder)
    assert len({context(span).trace_id for span in recorder.spans}) == 20
    first, second = (span for span in recorder.spans if attributes(span)["penstock.item.id"] == 7)
    assert first.parent is None
    assert second.parent is not None
    assert second.parent.span_id == context(first).span_id
    assert context(second).trace_id == context(first).trace_id
    assert "http.request.resend_count" not in attributes(first)
    assert attributes(second)["http.request.resend_count"] == 1


def context(span: ReadableSpan) -> trace.SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_spans_say_what_the_conventions_want(recorder: Recorder) -> None:
    run(once_down, recorder)
    failed = next(span for span in recorder.spans if span.status.status_code is StatusCode.ERROR)
    assert (failed.name, failed.kind) == ("GET", SpanKind.CLIENT)
    assert attributes(failed) == {
        "http.request.method": "GET",
        "url.full": "http://h1.test/7",
        "server.address": "h1.test",
        "http.response.status_code": 503,
        "error.type": "503",
        "penstock.failure_kind": "http_5xx",
        "penstock.server_retry_after_s": 2.0,
        "penstock.item.id": 7,
        "penstock.item.attempts": 1,
    }
    good = next(span for span in recorder.spans if span.status.status_code is StatusCode.UNSET)
    assert attributes(good)["http.response.status_code"] == 200
    assert attributes(good)["penstock.body_bytes"] == 2
    assert "error.type" not in attributes(good)


def fetch_one(transport: TracingTransport, item: Item) -> None:
    run_virtual(transport.fetch(item))
    transport.sweep(0.0)


def test_an_unknown_method_does_not_become_a_name(recorder: Recorder) -> None:
    transport = TracingTransport(ScriptedTransport(lambda item: (0.0, answer(item))), recorder.tracer, ratio=1)
    fetch_one(transport, Item(1, "https://a.test:8443/", "https://a.test:8443", method="BREW", attempts=1))
    (span,) = recorder.spans
    assert span.name == "HTTP"
    assert attributes(span)["http.request.method"] == "_OTHER"
    assert attributes(span)["http.request.method_original"] == "BREW"
    assert attributes(span)["server.port"] == 8443


def test_each_attempt_links_to_the_run(recorder: Recorder) -> None:
    run_span = recorder.tracer.start_span("run")
    inner = ScriptedTransport(lambda item: (0.0, answer(item)))
    transport = TracingTransport(inner, recorder.tracer, ratio=1, run=run_span.get_span_context())
    fetch_one(transport, Item(1, "http://a.test/", "http://a.test", attempts=1))
    (span,) = recorder.spans
    assert [link.context for link in span.links] == [run_span.get_span_context()]


def test_spans_begin_and_end_with_their_attempts(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    async def overlapping() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr("penstock.engine.tracing.time_ns", lambda: round(loop.time() * 1e9))
        transport = TracingTransport(ScriptedTransport(lambda item: (item.id, answer(item))), recorder.tracer, ratio=1)
        items = [Item(number, f"http://a.test/{number}", "http://a.test", attempts=1) for number in (3, 1)]
        await asyncio.gather(*(transport.fetch(item) for item in items))
        await transport.aclose()

    run_virtual(overlapping())
    times = {attributes(span)["penstock.item.id"]: (span.start_time, span.end_time) for span in recorder.spans}
    assert times == {1: (0, 10**9), 3: (0, 3 * 10**9)}


def test_what_waits_to_become_a_span_is_bounded_and_holds_no_body(recorder: Recorder) -> None:
    made: list[weakref.ref[Response]] = []

    class Weak(ScriptedTransport):
        async def fetch(self, item: Item) -> Response | Failure:
            result = Watched(item.id, item.url, item.url, 200, b"x" * 10)
            made.append(weakref.ref(result))
            return result

    transport = TracingTransport(Weak(lambda item: (0.0, answer(item))), recorder.tracer, ratio=1)

    async def fetch_all() -> None:
        for number in range(70):
            await transport.fetch(Item(number, "http://a.test/", "http://a.test", attempts=1))

    run_virtual(fetch_all())
    gc.collect()
    assert len(recorder.spans) == 64
    assert not [reference for reference in made if reference() is not None]
    transport.sweep(1.0)
    assert len(recorder.spans) == 70


class Watched(Response):
    """An answer that can be watched: without slots of its own it can be referred to weakly."""


def test_cancellation_passes_through_and_ends_the_span(recorder: Recorder) -> None:
    transport = TracingTransport(ScriptedTransport(lambda item: (99.0, answer(item))), recorder.tracer, ratio=1)

    async def cancelled() -> None:
        task = asyncio.ensure_future(transport.fetch(Item(1, "http://a.test/", "http://a.test", attempts=1)))
        await asyncio.sleep(0.1)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run_virtual(cancelled())
    transport.sweep(1.0)
    (span,) = recorder.spans
    assert attributes(span)["error.type"] == "CancelledError"
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(("ratio", "least", "most"), [(0.0, 0, 0), (0.01, 15, 25), (0.5, 990, 1010), (1.0, 2000, 2000)])
def test_the_share_of_items_that_are_traced(recorder: Recorder, ratio: float, least: int, most: int) -> None:
    inner = ScriptedTransport(lambda item: (0.0, answer(item)))
    transport = TracingTransport(inner, recorder.tracer, ratio=ratio)

    async def fetch_all() -> None:
        for number in range(2_000):
            await transport.fetch(Item(number, "http://a.test/", "http://a.test", attempts=1))

    run_virtual(fetch_all())
    transport.sweep(1.0)
    assert least <= len(recorder.spans) <= most
    assert len(inner.starts) == 2_000


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_out_of_range_is_refused(recorder: Recorder, ratio: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        TracingTransport(ScriptedTransport(lambda item: (0.0, answer(item))), recorder.tracer, ratio=ratio)


def test_items_that_only_fail_do_not_pile_up(recorder: Recorder) -> None:
    transport = TracingTransport(ScriptedTransport(lambda _: (0.0, DOWN)), recorder.tracer, ratio=1)

    async def fail_all() -> None:
        for number in range(RETRIED_MAX + 50):
            await transport.fetch(Item(number, "http://a.test/", "http://a.test", attempts=1))

    run_virtual(fail_all())
    transport.sweep(1.0)
    assert len(transport._first) == RETRIED_MAX


def test_items_that_succeed_in_the_end_are_forgotten(recorder: Recorder) -> None:
    transport = TracingTransport(ScriptedTransport(once_down), recorder.tracer, ratio=1)

    async def twice() -> tuple[int, int]:
        item = Item(7, "http://a.test/", "http://a.test", attempts=1)
        await transport.fetch(item)
        transport.sweep(1.0)
        held = len(transport._first)
        item.attempts = 2
        await transport.fetch(item)
        transport.sweep(2.0)
        return held, len(transport._first)

    assert run_virtual(twice())[0] == (1, 0)


def test_the_rest_of_the_transport_is_the_inner_ones(recorder: Recorder) -> None:
    inner = ScriptedTransport(lambda item: (0.0, answer(item)))
    inner.buffered_bytes = 4711
    transport = TracingTransport(inner, recorder.tracer, ratio=0)
    transport.sweep(1.0)
    assert transport.buffered_bytes == 4711
    assert inner.sweeps == 1


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        ("http://a.test:80", "a.test", 80),
        ("https://127.0.0.1:8443", "127.0.0.1", 8443),
        ("https://[::1]:443", "::1", 443),
        ("http://a.test", "a.test", None),
        ("http://[::1]", "::1", None),
    ],
)
def test_the_server_is_read_off_the_items_host(host: str, address: str, port: int | None) -> None:
    attributes = request_attributes(Item(1, f"{host}/", host), 1)
    assert attributes["server.address"] == address
    assert attributes.get("server.port") == port


# --- secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@h.test/a?b=c#frag", "https://h.test/a?b=c"),
        ("https://h.test/a?sig=abc&x=1", "https://h.test/a?sig=REDACTED&x=1"),
        ("https://h.test/?X-Amz-Signature=s&X-Amz-Date=d", "https://h.test/?X-Amz-Signature=REDACTED&X-Amz-Date=d"),
        ("https://h.test/a?x=1&y=%20", "https://h.test/a?x=1&y=%20"),
        ("https://h.test/?API_KEY=", "https://h.test/?API_KEY=REDACTED"),
        ("https://h.test/a?x=1&%73ig=abc", "https://h.test/a?x=1&sig=REDACTED"),
        ("https://h.test/@me/page", "https://h.test/@me/page"),
        ("http://u:p@[broken/", ""),
    ],
)
def test_a_span_shows_the_url_without_its_secrets(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


NAMES = st.sampled_from(["sig", "token", "Signature", "key", "%6bey", "API%5fKEY", "acce%73s_token"])


@given(st.text(st.characters(codec="ascii"), max_size=12), NAMES)
def test_no_secret_survives(secret: str, name: str) -> None:
    from urllib.parse import quote

    marked = f"S3CR3T{secret}"
    shown = redacted_url(f"https://u:{quote(marked)}@h.test/p?a=1&{name}={quote(marked, safe='')}#{quote(marked)}")
    assert "S3CR3T" not in shown
