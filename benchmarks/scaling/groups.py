"""Which sweeps the validation simulates: the corpus that is judged, the same with other noise, known traps, repeats.

Plain lists of tasks, so that processes can share them. The rule: the corpus' seeds begin at `SEED_FIRST`; the method
was made by looking at lower ones only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.scaling.mva import Network, Station, solve
from benchmarks.scaling.score import Case, Disturbance, run_case
from benchmarks.scaling.truths import CONCURRENCY_MAX, SHAPES, Truth, make_truth

SEED_FIRST = 5000
CORPUS = "corpus"
STRESS: dict[str, Disturbance] = {
    "noise 2 %": Disturbance(noise=0.02),
    "noise 10 %": Disturbance(noise=0.10),
    "5 repetitions (the default)": Disturbance(repetitions=5),
    "levels 1, 2, 4, … 256 only": Disturbance(levels=(1, 2, 4, 8, 16, 32, 64, 128, 256)),
    "one run in ten 30 % slower": Disturbance(slow_share=0.1),
}
_TRAP_RUNS = 60
_REPEATS = 12
_REPEATED = 2


@dataclass(frozen=True)
class Task:
    """One sweep to simulate. `system`: seed of the shape, or the name of a trap."""

    group: str
    shape: str
    system: int | str
    seed: int
    how: Disturbance = field(default_factory=Disturbance)


@dataclass(frozen=True)
class Trap:
    """A case that goes wrong in sweeps elsewhere: what it is, and what is right."""

    about: str
    truth: Truth
    how: Disturbance


def tasks(networks: int, stressed: int) -> list[Task]:
    """`networks` systems in the corpus and `stressed` of them with each other noise, all shapes in turn."""
    chosen = [(SHAPES[index % len(SHAPES)], SEED_FIRST + index // len(SHAPES)) for index in range(networks)]
    made = [Task(CORPUS, shape, seed, seed) for shape, seed in chosen]
    for name, how in STRESS.items():
        made += [Task(name, shape, seed, seed, how) for shape, seed in chosen[:stressed]]
    made += [
        Task(f"trap {name}", "", name, seed, trap.how) for name, trap in traps().items() for seed in range(_TRAP_RUNS)
    ]
    for shape in SHAPES:
        for system in range(SEED_FIRST, SEED_FIRST + _REPEATED):
            made += [Task(f"repeat {shape} {system}", shape, system, seed) for seed in range(_REPEATS)]
    return made


def perform(task: Task) -> Case | None:
    """None: refused for too few runs."""
    if isinstance(task.system, str):
        truth = traps()[task.system].truth
    else:
        truth = make_truth(next(shape for shape in SHAPES if shape == task.shape), task.system)
    return run_case(truth, task.seed, task.how)


def traps() -> dict[str, Trap]:
    falling = _usl(0.05, (1 - 0.05) / 44**2, 44.0)
    doubling = (1, 2, 4, 8, 16, 32, 64, 128)
    knee = Network((Station(5e-3),), delay_s=0.1)
    hard = Truth("hard knee", "knee 21", solve(knee, CONCURRENCY_MAX).throughput_per_s)
    return {
        "past": Trap("a peak at 44, measured to 128", falling, Disturbance(levels=doubling)),
        "short": Trap("the same, measured to 16", falling, Disturbance(levels=(1, 2, 4, 8, 12, 16))),
        "none": Trap("no peak at all (β = 0), measured to 128", _usl(0.05, 0.0, None), Disturbance(levels=doubling)),
        "few": Trap("four levels, once each", falling, Disturbance(levels=(1, 4, 16, 64), repetitions=1)),
        "knee": Trap(
            "one station, knee at 21, measured to 64", hard, Disturbance(levels=(*doubling[:5], 24, 32, 48, 64))
        ),
    }


def _usl(alpha: float, beta: float, peak: float | None) -> Truth:
    levels = range(1, CONCURRENCY_MAX + 1)
    curve = tuple(100.0 * n / (1 + alpha * (n - 1) + beta * n * (n - 1)) for n in levels)
    return Truth("retrograde" if peak else "contention", f"α {alpha}, β {beta}", curve, peak)
