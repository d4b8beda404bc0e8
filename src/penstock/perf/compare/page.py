"""Comparisons as one HTML page that is complete in itself: the recommendation first, then charts, verdicts, numbers.

It computes nothing. The rule: a refusal stands in the place of the recommendation, and nothing is then called best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from penstock.perf.compare.figures import (
    METRICS,
    Column,
    Figure,
    columns,
    doubts,
    figure,
    machine_pairs,
    ordered,
    pair_of,
    phase_columns,
    ratio_text,
    reasons,
    starred,
    way,
)
from penstock.perf.compare.glance import Glance, glances, names_of_all
from penstock.perf.compare.model import Comparison, Metric, Refusal, SerialShare, Summary
from penstock.perf.compare.pictures import drawings
from penstock.perf.page.assets import asset_text
from penstock.perf.page.document import document, escaped
from penstock.perf.page.matrix import Versus, matrix, scrolled
from penstock.perf.page.svg.canvas import Drawing, inline
from penstock.telemetry.format import UNKNOWN, bytes_text, count_text, duration_text, printable, rate_text


def compare_html(comparisons: Sequence[Comparison], *, command: str = "") -> str:
    """The page of one or several workloads, without network. `command`: what to type to see it again."""
    names = ", ".join(printable(comparison.workload, 60) for comparison in comparisons)
    title = "Which way is fastest"
    parts = ["<main>", _head(comparisons)]
    if len(comparisons) > 1:
        parts.append(_overview(comparisons))
    parts += [_workload(comparison, number, len(comparisons)) for number, comparison in enumerate(comparisons)]
    parts += [_how_to_read(), _basis(comparisons, command), "</main>"]
    styles = [asset_text("pictures.css"), asset_text("compare.css")]
    return document(f"{title}: {names}"[:200] if names else title, "\n".join(filter(None, parts)), styles=styles)


def _head(comparisons: Sequence[Comparison]) -> str:
    if len(comparisons) == 1:
        comparison = comparisons[0]
        return f"""<header><p class="kicker">Penstock compare</p>
<h1>{_text(comparison.workload, 120)}</h1><p class="about">{_text(comparison.about)}</p></header>"""
    told = f"{len(comparisons)} workloads" if comparisons else "Nothing was compared"
    return f"""<header><p class="kicker">Penstock compare</p><h1>Which way is fastest</h1>
<p class="about">{told}. Each way does the same work, in rounds of random order, with the same output.</p></header>"""


def _overview(comparisons: Sequence[Comparison]) -> str:
    names = names_of_all(comparisons)
    head = "".join(f'<th scope="col" class="number">{_text(name, 28)}</th>' for name in names)
    rows = "".join(_overview_row(comparison, n, names) for n, comparison in enumerate(comparisons))
    told = (
        "Items per second, and the share of the workload's highest. Bold: the highest, and what cannot be told from it."
    )
    head = f'<thead><tr><th scope="col">workload</th>{head}</tr></thead>'
    table = f'<table class="glance">{head}<tbody>{rows}</tbody></table>'
    return f"""<section class="card"><h2>At a glance</h2><p class="soft small">{told} ★ recommended.</p>
{scrolled("Throughput on each workload", table)}</section>"""


def _overview_row(comparison: Comparison, number: int, names: Sequence[str]) -> str:
    heading = f'<th scope="row"><a href="#w{number}">{_text(comparison.workload, 40)}</a></th>'
    found = glances(comparison, names)
    if isinstance(found, str):
        return f'<tr>{heading}<td colspan="{len(names)}"><span class="badge bad">{escaped(found)}</span></td></tr>'
    return f"<tr>{heading}{''.join(map(_glance, found))}</tr>"


def _glance(found: Glance) -> str:
    if found.share is None:
        return f'<td class="number">{found.text}</td>'
    star = '<i role="img" aria-label="recommended">★</i> ' if found.is_recommended else ""
    shown = f"<b>{escaped(found.text)}</b>" if found.is_best else escaped(found.text)
    level = f'<span class="level" style="--share: {found.share:.3f}"></span>'
    return f'<td class="number">{star}{shown}<small>{100 * found.share:.0f} %</small>{level}</td>'


def _workload(comparison: Comparison, number: int, of: int) -> str:
    about = (  # the name of a single workload is the page's heading
        f'<h2 class="workload">{_text(comparison.workload, 120)}</h2><p class="about">{_text(comparison.about)}</p>'
        if of > 1
        else '<h2 class="visually-hidden">Comparison</h2>'
    )
    parts = (
        about,
        refused(comparison.refusal) if comparison.refusal else _recommended(comparison),
        _charts(comparison),
        _told(comparison),
        _pairs(comparison),
        _table(comparison),
    )
    return f'<section class="of-workload" id="w{number}">{"".join(parts)}</section>'


def refused(refusal: Refusal) -> str:
    """A refusal in the place of a recommendation, large, with its hint."""
    hint = f'<p class="hint"><b>hint</b> {_lines(refusal.hint)}</p>' if refusal.hint else ""
    return f"""<section class="card verdict refused"><p class="kicker">No verdict</p>
<p class="big">{_text(refusal.kind.replace("_", " "), 60).capitalize()}</p>
<p class="reason">{_lines(refusal.message)}</p>{hint}</section>"""


def _recommended(comparison: Comparison) -> str:
    recommendation = comparison.recommendation
    if recommendation is None:
        return """<section class="card verdict none"><p class="kicker">Recommended</p>
<p class="big">Nothing</p><p class="reason">The measurements single out no way.</p></section>"""
    chosen = next((summary for summary in comparison.summaries if summary.name == recommendation.name), None)
    tiles = _tiles(comparison, chosen) if chosen else ""
    return f"""<section class="card verdict"><p class="kicker">Recommended for this workload</p>
<p class="big">{_text(recommendation.name, 80)}</p>
<p class="reason">{_text(recommendation.reason)}</p>{tiles}</section>"""


def _tiles(comparison: Comparison, chosen: Summary) -> str:
    told: list[tuple[str, Figure, str]] = [("throughput", figure(chosen.throughput_per_s, rate_text), "")]
    if chosen.latency is not None:
        rate = f"at {rate_text(comparison.rate_per_s)}" if comparison.rate_per_s else ""
        told.append((f"latency p95 {rate}", figure(chosen.latency.p95, duration_text), "from the intended start"))
    else:
        told.append(("service time p95", figure(chosen.service.p95, duration_text), "at full speed"))
    told += [
        ("CPU for 1,000 items", figure(chosen.cpu_s_per_1000, duration_text), ""),
        ("memory at most", figure(chosen.rss_bytes, bytes_text), ""),
    ]
    first = next((s for s in ordered(comparison) if s.strategy == "sync" and s.name != chosen.name), None)
    if first is not None:
        pair = pair_of(comparison.pairs, "throughput", chosen.name, first.name)
        if pair is not None:
            told.insert(1, (f"against {printable(first.name, 40)}", figure(pair.ratio, ratio_text), pair.verdict))
    cells = "".join(
        f'<div><dt>{escaped(label)}</dt><dd>{escaped(value.text)}</dd><dd class="of">'
        f"{escaped(', '.join(filter(None, (value.interval, note))))}</dd></div>"
        for label, value, note in told
    )
    return f'<dl class="tiles">{cells}</dl>'


def _charts(comparison: Comparison) -> str:
    if not comparison.summaries:
        return ""
    return f'<div class="pictures">{"".join(map(picture, drawings(comparison).values()))}</div>'


def picture(drawing: Drawing) -> str:
    """A chart in a card, with its heading as text of the page, whose table has the numbers."""
    return (
        f'<figure class="card"><figcaption><b>{escaped(drawing.title)}</b> <span>{escaped(drawing.note)}</span>'
        f"</figcaption>{inline(drawing, is_told_elsewhere=True)}</figure>"
    )


def _told(comparison: Comparison) -> str:
    parts = []
    if comparison.commentary:
        told = "".join(f"<li>{_text(sentence)}</li>" for sentence in comparison.commentary)
        parts.append(f'<section class="card"><h3>What the numbers say</h3><ul class="told">{told}</ul></section>')
    if comparison.serial is not None:
        parts.append(_serial(comparison.serial))
    return f'<div class="beside">{"".join(parts)}</div>' if parts else ""


def _serial(serial: SerialShare) -> str:
    bound = "no bound" if not math.isfinite(serial.speedup_max) else ratio_text(serial.speedup_max)
    share = min(1.0, max(0.0, serial.share)) if math.isfinite(serial.share) else 0.0
    percent = f"{100 * share:.3g} %"
    return f"""<section class="card"><h3>How much concurrency can bring</h3>
<p>Alone, an item takes <b>{duration_text(serial.alone_s)}</b>; its CPU under one interpreter lock is at least
<b>{duration_text(serial.cpu_s)}</b> ({_text(serial.leanest, 80)}): a serial share of <b>{percent}</b>. By Amdahl's law
one interpreter can be at most <b>{bound}</b> as fast as one item at a time.</p>
<div class="share" role="img" aria-label="serial share {percent}"><span style="--share: {share:.4f}"></span></div>
<p>Reached: <b>{ratio_text(serial.reached)}</b>, by {_text(serial.reached_by, 80)}.</p></section>"""


def _pairs(comparison: Comparison) -> str:
    names = [summary.name for summary in ordered(comparison)]
    made = []
    for metric, heading in METRICS.items():
        cells = verdicts(comparison, metric, names)
        why = doubts(comparison, metric)
        if any(cell.ratio != UNKNOWN for cell in cells.values()):
            told = f'<p class="soft small">≈ {escaped(why)}.</p>' if why else ""
            made.append(f"<section><h4>{heading}</h4>{matrix(names, cells, _CAPTIONS[metric])}{told}</section>")
        elif cells:
            told = "No two can be compared; below the table of all numbers stands why."
            made.append(f'<section><h4>{heading}</h4><p class="soft small">{told}</p></section>')
    if not made:
        return ""
    return f'<section class="card"><h3>Each against each</h3><div class="matrices">{"".join(made)}</div></section>'


_CAPTIONS: dict[Metric, str] = {
    "throughput": "Items per second of the row over those of the column",
    "cpu": "CPU per item of the column over that of the row: above 1 the row needs less",
    "p95": "Latency p95 of the column over that of the row: above 1 the row is quicker",
}


def verdicts(comparison: Comparison, metric: Metric, names: Sequence[str]) -> dict[tuple[str, str], Versus]:
    """All that was judged by one metric, by (row, column), both ways round; intervals on one side of the diagonal."""
    found = {}
    for n, row in enumerate(names):
        for m, column in enumerate(names):
            pair = None if row == column else pair_of(comparison.pairs, metric, row, column)
            if pair is not None:
                ratio = figure(pair.ratio, ratio_text)
                found[row, column] = Versus(pair.verdict, ratio.text, ratio.interval.removesuffix("×") if m > n else "")
    return found


def _table(comparison: Comparison) -> str:
    if not comparison.summaries:
        return ""
    shown = columns(comparison)
    groups = _grouped(shown, lambda column: column.group)
    top = "".join(f"<th colspan={len(group)}>{escaped(name)}</th>" for name, group in groups)
    head = "".join(f"<th scope=col>{escaped(column.name)}</th>" for column in shown)
    rows = "".join(_row(comparison, summary, shown) for summary in ordered(comparison))
    why = "".join(f"<li>{escaped(reason)}</li>" for reason in reasons(comparison, shown))
    told = f'<ul class="small soft">{why}</ul>' if why else ""
    table = f"""<table class="all"><thead><tr class="groups"><td></td>{top}</tr>
<tr><th scope="col">alternative</th>{head}</tr></thead><tbody>{rows}</tbody></table>"""
    return f"""<section class="card"><h3>All numbers</h3>{scrolled("All numbers", table)}
{told}{_phases(comparison)}{_facts(comparison)}</section>"""


def _phases(comparison: Comparison) -> str:
    shown = phase_columns(comparison)
    if not shown:
        return ""
    head = "".join(f"<th scope=col>{escaped(column.name)}</th>" for column in shown)
    rows = "".join(
        f'<tr><th scope="row">{_text(summary.name)}</th>'
        + "".join(_cell(column.get(summary)) for column in shown)
        + "</tr>"
        for summary in ordered(comparison)
    )
    head = f'<thead><tr><th scope="col">mean per item</th>{head}</tr></thead>'
    table = scrolled("Time by phase", f'<table class="all narrow">{head}<tbody>{rows}</tbody></table>')
    return f"<details><summary>Where an item's time goes</summary>{table}</details>"


def _grouped(shown: Sequence[Column], key: Callable[[Column], str]) -> list[tuple[str, list[Column]]]:
    groups: list[tuple[str, list[Column]]] = []
    for column in shown:
        if groups and groups[-1][0] == key(column):
            groups[-1][1].append(column)
        else:
            groups.append((key(column), [column]))
    return groups


def _row(comparison: Comparison, summary: Summary, shown: Sequence[Column]) -> str:
    cells = "".join(_cell(column.get(summary)) for column in shown)
    name = _text(starred(comparison, summary.name))
    return f'<tr><th scope="row"><b>{name}</b><small>{escaped(way(summary))}</small></th>{cells}</tr>'


def _cell(value: Figure) -> str:
    small = f"<small>{escaped(value.interval)}</small>" if value.interval else ""
    return f"<td>{escaped(value.text)}{small}</td>"


def _facts(comparison: Comparison) -> str:
    told = (
        f"{count_text(comparison.rounds)} rounds, seed {comparison.seed}, {duration_text(comparison.elapsed_s)} in all."
    )
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in comparison.notes)
    return f'<p class="small soft">{told} Small print: 95 % intervals.</p>{notes}'


def _how_to_read() -> str:
    return """<section class="card small"><h2>How to read this</h2><dl class="reading">
<dt>Rounds</dt><dd>In each round every way runs once, in random order; ways are compared within rounds, so that a
machine that slows down for a while slows all of them.</dd>
<dt>Service time</dt><dd>From the moment work on an item began to its end, each place taking the next item at once.</dd>
<dt>Latency</dt><dd>From the moment an item was due, on a fixed schedule that waits for nobody. What queues counts.</dd>
<dt>▲ ▼ ≈</dt><dd>Faster, slower, cannot tell: no more than rounds differ anyway, or too little to matter.</dd>
</dl></section>"""


def _basis(comparisons: Sequence[Comparison], command: str) -> str:
    machines = [machine_pairs(comparison.machine) for comparison in comparisons if comparison.machine]
    rows = "".join(f"<tr><th>{escaped(n)}</th><td>{escaped(v)}</td></tr>" for n, v in (machines[0] if machines else ()))
    about = f'<section><h2>Machine</h2><table class="pairs"><tbody>{rows}</tbody></table></section>' if rows else ""
    seeds = ", ".join(dict.fromkeys(str(comparison.seed) for comparison in comparisons))
    told = f"<pre><code>{_text(command)}</code></pre>" if command else ""
    again = (
        f'<section><h2>See it again</h2>{told}<p class="soft">With seed {escaped(seeds)} the order of the runs is the '
        "same; the times are the machine's.</p></section>"
        if comparisons
        else ""
    )
    return f'<div class="card basis">{about}{again}</div>' if about or again else ""


def _text(words: str, width: int | None = None) -> str:
    return escaped(printable(words, width))


def _lines(words: str) -> str:
    """Text of several lines: kept as lines."""
    return "<br>".join(_text(line) for line in words.splitlines())
