"""Comparisons as Markdown, as GitHub shows it: the page's twin in the same order, short, with links to charts.

Pure. The rule: every text from outside is escaped, so that it can neither become markup nor break a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from penstock.perf.compare.figures import (
    METRICS,
    Column,
    Figure,
    columns,
    doubts,
    figure,
    known,
    machine_pairs,
    ordered,
    pair_of,
    phase_columns,
    ratio_text,
    reasons,
    short_columns,
    starred,
)
from penstock.perf.compare.glance import Glance, glances, names_of_all
from penstock.perf.compare.model import Comparison, Metric, Refusal, SerialShare
from penstock.perf.compare.pictures import drawings, stems
from penstock.perf.page.matrix import SIGNS
from penstock.perf.report.markdown import code, escaped
from penstock.telemetry.format import UNKNOWN, count_text, duration_text, printable


def compare_markdown(
    comparisons: Sequence[Comparison], pictures: Mapping[str, str] | None = None, *, command: str = ""
) -> str:
    """The document, ending with a line break. `pictures`: where the charts of `comparison_pictures` are, by the same
    names; those that are missing are not linked. `command`: what to type to see it again."""
    lines: list[str] = []
    if len(comparisons) != 1:
        lines += ["# Which way is fastest", ""]
    if len(comparisons) > 1:
        lines += _overview(comparisons)
    level = "#" if len(comparisons) == 1 else "##"
    for stem, comparison in zip(stems(comparisons), comparisons, strict=True):
        links = {
            drawing.title: place
            for name, drawing in drawings(comparison).items()
            if (place := (pictures or {}).get(f"{stem}-{name}"))
        }
        lines += _workload(comparison, links, level)
    lines += _basis(comparisons, command)
    return "\n".join(lines).rstrip() + "\n"


def table(columns_: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of (name, is number) columns; cells are Markdown already. Nothing without rows."""
    if not rows:
        return []
    head = "| " + " | ".join(name for name, _ in columns_) + " |"
    rule = "|" + "|".join("---:" if is_number else "---" for _, is_number in columns_) + "|"
    return [head, rule, *("| " + " | ".join(row) + " |" for row in rows), ""]


def refusal_lines(refusal: Refusal) -> list[str]:
    """A refusal in the place of a verdict, as a block that GitHub marks."""
    told = [f"> **No verdict: {escaped(refusal.kind.replace('_', ' '))}.**"]
    told += [f"> {escaped(line)}  " for line in refusal.message.splitlines() if line.strip()]
    if refusal.hint:
        told += [">", *(f"> {'hint: ' * (not n)}{escaped(line)}" for n, line in enumerate(refusal.hint.splitlines()))]
    return ["> [!WARNING]", *told, ""]


def machine_line(machine: Mapping[str, object]) -> str:
    """What is known about the machine, in one line."""
    return " · ".join(f"{escaped(name)} {escaped(value)}" for name, value in machine_pairs(machine))


def picture_lines(links: Sequence[tuple[str, str]]) -> list[str]:
    """Images, one below the other: (what it shows, where it is)."""
    return [line for told, place in links for line in (f"![{escaped(told)}]({quote(place, safe='/:#?&=%.-_~')})", "")]


def _overview(comparisons: Sequence[Comparison]) -> list[str]:
    names = names_of_all(comparisons)
    rows = []
    for comparison in comparisons:
        found = glances(comparison, names)
        if isinstance(found, str):
            cells = [escaped(found), *[""] * (len(names) - 1)][: len(names)]
        else:
            cells = [_glance(one) for one in found]
        rows.append([escaped(comparison.workload), *cells])
    heads = [("workload", False), *((escaped(name), True) for name in names)]
    told = "Items per second. **Bold**: the highest, and what cannot be told from it; ★ recommended."
    return [told, "", *table(heads, rows)]


def _glance(found: Glance) -> str:
    text = found.text.replace("<", "\\<")
    return (f"**{text}**" if found.is_best else text) + (" ★" if found.is_recommended else "")


def _workload(comparison: Comparison, links: Mapping[str, str], level: str) -> list[str]:
    """`links`: title of a chart → where it is."""
    lines = [f"{level} {escaped(comparison.workload)}", ""]
    if comparison.about:
        lines += [escaped(comparison.about), ""]
    if comparison.refusal is not None:
        lines += refusal_lines(comparison.refusal)
    elif comparison.recommendation is not None:
        chosen = comparison.recommendation
        lines += [f"**Recommended: {escaped(chosen.name)}.** {escaped(chosen.reason)}".rstrip(), ""]
    else:
        lines += ["**Recommended: nothing.** The measurements single out no way.", ""]
    lines += _rows(comparison, short_columns(comparison))
    lines += picture_lines([(f"{title}: {comparison.workload}", place) for title, place in links.items()])
    lines += [*(f"- {escaped(sentence)}" for sentence in comparison.commentary), ""] if comparison.commentary else []
    if comparison.serial is not None and not any("Amdahl" in sentence for sentence in comparison.commentary):
        lines += [_serial(comparison.serial), ""]
    return [*lines, *_pairs(comparison), *_table(comparison)]


def _serial(serial: SerialShare) -> str:
    return (
        f"Alone, an item takes {duration_text(serial.alone_s)}; its CPU under one interpreter lock is at least "
        f"{duration_text(serial.cpu_s)} ({escaped(serial.leanest)}): a serial share of {100 * serial.share:.3g} %. By "
        "Amdahl's law one interpreter can be at most "
        f"**{ratio_text(serial.speedup_max)}** as fast; reached: {ratio_text(serial.reached)} by "
        f"{escaped(serial.reached_by)}."
    )


def _pairs(comparison: Comparison) -> list[str]:
    names = [summary.name for summary in ordered(comparison)]
    lines: list[str] = []
    for metric, heading in METRICS.items():
        found = _matrix(comparison, metric, names)
        if found and metric == "throughput":
            why = doubts(comparison, metric)
            told = f"≈ cannot tell: {escaped(why)}" if why else "≈ cannot tell"
            lines += [f"{heading}, row over column: ▲ faster, ▼ slower, {told}.", "", *found]
        elif found:
            told = f"{heading}, column over row: above 1 the row needs less"
            lines += [f"<details><summary>{told}</summary>", "", *found, "</details>", ""]
    return lines


def _matrix(comparison: Comparison, metric: Metric, names: Sequence[str]) -> list[str]:
    rows = []
    is_any = False
    for row in names:
        cells = []
        for column in names:
            pair = None if row == column else pair_of(comparison.pairs, metric, row, column)
            is_any = is_any or (pair is not None and known(pair.ratio) is not None)
            ratio = figure(pair.ratio, ratio_text) if pair else Figure("")
            told = f"{SIGNS[pair.verdict]} {ratio.text}" if pair and ratio.text != UNKNOWN else UNKNOWN
            cells.append("" if row == column else told)
        rows.append([escaped(row), *cells])
    return table([("", False), *((escaped(name), True) for name in names)], rows) if is_any else []


def _table(comparison: Comparison) -> list[str]:
    shown = columns(comparison)
    facts = f"{count_text(comparison.rounds)} rounds, seed {comparison.seed}, {duration_text(comparison.elapsed_s)}."
    notes = [*map(escaped, reasons(comparison, shown)), *map(escaped, comparison.notes)]
    lines = _rows(comparison, shown)
    times = phase_columns(comparison)
    told = ["Where an item's time goes, mean:", "", *_rows(comparison, times)] if times and lines else []
    lines = ["<details><summary>All numbers</summary>", "", *lines, *told, "</details>", ""] if lines else []
    return [*lines, facts, "", *(f"- {note}" for note in notes), *([""] if notes else [])]


def _rows(comparison: Comparison, shown: Sequence[Column]) -> list[str]:
    heads = [("alternative", False), *((_heading(column), True) for column in shown)]
    return table(
        heads,
        [
            [f"**{escaped(starred(comparison, summary.name))}**", *(cell(column.get(summary)) for column in shown)]
            for summary in ordered(comparison)
        ],
    )


def _heading(column: Column) -> str:
    if column.group and column.name.startswith("p"):
        return escaped(f"{column.name}, {column.group}")
    return escaped(f"{column.name} {column.group}".strip())


def cell(value: Figure) -> str:
    """A value with its interval below it. Texts are our own numbers: only `<` could be read as markup."""
    shown = value.text.replace("<", "\\<")
    small = value.interval.replace("<", "\\<")
    return f"{shown}<br><sub>{small}</sub>" if small else shown


def _basis(comparisons: Sequence[Comparison], command: str) -> list[str]:
    lines = []
    machine = next((comparison.machine for comparison in comparisons if comparison.machine), {})
    if machine:
        lines += [f"Machine: {machine_line(machine)}", ""]
    if command:
        lines += [f"Again: {code(printable(command))}", ""]
    return lines
