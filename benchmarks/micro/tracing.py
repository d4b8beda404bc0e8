"""What `--otel` and `--metrics` cost: `python benchmarks/micro/tracing.py`, about ten seconds.

CPU per attempt of the tracing transport around one that answers at once, at several sampling ratios, in random order
within each round, with spans batched to an exporter that drops them. Then what one look for a scrape costs the run's
loop, and what rendering it costs the server's thread.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from penstock.engine.tracing import TracingTransport
from penstock.fetch.transport import Transport
from penstock.model import Item, Response
from penstock.telemetry.counters import Counters
from penstock.telemetry.metrics import Context, measure
from penstock.telemetry.prometheus import render
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.window import Window

RATIOS = (0.0, 0.01, 1.0)


class AtOnce:
    """A transport that answers at once: what is left is the cost of what stands around it."""

    buffered_bytes = 0

    async def fetch(self, item: Item) -> Response:
        return Response(item.id, item.url, item.url, 200, b"x")

    def sweep(self, now_s: float) -> None:
        return None

    async def aclose(self) -> None:
        return None


class Dropped(SpanExporter):
    """Takes spans and drops them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of tracing an attempt, and of a scrape.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--items", type=int, default=5_000)
    args = parser.parse_args()
    costs_us = asyncio.run(trace_costs_us(args.rounds, args.items))
    bare = costs_us["not wrapped"]
    print(f"n = {args.rounds} rounds of {args.items} attempts\n")
    print("| transport | CPU per attempt, µs | more than not wrapped, µs [quartiles] |\n|---|---|---|")
    for name, costs in costs_us.items():
        more = [cost - base for cost, base in zip(costs, bare, strict=True)]
        low, middle, high = statistics.quantiles(more, n=4)
        print(f"| {name} | {statistics.median(costs):.2f} | {middle:.2f} [{low:.2f}, {high:.2f}] |")
    look_us, render_us = scrape_costs_us(args.rounds)
    print(f"\na scrape: {look_us:.0f} µs on the run's loop, {render_us:.0f} µs in the server's thread")


async def trace_costs_us(rounds: int, count: int) -> dict[str, list[float]]:
    """CPU µs per attempt by transport, a value for each round; all threads count, so exporting does too."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Dropped()))
    tracer = provider.get_tracer("benchmark")
    run = tracer.start_span("run")
    arms: dict[str, Transport] = {"not wrapped": AtOnce()}
    for ratio in RATIOS:
        arms[f"ratio {ratio:g}"] = TracingTransport(AtOnce(), tracer, ratio=ratio, run=run.get_span_context())
    items = [Item(n, f"https://a.test/p/{n}?x=1", "https://a.test", attempts=1) for n in range(count)]
    costs: dict[str, list[float]] = {name: [] for name in arms}
    rng = random.Random(1)
    for _ in range(rounds):
        for name in rng.sample(list(arms), len(arms)):
            started_s = time.process_time()
            for item in items:
                await arms[name].fetch(item)
            costs[name].append((time.process_time() - started_s) / count * 1e6)
    provider.shutdown()
    return costs


def scrape_costs_us(rounds: int) -> tuple[float, float]:
    """Medians: measuring, on the loop; rendering, in the server's thread."""
    counters = Counters()
    rng = random.Random(1)
    for _ in range(20_000):
        ttfb_s = rng.lognormvariate(-3, 1)
        counters.success("https://a.test:443", 100, ttfb_s, ttfb_s * 1.2)
    snapshot = Snapshot(10.0, counters, total=100_000, limit=64)
    window = Window(end_s=10, span_s=1, loop_run=0.5, loop_runqueue=0.1, cpu_s=0.5)
    context = Context(("0", "3"))
    measured = measure(snapshot, window, context)
    look = [cpu_us(lambda: measure(snapshot, window, context)) for _ in range(rounds)]
    text = [cpu_us(lambda: render(measured)) for _ in range(rounds)]
    return statistics.median(look), statistics.median(text)


def cpu_us(call: Callable[[], object], repeats: int = 100) -> float:
    started_s = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started_s) / repeats * 1e6


if __name__ == "__main__":
    main()
