"""What the looks of an await profile found: weights by state and chain, and the profile made of them. Looks at nothing.

The rule: every look's weight in seconds is counted once, in a loop or outside one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from penstock.perf.profile.chains import Codes, Place
from penstock.perf.profile.model import Frame, Profile

State: TypeAlias = Literal["running", "runnable", "waiting"]
_STATES: tuple[State, ...] = get_args(State)
_Key: TypeAlias = tuple[State, tuple[Place, ...]]
_CHAINS_MAX = 100_000
_OTHER_CHAINS = ("[other chains]",)
_ERRORS_MAX = 5
_COROUTINES_MAX = 50
_LATE_LOOK_S = 1.0


@dataclass(slots=True)
class Findings:
    """Sums over all looks. `covered_s` is the time they stand for, `outside_loop_s` what of it met no event loop;
    `late_s_max` how late the latest look was; `cpu_s` the CPU time that looks took."""

    codes: Codes = field(default_factory=Codes)
    looks: int = 0
    covered_s: float = 0.0
    outside_loop_s: float = 0.0
    late_s_max: float = 0.0
    cpu_s: float = 0.0
    untold: int = 0
    errors: list[str] = field(default_factory=list)
    _weights: dict[_Key, float] = field(default_factory=dict)

    def add(self, state: State, places: list[Place], weight: float) -> None:
        """Add task-seconds. 1 µs."""
        key = (state, tuple(places))
        if key not in self._weights and len(self._weights) >= _CHAINS_MAX:
            key = (state, _OTHER_CHAINS)
        self._weights[key] = self._weights.get(key, 0.0) + weight

    def end_look(self, weight_s: float, late_s: float, *, is_outside_loop: bool) -> None:
        self.looks += 1
        self.covered_s += weight_s
        self.late_s_max = max(self.late_s_max, late_s)
        if is_outside_loop:
            self.outside_loop_s += weight_s

    def add_error(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text not in self.errors and len(self.errors) < _ERRORS_MAX:
            self.errors.append(text)

    def to_profile(self, title: str, duration_s: float) -> Profile:
        """Stacks `[state]`, `task …`, then the chain; `numbers` and the split by coroutine in `details`."""
        profile = Profile("await", "task-seconds", title=title, duration_s=duration_s, samples=self.looks)
        states = dict.fromkeys(_STATES, 0.0)
        coroutines: dict[str, dict[State, float]] = {}
        for (state, places), weight in self._weights.items():
            root = self.codes.root(places[0]) if places else Frame("task")
            profile.add((Frame(f"[{state}]"), root, *(self.codes.frame(place) for place in places)), weight)
            states[state] += weight
            split = coroutines.setdefault(root.name.removeprefix("task "), dict.fromkeys(_STATES, 0.0))
            split[state] += weight
        in_loop_s = self.covered_s - self.outside_loop_s
        profile.numbers = {
            **{f"{state}_s": weight for state, weight in states.items()},
            "tasks_mean": profile.total / in_loop_s if in_loop_s > 0 else 0.0,
            "outside_loop_s": self.outside_loop_s,
            "interval_s_mean": self.covered_s / self.looks if self.looks else 0.0,
            "late_s_max": self.late_s_max,
            "own_cost_share": self.cpu_s / duration_s if duration_s > 0 else 0.0,
        }
        heaviest = sorted(coroutines.items(), key=lambda entry: -sum(entry[1].values()))[:_COROUTINES_MAX]
        profile.details["coroutines"] = [
            {"name": name, **{f"{state}_s": weight for state, weight in split.items()}} for name, split in heaviest
        ]
        profile.notes = self._notes()
        return profile

    def _notes(self) -> list[str]:
        notes = []
        if self.looks and self.outside_loop_s >= self.covered_s:
            notes.append(
                "No asyncio event loop ran in the main thread: there are no tasks to show. "
                "For code without asyncio, profile cpu."
            )
        if self.late_s_max > _LATE_LOOK_S:
            notes.append(
                f"One look came {self.late_s_max:.1f} s late: a blocking call or C code held the main thread, or the "
                "process stood still. That time is booked on what was found then."
            )
        if self.untold:
            notes.append(
                f"{self.untold} times a task was of a class that does not tell what it awaits; it counts as waiting."
            )
        return notes + [f"A look failed and was left out: {error}" for error in self.errors]
