"""Text with styles, before anybody knows whether the terminal has colours: lines made of (text, style) spans.

Pure. The rule: a line must say the same without its styles, so colour may only repeat what the words say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["", "bold", "dim", "good", "bad", "warn", "accent"]
Span: TypeAlias = tuple[str, Style]
Line: TypeAlias = list[Span]

SEPARATOR = " · "

_ASCII = str.maketrans(
    {"·": "|", "–": "-", "…": "~", "µ": "u", "×": "x", "≥": ">=", "━": "#", "╍": "=", "─": "-", "\u202f": " "}
)


def text_of(lines: Iterable[Line]) -> str:
    """The lines without styles, each with a line break and without trailing blanks."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


def width_of(line: Iterable[Span]) -> int:
    """How many characters the line has."""
    return sum(len(text) for text, _ in line)


def in_ascii(lines: Iterable[Line]) -> list[Line]:
    """The lines for a stream that cannot encode more than ASCII: signs replaced by their nearest, the rest by `?`."""
    return [
        [(text.translate(_ASCII).encode("ascii", "replace").decode("ascii"), style) for text, style in line]
        for line in lines
    ]


def flowed(facts: Sequence[Line], width: int, *, first: Span = ("", ""), indent: int = 0) -> list[Line]:
    """Facts set one after another with ` · ` between, broken only between facts so that lines keep to `width`.

    `first` stands before the first fact (a label); the following lines are indented by `indent`. A fact that is wider
    than a line gets one of its own.
    """
    lines: list[Line] = []
    line: Line = [first] if first[0] else []
    has_fact = False
    for fact in facts:
        if has_fact and width_of(line) + len(SEPARATOR) + width_of(fact) > width:
            lines.append(line)
            line, has_fact = [(" " * indent, "")], False
        if has_fact:
            line.append((SEPARATOR, "dim"))
        line.extend(fact)
        has_fact = True
    if line:
        lines.append(line)
    return lines
