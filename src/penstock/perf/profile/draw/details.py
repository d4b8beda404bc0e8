"""Reads what one kind of profile adds in `details`: the loop's blocks, the await profile's coroutines, leaks of memory.

It trusts nothing: profiles come from files too. The rule: what is not as expected counts as absent, never as an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.perf.profile.draw.groups import file_label
from penstock.perf.profile.model import Profile


@dataclass(frozen=True, slots=True)
class BlockedPlace:
    """One place that blocked the loop: `total_s` in all over `times` blocks. `longest`: its longest block as the
    profile has it, empty when that is not among those that were kept."""

    place: str
    total_s: float
    times: int
    longest: Mapping[str, object]


def entries(profile: Profile, name: str) -> list[Mapping[str, object]]:
    """The objects of that list; [] when there is none."""
    value = profile.details.get(name)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def number(entry: Mapping[str, object], name: str) -> float:
    """That number; 0 when it is absent or no number."""
    value = entry.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def blocked_places(profile: Profile) -> list[BlockedPlace]:
    """The functions that blocked the loop, the one that cost most in all first.

    From `culprits`, which counts every block, or from `blocks`, which has only the longest, where that is missing.
    """
    longest_first = sorted(entries(profile, "blocks"), key=lambda block: -number(block, "duration_s"))
    counted = entries(profile, "culprits")
    if counted:
        longest = {_function(block): block for block in reversed(longest_first)}
        places = [_counted(culprit, longest.get(_function(culprit), {})) for culprit in counted]
    else:
        by_place: dict[str, list[Mapping[str, object]]] = {}
        for block in longest_first:
            by_place.setdefault(str(block.get("place", "")), []).append(block)
        places = [
            BlockedPlace(place, sum(number(block, "duration_s") for block in blocks), len(blocks), blocks[0])
            for place, blocks in by_place.items()
        ]
    return sorted(places, key=lambda place: (-place.total_s, place.place))


def _counted(culprit: Mapping[str, object], longest: Mapping[str, object]) -> BlockedPlace:
    name, file = _function(culprit)
    place = f"{name} ({file_label(file)}:{number(culprit, 'line'):.0f})" if file else name
    times = int(number(culprit, "blocks"))
    return BlockedPlace(str(culprit.get("place", place)), number(culprit, "blocked_s"), times, longest)


def _function(entry: Mapping[str, object]) -> tuple[str, str]:
    return str(entry.get("function", "?")), str(entry.get("file", ""))
