"""One measuring session: rounds of all rows in random order, every run checked, everything sampled kept.

In each round each row runs twice a cell (a body size, plain or TLS): with n records and with a few, so that start-up
can be taken apart. Rows that fail are not run again in that cell. It prints one line a run and stops between two cells
when the time limit has passed.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import outputs
from benchmarks.peers.environment import Cores, cpu_times
from benchmarks.peers.measured import Usage, measure
from benchmarks.peers.nginx import Origin
from benchmarks.peers.rows import Job, Row


@dataclass(frozen=True)
class Cell:
    """One part of the table: a body of nginx.BODY_BYTES, plain or over TLS."""

    body: str
    is_tls: bool

    @property
    def title(self) -> str:
        return f"{self.body} {'TLS' if self.is_tls else 'plain'}"


@dataclass(frozen=True)
class Plan:
    """What to run. `records_start` is the short run's n; `run_timeout_s` ends one run, `time_limit_s` the session."""

    cells: Sequence[Cell]
    records: int
    records_start: int
    rounds: int
    seed: int
    slow_records_most: int | None
    run_timeout_s: float
    time_limit_s: float
    work: Path

    def records_of(self, row: Row) -> int:
        """n for this row: slow peers get fewer, else they would take most of the session."""
        most = [limit for limit in (row.records_most,) if limit is not None]
        if most and self.slow_records_most is not None:
            most.append(self.slow_records_most)
        return min([self.records, *most])


@dataclass(frozen=True)
class Sample:
    """One round of one row in one cell: the long run and the short one, CPU and wall seconds, records that came."""

    round: int
    cell: str
    row: str
    records: int
    cpu_s: float
    wall_s: float
    start_records: int
    start_cpu_s: float
    start_wall_s: float
    steal_share: float

    @property
    def marginal_cpu_us(self) -> float:
        """CPU of one more record, in microseconds: start-up cancels out."""
        return (self.cpu_s - self.start_cpu_s) / (self.records - self.start_records) * 1e6

    @property
    def whole_cpu_us(self) -> float:
        """CPU of the long run, start-up included, per record, in microseconds."""
        return self.cpu_s / self.records * 1e6

    @property
    def startup_cpu_s(self) -> float:
        """CPU of a run with no records at all, extrapolated from the two runs."""
        return self.start_cpu_s - self.start_records * self.marginal_cpu_us / 1e6

    @property
    def records_per_s(self) -> float | None:
        """Records a second once it runs; None when the long run did not take longer than the short one."""
        wall_s = self.wall_s - self.start_wall_s
        return (self.records - self.start_records) / wall_s if wall_s > 0 else None


@dataclass
class Results:
    """What the session has so far. `errors` and `unavailable`: (cell title, row name) → why.

    `steal_share` and `others_share` are shares of the machine's processor time, 0 to 1, filled in by the caller, who
    knows when the server has ended.
    """

    samples: list[Sample] = field(default_factory=list)
    errors: dict[tuple[str, str], str] = field(default_factory=dict)
    unavailable: dict[tuple[str, str], str] = field(default_factory=dict)
    rounds_done: dict[str, int] = field(default_factory=dict)
    is_cut_short: bool = False
    elapsed_s: float = 0.0
    steal_share: float = 0.0
    others_share: float = 0.0


def run_session(plan: Plan, rows: Sequence[Row], origin: Origin, cores: Cores) -> Results:
    """Run the plan and return what was measured. A row that is unavailable is an error of each cell, never a crash."""
    session = _Session(plan, origin, cores)
    results = session.results
    for cell in plan.cells:
        for row in rows:
            if trouble := row.unavailable or (row.unavailable_over_tls if cell.is_tls else ""):
                results.unavailable[cell.title, row.name] = trouble
    start_s = time.monotonic()
    runnable = [row for row in rows if not row.unavailable]
    session.warm_up(runnable)
    for number in range(1, plan.rounds + 1):
        for cell in random.Random(f"{plan.seed} {number}").sample(list(plan.cells), len(plan.cells)):
            if time.monotonic() - start_s > plan.time_limit_s:
                results.is_cut_short = True
                break
            session.one_cell(number, cell, runnable)
    results.elapsed_s = time.monotonic() - start_s
    return results


class _Session:
    def __init__(self, plan: Plan, origin: Origin, cores: Cores) -> None:
        self.results = Results()
        self._plan = plan
        self._origin = origin
        self._cores = cores
        self._expected = {body: outputs.expected(body, 1) for body in {cell.body for cell in plan.cells}}

    def warm_up(self, rows: Sequence[Row]) -> None:
        """One short run of each row that is not counted: byte code, page cache, and whether it works at all."""
        for row in rows:
            cell = next((c for c in self._plan.cells if not (c.is_tls and row.unavailable_over_tls)), None)
            if cell is None:
                continue
            usage, _, trouble = self._run(row, cell, self._plan.records_start, is_start=True)
            _say(f"warm-up · {row.name}: {trouble or f'{usage.wall_s:.2f} s'}")

    def one_cell(self, number: int, cell: Cell, rows: Sequence[Row]) -> None:
        """One round of one cell: every row's long and short run, in random order."""
        out = self.results.errors.keys() | self.results.unavailable.keys()
        working = [row for row in rows if (cell.title, row.name) not in out]
        rng = random.Random(f"{self._plan.seed} {number} {cell.title}")
        for row in rng.sample(working, len(working)):
            is_start_first = rng.random() < 0.5
            times = cpu_times()
            runs = {}
            for is_start in (is_start_first, not is_start_first):
                asked = self._plan.records_start if is_start else self._plan.records_of(row)
                usage, records, trouble = self._run(row, cell, asked, is_start=is_start)
                if trouble:
                    self.results.errors[cell.title, row.name] = trouble
                    _say(f"round {number} · {cell.title} · {row.name} n={asked}: ERROR {trouble}")
                    break
                runs[is_start] = usage, records
            else:
                self._keep(number, cell, row, runs, cpu_times().steal_share_since(times))
        self.results.rounds_done[cell.title] = number

    def _keep(self, number: int, cell: Cell, row: Row, runs: dict[bool, tuple[Usage, int]], steal_share: float) -> None:
        (whole, records), (start, start_records) = runs[False], runs[True]
        sample = Sample(
            round=number,
            cell=cell.title,
            row=row.name,
            records=records,
            cpu_s=whole.cpu_s,
            wall_s=whole.wall_s,
            start_records=start_records,
            start_cpu_s=start.cpu_s,
            start_wall_s=start.wall_s,
            steal_share=steal_share,
        )
        self.results.samples.append(sample)
        _say(
            f"round {number}/{self._plan.rounds} · {cell.title} · {row.name}: "
            f"{sample.marginal_cpu_us:.1f} µs a record, {sample.records_per_s or 0:,.0f}/s, "
            f"start-up {sample.startup_cpu_s:.2f} s CPU "
            f"(n={records:,}, {whole.wall_s:.1f} s)"
        )

    def _run(self, row: Row, cell: Cell, records: int, *, is_start: bool) -> tuple[Usage, int, str]:
        folder = Path(tempfile.mkdtemp(prefix=f"{row.name}-", dir=self._plan.work))
        try:
            job = Job(self._origin, cell.body, cell.is_tls, records, folder, is_start)
            job.list_file.write_text("".join(f"{url}\n" for url in job.urls))
            if row.name != "penstock":  # which makes its own, and the others do not
                job.out.mkdir()
            usage = measure(
                row.command(job),
                folder=folder,
                core=self._cores.client,
                timeout_s=self._plan.run_timeout_s,
            )
            if usage.trouble:
                return usage, 0, usage.trouble
            known = self._expected[cell.body]
            counted, trouble = row.check(job, usage, outputs.Expected(records, known.body_bytes, known.digests))
            return usage, counted, trouble
        finally:
            shutil.rmtree(folder)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
