"""What a browser would make of a page or a Markdown file, without one."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Elements with attributes, and the text outside scripts and styles, spaces squeezed. Fails on crossed elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._pieces: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"never closed: {self._open}"
        self.text = " ".join("".join(self._pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in _VOID:
            self._open.append(tag)
        self._pieces.append(" " if tag in ("td", "th", "small", "dd", "dt", "p", "text", "li", "br", "div") else "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self._pieces.append(data)


def harmless(html: str) -> None:
    """Nothing in the page runs, loads or links but what pages of ours have."""
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in ("img", "iframe", "object", "embed", "form", "base", "foreignobject"), tag
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value == "data:," or value.startswith("#"), (tag, attributes)
    assert [tag for tag, _ in page.tags].count("script") == 1, "the theme's"
    assert len(page.ids) == len(set(page.ids)), "ids are unique"


def rendered_text(markdown: str) -> str:
    """Markdown's text as a reader sees it: escapes, small print and emphasis taken off, spaces squeezed."""
    plain = re.sub(r"</?(?:sub|br|details|summary)>", " ", markdown)
    plain = re.sub(r"\\([^a-z\d\s])", r"\1", plain).replace("**", "")
    return " ".join(plain.split())
