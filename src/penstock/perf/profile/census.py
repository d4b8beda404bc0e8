"""Which tasks of an event loop are looked at: at most so many, drawn so that none is favoured. Decides no state.

With 10,000 tasks `asyncio.all_tasks()` takes 1.7 ms and a copy of asyncio's own set of references 0.05 ms (measured,
Python 3.11 to 3.13), so the set is copied and drawn from. The rule: every task has the same chance at every look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from types import BuiltinFunctionType
from typing import Any, TypeAlias
from weakref import ref

AnyTask: TypeAlias = "asyncio.Task[Any]"
_Known: TypeAlias = "AnyTask | ref[AnyTask]"
SUBSET_MIN, SUBSET_MAX = 8, 64
_DRAWS_PER_TASK_MAX = 8


class Census:
    """Draws tasks of one loop. `draw(loop, current, subset)` is (tasks, weight of each): together they stand for all
    tasks of that loop that are not done, except `current`, which the caller knows already.

    `subset` is how many are wanted at most. Drawing is with replacement from everything asyncio keeps a reference to,
    each draw weighted with population / draws; a draw that hits a done task, another loop's or `current` counts as
    nothing. So the expected sum of weights is exactly the number of tasks meant (Hansen and Hurwitz 1943). How often to
    draw, and `subset`, must not depend on this look's hits, which would bias it.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._population = _population_of_asyncio()
        self._hit_share = 1.0

    def draw(
        self, loop: asyncio.AbstractEventLoop, current: AnyTask | None, subset: int = SUBSET_MAX
    ) -> tuple[list[AnyTask], float]:
        population = self._population(loop)
        count = len(population)
        draws = int(subset / self._hit_share) + 1
        drawn, weight = population, 1.0
        if draws < count:
            random = self._rng.random
            drawn, weight = [population[int(random() * count)] for _ in range(draws)], count / draws
        tasks: list[AnyTask] = []
        for known in drawn:
            task = known() if isinstance(known, ref) else known
            if task is not None and task is not current and not task.done() and task.get_loop() is loop:
                tasks.append(task)
        if drawn:
            self._hit_share = max(len(tasks) / len(drawn), 1 / _DRAWS_PER_TASK_MAX)
        if len(tasks) > subset:
            # More than wanted, after a look that hit few: draw again among them, which keeps the chances equal.
            weight *= len(tasks) / subset
            tasks = [tasks[int(self._rng.random() * len(tasks))] for _ in range(subset)]
        return tasks, weight


def _population_of_asyncio() -> Callable[[asyncio.AbstractEventLoop], list[_Known]]:
    """A function that copies all tasks asyncio knows, by what this Python's asyncio has."""
    internals = asyncio.tasks
    weak = getattr(internals, "_scheduled_tasks", None)  # 3.12 and later; an empty one is false
    if weak is None:
        weak = getattr(internals, "_all_tasks", None)  # 3.11
    data = getattr(weak, "data", None)
    if isinstance(asyncio.all_tasks, BuiltinFunctionType) or not isinstance(data, set):
        # 3.14 keeps its tasks in lists in C, and its all_tasks() walks them in C.
        return lambda loop: list(asyncio.all_tasks(loop))
    scheduled: set[ref[AnyTask]] = data
    eager: set[AnyTask] = getattr(internals, "_eager_tasks", set())
    # The copy of a set is one step for the interpreter: no task can come or go in the middle.
    return lambda _loop: [*scheduled, *eager]
