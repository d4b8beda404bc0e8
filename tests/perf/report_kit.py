"""Runs that never happened: windows of a plausible run whose sink gets slow, and an output folder of it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from penstock.telemetry.window import Window, columnar


def slow_sink_windows(count: int = 120, *, seed: int = 7) -> list[Window]:
    """A second each. Until a third the fetch limits; then the sink gets slow, and everything above it fills up."""
    rng = random.Random(seed)
    windows = []
    credits_taken = 0.0
    for second in range(count):
        pressure = 1 / (1 + math.exp(-(second - count / 3) / 4)) if second < count * 0.75 else 0.15
        noise = rng.uniform(0.92, 1.08)
        answers = int((900 - 560 * pressure) * noise * min(1.0, 0.3 + second / 6))
        credits_taken += (4096 * (0.35 + 0.65 * pressure) - credits_taken) * 0.4
        ttfb = 0.04 * rng.uniform(0.95, 1.1)
        busy = (0.97 - 0.62 * pressure) * rng.uniform(0.97, 1.0)
        at_process = min(0.05, 1 - busy)
        retries = rng.choice([0, 0, 1, 3]) + (14 if second in (22, 23, 24) else 0)
        windows.append(
            Window(
                end_s=second + 1.0,
                span_s=1.0,
                admitted=answers + 5,
                ended=answers,
                written=answers * 6 if second % 6 == 5 else 0,
                failed=rng.choice([0, 1, 2, 5]) if second % 6 == 5 else 0,
                records=answers,
                attempts=answers + retries,
                answers=answers,
                retries=retries,
                throttled=8 if second in (22, 23) else 0,
                bytes_body=answers * 4300,
                bytes_durable=answers * 6 * 1900 if second % 6 == 5 else 0,
                shards=int(second % 6 == 5),
                connects=64 if second == 0 else rng.choice([0, 0, 1]),
                limit=64.0,
                in_flight=64 * busy,
                processing=64 * at_process,
                queued=2000 * (1 - pressure) * noise,
                delayed=40.0 if 22 <= second <= 30 else rng.uniform(0, 4),
                channel_items=380 * pressure * noise + 3,
                credit_items=credits_taken,
                credit_bytes=credits_taken * 4300,
                source_busy=0.06 * (1 - pressure) + 0.01,
                source_blocked=0.9 * pressure,
                source_ended=0.0,
                fetch_busy=busy,
                fetch_process=at_process,
                fetch_blocked=max(0.0, 1 - busy - at_process) * 0.94,
                fetch_rate=max(0.0, 1 - busy - at_process) * 0.03,
                fetch_host=max(0.0, 1 - busy - at_process) * 0.03,
                process_busy=0.12 + 0.1 * (1 - pressure),
                sink_busy=0.22 + 0.77 * pressure,
                sink_commit=0.05 + 0.2 * pressure,
                loop_run=0.55 - 0.25 * pressure,
                loop_runqueue=0.03 + rng.uniform(0, 0.03),
                loop_late=0.02 + rng.uniform(0, 0.02),
                loop_lag_s_max=0.004 + rng.expovariate(1 / 0.006),
                dns_s=answers * 0.0002,
                connect_s=answers * 0.0004,
                tls_s=answers * 0.0011,
                ttfb_s=answers * ttfb,
                body_s=answers * 0.011 * noise,
                total_s=answers * (ttfb + 0.0127),
                slot_s=64 * busy,
                ttfb_s_p50=ttfb * 0.9,
                ttfb_s_p95=ttfb * (2.1 + rng.uniform(0, 0.5)),
                total_s_p50=ttfb * 0.9 + 0.01,
                total_s_p95=ttfb * 2.6 + 0.03,
                body_s_p50=0.009,
                cpu_s=0.58 - 0.2 * pressure,
                cpu_children_s=0.3 * (1 - pressure),
                runqueue_s=0.05,
                rss_bytes=int(84e6 + 6e6 * pressure + second * 2e4),
                fds=92,
                machine_busy=0.62 - 0.2 * pressure,
                machine_steal=0.01 + rng.uniform(0, 0.02),
            )
        )
    return windows


VERDICT: dict[str, Any] = {
    "label": "sink",
    "confidence": 0.97,
    "evidence": [
        "the sink was busy 88 % of the time, 21 % of it committing",
        "fetch stood still 52 % of the time because credits were out",
        "the event loop was busy 42 % of the time, so it is not the limit",
    ],
    "next": "write to a faster disk, or try --durability process if a power cut may cost the last seconds",
    "alternatives": [["mixed", 0.03]],
    "numbers": {"sink_busy": 0.88, "fetch_blocked": 0.52, "loop_busy": 0.42},
    "at_twice_concurrency": "about the same: 470 items/s now, 470 to 480 expected",
    "falsify": "run again with --format jsonl and --no-body: if the rate stays the same, it is not the sink",
}


def stats(windows: list[Window] | None = None, **changes: Any) -> dict[str, Any]:
    """A stats.json of a run that finished."""
    windows = slow_sink_windows() if windows is None else windows
    ended = sum(window.ended for window in windows)

    def percentiles(scale: float) -> dict[str, Any]:
        named = {"p50": 1.0, "p95": 2.4, "p99": 3.4}
        values = {name: {"value": scale * factor, "is_n_enough": True} for name, factor in named.items()}
        return {"n": ended, "max": scale * 9, **values}

    def phase(scale: float, n: int = ended) -> dict[str, Any]:
        factors = {"mean": 1.1, "p50": 1, "p90": 1.9, "p95": 2.4, "p99": 3.4, "p99.9": 5.2, "max": 9}
        return {"n": n, **{name: scale * factor for name, factor in factors.items()}}

    document: dict[str, Any] = {
        "format": 1,
        "stop_reason": "",
        "elapsed_s": windows[-1].end_s if windows else 0.0,
        "cpu_s": 71.5,
        "memory_bytes_max": 98_000_000,
        "items": {
            "admitted": ended + 20,
            "written": ended - 30,
            "failed": 42,
            "skipped": 8,
            "pending": 0,
            "from_earlier_runs": 0,
            "input_total": ended + 20,
            "is_input_total_estimated": False,
        },
        "accounting": {"is_right": True, "problem": ""},
        "records": ended - 30,
        "bytes_body": ended * 4300,
        "bytes_durable": ended * 1900,
        "shards": 20,
        "items_per_s": ended / max(1.0, windows[-1].end_s if windows else 1.0),
        "records_per_s": ended / 121,
        "bytes_body_per_s": ended * 4300 / 121,
        "attempts": ended + 160,
        "retries": 160,
        "throttled": 16,
        "deferred": 2,
        "ttfb_s": percentiles(0.04),
        "total_s": percentiles(0.052),
        "loop_lag_s_p95": 0.006,
        "loop_lag_s_max": 0.031,
        "process_mode": "process × 2",
        "process_reason": "inline calls held the event loop 4.1 ms each",
        "failures": {"http_5xx": 25, "timeout_idle": 12, "dns": 5},
        "examples": {
            "http_5xx": {
                "item_id": 1700,
                "url": "https://shop.example/item/1700",
                "message": "503 Service Unavailable",
            },
            "timeout_idle": {"item_id": 88, "url": "https://slow.example/a", "message": "no byte for 30 s"},
            "dns": {"item_id": 3, "url": "https://gone.invalid/", "message": "Could not resolve host: gone.invalid"},
        },
        "hosts": {
            f"host{n:02d}.example": {
                "answers": 9000 - 640 * n,
                "failures": 3 * (n % 4),
                "throttled": 16 if n == 2 else 0,
                "bytes_body": (9000 - 640 * n) * 4300,
                "ttfb_s_mean": 0.03 + 0.004 * (n % 5),
            }
            for n in range(12)
        },
        "phases": {
            "dns_s": phase(0.0002),
            "connect_s": phase(0.0004),
            "tls_s": phase(0.0011),
            "ttfb_s": phase(0.04),
            "body_s": phase(0.011),
            "total_s": phase(0.052),
        },
        "verdict": VERDICT,
        "shape": {"concurrency": 64, "concurrency_per_host": 16, "process_mode": "process", "hosts": 12, "cores": 2},
        "probes": [],
        "machine": {"cores": 2, "memory_bytes": 8_000_000_000, "system": "Linux 6.1", "cpu": "Example CPU 2.4 GHz"},
        "settings": {"concurrency": 64, "max_per_host": 16, "retries": 3, "format": "parquet", "durability": "power"},
        "series": columnar(windows),
        "extra": {},
    }
    return {**document, **changes}


def write_run(out: Path, document: dict[str, Any] | None = None, **run: Any) -> Path:
    """An output folder as a run leaves it, without any shard: `run.json` and, unless None, `stats.json`."""
    internal = out / "_penstock"
    internal.mkdir(parents=True)
    content = {
        "format": 1,
        "penstock": "0.3.0",
        "python": "3.11.9",
        "inputs": ["urls.csv"],
        "output_format": "parquet",
        "process": "shop:parse",
        "created": "2026-11-22T09:00:00+00:00",
        "started": "2026-11-22T09:00:00+00:00",
        "ended": "2026-11-22T09:02:00+00:00",
        "state": "complete",
        "items_total": 0,
        **run,
    }
    (internal / "run.json").write_text(json.dumps(content), encoding="utf-8")
    if document is not None:
        (internal / "stats.json").write_text(json.dumps(document), encoding="utf-8")
    return out


def write_series(out: Path, *epochs: list[Window]) -> Path:
    """`series.jsonl`: a header line for each epoch, then one array for each window."""
    path = out / "_penstock" / "series.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, windows in enumerate(epochs):
            table = columnar(windows)
            header = {"format": 1, "started": f"2026-11-22T{9 + number:02d}:00:00+00:00", "columns": list(table)}
            file.write(json.dumps(header) + "\n")
            file.writelines(json.dumps(list(row)) + "\n" for row in zip(*table.values(), strict=True))
    return path
