"""Folded stacks: one line for each stack, `root;child;leaf WEIGHT`, as flamegraph.pl, inferno and speedscope read them.

The format has neither units nor whole lines of code: weights are whole microseconds or bytes, and a frame is
`name (file:line)` in one text. The rule: what was written is read back the same, whatever the names are.
"""

from __future__ import annotations

import re

from penstock.perf.profile.model import Frame, Kind, Profile, Unit

_ESCAPES = {"\\": "\\\\", ";": "\\x3b", "\n": "\\n", "\r": "\\r"}
_ESCAPED = re.compile(r"\\(\\|n|r|x3b|x28)")
_UNESCAPED = {"\\": "\\", "n": "\n", "r": "\r", "x3b": ";", "x28": "("}
_PLACE = re.compile(r"(.*?) \((.*):(\d+)\)")


def to_folded(profile: Profile) -> str:
    """The lines, heaviest first; "" for an empty profile. Stacks below half a microsecond (half a byte) are left out.

    Semicolons and line breaks in names are escaped with a backslash. No other tool undoes that; they show it.
    """
    weights: dict[str, int] = {}
    factor = _factor(profile.unit)
    for stack, weight in profile.stacks.items():
        whole = round(weight * factor)
        if whole > 0:
            line = ";".join(_text(frame) for frame in stack)
            weights[line] = weights.get(line, 0) + whole
    ordered = sorted(weights.items(), key=lambda entry: (-entry[1], entry[0]))
    return "".join(f"{line} {weight}\n" for line, weight in ordered)


def from_folded(text: str, kind: Kind = "cpu", unit: Unit = "seconds") -> Profile:
    """The profile in folded lines; weights are µs for both kinds of seconds. Raises ValueError, naming the line."""
    profile = Profile(kind, unit)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        stack, _, weight = line.rpartition(" ")
        try:
            whole = float(weight)
        except ValueError:
            raise ValueError(f"line {number}: expected `frame;frame WEIGHT`, got {line[:80]!r}") from None
        frames = tuple(_frame(part) for part in stack.split(";")) if stack else ()
        profile.add(frames, whole / _factor(unit))
    return profile


def _factor(unit: Unit) -> float:
    return 1.0 if unit == "bytes" else 1e6


def _text(frame: Frame) -> str:
    name = _escaped(frame.name).replace(" (", " \\x28")  # " (" begins the place
    return f"{name} ({_escaped(frame.file)}:{frame.line})" if frame.file or frame.line else name


def _frame(text: str) -> Frame:
    place = _PLACE.fullmatch(text)
    return Frame(_plain(place[1]), _plain(place[2]), int(place[3])) if place else Frame(_plain(text))


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: _UNESCAPED[found[1]], text)
