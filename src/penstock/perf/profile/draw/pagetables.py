"""The figures and tables around a flamegraph, for each kind of profile: states, lag and blocks, leaks, functions.

It reads the profile's `numbers` and `details` and leaves out what they do not have. The rule: every text that comes
from the profile is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from penstock.perf.page.document import escaped
from penstock.perf.profile.draw.amounts import amount, percent
from penstock.perf.profile.draw.details import BlockedPlace, blocked_places, entries, number
from penstock.perf.profile.draw.flametree import tree_of, weights_by_function
from penstock.perf.profile.draw.groups import file_label
from penstock.perf.profile.draw.pagelag import lag_columns
from penstock.perf.profile.model import Profile

ROWS_MAX = 10
LEAKS_MAX = 10
_STATES = (
    ("running_s", "running", "--c-running", "on the processor"),
    ("runnable_s", "runnable", "--c-runnable", "ready, but the loop is busy with others"),
    ("waiting_s", "waiting", "--c-waiting", "for something outside: network, timers, locks"),
)
# Numbers that tell how well it was measured, not what was found: shown small.
_ABOUT_MEASURING = ("interval", "own_", "late_", "sampler_", "unseen_", "threshold_", "outside_", "cpu_s", "reserved_")
# Numbers that are the profile's total under another name.
_TWICE = ("peak_bytes", "blocked_s")
_TOTALS = {"cpu": "CPU time", "await": "task time", "memory": "at the peak", "loop": "blocked"}


def figures(profile: Profile) -> str:
    """What was recorded, and every number of the profile that no other section shows."""
    shown: list[tuple[str, str]] = [(_TOTALS[profile.kind], amount(profile.total, profile.unit))]
    if profile.kind == "cpu" and profile.duration_s > 0:
        shown.append(("of one core", percent(profile.total / profile.duration_s)))
    if profile.duration_s > 0:
        shown.append(("recorded for", amount(profile.duration_s, "seconds")))
    if profile.samples:
        shown.append(("looks" if profile.kind == "await" else "samples", f"{profile.samples:,}"))
    elsewhere = {*_TWICE, *(name for name, *_ in _STATES if profile.kind == "await")}
    asides = []
    for name, value in profile.numbers.items():
        if name.startswith(_ABOUT_MEASURING):
            if value:
                asides.append(" ".join(_figure(name, value)))
        elif name not in elsewhere:
            shown.append(_figure(name, value))
    items = (f"<div><dt>{escaped(label)}</dt><dd>{_with_unit(value)}</dd></div>" for label, value in shown)
    aside = f'<p class="asides">{escaped(" · ".join(asides))}</p>' if asides else ""
    return f'<dl class="figures">{"".join(items)}</dl>{aside}'


def notes(profile: Profile) -> str:
    """What the reader must know first; "" without notes."""
    return "".join(f'<p class="note warn">{escaped(note)}</p>' for note in profile.notes)


def kind_sections(profile: Profile) -> tuple[str, str]:
    """What the kind adds, above and below the graph; each may be ""."""
    if profile.kind == "await":
        return _states(profile), ""
    if profile.kind == "loop":
        lag = lag_columns(profile)
        return _blocks(profile) + (_section("Lag of the event loop", lag) if lag else ""), ""
    if profile.kind == "memory":
        return "", _leaks(profile)
    return "", ""


def heaviest_table(profile: Profile) -> str:
    """The functions with the most weight of their own; "" for an empty profile."""
    total = profile.total
    functions = weights_by_function(tree_of(profile))
    ordered = sorted(functions.items(), key=lambda entry: (-entry[1][0], entry[0]))
    largest = ordered[0][1][0] if ordered else 0.0
    rows = []
    for (name, file), (own, _, whole, _) in ordered[:ROWS_MAX]:
        if own <= 0:
            break
        rows.append(
            [
                f'<td class="number">{percent(own / total)}</td>',
                f'<td class="bar"><span style="--share: {own / largest:.4f}"></span></td>',
                f'<td class="number">{amount(own, profile.unit)}</td>',
                f'<td class="number soft extra">{amount(whole, profile.unit)}</td>',
                f'<td class="name"><code>{escaped(name)}</code>'
                f' <span class="soft">{escaped(file_label(file))}</span></td>',
            ]
        )
    if not rows:
        return ""
    head = (
        ("own share", "number"),
        ("", "bar"),
        ("own", "number"),
        ("with callees", "number extra"),
        ("function", ""),
    )
    return _section("Heaviest functions", _table(head, rows))


def _states(profile: Profile) -> str:
    """The bar of running, runnable and waiting; and one for each of the coroutines with most tasks' time."""
    values = [(profile.numbers.get(name, 0.0), label, color, why) for name, label, color, why in _STATES]
    total = sum(value for value, *_ in values)
    if total <= 0:
        return ""
    bar = "".join(
        f'<span style="--share: {value / total:.5f}; --swatch: var({color})"'
        f' title="{label} {percent(value / total)}"></span>'
        for value, label, color, _ in values
    )
    legend = "".join(
        f'<li><span class="swatch" style="--swatch: var({color})"></span><strong>{label}</strong>'
        f' {percent(value / total)} · {amount(value, "task-seconds")} <span class="faint">{why}</span></li>'
        for value, label, color, why in values
    )
    return _section(
        "What the tasks did",
        f'<div class="shares" role="img" aria-label="{_shares_label(values, total)}">{bar}</div>'
        f'<ul class="legend states">{legend}</ul>{_coroutines(profile)}',
    )


def _coroutines(profile: Profile) -> str:
    coroutines = entries(profile, "coroutines")
    rows = []
    for coroutine in coroutines[:ROWS_MAX] if len(coroutines) > 1 else ():
        values = [(number(coroutine, name), label, color) for name, label, color, _ in _STATES]
        total = sum(value for value, *_ in values)
        if total <= 0:
            continue
        bar = "".join(
            f'<span style="--share: {value / total:.5f}; --swatch: var({color})"></span>' for value, _, color in values
        )
        label = ", ".join(f"{label} {percent(value / total)}" for value, label, _ in values)
        rows.append(
            [
                f"<td><code>{escaped(coroutine.get('name', ''))}</code></td>",
                f'<td class="number">{amount(total, "task-seconds")}</td>',
                f'<td class="wide"><div class="shares" role="img" aria-label="{label}">{bar}</div></td>',
                *(f'<td class="number soft extra">{percent(value / total)}</td>' for value, *_ in values),
            ]
        )
    if not rows:
        return ""
    head = (("tasks of", ""), ("task time", "number"), ("", ""), *((label, "number extra") for _, label, *_ in _STATES))
    return _table(head, rows)


def _shares_label(values: Iterable[tuple[float, str, str, str]], total: float) -> str:
    return ", ".join(f"{label} {percent(value / total)}" for value, label, *_ in values)


def _blocks(profile: Profile) -> str:
    """The places that blocked the loop, the costliest first; each opens to the stack of its longest block."""
    rows = [
        [
            f'<td class="number">{amount(place.total_s, "seconds")}</td>',
            f'<td class="number">{place.times:,}</td>',
            f'<td class="number">{_known(place, "duration_s")}</td>',
            f'<td class="number soft extra">{_known(place, "at_s")}</td>',
            f'<td class="name">{_opened({**place.longest, "place": place.place})}</td>',
        ]
        for place in blocked_places(profile)
    ]
    if not rows:
        return ""
    head = (
        ("blocked for", "number"),
        ("times", "number"),
        ("longest", "number"),
        ("at", "number extra"),
        ("by (open for the stack and the task of the longest)", ""),
    )
    more = f'<p class="soft small">and {len(rows) - ROWS_MAX:,} more places</p>' if len(rows) > ROWS_MAX else ""
    return _section("What blocked the event loop", _table(head, rows[:ROWS_MAX]) + more)


def _known(place: BlockedPlace, name: str) -> str:
    return amount(number(place.longest, name), "seconds") if place.longest else ""


def _leaks(profile: Profile) -> str:
    leaks = entries(profile, "leaks")
    if not leaks:
        return ""
    rows = [
        [
            f'<td class="number">{amount(number(leak, "bytes"), "bytes")}</td>',
            f'<td class="number soft extra">{number(leak, "allocations"):,.0f}</td>',
            f'<td class="name">{_opened(leak)}</td>',
        ]
        for leak in sorted(leaks, key=lambda leak: -number(leak, "bytes"))[:LEAKS_MAX]
    ]
    head = (("not freed", "number"), ("allocations", "number extra"), ("allocated at", ""))
    return _section("Still allocated at the end", _table(head, rows))


def _opened(entry: Mapping[str, object]) -> str:
    """The place of a block or leak, which opens to its task, if it has one, and its stack."""
    task = f'<p class="soft small">task {escaped(entry["task"])}</p>' if entry.get("task") else ""
    place = f"<code>{escaped(entry.get('place', ''))}</code>"
    stack = entry.get("stack")
    if not isinstance(stack, list) or not stack:
        return place
    lines = "\n".join(_frame_line(frame) for frame in stack)
    return f"<details><summary>{place}</summary>{task}<pre>{lines}</pre></details>"


def _frame_line(frame: object) -> str:
    if isinstance(frame, Sequence) and not isinstance(frame, str) and len(frame) == 3:
        name, file, line = frame
        return escaped(f"{name} ({file_label(str(file))}:{line})" if file else name)
    return escaped(frame)


def _figure(name: str, value: float) -> tuple[str, str]:
    """A number's name as words, and its value with the unit at the name's end."""
    for ending, unit in (("_bytes", "bytes"), ("_s", "seconds")):
        stem, found, rest = name.partition(ending)
        if found and (not rest or rest.startswith("_")):
            return f"{stem}{rest}".replace("_", " ").replace("p999", "p99.9"), amount(value, unit)  # type: ignore[arg-type] # both are units
    if name.endswith("_share"):
        return name.removesuffix("_share").replace("_", " "), percent(value)
    return name.replace("_", " "), f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"


def _with_unit(text: str) -> str:
    number, space, unit = text.rpartition(" ")
    return f'{escaped(number)} <span class="unit">{escaped(unit)}</span>' if space else escaped(text)


def _section(heading: str, content: str) -> str:
    return f'<section class="card"><h2>{escaped(heading)}</h2>{content}</section>'


def _table(head: Iterable[tuple[str, str]], rows: Iterable[Iterable[str]]) -> str:
    heads = "".join(
        f'<th class="{kind}">{escaped(text)}</th>' if kind else f"<th>{escaped(text)}</th>" for text, kind in head
    )
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    table = f"<thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody>"
    return f'<div class="scroll"><table class="facts">{table}</table></div>'
