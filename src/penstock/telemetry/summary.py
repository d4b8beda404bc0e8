"""What a run says at its end, for people: outcome, accounting, speed, failures with examples, data, how to go on.

Pure: styled lines out. It checks the accounting once more and says so when it does not add up; it never hides the rest
because of that. Rule: text keeps to `width` columns, commands and paths are never cut (they are there to be copied).
"""

from __future__ import annotations

from textwrap import wrap
from typing import Literal

from penstock.telemetry.counters import Counters
from penstock.telemetry.format import (
    UNKNOWN,
    bytes_text,
    count_text,
    duration_text,
    percent_text,
    printable,
    rate_text,
    share_text,
)
from penstock.telemetry.histogram import Histogram, Percentile
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.stats import RunFacts, per_s
from penstock.telemetry.styled import Line, flowed
from penstock.telemetry.verdict import Verdict

WIDTH = 100

_LABEL = 14
_VERDICT_S_MIN = 5.0  # of a shorter run nobody asks what limits it, and nothing could be told
_PERCENTILES = (0.50, 0.95, 0.99)


def summary_lines(
    snapshot: Snapshot, facts: RunFacts, verdict: Verdict | None = None, *, width: int = WIDTH
) -> list[Line]:
    """The end of a run for people: outcome, accounting, speed, verdict, failures with examples, data, how to go on."""
    lines = [_headline(snapshot, facts), [], *_accounting(snapshot, facts, width)]
    lines += [[], *_speed(snapshot, facts, width)]
    if verdict is not None and snapshot.elapsed_s >= _VERDICT_S_MIN:
        lines += _verdict(verdict, width)
    failures = _failures(snapshot.counters, facts, width)
    if failures:
        lines += [[], *failures]
    lines += [[], _labelled("data", facts.data)]
    if facts.read_with:
        lines.append(_labelled("read it", facts.read_with, "accent"))
    if facts.resume_command and (snapshot.counters.pending or facts.stop_reason):
        lines += [[], _labelled("resume", facts.resume_command, "accent")]
    return lines


def _headline(snapshot: Snapshot, facts: RunFacts) -> Line:
    counters = snapshot.counters
    elapsed = duration_text(snapshot.elapsed_s)
    if facts.stop_reason:
        return [("Stopped", "warn"), (f" after {elapsed}: {printable(facts.stop_reason)}", "")]
    if counters.pending:
        return [("Ended", "warn"), (f" after {elapsed} with {_items(counters.pending)} pending", "")]
    if counters.failed:
        return [("Finished", "warn"), (f" in {elapsed}; {_items(counters.failed)} failed", "")]
    return [("Finished", "good"), (f" in {elapsed}; nothing failed", "")]


def _accounting(snapshot: Snapshot, facts: RunFacts, width: int) -> list[Line]:
    counters = snapshot.counters
    lines: list[Line] = [
        [
            ("admitted ", "bold"),
            (count_text(counters.admitted), "bold"),
            (" = written ", ""),
            (count_text(counters.written), "good"),
            (" + failed ", ""),
            (count_text(counters.failed), "bad" if counters.failed else ""),
            (f" + skipped {count_text(counters.skipped)} + pending ", ""),
            (count_text(counters.pending), "warn" if counters.pending else ""),
        ]
    ]
    problem = counters.accounting_problem(facts.held)
    if problem:
        lines += [[(text, "bad")] for text in wrap(f"THIS DOES NOT ADD UP. {problem}", width)]
    earlier = counters.earlier
    if earlier.done:
        text = (
            f"  of these, earlier runs: written {count_text(earlier.written)} + failed {count_text(earlier.failed)}"
            f" + skipped {count_text(earlier.skipped)}"
        )
        lines.append([(text, "dim")])
    if snapshot.total is not None and not snapshot.is_total_estimated and snapshot.total > counters.admitted:
        left = snapshot.total - counters.admitted
        lines.append([(f"  not admitted yet: {count_text(left)} of {count_text(snapshot.total)} input items", "dim")])
    return lines


def _speed(snapshot: Snapshot, facts: RunFacts, width: int) -> list[Line]:
    counters = snapshot.counters
    elapsed_s = snapshot.elapsed_s
    lines = _facts_line(
        "throughput",
        [
            f"{rate_text(per_s(counters.done_here, elapsed_s)).removesuffix('/s')} items/s",
            f"{rate_text(per_s(counters.records, elapsed_s)).removesuffix('/s')} records/s",
            f"{bytes_text(per_s(counters.bytes_body, elapsed_s))}/s",
            f"bodies {bytes_text(counters.bytes_body)}",
        ],
        width,
    )
    output = [f"records {count_text(counters.records)}", f"shards {count_text(counters.shards)}"]
    lines += _facts_line("output", [*output, bytes_text(counters.bytes_durable)], width)
    lines += _histogram_lines("TTFB", counters.ttfb, width)
    lines += _histogram_lines("total time", counters.total, width)
    attempts = [count_text(counters.attempts), f"retries {count_text(counters.retries)}"]
    if counters.retries:
        attempts[1] += f" ({share_text(counters.retries, counters.attempts)})"
    attempts += [
        f"{name} {count_text(n)}"
        for name, n in (("throttled", counters.throttled), ("deferred", counters.deferred))
        if n
    ]
    lines += _facts_line("attempts", attempts, width)
    if facts.process_mode:
        reason = f": {facts.process_reason}" if facts.process_reason else ""
        lines += _facts_line("process", [printable(facts.process_mode + reason, width - _LABEL)], width)
    return lines + _facts_line("this machine", _machine(snapshot, facts), width)


def _verdict(verdict: Verdict, width: int) -> list[Line]:
    """What limited the run, the decisive number, and what to do about it."""
    lines: list[Line] = [
        [
            (f"{'limited by':<{_LABEL}}", "dim"),
            (verdict.name, "bold"),
            (f" (confidence {percent_text(verdict.confidence)})", ""),
        ]
    ]
    indent = " " * _LABEL
    texts = [*verdict.evidence[:1], f"next: {verdict.next}"]
    for text in texts:
        lines += [[(f"{indent}{line}", "")] for line in wrap(printable(text), width - _LABEL)]
    return lines


def _machine(snapshot: Snapshot, facts: RunFacts) -> list[str]:
    machine = []
    if facts.cpu_s is not None:
        machine.append(f"CPU {duration_text(facts.cpu_s)}")
    if facts.memory_bytes_max is not None:
        machine.append(f"memory at most {bytes_text(facts.memory_bytes_max)}")
    if snapshot.loop_lag_s_max is not None:
        p95 = "" if snapshot.loop_lag_s_p95 is None else f"p95 {duration_text(snapshot.loop_lag_s_p95)}, "
        machine.append(f"event loop late {p95}max {duration_text(snapshot.loop_lag_s_max)}")
    return machine


def _failures(counters: Counters, facts: RunFacts, width: int) -> list[Line]:
    counted = sorted(((kind, n) for kind, n in counters.failures.items() if n), key=lambda pair: (-pair[1], pair[0]))
    if not counted and not counters.failed:
        return []
    lines: list[Line] = [[("Failures by kind", "bold"), (", each with its first example", "dim")]]
    kind_width = max((len(kind) for kind, _ in counted), default=0)
    count_width = max((len(count_text(n)) for _, n in counted), default=0)
    indent = 2 + kind_width + 2 + count_width + 2
    for kind, n in counted:
        line: Line = [(f"  {kind:<{kind_width}}  ", "bad"), (f"{count_text(n):>{count_width}}  ", "")]
        example = counters.examples.get(kind)
        if example is None:
            lines.append([*line, ("in earlier runs", "dim")])
            continue
        place = f"item {count_text(example.item_id)}  "
        lines.append([*line, (place + printable(example.url, width - indent - len(place)), "")])
        lines.append([(" " * indent, ""), (printable(example.message, width - indent), "dim")])
    unknown = counters.failed - sum(n for _, n in counted)
    if unknown > 0:
        lines.append([(f"  and {count_text(unknown)} in earlier runs", "dim")])
    if facts.failures_command:
        lines.append(_labelled("look at them", facts.failures_command, "accent"))
    if facts.retry_command:
        # A row that was no request stays one: only the other kinds can be tried again.
        kinds = [kind for kind, _ in counted if not kind.startswith("bad_")]
        if kinds or not counted:
            command = f"{facts.retry_command} --kind {kinds[0]}" if kinds else facts.retry_command
            lines.append(_labelled("try again", command, "accent"))
    return lines


def _histogram_lines(label: str, histogram: Histogram, width: int) -> list[Line]:
    if histogram.n == 0:
        return _facts_line(label, ["no successful attempt"], width)
    facts = [_percentile_text(histogram.percentile(q)) for q in _PERCENTILES]
    return _facts_line(
        label, [*facts, f"max {duration_text(histogram.max_s)}", f"n = {count_text(histogram.n)}"], width
    )


def _percentile_text(percentile: Percentile) -> str:
    name = f"p{percentile.q * 100:g}"
    return (
        f"{name} {duration_text(percentile.value_s)}" if percentile.is_n_enough else f"{name} {UNKNOWN} (n too small)"
    )


def _facts_line(label: str, facts: list[str], width: int) -> list[Line]:
    if not facts:
        return []
    spans: list[Line] = [[(fact, "")] for fact in facts]
    return flowed(spans, width, first=(f"{label:<{_LABEL}}", "dim"), indent=_LABEL)


def _labelled(label: str, text: str, style: Literal["", "accent"] = "") -> Line:
    """A line that is never cut: it is there to be copied."""
    return [(f"{label:<{_LABEL}}", "dim"), (text, style)]


def _items(n: int) -> str:
    return "1 item" if n == 1 else f"{count_text(n)} items"
