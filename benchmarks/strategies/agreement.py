"""How often whole comparisons, repeated, say the same of a pair: pure counting over verdicts, and the page about it.

A repetition is a mapping (preset, a, b) → verdict. Twins, an alternative and its ` (2)`, are the same code twice and
are counted apart: anything but "cannot tell" is wrong there. The rule: a pair that was not judged counts for nothing.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from penstock.perf.compare.model import Verdict

Key: TypeAlias = tuple[str, str, str]
Repetition: TypeAlias = Mapping[Key, Verdict]


@dataclass(frozen=True)
class Agreement:
    """Counts. `same` of `compared` comparisons of two repetitions agree on a pair; in `opposite` one says faster and
    the other slower. `twins_right` of `twins` verdicts on the same code twice are "cannot tell"."""

    repetitions: int
    pairs: int
    same: int
    compared: int
    opposite: int
    twins_right: int
    twins: int

    @property
    def share(self) -> float | None:
        return self.same / self.compared if self.compared else None


def agreement(repetitions: Sequence[Repetition]) -> Agreement:
    """Over every two repetitions and every pair that both judged."""
    keys = sorted({key for repetition in repetitions for key in repetition})
    same = compared = opposite = twins = twins_right = pairs = 0
    for key in keys:
        said = [repetition[key] for repetition in repetitions if key in repetition]
        if are_twins(key):
            twins += len(said)
            twins_right += sum(verdict == "cannot tell" for verdict in said)
            continue
        pairs += 1
        for one, other in itertools.combinations(said, 2):
            compared += 1
            same += one == other
            opposite += {one, other} == {"faster", "slower"}
    return Agreement(len(repetitions), pairs, same, compared, opposite, twins_right, twins)


def unsteady(repetitions: Sequence[Repetition]) -> list[tuple[Key, Counter[Verdict]]]:
    """The pairs on which repetitions differ, the least steady first, with how often each verdict came."""
    found = []
    for key in sorted({key for repetition in repetitions for key in repetition}):
        counts = Counter(repetition[key] for repetition in repetitions if key in repetition)
        if len(counts) > 1 and not are_twins(key):
            found.append((key, counts))
    return sorted(found, key=lambda entry: max(entry[1].values()) / entry[1].total())


def are_twins(key: Key) -> bool:
    """Whether both names stand for the same code."""
    _, a, b = key
    return a.removesuffix(" (2)") == b.removesuffix(" (2)")
