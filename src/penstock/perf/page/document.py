"""One HTML page that is complete in itself: styles, scripts and data are inside, and nothing is fetched.

It knows no content. The rule: text that comes from a run goes through `escaped` or `data`, never raw into the page.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping, Sequence

from penstock.perf.page.assets import asset_text

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The page's Content-Security-Policy: what is inside it may run, and nothing may be loaded or sent."""

_NOT_IN_A_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="penstock">
<title>{title}</title>
<link rel="icon" href="data:,">
{styles}
<script>
{theme}
</script>
</head>
<body>
<button type="button" class="theme-toggle" hidden></button>
{body}
{data}
{scripts}
</body>
</html>
"""


def document(
    title: str,
    body: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Mapping[str, object] | None = None,
) -> str:
    """The page. `title` is text; `body` is HTML (escape what you put in with `escaped`).

    `styles` and `scripts` are the texts of CSS and JavaScript, put after the theme's, scripts at the end of the body
    and in this order. Each value of `data` becomes `<script type="application/json" id=KEY>`; numbers that JSON does
    not have (NaN, infinities) become null. Raises ValueError for a script or style that would end its own element.
    """
    css = [asset_text("theme.css"), *styles]
    return _PAGE.format(
        policy=POLICY,
        title=escaped(title),
        styles="\n".join(f"<style>\n{_inside('style', text)}\n</style>" for text in css),
        theme=_inside("script", asset_text("theme.js")),
        body=body,
        data="\n".join(json_element(element_id, value) for element_id, value in (data or {}).items()),
        scripts="\n".join(f"<script>\n{_inside('script', text)}\n</script>" for text in scripts),
    )


def escaped(text: object) -> str:
    """`str(text)`, safe as text of HTML and XML and inside a quoted attribute.

    What XML cannot hold at all (control characters, lone surrogates) becomes the replacement character.
    """
    return html.escape(_NOT_IN_XML.sub("\ufffd", str(text)), quote=True)


def json_element(element_id: str, value: object) -> str:
    """`<script type="application/json">` that holds `value`, whatever characters its texts have."""
    text = json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character, escape in _NOT_IN_A_SCRIPT.items():
        text = text.replace(character, escape)
    # Lone surrogates (undecodable file names) are no UTF-8; a browser shows such a character as a replacement anyway.
    text = text.encode("utf-8", "replace").decode()
    return f'<script type="application/json" id="{escaped(element_id)}">{text}</script>'


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _inside(element: str, text: str) -> str:
    if f"</{element}" in text.lower() or "<!--" in text:
        raise ValueError(f"expected {element} text that does not end its element, got '</{element}' or '<!--' in it")
    return text
