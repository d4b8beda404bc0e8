"""A profile: weighted stacks, and what is known about how they were taken. Nothing is sampled or drawn here.

The rule: weights are in the profile's unit from the start (seconds, task-seconds, bytes), never "samples".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["cpu", "await", "memory", "loop"]
Unit: TypeAlias = Literal["seconds", "task-seconds", "bytes"]
PROFILE_FORMAT = 1


class Frame(NamedTuple):
    """One call. `name` is the function's qualified name, or a text such as `[waiting]`; `file` may be empty and `line`
    0 for such texts. `line` is where the frame was at, not where the function begins."""

    name: str
    file: str = ""
    line: int = 0


Stack: TypeAlias = tuple[Frame, ...]
"""From the root to the leaf."""


@dataclass(slots=True)
class Profile:
    """`stacks` maps a stack, root first, to its weight in `unit`.

    `title` is what was profiled, as a person would name it. `duration_s` is how long sampling went on (wall clock).
    `samples`: how many looks were taken. `notes`: what the reader must know to believe it (a part that is missing, a
    fallback that was used), whole sentences. `numbers`: further figures by name, units at the end of the names (the
    await profile's `running_s`, `runnable_s`, `waiting_s`; the loop's `lag_s_p99`). `details` is plain JSON that one
    kind adds (the loop profile's list of blocks).
    """

    kind: Kind
    unit: Unit
    stacks: dict[Stack, float] = field(default_factory=dict)
    title: str = ""
    duration_s: float = 0.0
    samples: int = 0
    notes: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The sum of all weights, in `unit`."""
        return sum(self.stacks.values())

    def add(self, stack: Stack, weight: float) -> None:
        """Add `weight` to a stack. Weights of 0 or less are left out."""
        if weight > 0:
            self.stacks[stack] = self.stacks.get(stack, 0.0) + weight

    def merge(self, other: Profile, *, root: Iterable[Frame] = ()) -> None:
        """Add another profile of the same kind, its stacks put below `root` (say, the worker process's name)."""
        if other.kind != self.kind or other.unit != self.unit:
            raise ValueError(f"expected a {self.kind} profile in {self.unit}, got {other.kind} in {other.unit}")
        above = tuple(root)
        for stack, weight in other.stacks.items():
            self.add(above + stack, weight)
        self.samples += other.samples
        self.notes += [note for note in other.notes if note not in self.notes]

    def to_json(self) -> dict[str, object]:
        """Plain JSON: frames once in a table, stacks as lists of indexes into it. `from_json` reads it."""
        table: dict[Frame, int] = {}
        stacks = []
        for stack, weight in self.stacks.items():
            stacks.append({"frames": [table.setdefault(frame, len(table)) for frame in stack], "weight": weight})
        return {
            "format": PROFILE_FORMAT,
            "kind": self.kind,
            "unit": self.unit,
            "title": self.title,
            "duration_s": self.duration_s,
            "samples": self.samples,
            "notes": self.notes,
            "numbers": self.numbers,
            "details": self.details,
            "frames": [list(frame) for frame in table],
            "stacks": stacks,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Profile:
        """The profile in a parsed file. Raises ValueError, KeyError or TypeError when it is not one of this format."""
        if document.get("format") != PROFILE_FORMAT:
            raise ValueError(f"expected a profile of format {PROFILE_FORMAT}, got {document.get('format')!r}")
        parsed: Any = document  # JSON that nobody has checked: what does not fit raises below
        frames = [Frame(str(name), str(file), int(line)) for name, file, line in parsed["frames"]]
        stacks: dict[Stack, float] = {}
        for entry in parsed["stacks"]:
            stack = tuple(frames[index] for index in entry["frames"])
            stacks[stack] = stacks.get(stack, 0.0) + float(entry["weight"])
        return cls(
            kind=parsed["kind"],
            unit=parsed["unit"],
            stacks=stacks,
            title=str(parsed.get("title", "")),
            duration_s=float(parsed.get("duration_s", 0.0)),
            samples=int(parsed.get("samples", 0)),
            notes=[str(note) for note in parsed.get("notes", [])],
            numbers={str(name): float(value) for name, value in parsed.get("numbers", {}).items()},
            details=dict(parsed.get("details", {})),
        )


def heaviest(profile: Profile, limit: int) -> Iterator[tuple[Frame, float, float]]:
    """The `limit` frames with the most weight of their own: (frame, own weight, weight with callees), heaviest first.

    Recursion counts a frame once per stack.
    """
    own: dict[Frame, float] = {}
    whole: dict[Frame, float] = {}
    for stack, weight in profile.stacks.items():
        if stack:
            own[stack[-1]] = own.get(stack[-1], 0.0) + weight
        for frame in set(stack):
            whole[frame] = whole.get(frame, 0.0) + weight
    for frame in sorted(own, key=lambda frame: -own[frame])[:limit]:
        yield frame, own[frame], whole[frame]


def short_place(frame: Frame, root: Path | None = None) -> str:
    """`name (file:line)` with the file relative to `root` (default: the current folder) where it lies below it."""
    if not frame.file:
        return frame.name
    base = root or Path.cwd()
    path = Path(frame.file)
    shown = path.relative_to(base) if path.is_relative_to(base) else path.name
    return f"{frame.name} ({shown}:{frame.line})"
