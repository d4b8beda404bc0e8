"""The report as one HTML page that is complete in itself: charts, tables, flamegraphs, light and dark, no network.

It reads nothing. The rule: whatever comes from a run goes in through `escaped` or as JSON data, never raw.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from penstock.perf.page.assets import asset_text
from penstock.perf.page.document import document, escaped
from penstock.perf.profile.draw.flamegraph import HEADINGS, flamegraph_fragment, flamegraph_scripts, flamegraph_styles
from penstock.perf.profile.model import Profile
from penstock.perf.report.accounting import Accounting
from penstock.perf.report.failures import FailureGroup
from penstock.perf.report.figures import commands, figures, outcome
from penstock.perf.report.lookup import text, texts
from penstock.perf.report.read import RunReport
from penstock.perf.report.series import chart_model
from penstock.perf.report.tables import (
    Cell,
    Table,
    hosts,
    machine,
    percentiles,
    phase_means,
    settings,
    threads,
    versions,
)
from penstock.perf.report.verdict import VerdictCard, percent
from penstock.telemetry.format import bytes_text, count_text, duration_text, printable

_GROUPED = re.compile(r"(?<=\d),(?=\d{3})|(?<=\d) ?(?=%)")
_NUMBER = re.compile(r"[\d,]+")
_FLAG = re.compile(r"(?<![\w/-])(--?[a-z][a-z-]*(?: \d(?:[\w./]*\w)?)?)")
_SHORT_MAX = 40
_MODEL_ID = "run-model"


def page(report: RunReport) -> str:
    """The whole document."""
    data: dict[str, object] = {_MODEL_ID: chart_model(report.epochs)}
    body = "\n".join(
        part
        for part in (
            "<main>",
            _head(report),
            _verdict(report.verdict),
            _figures(report),
            _charts(report),
            _percentiles(report.stats),
            _hosts(report.stats),
            _failures(report.failures),
            _profiles(report.profiles, data),
            _facts(report),
            _commands(report),
            "</main>",
        )
        if part
    )
    styles = [asset_text("charts.css"), *flamegraph_styles(), asset_text("report.css")]
    scripts = [*map(asset_text, ("charts.js", "runcharts.js")), *flamegraph_scripts(), asset_text("report.js")]
    return document(f"Run {printable(report.out)}", body, styles=styles, scripts=scripts, data=data)


def spaced(words: object) -> str:
    """Our own numbers as the charts write them, 12 345 and 67 % with narrow spaces; escaped."""
    return _GROUPED.sub("\u202f", escaped(words))


def flagged(words: str) -> str:
    """The same, with the command line's flags as code."""
    return _FLAG.sub(r"<code>\1</code>", spaced(words))


def _head(report: RunReport) -> str:
    tone, sentence = outcome(report)
    run = report.run
    inputs = ", ".join(texts(run, "inputs"))
    times = [
        f"{word} {text(run, key)[:19].replace('T', ' ')} UTC"
        for word, key in (("started", "started"), ("ended", "ended"))
        if text(run, key)
    ]
    name = Path(report.out).resolve().name or report.out
    place = f"in {printable(report.out)}" if report.out != name else ""
    told = " · ".join(filter(None, (f"from {inputs}" if inputs else "", place, *times)))
    notes = "".join(f'<p class="note warn">{escaped(note)}</p>' for note in report.troubles)
    return f"""<header class="report-head">
<p class="soft small">Penstock run</p>
<h1>{escaped(printable(name))}</h1>
<p class="report-outcome"><span class="badge {tone}">{escaped(report.state)}</span> {spaced(sentence)}</p>
{_identity(report.accounting)}
<p class="soft small">{escaped(told)}</p>
{notes}
</header>"""


def _identity(accounting: Accounting) -> str:
    def term(name: str, value: int, tone: str = "") -> str:
        shown = f"{value:,}".replace(",", "\u202f")
        return f'<span class="term {tone if value else "faint"}"><b>{shown}</b> {name}</span>'

    parts = [
        term("written", accounting.written, "good"),
        term("failed", accounting.failed, "bad"),
        term("skipped", accounting.skipped),
    ]
    if accounting.admitted is None:
        whole = term("durable", accounting.durable)
    else:
        whole = term("admitted", accounting.admitted)
        parts.append(term("pending", accounting.pending or 0, "warn"))
    badge = ("good", "adds up") if accounting.is_right else ("bad", "does not add up")
    problems = "".join(f'<p class="note bad">{spaced(problem)}</p>' for problem in accounting.problems)
    return (
        f'<p class="identity">{whole} <i>=</i> {" <i>+</i> ".join(parts)}'
        f' <span class="badge {badge[0]}" title="{escaped(accounting.basis)}">{badge[1]}</span></p>{problems}'
    )


def _verdict(card: VerdictCard | None) -> str:
    if card is None:
        return """<section class="card verdict tone-idle" id="verdict"><p class="kicker">What limits this run</p>
<p class="verdict-meaning">No verdict: it is made at the end of a run, from its statistics.</p></section>"""
    tone = {"sure": "good", "likely": "info"}.get(card.certainty, "warn")
    share = "" if card.confidence is None else f", {spaced(percent(card.confidence))}"
    evidence = "".join(f"<li>{flagged(sentence)}</li>" for sentence in card.evidence)
    told = (
        ("Next step", card.next),
        ("With twice the concurrency", card.at_twice_concurrency),
        ("What would prove it wrong", card.falsify),
    )
    advice = "".join(f"<dt>{name}</dt><dd>{flagged(words)}</dd>" for name, words in told if words)
    others = ", ".join(f"{heading} {percent(share)}" for heading, share in card.alternatives)
    also = f'<p class="soft small">Also possible: {spaced(others)}.</p>' if others else ""
    note = f'<p class="soft small">{escaped(card.note)}</p>' if card.note else ""
    numbers = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{spaced(_measured(name, value))}</dd></div>"
        for name, value in (card.numbers or {}).items()
    )
    basis = (
        f'<details class="small"><summary>The numbers it rests on</summary><dl class="columns">{numbers}</dl></details>'
    )
    return f"""<section class="card verdict tone-{card.tone}" id="verdict">
<p class="kicker">What limits this run</p>
<div class="verdict-head"><h2>{escaped(card.question)}</h2>
<span class="badge {tone}">{card.certainty}{share}</span></div>
<p class="verdict-meaning">{escaped(card.meaning)}</p>
<div class="verdict-body"><div><h3>Evidence</h3><ul>{evidence}</ul>{also}{note}</div>
<dl class="advice">{advice}</dl></div>
{basis if numbers else ""}
</section>"""


def _measured(name: str, value: float) -> str:
    is_time = name.endswith("_s") and not name.endswith("_per_s") and value > 0
    return duration_text(value) if is_time else f"{round(value, 4):,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _figures(report: RunReport) -> str:
    cells = "".join(
        f"<div><dt>{escaped(figure.label)}</dt><dd>{spaced(figure.value)}</dd>"
        f'<dd class="of">{spaced(figure.note)}</dd></div>'
        for figure in figures(report)
    )
    return (
        f'<section class="card" id="figures"><h2>Key numbers</h2><dl class="tiles">{cells}</dl></section>'
        if cells
        else ""
    )


def _charts(report: RunReport) -> str:
    if not report.epochs:
        note = "No series was kept, so there is nothing to draw."
        return f'<section id="charts"><h2>Over time</h2><p class="soft">{note}</p></section>'
    return f"""<section id="charts"><h2>Over time</h2>
<noscript><p class="soft">The charts need JavaScript.</p></noscript>
<div id="run-charts" data-source="{_MODEL_ID}"></div>
</section>"""


def _percentiles(stats: object) -> str:
    table = percentiles(stats)
    if table is None:
        return ""
    means = phase_means(stats)
    whole = sum(mean for _, mean, _ in means) or 1.0
    bar = "".join(
        f'<span class="tone-{tone}" style="--share: {mean / whole:.4f}" title="{name} {duration_text(mean)}"></span>'
        for name, mean, tone in means
    )
    keys = "".join(
        f'<li><span class="swatch tone-{tone}"></span>{name} <b>{duration_text(mean)}</b>'
        f" {spaced(percent(mean / whole))}</li>"
        for name, mean, tone in means
    )
    phases = f'<div class="shares">{bar}</div><ul class="legend phases">{keys}</ul>' if means else ""
    note = "Successful attempts; of name lookup, connect and TLS those that went through it. The bar: mean per answer."
    return f"""<section class="card" id="percentiles"><h2>How long attempts take</h2>
{phases}{_table(table)}<p class="soft small">{note}</p></section>"""


def _hosts(stats: object) -> str:
    table = hosts(stats)
    if table is None:
        return ""
    return f'<section class="card" id="hosts"><h2>Hosts</h2>{_table(table, is_sortable=True)}</section>'


def _failures(groups: Iterable[FailureGroup]) -> str:
    rows = []
    for group in groups:
        examples = "".join(
            f'<li><span class="soft">item {spaced(f"{example.item_id:,}")}</span> <code>{escaped(example.url)}</code>'
            f'<span class="message">{escaped(example.message)}</span></li>'
            for example in group.examples
        )
        rows.append(
            f'<tr><td><span class="badge bad">{escaped(group.kind)}</span></td>'
            f'<td class="number">{spaced(count_text(group.items))}</td>'
            f'<td><ul class="examples">{examples}</ul></td></tr>'
        )
    if not rows:
        return '<section class="card" id="failures"><h2>Failures</h2><p class="soft">None.</p></section>'
    head = '<tr><th>kind</th><th class="number">items</th><th>examples</th></tr>'
    return f"""<section class="card" id="failures"><h2>Failures by kind</h2>
<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div></section>"""


def _profiles(profiles: Iterable[tuple[str, Profile]], data: dict[str, object]) -> str:
    parts = []
    for index, (name, profile) in enumerate(profiles):
        fragment = flamegraph_fragment(profile, element_id=f"flame-{index}")
        data.update(fragment.data)
        notes = "".join(f'<p class="note">{escaped(note)}</p>' for note in profile.notes)
        total = bytes_text(profile.total) if profile.unit == "bytes" else f"{profile.total:,.4g} {profile.unit}"
        parts.append(
            f'<section class="card profile"><h2>{escaped(HEADINGS[profile.kind])}</h2>'
            f'<p class="soft small">{escaped(printable(profile.title))} · {spaced(total)} · '
            f"<code>{escaped(name)}</code></p>"
            f"{notes}{fragment.html}</section>"
        )
    return "\n".join(parts)


def _facts(report: RunReport) -> str:
    cards = (
        ("Machine", machine(report.stats)),
        ("Versions", versions(report.stats, report.run)),
        ("CPU by thread", threads(report.stats)),
    )
    made = "".join(
        f'<section class="card"><h2>{heading}</h2><table class="pairs"><tbody>{_pairs(pairs)}</tbody></table></section>'
        for heading, pairs in cards
        if pairs
    )
    told = "".join(_setting(name, value) for name, value in settings(report.stats, report.run))
    card = f'<section class="card" id="settings"><h2>Settings</h2><dl class="columns">{told}</dl></section>'
    return f'{card if told else ""}<div class="facts" id="facts">{made}</div>'


def _setting(name: str, value: str) -> str:
    shown = spaced(value) if _NUMBER.fullmatch(value) else escaped(value)
    kind = ' class="long"' if len(value) > _SHORT_MAX else ""
    return f"<div{kind}><dt>{escaped(name)}</dt><dd>{shown}</dd></div>"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<tr><th>{escaped(name)}</th><td>{escaped(value)}</td></tr>" for name, value in pairs)


def _commands(report: RunReport) -> str:
    lines = "".join(
        f"<tr><th>{escaped(what)}</th><td><code>{escaped(command)}</code></td></tr>"
        for what, command in commands(report)
    )
    return f"""<section class="card" id="commands"><h2>From here</h2>
<div class="scroll"><table class="pairs"><tbody>{lines}</tbody></table></div></section>"""


def _table(table: Table, *, is_sortable: bool = False) -> str:
    head = "".join(
        f'<th class="{"number" if is_number else ""}" scope="col">{escaped(name)}</th>'
        for name, is_number in table.columns
    )
    rows = "".join(
        "<tr>" + "".join(map(_cell, row, (is_number for _, is_number in table.columns))) + "</tr>" for row in table.rows
    )
    kind = ' class="sortable"' if is_sortable else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(cell: Cell, is_number: bool) -> str:
    sort = f' data-sort="{cell.sort!r}"' if cell.sort is not None else ""
    tone = {"bad": "text-bad", "warn": "text-warn"}.get(cell.tone, cell.tone)
    kinds = " ".join(filter(None, ("number" if is_number else "", tone)))
    shown = spaced(cell.text) if is_number else escaped(cell.text)
    return f'<td class="{kinds}"{sort}>{shown}</td>'
