"""What every static chart is made of: shapes whose places across are shares of the width, and the picture around them.

Heights are pixels and widths are shares, so that a chart inside a page takes the width it gets, with its text unscaled
(`inline`); as a file (`standalone`) it has a size of its own, brings its colours and ground for light and dark, and
scales. The rule: text from outside comes in through `words` and `told`, which escape it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias
from unicodedata import east_asian_width

from penstock.perf.page.assets import asset_text
from penstock.perf.page.document import escaped
from penstock.telemetry.format import printable, shortened

Anchor: TypeAlias = Literal["start", "middle", "end"]
NARROW = 276
"""The narrowest chart in pixels: what must fit beside each other is chosen for it."""
CHARACTER = 7.0
"""Advance of a character at 12 px in a wide sans-serif font, in pixels."""
WIDTH = 640
_THIN = 4.4
_MARGIN = 16
_HEAD = 46
_VAR = re.compile(r"var\((--[\w-]+)\)")
_TOKEN = re.compile(r"(--[\w-]+):\s*([^;]+);")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Drawing:
    """A chart before it is a picture. `title`: what it shows, in a few words; `told`: the same for those who do not see
    it; `note`: one short line below the title. `shapes` are SVG elements, `height` pixels high together."""

    title: str
    note: str
    told: str
    height: float
    shapes: tuple[str, ...]


def inline(drawing: Drawing, *, is_told_elsewhere: bool = False) -> str:
    """The chart for a page that has `pictures.css` and says title and note itself. Takes all the width it gets.

    `is_told_elsewhere`: a table of the page has the numbers, so that the chart need not tell them to those who listen.
    """
    told = "" if is_told_elsewhere else f"<desc>{escaped(drawing.told)}</desc>"
    return (
        f'<svg class="pic" width="100%" height="{_number(drawing.height)}" role="img" '
        f'aria-label="{escaped(drawing.title)}">{told}{"".join(drawing.shapes)}</svg>'
    )


def standalone(drawing: Drawing, width: int = WIDTH) -> str:
    """The chart as an SVG file, `width` pixels wide (from NARROW on), with title, note and ground. Needs nothing else.

    Raises ValueError for a width that is too narrow.
    """
    if width < NARROW:
        raise ValueError(f"expected a width from {NARROW} on, got {width}")
    height = _number(drawing.height + _HEAD + 2 * _MARGIN)
    fits = int((width - 2 * _MARGIN) / CHARACTER)
    return "\n".join(
        (
            f'<svg class="pic" xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="pic-title pic-told" '
            f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
            f'<title id="pic-title">{escaped(drawing.title)}</title><desc id="pic-told">{escaped(drawing.told)}</desc>',
            f"<style>{_standalone_style()}</style>",
            '<rect class="ground" width="100%" height="100%" rx="6"/>',
            f'<text class="head" x="{_MARGIN}" y="{_MARGIN + 13}">{words(drawing.title, fits - 4)}</text>',
            f'<text class="soft" x="{_MARGIN}" y="{_MARGIN + 31}">{words(drawing.note, fits)}</text>',
            f'<svg x="{_MARGIN}" y="{_MARGIN + _HEAD}" width="{width - 2 * _MARGIN}" '
            f'height="{_number(drawing.height)}" overflow="visible">',
            *drawing.shapes,
            "</svg>",
            "</svg>",
            "",
        )
    )


def words(text: str, characters_max: int | None = None) -> str:
    """One line of text, escaped, cut in the middle."""
    return escaped(printable(text, characters_max))


def across(share: float) -> str:
    """A place or a length as a share of the width: `12.34%`."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def text(x: str, y: float, shown: str, kinds: str = "", anchor: Anchor = "start") -> str:
    """`shown` is safe already (`words`); x as `across` makes it, or pixels. `kinds`: classes of pictures.css."""
    classes = " ".join(filter(None, (kinds, {"start": "", "middle": "mid", "end": "end"}[anchor])))
    return f'<text x="{x}" y="{_number(y)}"{_class(classes)}>{shown}</text>'


def line(x1: str, y1: float, x2: str, y2: float, kinds: str) -> str:
    return f'<line x1="{x1}" y1="{_number(y1)}" x2="{x2}" y2="{_number(y2)}"{_class(kinds)}/>'


def bar(share: float, width: float, y: float, height: float, kinds: str, *, radius: float = 0, tip: str = "") -> str:
    """A box from `share` on, `width` wide, both as shares. `tip`: escaped text shown under the pointer."""
    rounded = f' rx="{_number(radius)}"' if radius else ""
    start = f'<rect x="{across(share)}" y="{_number(y)}" width="{across(width)}" height="{_number(height)}"{rounded}'
    return f"{start}{_class(kinds)}" + (f"><title>{tip}</title></rect>" if tip else "/>")


def dot(share: float, y: float, radius: float, kinds: str) -> str:
    return f'<circle cx="{across(share)}" cy="{_number(y)}" r="{_number(radius)}"{_class(kinds)}/>'


def upright(share: float, y: float, height: float, kinds: str) -> str:
    """A stroke down, `height` pixels around `y`: as wide as its kind says, so a square or a bar."""
    return line(across(share), y - height / 2, across(share), y + height / 2, kinds)


def paths(height: float, shapes: Iterable[str]) -> str:
    """`<path>`s whose x runs from 0 to 1000 over the whole width and whose y is pixels down to `height`."""
    return (
        f'<svg x="0" y="0" width="100%" height="{_number(height)}" viewBox="0 0 1000 {_number(height)}" '
        f'preserveAspectRatio="none">{"".join(shapes)}</svg>'
    )


def path(points: Sequence[tuple[float, float]], kinds: str, *, is_closed: bool = False) -> str:
    """A `<path>` for `paths` through (share of the width, y); empty without points."""
    places = "L".join(f"{1000 * share:.1f} {y:.1f}" for share, y in points)
    return f'<path d="M{places}{"Z" if is_closed else ""}"{_class(kinds)}/>' if points else ""


def strokes(lines: Sequence[tuple[tuple[float, float], tuple[float, float]]], kinds: str) -> str:
    """One `<path>` for `paths` of lines along an axis, each from (share, y) to (share, y); empty without lines."""
    places = "".join(
        f"M{_number(1000 * x1)} {_number(y1)}" + (f"V{_number(y2)}" if x1 == x2 else f"H{_number(1000 * x2)}")
        for (x1, y1), (x2, y2) in lines
    )
    return f'<path d="{places}"{_class(kinds)}/>' if lines else ""


def boxes(spans: Sequence[tuple[float, float, float]], height: float, kinds: str) -> str:
    """One `<path>` for `paths` of boxes `height` high, each (from share, to share, y of its middle); empty without."""
    places = ""
    for low, high, y in spans:
        left = _number(1000 * low)
        places += f"M{left} {_number(y - height / 2)}H{_number(1000 * high)}v{_number(height)}H{left}Z"
    return f'<path d="{places}"{_class(kinds)}/>' if spans else ""


def text_width(shown: str) -> float:
    """Roughly, in pixels, as wide as wide fonts draw it."""
    return sum(map(_advance, shown))


def _advance(character: str) -> float:
    """Of DejaVu Sans at 12 px, the widest of the usual fonts, rounded up."""
    if character in " .,·:;'|!ijl()[]":
        return _THIN
    if character in "mwMW%@★≈×…" or east_asian_width(character) in "WF":
        return 12.0
    return 8.2 if character.isupper() else 7.8 if character.isdigit() else CHARACTER


def fitting(name: str, pixels: float) -> str:
    """As much of a name as fits, cut in the middle, at least four characters; not escaped."""
    whole = printable(name)
    characters = min(len(whole), max(4, int(pixels / _THIN)))
    while characters > 4 and text_width(shortened(whole, characters)) > pixels:
        characters -= 1
    return shortened(whole, characters)


def _class(kinds: str) -> str:
    return f' class="{kinds}"' if kinds else ""


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@cache
def _standalone_style() -> str:
    """pictures.css with theme.css's colours written out, for renderers that know no variables; dark ones after it."""
    theme = _COMMENT.sub("", asset_text("theme.css"))
    light, _, rest = theme.partition("@media (prefers-color-scheme: dark)")
    dark = rest.partition(':root[data-theme="dark"]')[0]
    rules = _COMMENT.sub("", asset_text("pictures.css")).partition("@media")[0]
    rules = re.sub(r"\s*\n\s*", "\n", rules).strip()
    day = dict(_TOKEN.findall(light))
    night = {**day, **dict(_TOKEN.findall(dark))}
    return (
        f"\n{_as_text(_told(rules, day))}\n@media (prefers-color-scheme:dark){{\n"
        f"{_as_text(_only_colours(_told(rules, night)))}\n}}\n"
    )


def _as_text(css: str) -> str:
    """CSS as the text of an XML element."""
    return css.replace("&", "&amp;").replace("<", "&lt;")


def _told(rules: str, tokens: dict[str, str]) -> str:
    while "var(" in rules:
        rules = _VAR.sub(lambda found: tokens[found[1]], rules)
    return rules


def _only_colours(rules: str) -> str:
    kept = []
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", rules):
        colours = [part.strip() for part in body.split(";") if re.search(r"^\s*(fill|stroke):.*#", part)]
        if colours:
            kept.append(f"{selector.strip()} {{ {'; '.join(colours)} }}")
    return "\n".join(kept)
