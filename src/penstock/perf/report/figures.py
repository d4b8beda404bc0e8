"""The numbers at the top of the report: outcome in a sentence, key figures, and the commands that go on from here.

Pure. Where stats.json lacks, figures come from the series. The rule: a figure nobody measured is not shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from penstock.model import FAILURE_KINDS
from penstock.perf.report.lookup import count, found, number, text, texts
from penstock.perf.report.read import RunReport
from penstock.telemetry.format import bytes_text, count_text, duration_text, rate_text, share_text
from penstock.telemetry.stats import per_s
from penstock.telemetry.window import Window

Tone = Literal["good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One key number: `value` with its unit, `note` what it is of."""

    label: str
    value: str
    note: str = ""


def outcome(report: RunReport) -> tuple[Tone, str]:
    """How the run ended, in a sentence, and how good that is."""
    accounting, elapsed = report.accounting, _elapsed_text(report)
    after, durable = f" after {elapsed}" if elapsed else "", _items(accounting.durable)
    failed = f"; {_items(accounting.failed)} failed" if accounting.failed else "; nothing failed"
    pending = f" with {_items(accounting.pending)} pending" if accounting.pending else ""
    match report.state:
        case "running":
            return "warn", f"Still running{after}: {durable} durable so far{failed}."
        case "killed":
            return "bad", f"Killed{after}: {durable} durable{failed}. What was in flight starts over on resume."
        case "stopped" | "interrupted":
            reason = text(report.stats, "stop_reason")
            return "warn", f"Stopped{after}{reason and f': {reason}'}{pending}{failed}."
        case "incomplete":
            return "warn", f"Not complete any more: a repair put items back on the list{failed}."
        case _ if accounting.pending:
            return "warn", f"Ended{after}{pending}{failed}."
        case _:
            return ("warn" if accounting.failed else "good"), f"Finished{elapsed and f' in {elapsed}'}{failed}."


def figures(report: RunReport) -> list[Figure]:
    """Speed, latency, bytes, retries, cost and memory, as far as they are known; of the last epoch."""
    stats = report.stats
    windows = report.epochs[-1].windows if report.epochs else []
    elapsed_s = _elapsed_s(report)
    made: list[Figure] = []

    def add(label: str, value: float | None, show: Callable[[float], str], note: str = "") -> None:
        if value is not None:
            made.append(Figure(label, show(value), note))

    ended = _total(windows, "ended")
    add("items", number(stats, "items_per_s") if stats else _rate(ended, elapsed_s), rate_text, _rate_note(report))
    add("TTFB p95", _p95(stats, "ttfb_s"), duration_text, "request sent to first byte")
    add("whole attempt p95", _p95(stats, "total_s"), duration_text)
    body = number(stats, "bytes_body") if stats else _total(windows, "bytes_body")
    rate = f"{bytes_text(per_s(body, elapsed_s))}/s" if body is not None and elapsed_s else ""
    add("bodies received", body, bytes_text, rate)
    add("written", float(report.bytes_written) or number(stats, "bytes_durable"), bytes_text, _shards_text(report))
    attempts = count(stats, "attempts") if stats else _whole(_total(windows, "attempts"))
    retries = count(stats, "retries") if stats else _whole(_total(windows, "retries"))
    if attempts:
        add(
            "retries",
            retries,
            lambda value: count_text(int(value)),
            f"{share_text(retries or 0, attempts)} of attempts",
        )
    records = count(stats, "records") if stats else _whole(_total(windows, "records"))
    cpu_s = number(stats, "cpu_s") if stats else _total(windows, "cpu_s", "cpu_children_s")
    if records and cpu_s is not None:
        add("CPU per record", cpu_s / records, duration_text, f"{duration_text(cpu_s)} in all")
    memory = number(stats, "memory_bytes_max") or max((window.rss_bytes or 0 for window in windows), default=0)
    add("memory at most", memory or None, bytes_text, "resident")
    add("event loop late, longest", _lag_s(stats, windows), duration_text)
    return made


def commands(report: RunReport) -> list[tuple[str, str]]:
    """What to type next: (what for, command). Only what makes sense for this run."""
    out = shlex.quote(report.out)
    told = []
    if report.state == "running":
        told.append(("how far it is", f"penstock status {out}"))
    elif report.accounting.pending or report.state in ("killed", "stopped", "interrupted", "incomplete"):
        told.append(("go on where it stopped", _fetch_again(report, out)))
    known = [group.kind for group in report.failures if group.kind in FAILURE_KINDS]
    kinds = [kind for kind in known if not kind.startswith("bad_")]  # a row that was no request stays one
    if known:
        told.append(("look at the failures", f"penstock status {out} --failures {known[0]}"))
    if kinds:
        told.append(("try them again", f"penstock retry {out} --kind {','.join(kinds[:3])}"))
    if report.state != "running":
        told.append(("check every byte", f"penstock verify {out}"))
    told.append(("make this report anew", f"penstock report {out}"))
    return told


def _fetch_again(report: RunReport, out: str) -> str:
    named = " ".join(map(shlex.quote, texts(report.run, "inputs")))
    return f"penstock fetch {named or 'INPUT'} -o {out}    # with the flags of the first time"


def _elapsed_s(report: RunReport) -> float:
    told = number(report.stats, "elapsed_s")
    if told is not None:
        return told
    return report.epochs[-1].elapsed_s if report.epochs else 0.0


def _elapsed_text(report: RunReport) -> str:
    elapsed_s, parts = _elapsed_s(report), len(report.epochs)
    if elapsed_s <= 0:
        return ""
    return duration_text(elapsed_s) + (f" (the last of {parts} parts)" if parts > 1 else "")


def _items(n: int | None) -> str:
    return "1 item" if n == 1 else f"{count_text(n or 0)} items"


def _rate(total: float | None, elapsed_s: float) -> float | None:
    return None if total is None or elapsed_s <= 0 else total / elapsed_s


def _rate_note(report: RunReport) -> str:
    earlier = count(report.stats, "items", "from_earlier_runs")
    elapsed_s = _elapsed_s(report)
    elapsed = duration_text(elapsed_s) if elapsed_s > 0 else ""
    return f"mean of {elapsed}" + (f", {_items(earlier)} from earlier runs" if earlier else "") if elapsed else ""


def _shards_text(report: RunReport) -> str:
    shards = report.shards or count(report.stats, "shards") or 0
    records = report.records or count(report.stats, "records") or 0
    return f"{count_text(records)} records in {count_text(shards)} {'shard' if shards == 1 else 'shards'}"


def _p95(stats: object, name: str) -> float | None:
    if found(stats, name, "p95", "is_n_enough") is False:
        return None
    return number(stats, name, "p95", "value")


def _total(windows: Iterable[Window], *names: str) -> float | None:
    """The sum over all windows; None where nothing is known."""
    values = [value for window in windows for name in names if (value := getattr(window, name)) is not None]
    return sum(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _lag_s(stats: object, windows: Iterable[Window]) -> float | None:
    told = number(stats, "loop_lag_s_max")
    return told if told is not None else max((window.loop_lag_s_max for window in windows), default=None)
