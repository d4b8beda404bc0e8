"""A sweep as one HTML page that is complete in itself: the recommended concurrency first, then charts and numbers.

It computes nothing. The rule: a refusal stands in the place of the recommendation, and the fit's peak is told, never
recommended.
"""

from __future__ import annotations

from penstock.perf.compare.figures import Figure, machine_pairs
from penstock.perf.compare.page import picture, refused
from penstock.perf.page.assets import asset_text
from penstock.perf.page.document import document, escaped
from penstock.perf.page.matrix import scrolled
from penstock.perf.scaling.figures import facts, law_rows, phases, point_columns, sentence
from penstock.perf.scaling.model import Point, Tuning
from penstock.perf.scaling.pictures import costs, sweep
from penstock.telemetry.format import count_text, duration_text, printable


def tuning_html(tuning: Tuning, *, command: str = "") -> str:
    """The page of one sweep, without network. `command`: what to type to see it again."""
    parts = ["<main>", _head(tuning), _verdict(tuning)]
    if tuning.points or tuning.runs:
        parts.append(f'<div class="pictures whole">{picture(sweep(tuning))}</div>')
    parts += [_commentary(tuning), _cost(tuning), _laws(tuning), _points(tuning), _basis(tuning, command), "</main>"]
    styles = [asset_text("pictures.css"), asset_text("compare.css")]
    title = f"How much at once: {printable(tuning.target, 120)}"
    return document(title, "\n".join(filter(None, parts)), styles=styles)


def _head(tuning: Tuning) -> str:
    return f"""<header><p class="kicker">Penstock tune</p><h1>{_text(tuning.target, 120)}</h1>
<p class="about">How many at once, with {_text(tuning.strategy, 60)}</p></header>"""


def _verdict(tuning: Tuning) -> str:
    if tuning.refusal is not None:
        return refused(tuning.refusal)
    chosen = "Nothing" if tuning.recommended is None else f"{count_text(tuning.recommended)} at once"
    tiles = "".join(
        f'<div><dt>{escaped(label)}</dt><dd>{escaped(told.text)}</dd><dd class="of">'
        f"{escaped(told.interval or told.note)}</dd></div>"
        for label, told in facts(tuning)
    )
    kind = "verdict none" if tuning.recommended is None else "verdict"
    return f"""<section class="card {kind}"><p class="kicker">Recommended concurrency</p>
<p class="big">{chosen}</p><p class="reason">{_text(sentence(tuning.reason))}</p>
<dl class="tiles">{tiles}</dl></section>"""


def _commentary(tuning: Tuning) -> str:
    told = "".join(f"<li>{_text(sentence)}</li>" for sentence in tuning.commentary)
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in tuning.notes)
    words = f'<h2>What the numbers say</h2><ul class="told">{told}</ul>' if told else ""
    return f'<section class="card">{words}{notes}</section>' if words or notes else ""


def _cost(tuning: Tuning) -> str:
    return f'<div class="pictures whole">{picture(costs(tuning))}</div>' if phases(tuning) else ""


def _laws(tuning: Tuning) -> str:
    rows = "".join(
        f'<tr{" class=marked" if chosen else ""}><th scope="row">{escaped(law)}</th>'
        f'<td class="words">{escaped(values)}</td><td>{sigma}</td><td>{weight}</td>'
        f"<td><b>{chosen}</b></td></tr>"
        for law, values, sigma, weight, chosen in law_rows(tuning)
    )
    if not rows:
        return ""
    table = f"""<table class="all"><thead><tr><th scope="col">law</th>
<th scope="col" class="words">parameters</th><th scope="col">residuals</th><th scope="col">weight</th><td></td>
</tr></thead><tbody>{rows}</tbody></table>"""
    return f"""<section class="card"><h2>Laws fitted</h2>{scrolled("Laws fitted", table)}
<p class="small soft">Fitted to the logarithms of all runs. Weight: how likely it is the best of these, by AICc.</p>
</section>"""


def _points(tuning: Tuning) -> str:
    if not tuning.points:
        return ""
    shown = point_columns(tuning)
    head = "".join(f"<th scope=col>{escaped(column.name)}</th>" for column in shown)
    rows = "".join(
        f"<tr{' class=marked' if point.concurrency == tuning.recommended else ''}>{_place(point, tuning)}"
        + "".join(_cell(column.get(point)) for column in shown)
        + "</tr>"
        for point in tuning.points
    )
    why = dict.fromkeys(
        f"{column.name} at {point.concurrency}: {note}"
        for column in shown
        for point in tuning.points
        if (note := column.get(point).note)
    )
    told = f'<ul class="small soft">{"".join(f"<li>{escaped(reason)}</li>" for reason in why)}</ul>' if why else ""
    facts_ = f"{count_text(len(tuning.runs))} runs, seed {tuning.seed}, {duration_text(tuning.elapsed_s)} in all."
    head = f'<thead><tr><th scope="col">at once</th>{head}</tr></thead>'
    table = scrolled("All numbers", f'<table class="all">{head}<tbody>{rows}</tbody></table>')
    return f"""<section class="card"><h2>All numbers</h2>{table}{told}
<p class="small soft">{facts_} Small print: 95 % intervals.</p></section>"""


def _place(point: Point, tuning: Tuning) -> str:
    mark = "<small>recommended</small>" if point.concurrency == tuning.recommended else ""
    return f'<th scope="row"><b>{count_text(point.concurrency)}</b>{mark}</th>'


def _cell(value: Figure) -> str:
    small = f"<small>{escaped(value.interval)}</small>" if value.interval else ""
    return f"<td>{escaped(value.text)}{small}</td>"


def _basis(tuning: Tuning, command: str) -> str:
    rows = "".join(f"<tr><th>{escaped(n)}</th><td>{escaped(v)}</td></tr>" for n, v in machine_pairs(tuning.machine))
    about = f'<section><h2>Machine</h2><table class="pairs"><tbody>{rows}</tbody></table></section>' if rows else ""
    told = f"<pre><code>{_text(command)}</code></pre>" if command else ""
    seed = (
        f'<p class="soft">With seed {tuning.seed} the order of the runs is the same; the times are the machine\'s.</p>'
    )
    return f'<div class="card basis">{about}<section><h2>See it again</h2>{told}{seed}</section></div>'


def _text(words: str, width: int | None = None) -> str:
    return escaped(printable(words, width))
