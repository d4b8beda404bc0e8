"""A tuning as JSON and back: what `--json` writes; the format stands in docs/reference/tune-json.md.

Values and nothing else, by the rules of a comparison's JSON. The rule: `from_json(to_json(x)) == x`, exactly, through
a file too; a document of another version is refused, never guessed at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from penstock.errors import ConfigError

# Model dataclasses to JSON and back by their fields: one implementation for all results of the laboratory.
from penstock.perf.compare.asjson import plain, read
from penstock.perf.scaling.model import Tuning

FORMAT = "penstock-tune"
VERSION = 1


def to_json(tuning: Tuning) -> dict[str, Any]:
    """`{"format": "penstock-tune", "version": 1, "tuning": {…}}`: dicts, lists, text, finite numbers, None.

    Raises ValueError for a number that JSON does not have: infinity or NaN.
    """
    return {"format": FORMAT, "version": VERSION, "tuning": plain(dataclasses.asdict(tuning), "tuning")}


def from_json(document: Mapping[str, Any]) -> Tuning:
    """What `to_json` was given. Raises ConfigError for anything that `to_json` of this version does not write."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise ConfigError(f"expected a JSON object with format {FORMAT!r}", hint="penstock tune --json FILE makes it")
    if document.get("version") != VERSION:
        raise ConfigError(
            f"tuning: expected version {VERSION}, got {document.get('version')!r}",
            hint="measure again, or read it with the release of Penstock that wrote it",
        )
    tuning = read(Tuning, document.get("tuning"), "tuning")
    assert isinstance(tuning, Tuning)
    return tuning
