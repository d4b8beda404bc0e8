"""The report as Markdown, as GitHub and terminals show it: the page's twin, with sparklines for the charts.

Pure. The rule: every text of a run is escaped, so that it can neither become markup nor break a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from penstock.perf.profile.model import heaviest, short_place
from penstock.perf.report.failures import FailureGroup
from penstock.perf.report.figures import commands, figures, outcome
from penstock.perf.report.read import RunReport
from penstock.perf.report.sparkline import sparkline
from penstock.perf.report.tables import Table, hosts, machine, percentiles, phase_means, settings, threads, versions
from penstock.perf.report.verdict import VerdictCard, percent
from penstock.telemetry.format import bytes_text, clock_text, count_text, duration_text, printable, rate_text
from penstock.telemetry.window import Window

# Brackets make links, a line's first dash or number a list; the rest is markup, or math and mentions on GitHub.
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&$@])|^([-+=])|(?<=^\d)([.)])")
_FRAMES_MAX = 8


def markdown(report: RunReport) -> str:
    """The whole document, ending with a line break."""
    parts = [
        *_head(report),
        *_verdict(report.verdict),
        *_section("Key numbers of the last part" if len(report.epochs) > 1 else "Key numbers", _figures(report)),
        *_section("Over time", _series(report)),
        *_section("Percentiles", [*_table(percentiles(report.stats)), *_phases(report)]),
        *_section("Hosts", _table(hosts(report.stats))),
        *_section("Failures", _failures(report.failures)),
        *_section("Profiles", _profiles(report)),
        *_section("Settings", _pairs(settings(report.stats, report.run))),
        *_section("Machine", _pairs(machine(report.stats))),
        *_section("Versions", _pairs(versions(report.stats, report.run))),
        *_section("CPU by thread", _pairs(threads(report.stats))),
        *_section("From here", ["```console", *(f"$ {command}" for _, command in commands(report)), "```"]),
    ]
    return "\n".join(parts) + "\n"


def escaped(words: object) -> str:
    """The text with every character that Markdown reads as markup made plain, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", printable(str(words)))


def code(words: str) -> str:
    """The text as inline code, inside tables too: the fence is longer than any run of backquotes in it."""
    shown = printable(words).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    if not shown.strip():
        return ""
    return f"`{shown}`" if not longest else f"{'`' * (longest + 1)} {shown} {'`' * (longest + 1)}"


def _head(report: RunReport) -> list[str]:
    _, sentence = outcome(report)
    accounting = report.accounting
    parts = (
        f"written {count_text(accounting.written)} + failed {count_text(accounting.failed)}"
        f" + skipped {count_text(accounting.skipped)}"
    )
    if accounting.admitted is None:
        identity = f"durable {count_text(accounting.durable)} = {parts}"
    else:
        identity = (
            f"admitted {count_text(accounting.admitted)} = {parts} + pending {count_text(accounting.pending or 0)}"
        )
    lines = [f"# Run {escaped(report.out)}", "", escaped(sentence), "", f"**{escaped(identity)}**"]
    lines.append(f"({'adds up' if accounting.is_right else 'DOES NOT ADD UP'}, {accounting.basis})")
    notes = (*accounting.problems, *report.troubles)
    return [*lines, "", *(f"> {escaped(note)}\n" for note in notes)]


def _verdict(card: VerdictCard | None) -> list[str]:
    if card is None:
        return _section("Verdict", ["There is none: it is made at the end of a run."])
    share = "" if card.confidence is None else f", {percent(card.confidence)}"
    lines = [f"**{escaped(card.question)}** ({card.certainty}{share}). {escaped(card.meaning)}", ""]
    lines += [f"- {escaped(sentence)}" for sentence in card.evidence]
    told = (
        ("Next", card.next),
        ("With twice the concurrency", card.at_twice_concurrency),
        ("What would prove it wrong", card.falsify),
        ("Also possible", ", ".join(f"{heading} {percent(share)}" for heading, share in card.alternatives)),
        ("Note", card.note),
    )
    lines += ["", *(f"- {name}: {escaped(words)}" for name, words in told if words)]
    return _section("Verdict", lines)


def _figures(report: RunReport) -> list[str]:
    rows = [f"| {figure.label} | {escaped(figure.value)} | {escaped(figure.note)} |" for figure in figures(report)]
    return ["| figure | value | of |", "|---|---:|---|", *rows] if rows else []


def _series(report: RunReport) -> list[str]:
    """A row of bars for each column worth it; 0 to the largest, shares 0 to 100 %."""
    windows = [window for epoch in report.epochs for window in epoch.windows]
    if not windows:
        return ["No series was kept."]
    span_s = sum(epoch.elapsed_s for epoch in report.epochs)
    rows = [_bars(name, windows, value, show) for name, value, show in _CURVES]
    rows += [_bars(name, windows, value, None) for name, value in _SHARES]
    shown = [row for row in rows if row]
    epochs = f" of {len(report.epochs)} epochs" if len(report.epochs) > 1 else ""
    head = [f"{clock_text(span_s)}{epochs}, from left to right; shares on a scale of 0 to 100 %.", ""]
    return [*head, "| | over time | mean | most |", "|---|---|---:|---:|", *shown]


def _per_s(name: str) -> Callable[[Window], float | None]:
    return lambda window: getattr(window, name) / window.span_s if window.span_s > 0 else None


def _plain(name: str) -> Callable[[Window], float | None]:
    def value(window: Window) -> float | None:
        told: float | None = getattr(window, name)
        return told

    return value


_CURVES: tuple[tuple[str, Callable[[Window], float | None], Callable[[float], str]], ...] = (
    ("items ended", _per_s("ended"), rate_text),
    ("bodies", _per_s("bytes_body"), lambda value: f"{bytes_text(value)}/s"),
    ("TTFB p95", _plain("ttfb_s_p95"), duration_text),
    ("in flight", _plain("in_flight"), lambda value: f"{value:.1f}"),
    ("retries", _per_s("retries"), rate_text),
    ("429 and 503", _per_s("throttled"), rate_text),
    ("credits taken", _plain("credit_items"), lambda value: count_text(round(value))),
    ("memory", _plain("rss_bytes"), bytes_text),
)
_SHARES: tuple[tuple[str, Callable[[Window], float | None]], ...] = (
    ("source pushed back", _plain("source_blocked")),
    ("fetch runs", _plain("fetch_busy")),
    ("fetch pushed back", _plain("fetch_blocked")),
    ("fetch waits for input", _plain("fetch_input")),
    ("fetch waits for a rate", _plain("fetch_rate")),
    ("fetch waits for a host", _plain("fetch_host")),
    ("process busy", _plain("process_busy")),
    ("sink busy", _plain("sink_busy")),
    ("event loop runs", _plain("loop_run")),
)


def _bars(
    name: str,
    windows: Sequence[Window],
    value: Callable[[Window], float | None],
    show: Callable[[float], str] | None,
) -> str:
    """A table row; empty when the column is 0 or unknown everywhere."""
    values = [value(window) for window in windows]
    known = [(told, window.span_s) for told, window in zip(values, windows, strict=True) if told is not None]
    if not any(told for told, _ in known):
        return ""
    weight = sum(span_s for _, span_s in known)
    mean = sum(told * span_s for told, span_s in known) / weight if weight else 0.0
    text_of = show or percent
    bars = sparkline(values, top=None if show else 1.0)
    return f"| {name} | `{bars}` | {text_of(mean)} | {text_of(max(told for told, _ in known))} |"


def _phases(report: RunReport) -> list[str]:
    means = phase_means(report.stats)
    if not means:
        return []
    whole = sum(mean for _, mean, _ in means)
    told = ", ".join(f"{name} {duration_text(mean)} ({percent(mean / whole)})" for name, mean, _ in means)
    return ["", f"Mean per answer: {escaped(told)}."]


def _failures(groups: Iterable[FailureGroup]) -> list[str]:
    rows = []
    for group in groups:
        rows.append(f"| {escaped(group.kind)} | {count_text(group.items)} | | |")
        rows += [
            f"| | {count_text(example.item_id)} | {code(example.url)} | {escaped(example.message)} |"
            for example in group.examples
        ]
    if not rows:
        return ["None."]
    return ["| kind | items, item | example | message |", "|---|---:|---|---|", *rows]


def _profiles(report: RunReport) -> list[str]:
    lines: list[str] = []
    for name, profile in report.profiles:
        lines += [f"### {escaped(profile.title or profile.kind)}", ""]
        lines += [f"{profile.kind}, {profile.total:.4g} {profile.unit}, {code('_penstock/profiles/' + name)}", ""]
        lines += [f"> {escaped(note)}\n" for note in profile.notes]
        lines += ["| function | itself | with callees |", "|---|---:|---:|"]
        for frame, own, whole in heaviest(profile, _FRAMES_MAX):
            total = profile.total or 1.0
            lines.append(f"| {code(short_place(frame))} | {own / total:.1%} | {whole / total:.1%} |")
        lines.append("")
    return lines


def _table(table: Table | None) -> list[str]:
    if table is None:
        return []
    head = "| " + " | ".join(name for name, _ in table.columns) + " |"
    rule = "|" + "|".join("---:" if is_number else "---" for _, is_number in table.columns) + "|"
    return [head, rule, *("| " + " | ".join(escaped(cell.text) for cell in row) + " |" for row in table.rows)]


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    rows = [f"| {escaped(name)} | {escaped(value)} |" for name, value in pairs]
    return ["| | |", "|---|---|", *rows] if rows else []


def _section(heading: str, lines: Sequence[str]) -> list[str]:
    return [f"## {heading}", "", *lines, ""] if lines else []
