"""Who beats whom, as an HTML table: each row against each column, in a sign and a ratio.

It judges nothing. The rule: a verdict is a sign and a ratio, never a colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from penstock.perf.page.document import escaped
from penstock.telemetry.format import UNKNOWN, printable

Verdict: TypeAlias = Literal["faster", "slower", "cannot tell"]
SIGNS: Mapping[Verdict, str] = {"faster": "▲", "slower": "▼", "cannot tell": "≈"}
_KINDS: Mapping[Verdict, str] = {"faster": " class=up", "slower": " class=down", "cannot tell": ""}


@dataclass(frozen=True, slots=True)
class Versus:
    """One row against one column. `ratio`: as text, above 1 is better for the row; `sure`: its interval as text."""

    verdict: Verdict
    ratio: str
    sure: str = ""


def matrix(names: Sequence[str], cells: Mapping[tuple[str, str], Versus], caption: str) -> str:
    """The table. `cells` by (row, column); pairs without one are empty. Columns are numbered as the rows are, so that
    long names stand once."""
    head = "".join(f'<th scope="col" title="{_shown(name)}">{n}</th>' for n, name in enumerate(names, 1))
    rows = "".join(
        f'<tr><th scope="row"><b>{n}</b> {_shown(name)}</th>'
        + "".join(_cell(cells.get((name, other)), name == other) for other in names)
        + "</tr>"
        for n, name in enumerate(names, 1)
    )
    return f'<p class="soft small">{escaped(caption)}</p>' + scrolled(
        caption,
        f'<table class="matrix"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>',
    )


def scrolled(label: str, table: str) -> str:
    """A table that scrolls sideways where it is too wide, by keyboard too. `label` is text, `table` is HTML."""
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{escaped(label)}">{table}</div>'


def _cell(versus: Versus | None, is_same: bool) -> str:
    if versus is None or versus.ratio == UNKNOWN:
        return "<td></td>" if is_same else f"<td>{UNKNOWN}</td>"
    sure = f"<small>{escaped(versus.sure)}</small>" if versus.sure else ""
    return f"<td{_KINDS[versus.verdict]}>{SIGNS[versus.verdict]} {escaped(versus.ratio)}{sure}</td>"


def _shown(name: str) -> str:
    return escaped(printable(name, 60))
