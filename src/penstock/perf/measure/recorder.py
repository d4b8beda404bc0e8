"""What happened to each item of a run, kept until its end and then told as a `RunResult`.

Safe to share between threads: each item is one append. The rule: an item is told once, as ended or as failed.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping

from penstock.perf.measure.model import RunResult
from penstock.perf.measure.schedule import Schedule

_FAILURES_MAX = 20
_SAMPLES_MAX = 64
_SAMPLE_CHARACTERS = 200


class Recorder:
    """`items` is the number of different items of the workload; `digest` turns an output into a short text."""

    def __init__(self, schedule: Schedule, items: int, digest: Callable[[object], str]) -> None:
        self._schedule = schedule
        self._items = max(1, items)
        self._digest = digest
        self._is_checked = schedule.request.is_checked
        self._ended: list[tuple[float, float, float]] = []
        self._digests: dict[int, str] = {}
        self._samples: dict[int, str] = {}
        self._failures: list[tuple[int, str]] = []
        self.failed = 0
        self.pushbacks = 0

    def ended(self, number: int, due_s: float, start_s: float, end_s: float, output: object) -> None:
        """Item `number` ended well. Times are the schedule's clock's."""
        self._ended.append((due_s, start_s, end_s))
        if self._is_checked:
            index = number % self._items
            if index not in self._digests:
                self._digests[index] = self._digest(output)
                if len(self._samples) < _SAMPLES_MAX:
                    self._samples[index] = repr(output)[:_SAMPLE_CHARACTERS]

    def lost(self, number: int, message: str, *, is_pushback: bool = False) -> None:
        """Item `number` failed: `message` is one line that says how."""
        self.failed += 1
        self.pushbacks += is_pushback
        if len(self._failures) < _FAILURES_MAX:
            self._failures.append((number, message))

    @property
    def told(self) -> int:
        """Items told so far, ended and failed."""
        return len(self._ended) + self.failed

    def result(
        self,
        *,
        concurrency: int,
        cpu_s: float,
        rss_bytes: int,
        switches: tuple[int, int] = (0, 0),
        phases: Mapping[str, float] | None = None,
    ) -> RunResult:
        """The run so far; `wall_s` is from the first item due to the last end."""
        began_s = self._schedule.began_s
        columns = [array("d", (row[column] - began_s for row in self._ended)) for column in range(3)]
        wall_s = max(columns[2], default=0.0) - min(columns[0], default=0.0)
        return RunResult(
            loop=self._schedule.request.loop,
            concurrency=concurrency,
            wall_s=wall_s,
            cpu_s=cpu_s,
            rss_bytes=rss_bytes,
            intended_s=columns[0],
            start_s=columns[1],
            end_s=columns[2],
            rate_per_s=self._schedule.request.rate_per_s,
            switches_voluntary=switches[0],
            switches_involuntary=switches[1],
            digests=self._digests,
            samples=self._samples,
            failures=self._failures,
            failed=self.failed,
            pushbacks=self.pushbacks,
            phases=phases or {},
        )
