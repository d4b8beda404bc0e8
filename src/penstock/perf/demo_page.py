"""The demo's process function: title, links and text length of an HTML page, with the standard library alone."""

from __future__ import annotations

from html.parser import HTMLParser

from penstock.model import Response


def parse_page(response: Response) -> dict[str, object]:
    """One record per page: `title`, `links` (list of text) and `text_length` (characters, spaces folded)."""
    page = _Page()
    page.feed(response.text)
    page.close()
    return {
        "title": " ".join("".join(page.title).split()),
        "links": page.links,
        "text_length": len(" ".join("".join(page.text).split())),
    }


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self._is_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
        self._is_title = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self._is_title = False

    def handle_data(self, data: str) -> None:
        (self.title if self._is_title else self.text).append(data)
