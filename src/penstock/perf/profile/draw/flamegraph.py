"""A profile as a page: an interactive flamegraph and, around it, the figures and tables of its kind.

`flamegraph_fragment` is the graph alone, for pages that hold several. The rule: the page is complete in itself, and
shows a picture and all figures even where scripts are off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.perf.page.assets import asset_text
from penstock.perf.page.document import document, escaped
from penstock.perf.profile.draw.flamesvg import flamegraph_svg, picture
from penstock.perf.profile.draw.flametree import compact, tree_of
from penstock.perf.profile.draw.pagetables import figures, heaviest_table, kind_sections, notes
from penstock.perf.profile.model import Kind, Profile

__all__ = [
    "Fragment",
    "flamegraph_fragment",
    "flamegraph_html",
    "flamegraph_scripts",
    "flamegraph_styles",
    "flamegraph_svg",
]

HEADINGS: Mapping[Kind, str] = {
    "cpu": "CPU: where processor time goes",
    "await": "Await: what the tasks wait for",
    "memory": "Memory: who holds it",
    "loop": "Event loop: what blocks it",
}


@dataclass(frozen=True, slots=True)
class Fragment:
    """`html` for the page's body, and `data` for `document(data=…)`: one JSON value for each element id."""

    html: str
    data: Mapping[str, object]


def flamegraph_fragment(profile: Profile, *, element_id: str) -> Fragment:
    """The graph with its tools. The page also needs `flamegraph_styles()` and `flamegraph_scripts()`, once.

    `element_id` is unique in the page: letters, digits and hyphens (it is part of links such as `#flame:ID:12`).
    Raises ValueError for another.
    """
    source = f"{element_id}-data"
    label = f"{profile.kind} flamegraph" + (f" of {profile.title}" if profile.title else "")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", element_id):
        raise ValueError(f"expected a plain id (letters, digits, hyphens), got {element_id!r}")
    root = tree_of(profile)
    static = picture(root, profile, 1120, f"{element_id}-picture")
    html = (
        f'<div class="flame" id="{element_id}" data-source="{source}" data-label="{escaped(label)}">'
        f'<div class="flame-static">{static}</div></div>'
    )
    return Fragment(html, {source: compact(root, profile)})


def flamegraph_styles() -> list[str]:
    """For `document(styles=…)` of a page with flamegraphs."""
    return [asset_text("flamegraph.css"), asset_text("profile.css")]


def flamegraph_scripts() -> list[str]:
    """For `document(scripts=…)` of a page with flamegraphs."""
    return [asset_text("flamegraph.js")]


def flamegraph_html(profile: Profile) -> str:
    """The whole page: title, figures, notes, flamegraph, what the kind adds (states, lag and blocks, leaks), and the
    heaviest functions. An empty profile gives a page that says so."""
    element_id = f"flame-{profile.kind}"
    graph = flamegraph_fragment(profile, element_id=element_id)
    before, after = kind_sections(profile)
    body = "\n".join(
        part
        for part in (
            "<main>",
            f'<p class="soft small">penstock profile {escaped(profile.kind)}</p>',
            f"<h1>{escaped(profile.title or HEADINGS[profile.kind])}</h1>",
            f'<p class="soft">{escaped(HEADINGS[profile.kind])}</p>' if profile.title else "",
            figures(profile),
            notes(profile),
            before,
            f'<section class="card"><h2>Flamegraph</h2>{graph.html}</section>',
            after,
            heaviest_table(profile),
            "</main>",
        )
        if part
    )
    title = f"{profile.title} – {profile.kind} profile" if profile.title else f"{profile.kind} profile"
    return document(title, body, styles=flamegraph_styles(), scripts=flamegraph_scripts(), data=graph.data)
