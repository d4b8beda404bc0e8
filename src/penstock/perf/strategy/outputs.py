"""A workload's output as a record of Penstock's process stage, also in a worker process, and back.

Penstock's process function returns a dict, a list of dicts or None; a workload's may return anything. The rule: the
output comes back as it was, so that its digest equals that of the other strategies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter

from penstock.model import Response
from penstock.perf.workload.model import Workload

OUTPUT, END_S, PROCESS_S = "output", "end_s", "process_s"
"""Columns: what the function returned, when (`time.perf_counter`), and the seconds it took."""


@dataclass
class OutputRecord:
    """Penstock's process function for a workload.

    Pickled, it names the user's function and does not hold it; a worker process loads it again.
    """

    workload: Workload
    _function: Callable[[Response], object] | None = field(default=None, repr=False, compare=False)

    def load(self) -> Callable[[Response], object]:
        """Find the function now. Raises ConfigError as `output_function`."""
        from penstock.perf.workload.work import output_function

        self._function = output_function(self.workload)
        return self._function

    def __call__(self, response: Response) -> dict[str, object]:
        function = self._function or self.load()
        began_s = perf_counter()
        output = function(response)
        end_s = perf_counter()
        return {OUTPUT: output, END_S: end_s, PROCESS_S: end_s - began_s}

    def __reduce__(self) -> tuple[type[OutputRecord], tuple[Workload]]:
        return OutputRecord, (replace(self.workload, items=()),)
