"""A flamegraph as a picture: one SVG without scripts, with its own ground for light and dark, titles as tooltips.

For READMEs, and for pages whose script does not run. It draws the tree with the root on top. The rule: nothing in the
file comes unescaped from the profile.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.perf.page.document import escaped
from penstock.perf.profile.draw.amounts import amount, percent
from penstock.perf.profile.draw.flametree import Node, tree_of
from penstock.perf.profile.draw.groups import Group, file_label, group_of
from penstock.perf.profile.model import Profile, Unit

ROW = 18
MARGIN = 10
HEAD = 30
SHARE_MIN = 0.001
WIDTH_MIN = 0.5
ROWS_MAX = 120
_CHARACTER = 6.65  # advance of the monospaced font at 11 px, a little generous
# Lightness and chroma of frames by theme, as --flame-l and --flame-c in theme.css.
_LIGHT = (0.86, 0.085)
_DARK = (0.45, 0.085)
_ROLES = {"running": ("#a2c2e4", "#1c5c89"), "runnable": ("#d8a0a6", "#7d0d12"), "waiting": ("#c7cacc", "#3e4348")}
_STYLE = """\
#{id} text{{fill:#16191d;
font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace}}
#{id} .head{{font:600 13px system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;fill:#1b2026}}
#{id} .soft{{font:12px system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;fill:#59626d}}
#{id} .ground{{fill:#fff}}
{light}
@media (prefers-color-scheme:dark){{
#{id} text{{fill:#eef1f4}}#{id} .head{{fill:#e4e8ec}}#{id} .soft{{fill:#a5afba}}#{id} .ground{{fill:#16191f}}
{dark}
}}"""


@dataclass(frozen=True, slots=True)
class _Box:
    node: Node
    x: float
    width: float


def flamegraph_svg(profile: Profile, width: int = 1200, *, element_id: str = "flame-picture") -> str:
    """The picture, `width` pixels wide and as high as it must be. Frames narrower than 0.1 % are left out.

    `element_id` names the picture within a page: letters, digits and hyphens. Raises ValueError for another id, or for
    a width below 200.
    """
    return picture(tree_of(profile), profile, width, element_id)


def picture(root: Node, profile: Profile, width: int, element_id: str) -> str:
    """`flamegraph_svg` of a tree that is there already."""
    if width < 200 or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", element_id):
        raise ValueError(f"expected a width from 200 on and a plain id, got {width} and {element_id!r}")
    boxes = list(_boxes(root, width))
    rows = 1 + max((box.node.depth for box in boxes), default=0)
    groups: dict[Group, int] = {}
    shapes = [_shape(box, groups, root.total, profile.unit) for box in boxes]
    height = HEAD + rows * ROW + MARGIN
    light = "".join(f"#{element_id} .g{n}{{fill:{fill(group, is_dark=False)}}}" for group, n in groups.items())
    dark = "".join(f"#{element_id} .g{n}{{fill:{fill(group, is_dark=True)}}}" for group, n in groups.items())
    heading = f"{profile.kind} flamegraph"
    label = f"{heading}: {profile.title}" if profile.title else heading
    facts = f"{amount(root.total, profile.unit)} in {profile.samples:,} samples"
    parts = [
        f'<svg id="{element_id}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escaped(label)}"'
        f' viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{_STYLE.format(id=element_id, light=light, dark=dark)}</style>",
        f'<rect class="ground" width="{width}" height="{height}" rx="6"/>',
        f'<text class="head" x="{MARGIN}" y="20">{escaped(_cut(label, (width - 240) / 7.2))}</text>',
        f'<text class="soft" x="{width - MARGIN}" y="20" text-anchor="end">{escaped(facts)}</text>',
        *shapes,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _boxes(root: Node, width: int) -> Iterator[_Box]:
    if root.total <= 0:
        return
    scale = (width - 2 * MARGIN) / root.total
    smallest = max(SHARE_MIN * root.total, WIDTH_MIN / scale)
    waiting = [_Box(root, MARGIN, root.total * scale)]
    while waiting:
        box = waiting.pop()
        yield box
        x = box.x
        for child in box.node.ordered():
            if child.total < smallest or child.depth >= ROWS_MAX:
                break
            waiting.append(_Box(child, x, child.total * scale))
            x += child.total * scale


def _shape(box: _Box, groups: dict[Group, int], total: float, unit: Unit) -> str:
    node = box.node
    number = groups.setdefault(group_of(node.name, node.file), len(groups))
    y = HEAD + node.depth * ROW
    line = max(node.lines, key=lambda line: node.lines[line], default=0)
    place = f" ({file_label(node.file)}:{line})" if node.file else ""
    weights = f"{amount(node.total, unit)}, {percent(node.total / total)}; own {amount(node.own, unit)}"
    # Every file has a <module>; only its file tells them apart.
    name = f"{file_label(node.file)} {node.name}" if node.name == "<module>" and node.file else node.name
    text = _cut(name, (box.width - 7) / _CHARACTER)
    shown = f'<text x="{box.x + 4:.1f}" y="{y + 12.5:.1f}">{escaped(text)}</text>' if text else ""
    rect = f'<rect class="g{number}" x="{box.x:.1f}" y="{y}" width="{max(box.width - 0.6, 0.4):.1f}"'
    return f'<g><title>{escaped(node.name + place)}\n{weights}</title>{rect} height="{ROW - 1}" rx="1.5"/>{shown}</g>'


def _cut(text: str, characters: float) -> str:
    """As much of the text as fits; nothing when that would be two characters or fewer of a longer one."""
    if len(text) <= characters:
        return text
    return text[: int(characters) - 1] + "…" if characters >= 4 else ""


def fill(group: Group, *, is_dark: bool) -> str:
    """The group's colour as `#rrggbb`: what the page's script makes of the theme's tokens, computed."""
    if group.role:
        return _ROLES[group.role][is_dark]
    lightness, chroma = _DARK if is_dark else _LIGHT
    return _hex(lightness, chroma * group.chroma, group.hue)


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """OKLCH to sRGB (Ottosson 2020, "A perceptual color space for image processing"), clipped."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _gamma(min(1.0, max(0.0, channel)))):02x}" for channel in linear)


def _gamma(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055
