"""The report's tables as plain rows, for HTML and Markdown alike: percentiles, hosts, settings, machine, versions.

Pure. Texts are safe to show but not escaped. The rule: a percentile of too few samples is said to be so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.perf.report.lookup import count, found, mapping, number, text
from penstock.telemetry.format import UNKNOWN, bytes_text, count_text, duration_text, printable, share_text
from penstock.version import __version__

PERCENTILES = (("p50", 2), ("p90", 10), ("p95", 20), ("p99", 100), ("p99.9", 1_000))
"""Name, and the fewest samples for which it is more than the largest of them (n ≥ 1/(1-q))."""
PHASES = (
    ("dns_s", "name lookup", "host"),
    ("connect_s", "connect", "rate"),
    ("tls_s", "TLS", "process"),
    ("ttfb_s", "first byte", "fetch"),
    ("body_s", "body", "source"),
)
"""Key in stats.json, name, colour of theme.css. What an attempt goes through, in order."""
_VERSIONS = ("python", "penstock", "libcurl", "pycurl", "uvloop", "pyarrow")
_SECRET = re.compile(r"authorization|cookie|password|secret|token|api.?key", re.IGNORECASE)
_BYTES = ("memory", "max_filesize", "shard_bytes")
_SECONDS = ("shard_seconds",)
_VALUE_MAX = 160
_ENTRIES_MAX = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` as it is shown; `sort`: what a column is sorted by. `tone`: how it is drawn."""

    text: str
    sort: float | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`columns`: name, and whether it holds numbers. Every row has as many cells."""

    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Cell, ...], ...]


def percentiles(stats: object) -> Table | None:
    """A row for each phase and the whole attempt; None without any. Phases nobody went through are left out."""
    rows = []
    for key, name, _ in (*PHASES, ("total_s", "whole attempt", "")):
        told = mapping(stats, "phases", key) or mapping(stats, key)
        n = count(told, "n")
        if not n:
            continue
        cells = [_percentile(told, percentile, n, enough) for percentile, enough in PERCENTILES]
        ends = [Cell(duration_text(number(told, "max")), number(told, "max")), Cell(count_text(n), n)]
        rows.append((Cell(name), Cell(duration_text(number(told, "mean")), number(told, "mean")), *cells, *ends))
    if not rows:
        return None
    numbers = ("mean", *(name for name, _ in PERCENTILES), "max", "n")
    return Table((("phase", False), *((name, True) for name in numbers)), tuple(rows))


def phase_means(stats: object) -> list[tuple[str, float, str]]:
    """(name, mean seconds per answer, colour) of the phases, in order; phases without time are left out.

    A phase that only new connections go through counts with the share of the answers that did.
    """
    answers = count(stats, "total_s", "n") or count(stats, "phases", "ttfb_s", "n") or 0
    means = []
    for key, name, tone in PHASES:
        mean, n = number(stats, "phases", key, "mean"), count(stats, "phases", key, "n")
        if mean and n and answers:
            means.append((name, mean * min(1.0, n / answers), tone))
    return means


def hosts(stats: object) -> Table | None:
    """The busiest hosts, most answers first; None when stats.json tells of none."""
    rows = []
    for host in mapping(stats, "hosts"):
        row = mapping(stats, "hosts", host)
        answers, failures = count(row, "answers") or 0, count(row, "failures") or 0
        throttled, size, ttfb_s = count(row, "throttled") or 0, number(row, "bytes_body"), number(row, "ttfb_s_mean")
        share = failures / (answers + failures) if answers + failures else 0.0
        rows.append(
            (
                Cell(printable(host, 80)),
                Cell(count_text(answers), answers),
                Cell(count_text(failures), failures, "bad" if failures else "faint"),
                Cell(
                    "<0.1 %" if 0 < share < 0.001 else share_text(failures, answers + failures),
                    share,
                    "" if failures else "faint",
                ),
                Cell(count_text(throttled), throttled, "warn" if throttled else "faint"),
                Cell(duration_text(ttfb_s), ttfb_s),
                Cell(UNKNOWN if size is None else bytes_text(size), size),
            )
        )
    rows.sort(key=lambda row: -(row[1].sort or 0))
    names = ("answers", "errors", "error share", "429/503", "mean TTFB", "bytes")
    return Table((("host", False), *((name, True) for name in names)), tuple(rows)) if rows else None


def settings(stats: object, run: object) -> list[tuple[str, str]]:
    """What the run was told: name and value. Values of what may be a secret are never shown."""
    told = mapping(stats, "settings")
    if not told:
        told = {name: found(run, name) for name in ("inputs", "output_format", "process") if found(run, name)}
    kept = {name: value for name, value in told.items() if value not in (None, "", [])}
    return [(printable(name.replace("_", "-"), 60), _setting(name, value)) for name, value in kept.items()]


def machine(stats: object) -> list[tuple[str, str]]:
    """Where the run ran: name and value, versions apart."""
    told = mapping(stats, "machine")
    rows = []
    for name, value in told.items():
        if name in _VERSIONS or value is None:
            continue
        size = number(told, name) if name.endswith("_bytes") else None
        shown = printable(name.removesuffix("_bytes").replace("_", " "), 60)
        rows.append((shown, _plain(value) if size is None else bytes_text(size)))
    return rows


def versions(stats: object, run: object) -> list[tuple[str, str]]:
    """What made the run, and what made this report."""
    rows = [(name, text(stats, "machine", name) or text(run, name)) for name in _VERSIONS]
    return [*((name, version) for name, version in rows if version), ("this report", f"penstock {__version__}")]


def _percentile(told: Mapping[str, object], name: str, n: int, enough: int) -> Cell:
    """A percentile stands as a number, or as an object with `value` and `is_n_enough`."""
    value = number(told, name, "value") if isinstance(found(told, name), Mapping) else number(told, name)
    if value is None:
        return Cell(UNKNOWN, None, "faint")
    is_enough = found(told, name, "is_n_enough") is not False and n >= enough
    return Cell(duration_text(value), value) if is_enough else Cell("n too small", None, "faint")


def threads(stats: object) -> list[tuple[str, str]]:
    """CPU seconds of each thread of the run's process, most first."""
    names = mapping(stats, "cpu_by_thread")
    told = [(name, seconds) for name in names if (seconds := number(names, name)) is not None]
    return [(printable(name, 60), duration_text(seconds)) for name, seconds in told if seconds > 0]


def _setting(name: str, value: object) -> str:
    if _SECRET.search(name) and isinstance(value, str | list | dict):
        return "(not shown)"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name in _BYTES:
            return bytes_text(value)
        return f"{value:g} s" if name in _SECONDS or name.endswith("timeout") else f"{value:,}"
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(entry, str | int | float) for entry in value):
        shown = printable(", ".join(map(str, value[:_ENTRIES_MAX])), _VALUE_MAX)
        return shown if len(value) <= _ENTRIES_MAX else f"{shown}, … ({len(value):,} in all)"
    if isinstance(value, str):
        return printable(value, _VALUE_MAX)
    return printable(json.dumps(value, default=str, ensure_ascii=False), _VALUE_MAX)
