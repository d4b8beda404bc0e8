"""CPU work that holds the interpreter's lock as parsing does: regular expressions, dicts and JSON over one page.

The same page and the same number of repetitions give the same output on every machine. The rule: the length of the
work is measured once, by whoever starts a comparison, and travels as a number, so that all alternatives do the same.
"""

from __future__ import annotations

import json
import re
import statistics
import time
import zlib
from collections.abc import Callable, Sequence

_TOKEN = re.compile(r"<(/?)([a-z][a-z0-9]*)([^>]*)>|([A-Za-z]+)|([^<A-Za-z]+)")
_HREF = re.compile(r'href="([^"]*)"')
_WORDS_KEPT = 5
REPETITIONS_MAX = 100_000


def parse_page(page: str, repetitions: int = 1) -> dict[str, object]:
    """Title, number of links, words and their most frequent, and a checksum over all `repetitions` (1 and more).

    The repetitions do the whole work anew; a page of 2 KiB takes about 0.3 ms each.
    """
    checksum = 0
    record: dict[str, object] = {}
    for _ in range(repetitions):
        record = _parse(page)
        checksum = zlib.crc32(json.dumps(record).encode(), checksum)
    return {**record, "checksum": checksum}


def calibrate(cpu_s: float, pages: Sequence[str], *, clock: Callable[[], float] = time.thread_time) -> int:
    """Repetitions of `parse_page` on such pages that take `cpu_s` seconds of CPU time here; at least 1.

    The median over the pages, after one that warms up; `clock` counts the CPU seconds of this thread. Takes about
    three times `cpu_s` for each page.
    """
    once_s = max(1e-6, _time_s(pages[0], 1, clock), _time_s(pages[0], 1, clock))
    # Long enough for the clock's resolution (Linux: 1 ns; others up to 15 ms), short against the whole.
    trial = max(1, round(3 * cpu_s / once_s))
    each_s = statistics.median(_time_s(page, trial, clock) / trial for page in pages)
    return min(REPETITIONS_MAX, max(1, round(cpu_s / max(each_s, 1e-9))))


def _time_s(page: str, repetitions: int, clock: Callable[[], float]) -> float:
    began_s = clock()
    parse_page(page, repetitions)
    return clock() - began_s


def _parse(page: str) -> dict[str, object]:
    words: dict[str, int] = {}
    links: list[str] = []
    depth = deepest = 0
    title: list[str] = []
    is_title = False
    for token in _TOKEN.finditer(page):
        closing, tag, attributes, word, _rest = token.groups()
        if word:
            key = word.lower()
            words[key] = words.get(key, 0) + 1
            if is_title:
                title.append(word)
        elif tag:
            depth += -1 if closing else 1
            deepest = max(deepest, depth)
            is_title = tag == "title" and not closing
            if tag == "a" and not closing:
                links.extend(_HREF.findall(attributes))
    frequent = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))[:_WORDS_KEPT]
    return {
        "title": " ".join(title),
        "links": len(links),
        "words": sum(words.values()),
        "distinct": len(words),
        "frequent": [word for word, _ in frequent],
        "depth": deepest,
    }
