"""A comparison as lines for a terminal: what was measured, who is faster than whom, what to take from it.

Words and columns only; colours repeat what the words say. The rule: a value that cannot be said is a dash, and the
reason for it stands below.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

from penstock.perf.compare.figures import ordered, ratio_text
from penstock.perf.compare.grid import Column, fits, grid
from penstock.perf.compare.lookup import Verdicts
from penstock.perf.compare.model import Comparison, Estimate, Pair, Percentiles, Summary, Verdict
from penstock.telemetry.format import UNKNOWN, bytes_text, clock_text, duration_text, printable
from penstock.telemetry.styled import Line, Span, Style, flowed

_VERDICT_STYLES: dict[Verdict, Style] = {"faster": "good", "slower": "bad", "cannot tell": "warn"}
_UNIT = re.compile(r"(?<=\d) (?=(?:%|[mµ]?s|[kMG]?B|times)(?!\w))")


def render(comparison: Comparison, width: int = 100) -> list[Line]:
    """Lines of at most `width` columns (at least 40), save for words that are longer than that."""
    width = max(40, width)
    blocks = [_head(comparison, width)]
    if comparison.rounds:
        blocks += [_throughput(comparison, width), _times(comparison, width), _matrix(comparison, width)]
        blocks.append(_dashes(comparison, width))
    blocks += [_text(comparison.commentary, width), _ending(comparison, width), _notes(comparison, width)]
    lines: list[Line] = []
    for block in blocks:
        if block:
            lines += [[], *block] if lines else block
    return lines


def _head(comparison: Comparison, width: int) -> list[Line]:
    facts = [f"{len(comparison.summaries)} alternatives" if comparison.summaries else ""]
    concurrency = max((summary.concurrency for summary in comparison.summaries), default=0)
    facts += [f"{concurrency} at once" if concurrency else ""]
    facts += [f"{comparison.rounds} {'round' if comparison.rounds == 1 else 'rounds'} in random order"]
    facts += [f"seed {comparison.seed}", clock_text(comparison.elapsed_s)]
    title: list[Line] = [[(printable(comparison.workload), "bold")]]
    title += _text([comparison.about], width) if comparison.about else []
    return [*title, *flowed([[(fact, "dim")] for fact in facts if fact], width)]


def _throughput(comparison: Comparison, width: int) -> list[Line]:
    """The first table: throughput, CPU and memory, with the verdict against the best."""
    summaries = ordered(comparison)
    if not summaries:
        return []
    best, verdicts = summaries[0].name, Verdicts(comparison.pairs)
    shown = [
        Column(""),
        Column("items/s"),
        Column("95 % within"),
        Column("CPU/1,000"),
        Column("memory"),
        Column("verdict", is_text=True),
    ]
    rows: list[list[Span]] = []
    for summary in summaries:
        estimate = summary.throughput_per_s
        rows.append(
            [
                (printable(summary.name), "bold"),
                (number_text(estimate.value), ""),
                (_interval(estimate), "dim"),
                (_with_margin(summary.cpu_s_per_1000, duration_text), ""),
                (_with_margin(summary.rss_bytes, lambda value: UNKNOWN if value is None else bytes_text(value)), ""),
                _against(verdicts, summary.name, best),
            ]
        )
    return grid(shown, rows, width)


def _times(comparison: Comparison, width: int) -> list[Line]:
    """How long an item takes, in the closed and in the open loop: side by side, or one below the other."""
    summaries = ordered(comparison)
    if not summaries:
        return []
    shown = [Column(""), *_percentile_columns("service time, closed loop")]
    rows: list[list[Span]] = [
        [(printable(summary.name), "bold"), *_percentiles(summary.service)] for summary in summaries
    ]
    if all(summary.latency is None for summary in summaries):
        return grid(shown, rows, width)
    more = _percentile_columns(f"from the intended start, at {number_text(comparison.rate_per_s)}/s")
    cells: list[list[Span]] = [_percentiles(summary.latency) for summary in summaries]
    if any(summary.keeps_up is False for summary in summaries):
        more.append(Column("", is_text=True))
        for row, summary in zip(cells, summaries, strict=True):
            row.append(("falls behind", "warn") if summary.keeps_up is False else ("", ""))
    together = [[*row, *right] for row, right in zip(rows, cells, strict=True)]
    if fits([*shown, *more], together, width):
        return grid([*shown, *more], together, width)
    below = [[row[0], *right] for row, right in zip(rows, cells, strict=True)]
    return [*grid(shown, rows, width), [], *grid([Column(""), *more], below, width)]


def _matrix(comparison: Comparison, width: int) -> list[Line]:
    """Each against each by throughput: in words, where that is too wide as ratios, then as a list."""
    pairs = [pair for pair in comparison.pairs if pair.metric == "throughput"]
    if not pairs:
        return []
    names, verdicts = [summary.name for summary in ordered(comparison)], Verdicts(pairs)
    numbers = range(1, len(names) + 1)
    for title, cell in (("than ", _verdict_cell), ("/", _ratio_cell)):
        shown = [Column("throughput"), *(Column(f"{title}{number}", is_text=True) for number in numbers)]
        rows: list[list[Span]] = []
        for number, name in zip(numbers, names, strict=True):
            cells: list[Span] = [
                ("·", "") if other == name else cell(verdicts.of(name, other, "throughput")) for other in names
            ]
            rows.append([(f"{number} {printable(name)}", "bold"), *cells])
        if fits(shown, rows, width):
            legend = [] if cell is _verdict_cell else _text(["? cannot tell; below 1: slower"], width, "dim")
            return [*grid(shown, rows, width), *legend]
    lines: list[Line] = []
    for pair in pairs:
        text, style = _verdict_cell(pair)
        lines += flowed([[(f"{printable(pair.a)} against {printable(pair.b)}:", ""), (f" {text}", style)]], width)
    return lines


def _ending(comparison: Comparison, width: int) -> list[Line]:
    refusal = comparison.refusal
    if refusal is not None:
        hint = _text([f"hint: {refusal.hint}"], width) if refusal.hint else []
        return [*_text([f"no verdict: {refusal.message}"], width, "bad"), *hint]
    if comparison.recommendation is None:
        return []
    recommended: Line = [("recommended: ", "dim"), (printable(comparison.recommendation.name), "good")]
    return [recommended, *_text([comparison.recommendation.reason], width)]


def _dashes(comparison: Comparison, width: int) -> list[Line]:
    """Why values are missing, each reason once; of those that fall behind the row says it."""
    told: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for summary in comparison.summaries:
        for group, title, estimate in _estimates(summary):
            if estimate.value is None and estimate.note:
                titles, names = told.setdefault((group, estimate.note), ({}, {}))
                titles[title] = names[printable(summary.name)] = None
    return _text(
        [
            f"{UNKNOWN} {', '.join(titles)}{group}: {printable(note)} "
            f"({'all' if len(names) == len(comparison.summaries) else ', '.join(names)})"
            for (group, note), (titles, names) in told.items()
        ],
        width,
        "dim",
    )


def _notes(comparison: Comparison, width: int) -> list[Line]:
    return _text([f"note: {note}" for note in dict.fromkeys(comparison.notes)], width, "dim")


def number_text(value: float | None) -> str:
    """Three digits, or all before the point: `0.041`, `4.12`, `41.2`, `4,123`; None is a dash."""
    if value is None:
        return UNKNOWN
    if abs(value) >= 99.95 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}" if abs(value) >= 0.9995 else f"{value:.3g}"


def _against(verdicts: Verdicts, name: str, best: str) -> Span:
    if name == best:
        return ("best", "good") if verdicts.pairs else ("", "")
    return _verdict_cell(verdicts.of(name, best, "throughput"))


def _verdict_cell(pair: Pair | None) -> Span:
    if pair is None:
        return ("", "")
    ratio = pair.ratio.value
    text = pair.verdict if pair.verdict == "cannot tell" or ratio is None else f"{pair.verdict} {ratio_text(ratio)}"
    return text, _VERDICT_STYLES[pair.verdict]


def _ratio_cell(pair: Pair | None) -> Span:
    text, style = _verdict_cell(pair)
    return ("?" if text == "cannot tell" else text.rpartition(" ")[2], style)


def _percentile_columns(group: str) -> list[Column]:
    return [Column(title, group) for title in ("p50", "p95", "p99")]


def _percentiles(percentiles: Percentiles | None) -> list[Span]:
    if percentiles is None:
        return [(UNKNOWN, "")] * 3
    return [(_with_margin(each, duration_text), "") for each in (percentiles.p50, percentiles.p95, percentiles.p99)]


def _with_margin(estimate: Estimate, text_of_value: Callable[[float | None], str]) -> str:
    """`21.3 ms ±3 %`: the wider half of the 95 % interval, as a share of the value."""
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None or low is None or high is None or value <= 0:
        return text_of_value(value)
    percent = 100 * max(high - value, value - low) / value
    told = "<1" if percent < 0.95 else f"{percent:.0f}" if percent < 100 else ">100"
    return f"{text_of_value(value)} ±{told} %"


def _interval(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return UNKNOWN
    return f"{number_text(estimate.low)}–{number_text(estimate.high)}"


def _estimates(summary: Summary) -> Iterator[tuple[str, str, Estimate]]:
    """(group, column, value) of what the tables show."""
    yield "", "items/s", summary.throughput_per_s
    yield "", "CPU", summary.cpu_s_per_1000
    yield "", "memory", summary.rss_bytes
    groups = [(" of service time", summary.service)]
    if summary.latency is not None and summary.keeps_up is not False:
        groups.append((" from the intended start", summary.latency))
    for group, percentiles in groups:
        yield group, "p50", percentiles.p50
        yield group, "p95", percentiles.p95
        yield group, "p99", percentiles.p99


def _text(texts: Sequence[str], width: int, style: Style = "") -> list[Line]:
    """Wrapped; lines of a text stay lines, with their indentation. A number and its unit are not parted."""
    lines: list[Line] = []
    for line in "\n".join(texts).splitlines():
        indent = " " * min(len(line) - len(line.lstrip()), width // 4)
        wrapped = textwrap.wrap(
            _UNIT.sub("\u00a0", printable(line)),
            width,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [[(part.replace("\u00a0", " "), style)] for part in wrapped]
    return lines
