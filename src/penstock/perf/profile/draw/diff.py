"""Two profiles compared: one flamegraph coloured by what became more or less, and the functions that changed most.

Frames are matched by name and file, never by line, so edits above a function do not make it another one. Shares are
compared (each profile's total is 1) unless the reader asks for absolute weights. The rule: it never compares kinds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import get_args

from penstock.errors import ConfigError
from penstock.perf.page.document import document, escaped
from penstock.perf.profile.draw.amounts import amount, percent, points
from penstock.perf.profile.draw.flamegraph import flamegraph_scripts, flamegraph_styles
from penstock.perf.profile.draw.flametree import compact, tree_of, weights_by_function
from penstock.perf.profile.draw.groups import file_label
from penstock.perf.profile.draw.output import write_text
from penstock.perf.profile.model import Kind, Profile, Unit

ROWS_MAX = 15
_BYTES_MAX = 512 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One function in both profiles. `own…` and `total…` in the profiles' unit; `share` and `share_before` of each
    profile's total, 0 to 1, by own weight."""

    name: str
    file: str
    own: float
    own_before: float
    total: float
    total_before: float
    share: float
    share_before: float


def changes(before: Profile, after: Profile) -> list[Change]:
    """Every function of either profile, the largest change of its own share first; equal changes by name.

    Raises ConfigError when the profiles are of different kinds or units.
    """
    _check_pair(before, after)
    whole, whole_before = after.total or 1.0, before.total or 1.0
    found = [
        Change(name, file, own, own_before, total, total_before, own / whole, own_before / whole_before)
        for (name, file), (own, own_before, total, total_before) in weights_by_function(tree_of(after, before)).items()
    ]
    return sorted(found, key=lambda change: (-abs(change.share - change.share_before), change.name, change.file))


def diff_html(before: Profile, after: Profile, *, before_name: str = "before", after_name: str = "after") -> str:
    """The whole page. The names are what the two profiles are called in it (say, their files).

    Raises ConfigError when the profiles are of different kinds or units.
    """
    _check_pair(before, after)
    label = f"{after.kind} difference flamegraph"
    graph = (
        f'<div class="flame" id="flame-diff" data-source="flame-diff-data" data-label="{label}">'
        '<noscript><p class="note warn">This picture needs JavaScript; the table below does not.</p></noscript></div>'
    )
    body = "\n".join(
        part
        for part in (
            "<main>",
            f'<p class="soft small">penstock profile diff · {escaped(after.kind)}</p>',
            f"<h1>{escaped(before_name)} → {escaped(after_name)}</h1>",
            _figures(before, after),
            _notes(before, before_name) + _notes(after, after_name),
            '<section class="card"><h2>What became more, what became less</h2>',
            '<p class="soft small">Red takes a larger part of the whole than before, blue a smaller one.</p>',
            graph,
            "</section>",
            _table(changes(before, after), after.unit),
            "</main>",
        )
        if part
    )
    data = {"flame-diff-data": compact(tree_of(after, before), after)}
    title = f"{before_name} → {after_name} – {after.kind} difference"
    return document(title, body, styles=flamegraph_styles(), scripts=flamegraph_scripts(), data=data)


def write_diff(before: Path, after: Path, out: Path) -> None:
    """Read two `KIND.json` files and write the page to `out`, whole or not at all. What the command line calls.

    Raises ConfigError for a file that is missing, not a profile, or of another kind or unit than the other one.
    """
    first, second = read_profile(before), read_profile(after)
    names = (before.name, after.name) if before.name != after.name else (str(before), str(after))
    write_text(out, diff_html(first, second, before_name=names[0], after_name=names[1]))


def read_profile(path: Path) -> Profile:
    """The profile in a `KIND.json` file. Raises ConfigError when there is none."""
    hint = "hint: a profile's JSON file is what `penstock profile KIND` writes as KIND.json (not KIND.speedscope.json)"
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise ConfigError(f"{path}: expected a profile of at most 512 MiB, got a larger file\n{hint}")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"expected a JSON object, got {type(content).__name__}")
        profile = Profile.from_json(content)
        if profile.kind not in get_args(Kind) or profile.unit not in get_args(Unit):
            raise ValueError(f"no kind or unit of ours: {profile.kind!r}, {profile.unit!r}")
        if not all(0 <= weight < inf for weight in profile.stacks.values()):
            raise ValueError("a weight is no number from 0 on")
        return profile
    except OSError as error:
        raise ConfigError(f"{path}: expected a profile, cannot read it: {error.strerror or error}\n{hint}") from error
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{path}: not a profile of ours: {what}\n{hint}") from error


def _check_pair(before: Profile, after: Profile) -> None:
    if (before.kind, before.unit) != (after.kind, after.unit):
        raise ConfigError(
            "expected two profiles of the same kind,"
            f" got {before.kind} in {before.unit} and {after.kind} in {after.unit}\n"
            "hint: compare cpu.json with another cpu.json"
        )


def _figures(before: Profile, after: Profile) -> str:
    shown = [
        ("before", amount(before.total, before.unit)),
        ("after", amount(after.total, after.unit)),
        ("change", amount(after.total - before.total, after.unit)),
    ]
    if before.total > 0:
        shown.append(("after ÷ before", f"{after.total / before.total:.3g} ×"))
    shown.append(("samples", f"{before.samples:,} → {after.samples:,}"))
    return (
        '<dl class="figures">'
        + "".join(f"<div><dt>{escaped(label)}</dt><dd>{escaped(value)}</dd></div>" for label, value in shown)
        + "</dl>"
    )


def _notes(profile: Profile, name: str) -> str:
    return "".join(f'<p class="note warn">{escaped(name)}: {escaped(note)}</p>' for note in profile.notes)


def _table(found: list[Change], unit: Unit) -> str:
    rows = []
    for change in found[:ROWS_MAX]:
        moved = change.share - change.share_before
        if not moved:
            break
        color = "--bad" if moved > 0 else "--link"
        rows.append(
            f'<tr><td class="number" style="color: var({color})">{points(moved)}</td>'
            f'<td class="number">{percent(change.share_before)} → {percent(change.share)}</td>'
            f'<td class="number soft extra">{amount(change.own_before, unit)} → {amount(change.own, unit)}</td>'
            f'<td class="name"><code>{escaped(change.name)}</code>'
            f' <span class="soft">{escaped(file_label(change.file))}</span></td></tr>'
        )
    if not rows:
        return '<section class="card"><p class="soft">No function changed its share.</p></section>'
    return (
        '<section class="card"><h2>Functions that changed most</h2><div class="scroll"><table class="facts"><thead><tr>'
        '<th class="number">change</th><th class="number">own share</th><th class="number extra">own</th>'
        "<th>function</th>"
        "</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table></div></section>"
    )
