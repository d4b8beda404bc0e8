"""What the live display shows: one frame as styled lines of a given width, and the same as a single plain line.

Pure: a snapshot and rates in, text out; it knows no terminal and no clock. Rule: no line is wider than `width`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.model import FailureKind
from penstock.telemetry.flow import flow_facts
from penstock.telemetry.format import (
    UNKNOWN,
    bytes_text,
    clock_text,
    count_text,
    duration_text,
    printable,
    rate_text,
    share_text,
    shortened,
)
from penstock.telemetry.lag import LATE_S
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import HostRow, Snapshot
from penstock.telemetry.styled import Line, Style, flowed, text_of, width_of

WIDTH_MIN = 40
HOST_ROWS_MAX = 20
KINDS_MAX = 6
_BAR_BESIDE_FROM = 100
_BAR_MAX = 60


def frame(snapshot: Snapshot, rates: Rates, *, width: int, height: int) -> list[Line]:
    """The whole display: progress, items, machinery, failures, hosts (when the snapshot has rows), state.

    `width` in characters, below 40 counts as 40; at most `height` lines, of which the state is the last to be left
    out and the hosts are the first. Costs about 0.03 ms, 0.15 ms with 20 hosts.
    """
    width = max(width, WIDTH_MIN)
    lines = _progress(snapshot, rates, width)
    lines += flowed(_item_facts(snapshot), width)
    lines += flowed(_machine_facts(snapshot, rates), width)
    if snapshot.window is not None:
        lines += flowed(flow_facts(snapshot.window, snapshot.limited_by), width)
    kinds = failure_facts(snapshot.counters.failures, KINDS_MAX)
    if kinds:
        lines += flowed(kinds, width, first=("failures ", "bad"), indent=2)
    state: list[Line] = [[(shortened(printable(snapshot.state), width), "warn")]] if snapshot.state else []
    # Two lines: the table's heading, and how many hosts it leaves out.
    rows_max = min(HOST_ROWS_MAX, height - len(lines) - len(state) - 2)
    if snapshot.hosts and rows_max > 0:
        lines += _host_table(snapshot.hosts[:rows_max], width)
        hidden = len(snapshot.hosts) - rows_max
        if hidden > 0:
            lines.append([(f"and {count_text(hidden)} more hosts", "dim")])
    return lines[: max(0, height - len(state))] + state


def plain_line(snapshot: Snapshot, rates: Rates) -> str:
    """One line for a log: time gone, then the same facts. Not cut to a width; without line break."""
    counters = snapshot.counters
    facts: list[Line] = [[(clock_text(snapshot.elapsed_s), "")], *_done_facts(snapshot, rates)]
    facts.append([(f"written {count_text(counters.written)}", "")])
    facts += _machine_facts(snapshot, rates)
    kinds = failure_facts(counters.failures, KINDS_MAX)
    failed = sum(counters.failures.values())
    if kinds:
        shown = ", ".join(text_of([fact]).rstrip() for fact in kinds)
        facts.append([(f"failures {count_text(failed)} ({shown})", "")])
    if counters.skipped:
        facts.append([(f"skipped {count_text(counters.skipped)}", "")])
    if snapshot.limited_by:
        facts.append([(f"limited by {snapshot.limited_by}", "")])
    if snapshot.state:
        facts.append([(printable(snapshot.state), "")])
    return text_of(flowed(facts, 1 << 30)).rstrip("\n")


def failure_facts(failures: Mapping[FailureKind, int], kinds_max: int) -> list[Line]:
    """`http_5xx 100`, one fact for each kind, most first; kinds after the first `kinds_max` are one fact together."""
    counted = sorted(((kind, n) for kind, n in failures.items() if n), key=lambda pair: (-pair[1], pair[0]))
    facts: list[Line] = [[(f"{kind} {count_text(n)}", "")] for kind, n in counted[:kinds_max]]
    rest = counted[kinds_max:]
    if rest:
        facts.append([(f"{len(rest)} more kinds {count_text(sum(n for _, n in rest))}", "dim")])
    return facts


def _progress(snapshot: Snapshot, rates: Rates, width: int) -> list[Line]:
    facts = flowed(_done_facts(snapshot, rates), width)
    if not snapshot.total:
        return facts
    if width < _BAR_BESIDE_FROM:
        return [_bar(snapshot, min(width, _BAR_MAX)), *facts]
    bar_width = min(_BAR_MAX, width - width_of(facts[0]) - 2)
    return [[*_bar(snapshot, bar_width), ("  ", ""), *facts[0]], *facts[1:]]


def _bar(snapshot: Snapshot, width: int) -> Line:
    """Durable items, then those that have ended but are in no committed shard yet, then the rest."""
    total = snapshot.total or 1
    ended = min(width, width * snapshot.counters.ended_ever // total)
    durable = min(ended, width * snapshot.counters.done // total)
    return [("━" * durable, "good"), ("╍" * (ended - durable), "accent"), ("─" * (width - ended), "dim")]


def _done_facts(snapshot: Snapshot, rates: Rates) -> list[Line]:
    """Items ended of all, share, rate, time left."""
    ended = snapshot.counters.ended_ever
    rate = UNKNOWN if rates.items_per_s is None else rate_text(rates.items_per_s)
    if snapshot.total is None:
        return [[(f"{count_text(ended)} items", "bold")], [(rate, "")]]
    about = "~" if snapshot.is_total_estimated else ""
    return [
        [(f"{count_text(ended)} / {about}{count_text(snapshot.total)}", "bold")],
        [(f"{about}{share_text(min(ended, snapshot.total), snapshot.total)}", "")],
        [(rate, "")],
        [(f"ETA {about}{clock_text(rates.eta_s)}", "")],
    ]


def _item_facts(snapshot: Snapshot) -> list[Line]:
    """The accounting so far: what is durable, and what is not yet."""
    counters = snapshot.counters
    facts: list[Line] = [
        [("written ", "dim"), (count_text(counters.written), "good")],
        [("failed ", "dim"), (count_text(counters.failed), "bad" if counters.failed else "")],
        [("skipped ", "dim"), (count_text(counters.skipped), "")],
        [("pending ", "dim"), (count_text(counters.pending), "")],
    ]
    if counters.earlier.done:
        facts.append([("from earlier runs ", "dim"), (count_text(counters.earlier.done), "")])
    return facts


def _machine_facts(snapshot: Snapshot, rates: Rates) -> list[Line]:
    counters = snapshot.counters
    limit = "" if snapshot.limit is None else f"/{count_text(snapshot.limit)}"
    facts: list[Line] = [
        [("in flight ", "dim"), (f"{count_text(snapshot.in_flight)}{limit}", "")],
        [(f"{UNKNOWN if rates.bytes_per_s is None else bytes_text(rates.bytes_per_s)}/s", "")],
        [("retries ", "dim"), (count_text(counters.retries), "")],
    ]
    optional: list[tuple[str, int, Style]] = [
        ("queued", snapshot.queued, ""),
        ("waiting", snapshot.delayed, ""),
        ("deferred", snapshot.deferred, "warn"),
        ("throttled", counters.throttled, "warn"),
    ]
    facts += [[(f"{name} ", "dim"), (count_text(n), style)] for name, n, style in optional if n]
    if snapshot.bytes_held:
        held_max = "" if snapshot.bytes_held_max is None else f" of {bytes_text(snapshot.bytes_held_max)}"
        facts.append([("memory ", "dim"), (f"{bytes_text(snapshot.bytes_held)}{held_max}", "")])
    if snapshot.loop_lag_s_p95 is not None and snapshot.loop_lag_s_p95 > LATE_S:
        facts.append([("event loop late ", "dim"), (duration_text(snapshot.loop_lag_s_p95), "warn")])
    return facts


# Heading, width, text of a row, and the terminal width from which the column is shown.
_COLUMNS: tuple[tuple[str, int, Callable[[HostRow], str], int], ...] = (
    ("in flight", 9, lambda row: f"{row.in_flight}" + ("" if row.limit is None else f"/{row.limit}"), 0),
    ("queued", 7, lambda row: count_text(row.queued), 84),
    ("answers", 9, lambda row: count_text(row.answers), 0),
    ("errors", 7, lambda row: count_text(row.failures), 0),
    ("429/503", 7, lambda row: count_text(row.throttled), 76),
    ("TTFB", 8, lambda row: duration_text(row.ttfb_s_mean), 56),
    ("bytes", 8, lambda row: bytes_text(row.bytes_body), 92),
)
_HOST_MAX = 40
_NOTE_MIN = 12


def _host_table(rows: Sequence[HostRow], width: int) -> list[Line]:
    columns = [column for column in _COLUMNS if width >= column[3]]
    numbers_width = sum(column[1] + 1 for column in columns)
    names = [host_label(row.host) for row in rows]
    host_width = min(max(len(name) for name in names), _HOST_MAX, width - numbers_width)
    heading = " ".join(f"{name:>{size}}" for name, size, _, _ in columns)
    lines: list[Line] = [[(f"{'host':<{host_width}} {heading}", "dim")]]
    note_width = width - host_width - numbers_width - 2
    for name, row in zip(names, rows, strict=True):
        numbers = " ".join(f"{shortened(text(row), size):>{size}}" for _, size, text, _ in columns)
        line: Line = [(f"{shortened(name, host_width):<{host_width}} ", ""), (numbers, "")]
        if row.note and note_width >= _NOTE_MIN:
            line.append((f"  {shortened(printable(row.note), note_width)}", "warn"))
        lines.append(line)
    return lines


def host_label(host: str) -> str:
    """A host key (`scheme://host:port`) without what goes without saying: https, the scheme's own port."""
    label = printable(host)
    if label.startswith("https://"):
        return label.removeprefix("https://").removesuffix(":443")
    return label.removesuffix(":80") if label.startswith("http://") else label
