"""Three process functions: what Penstock calls once for each page it fetched.

    penstock fetch urls.txt -o pages --process examples/process_functions.py:parse_page

A dict is one record (its keys become columns), a list of dicts is several, None skips the item. An exception makes the
item a dead letter with its text and line, and the run goes on. Nothing here needs the network: run this file to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from penstock.model import Response

try:  # pip install 'penstock[html]': the same answers, about ten times as fast
    from selectolax.lexbor import LexborHTMLParser
except ImportError:
    LexborHTMLParser = None  # type: ignore[assignment,misc]  # without the extra: the standard library's parser

INVISIBLE = {"script", "style", "template", "noscript"}


def parse_page(response: Response) -> dict[str, object] | None:
    """Title, links and text length of an HTML page; anything else is skipped."""
    if response.mime_type not in ("text/html", "application/xhtml+xml", ""):
        return None
    title, links, text = (_parse_slow if LexborHTMLParser is None else _parse_fast)(response.text)
    return {"title": " ".join(title.split()), "links": links, "text_length": len(" ".join(text.split()))}


def word_count(response: Response) -> dict[str, object]:
    """Words in the text, and how many of them differ: plain Python, so for long texts it goes to processes."""
    words = re.findall(r"\w+", response.text.lower())
    return {"words": len(words), "distinct_words": len(set(words))}


def json_rows(response: Response) -> list[dict[str, object]]:
    """One record per object of a JSON array, or of the array under `items`. Anything else is a dead letter."""
    content = response.json()
    rows = content.get("items") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise ValueError(f"expected a JSON array or an object with an array `items`, got {type(content).__name__}")
    return [{"position": position, **row} for position, row in enumerate(rows)]


def _parse_fast(html: str) -> tuple[str, list[str], str]:
    tree = LexborHTMLParser(html)
    title = tree.css_first("title")
    links = [href for anchor in tree.css("a[href]") if (href := anchor.attributes.get("href"))]
    tree.strip_tags(list(INVISIBLE))
    return title.text() if title else "", links, tree.body.text(separator=" ") if tree.body else ""


def _parse_slow(html: str) -> tuple[str, list[str], str]:
    parser = _Page()
    parser.feed(html)
    parser.close()
    return "".join(parser.title), parser.links, " ".join(parser.text)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in INVISIBLE or (tag == "title" and not self.title):
            self.inside = tag
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside == "title":
            self.title.append(data)
        elif self.inside is None:
            self.text.append(data)


def examples() -> Iterator[tuple[str, object]]:
    page = b"<title>A &amp; B</title><p>Hello <a href='/next'>you</a><script>skip()</script></p>"
    yield "parse_page", parse_page(Response(0, "http://a/", "http://a/", 200, page, "text/html; charset=utf-8"))
    yield "parse_page of an image", parse_page(Response(1, "http://a/", "http://a/", 200, b"\x89PNG", "image/png"))
    yield "word_count", word_count(Response(2, "http://a/", "http://a/", 200, b"the cat and the dog", "text/plain"))
    yield "json_rows", json_rows(Response(3, "http://a/", "http://a/", 200, b'{"items": [{"id": 7}, {"id": 9}]}'))


if __name__ == "__main__":
    for name, result in examples():
        print(f"{name}: {result}")
