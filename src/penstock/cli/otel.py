"""`--otel`: a span for the run, spans for a share of the attempts, and metrics, to whatever OTEL_* names.

What is recorded is said in `engine.tracing` and `telemetry.metrics`; the SDK is the user's. This joins them to a run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from penstock.engine.job import JobResult
from penstock.engine.tracing import TracingTransport
from penstock.fetch.transport import Transport
from penstock.telemetry.otel import register_instruments, require_api, start_sdk
from penstock.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.cli.metrics import MetricsFeed

DEFAULT_RATIO = 0.01
_SCOPE = "penstock"


class OtelSession:
    """Tracing and metrics of one run, while it is entered. Leaving exports what is left; that takes at most 5 s."""

    def __init__(self, command: str, feed: MetricsFeed, *, ratio: float = DEFAULT_RATIO) -> None:
        """`command`: `fetch` or `retry`. `ratio`: share of items to trace, 0 to 1.

        Raises ConfigError when opentelemetry-api is not installed.
        """
        require_api()
        self._command = command
        self._feed = feed
        self._ratio = ratio
        self._end: Callable[[], None] = lambda: None
        self._span: Any = None
        self._token: Any = None

    def __enter__(self) -> OtelSession:
        """Raises ConfigError when the environment names an exporter that is not installed."""
        self._end = start_sdk(os.environ)
        from opentelemetry import context, metrics, trace

        register_instruments(metrics.get_meter(_SCOPE, __version__), self._feed.read)
        tracer = trace.get_tracer(_SCOPE, __version__)
        self._span = tracer.start_span(f"penstock {self._command}", attributes={"penstock.version": __version__})
        # The event loop's tasks take this over, so spans of the process function are children of the run.
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def wrap_transport(self, inner: Transport) -> Transport:
        """The transport that records spans; `inner` itself when nothing is to be traced."""
        if self._ratio == 0:
            return inner
        from opentelemetry import trace

        tracer = trace.get_tracer(_SCOPE, __version__)
        return TracingTransport(inner, tracer, ratio=self._ratio, run=self._span.get_span_context())

    def finished(self, result: JobResult) -> None:
        """Put the run's outcome on its span."""
        from opentelemetry.trace import StatusCode

        counters = result.run.counters
        self._span.set_attributes(
            {
                "penstock.exit_code": result.exit_code,
                "penstock.state": result.run.state,
                "penstock.items.written": counters.written,
                "penstock.items.failed": counters.failed,
                "penstock.items.skipped": counters.skipped,
                "penstock.items.pending": counters.pending,
                "penstock.attempts": counters.attempts,
            }
        )
        if result.observed is not None:
            self._span.set_attribute("penstock.verdict", result.observed.verdict.label)
        if result.run.error is not None:
            self._span.set_attribute("error.type", type(result.run.error).__qualname__)
            self._span.set_status(StatusCode.ERROR)

    def __exit__(self, *_: object) -> None:
        if self._span is None:
            return
        from opentelemetry import context

        context.detach(self._token)
        self._span.end()
        self._span = None
        self._end()
