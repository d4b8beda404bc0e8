"""A sweep as Markdown, as GitHub shows it: the page's twin in the same order, short, with links to charts.

Pure. The rule: every text from outside is escaped, so that it can neither become markup nor break a table.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.perf.compare.markdown import cell, machine_line, picture_lines, refusal_lines, table
from penstock.perf.report.markdown import code, escaped
from penstock.perf.scaling.figures import facts, law_rows, point_columns, sentence
from penstock.perf.scaling.model import Tuning
from penstock.telemetry.format import count_text, duration_text, printable

_PICTURES = {"sweep": "Throughput and p95 against concurrency", "cost": "Where an item's time goes"}


def tuning_markdown(tuning: Tuning, pictures: Mapping[str, str] | None = None, *, command: str = "") -> str:
    """The document, ending with a line break. `pictures`: where the charts of `tuning_pictures` are, by the same names;
    those that are missing are not linked. `command`: what to type to see it again."""
    lines = [f"# {escaped(tuning.target)}", "", f"How many at once, with {escaped(tuning.strategy)}.", ""]
    if tuning.refusal is not None:
        lines += refusal_lines(tuning.refusal)
    else:
        chosen = "nothing" if tuning.recommended is None else f"{count_text(tuning.recommended)} at once"
        lines += [f"**Recommended: {chosen}.** {escaped(sentence(tuning.reason))}".rstrip(), ""]
        lines += table([("", False), ("", True), ("95 % interval", True)], _facts(tuning))
    found = {name: (pictures or {}).get(name) for name in _PICTURES}
    lines += picture_lines([(f"{_PICTURES[name]}: {tuning.target}", place) for name, place in found.items() if place])
    lines += [*(f"- {escaped(sentence)}" for sentence in tuning.commentary), ""] if tuning.commentary else []
    lines += [*(f"- {escaped(note)}" for note in tuning.notes), ""] if tuning.notes else []
    heads = [("law", False), ("parameters", False), ("residuals", True), ("weight", True), ("", False)]
    lines += table(heads, [[escaped(law), escaped(values), *rest] for law, values, *rest in law_rows(tuning)])
    lines += _points(tuning)
    lines += [f"{count_text(len(tuning.runs))} runs, seed {tuning.seed}, {duration_text(tuning.elapsed_s)}.", ""]
    if tuning.machine:
        lines += [f"Machine: {machine_line(tuning.machine)}", ""]
    if command:
        lines += [f"Again: {code(printable(command))}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _facts(tuning: Tuning) -> list[list[str]]:
    return [[escaped(label), told.text, told.interval or escaped(told.note)] for label, told in facts(tuning)]


def _points(tuning: Tuning) -> list[str]:
    shown = point_columns(tuning)
    heads = [("at once", True), *((escaped(column.name), True) for column in shown)]
    rows = []
    for point in tuning.points:
        name = count_text(point.concurrency)
        is_chosen = point.concurrency == tuning.recommended
        rows.append([f"**{name} ★**" if is_chosen else name, *(cell(column.get(point)) for column in shown)])
    return table(heads, rows)
