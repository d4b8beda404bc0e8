"""What an item goes through, in order: how phases are called and drawn, for comparisons and sweeps.

Pure. The rule: a phase that took no time anywhere is left out; one of an unknown name is shown under its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from penstock.telemetry.format import printable

PHASES = (
    ("dns", "name lookup", "host"),
    ("connect", "connect", "rate"),
    ("tls", "TLS", "process"),
    ("ttfb", "first byte", "fetch"),
    ("body", "body", "source"),
    ("process", "process", "sink"),
)
"""Key, name, colour of theme.css."""
_OTHERS = ("idle", "bad", "host", "rate")
_SHORTEST_S = 1e-8
"""Below it is what differences of sums leave over."""


def phases_of(means: Iterable[Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """(key, name, colour) of the phases that took time in any of `means` (seconds per item by key), in order."""
    seen = dict.fromkeys(key for one in means for key, value in one.items() if _SHORTEST_S < value < math.inf)
    known = [entry for entry in PHASES if entry[0] in seen]
    rest = [key for key in seen if key not in {entry[0] for entry in PHASES}]
    return known + [
        (key, printable(key.replace("_", " "), 40), _OTHERS[number % len(_OTHERS)]) for number, key in enumerate(rest)
    ]
