"""Bodies that anybody can compute again: a function of the seed and the path, never of the request or the clock.

Pure. The bytes are slices of two blocks made once from the seed, so that a body costs microseconds. A test that has
`Content(seed)` can check every byte the origin served.
"""

from __future__ import annotations

import json
import random

from penstock.perf.origin.draw import draw, draw_integer

PAGES = 100_000
"""Pages link to pages 0 to PAGES - 1."""

_BINARY_BLOCK_BYTES = 1024**2
_TEXT_BLOCK_BYTES = 256 * 1024
_PAGE_BYTES_LOW, _PAGE_BYTES_HIGH = 1024, 8192
_ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "w",
)
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ai", "ou")
_CODAS = ("", "n", "r", "l", "s", "t", "nd", "st", "m")

_PAGE_HEAD = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>%s</title></head>\n<body><h1>%s</h1>\n<ul>\n'
)
_ANCHOR = '<li><a href="/page/%d">page %d</a></li>\n'
_PAGE_MIDDLE = "</ul>\n<p>"
_PAGE_FOOT = b"</p></body></html>\n"


class Content:
    """The bodies of one seed. Making it takes about 50 ms; it is immutable and safe to share."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        rng = random.Random(f"penstock origin {seed}")
        self._binary = rng.randbytes(_BINARY_BLOCK_BYTES)
        self._words = ["".join(rng.choice(part) for part in (_ONSETS, _VOWELS, _CODAS)) for _ in range(400)]
        self._text = _make_text(rng, self._words)

    def binary(self, path: str, size: int) -> bytes:
        """`size` bytes that do not compress: `/bytes/N`."""
        return _cut(self._binary, draw_integer(self.seed, "binary", path), size)

    def text(self, path: str, size: int = 1024) -> bytes:
        """`size` bytes of ASCII words after a line with the path: any path without a meaning of its own."""
        first = path.encode("latin-1", "replace") + b"\n"
        if len(first) >= size:
            return first[:size]
        return first + _cut(self._text, draw_integer(self.seed, "text", path), size - len(first))

    def title(self, number: int) -> str:
        """The title of page `number`."""
        chance = draw_integer(self.seed, "page", str(number))
        return f"Page {number}: {self._words[chance % 400]} {self._words[chance // 400 % 400]}"

    def links(self, number: int) -> list[int]:
        """The pages that page `number` links to: 2 to 9 of them, when its size leaves room."""
        first = draw_integer(self.seed, "links", str(number))
        return [(first // 8 + k * 7919) % PAGES for k in range(2 + first % 8)]

    def page(self, number: int, size: int | None = None) -> bytes:
        """An HTML page of exactly `size` bytes (None: 1 to 8 KiB by number) with title, links and text.

        Too small for the links, it has none; too small for the frame, the page is cut.
        """
        if size is None:
            uniform = draw(self.seed, "page-size", str(number))
            size = int(_PAGE_BYTES_LOW + uniform * (_PAGE_BYTES_HIGH - _PAGE_BYTES_LOW))
        title = self.title(number)
        head = _PAGE_HEAD % (title, title)
        anchors = "".join([_ANCHOR % (link, link) for link in self.links(number)])
        room = size - len(head) - len(anchors) - len(_PAGE_MIDDLE) - len(_PAGE_FOOT)
        if room < 0:
            anchors = ""
            room = max(0, size - len(head) - len(_PAGE_MIDDLE) - len(_PAGE_FOOT))
        text = _cut(self._text, draw_integer(self.seed, "page-text", str(number)), room)
        frame = f"{head}{anchors}{_PAGE_MIDDLE}".encode("ascii")
        return (frame + text + _PAGE_FOOT)[:size]

    def document(self, number: int, size: int | None = None) -> bytes:
        """A JSON object `{id, title, links, text}` of `size` bytes, or of its least size where that is more."""
        fields = {"id": number, "title": self.title(number), "links": self.links(number), "text": ""}
        frame = json.dumps(fields).encode()
        room = (512 if size is None else size) - len(frame)
        text = _cut(self._text, draw_integer(self.seed, "document", str(number)), max(0, room))
        return frame[:-2] + text.replace(b"\n", b" ") + frame[-2:]

    def item(self, number: int) -> dict[str, object]:
        """Element `number` of `/items`."""
        return {"id": number, "name": self._words[draw_integer(self.seed, "item", str(number)) % 400]}


def _make_text(rng: random.Random, words: list[str]) -> bytes:
    pieces: list[str] = []
    size = 0
    while size < _TEXT_BLOCK_BYTES:
        sentence = " ".join(rng.choices(words, k=rng.randint(5, 14))).capitalize() + ".\n"
        pieces.append(sentence)
        size += len(sentence)
    return "".join(pieces).encode()[:_TEXT_BLOCK_BYTES]


def _cut(block: bytes, position: int, size: int) -> bytes:
    """`size` bytes of the endless repetition of `block`, from `position` on."""
    start = position % len(block)
    if start + size <= len(block):
        return block[start : start + size]
    return (block[start:] + block * (size // len(block) + 1))[:size]
