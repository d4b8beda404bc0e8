"""Failures by kind, each with a few examples, from the dead letters and what the run remembered.

It reads a bounded number of letters. The rule: URLs and messages pass `printable` before they leave here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from penstock.model import Failed
from penstock.perf.report.lookup import count, mapping, text
from penstock.telemetry.format import printable

EXAMPLES_MAX = 3
LETTERS_MAX = 5_000
_TEXT_MAX = 300


@dataclass(frozen=True, slots=True)
class FailureExample:
    """One dead letter. Safe to show, but not escaped for any page."""

    item_id: int
    url: str
    message: str


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The items given up as `kind`: `items` of the whole run."""

    kind: str
    items: int
    examples: tuple[FailureExample, ...] = ()


def group_failures(counts: Mapping[str, int], letters: Iterable[Failed], stats: object) -> list[FailureGroup]:
    """The kinds, most frequent first. `letters` are read until every kind has its examples, 5,000 at most; for kinds
    they do not show, the example of stats.json stands in."""
    examples: dict[str, list[FailureExample]] = {kind: [] for kind in counts}
    missing = set(counts)
    for letter in islice(letters, LETTERS_MAX):
        shown = examples.setdefault(letter.failure.kind, [])
        if len(shown) < EXAMPLES_MAX:
            shown.append(_example(letter.item.id, letter.item.url, letter.failure.message))
        if len(shown) >= min(EXAMPLES_MAX, counts.get(letter.failure.kind, 0)):
            missing.discard(letter.failure.kind)
        if not missing:
            break
    for kind in mapping(stats, "examples"):
        item_id = count(stats, "examples", kind, "item_id")
        if item_id is not None and not examples.get(kind):
            url, message = text(stats, "examples", kind, "url"), text(stats, "examples", kind, "message")
            examples[kind] = [_example(item_id, url, message)]
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [FailureGroup(printable(kind, 40), items, tuple(examples.get(kind, ()))) for kind, items in ordered]


def _example(item_id: int, url: str, message: str) -> FailureExample:
    return FailureExample(item_id, printable(url, _TEXT_MAX), printable(message, _TEXT_MAX))
