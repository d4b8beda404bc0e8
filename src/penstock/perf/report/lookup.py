"""Values out of parsed JSON whose shape nobody vouches for: an older format, a newer one, a damaged file.

The rule: what is missing or of another type is None or empty, never an exception; the report then says what it lacks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from penstock.telemetry.format import printable

_TEXT_MAX = 500


def found(document: object, *path: str) -> object:
    """The value at `path`, or None where there is none."""
    for name in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def number(document: object, *path: str) -> float | None:
    """A finite number at `path`; a truth value is none."""
    value = found(document, *path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def count(document: object, *path: str) -> int | None:
    """A whole number at `path`."""
    value = number(document, *path)
    return None if value is None else int(value)


def text(document: object, *path: str) -> str:
    """One line that is safe to show (no passwords of URLs, no control characters), at most 500 characters."""
    value = found(document, *path)
    return printable(value, _TEXT_MAX) if isinstance(value, str) else ""


def mapping(document: object, *path: str) -> Mapping[str, object]:
    """The object at `path`, or an empty one."""
    value = found(document, *path)
    return value if isinstance(value, Mapping) else {}


def texts(document: object, *path: str) -> tuple[str, ...]:
    """The texts of the array at `path`, each as `text`; what is no text is left out."""
    value = found(document, *path)
    if not isinstance(value, list):
        return ()
    return tuple(printable(entry, _TEXT_MAX) for entry in value if isinstance(entry, str))
