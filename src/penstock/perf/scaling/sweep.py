"""Drives one alternative through a concurrency sweep: warm-up, an ascending look, random rounds, and the conclusion.

It decides nothing about levels (`levels.py`, `budget.py`), push-back (`pushback.py`) or laws (`conclude.py`). The
rule: whatever ends it early, the process is stopped and the answer is a `Tuning`, with a refusal when runs are few.

One process serves the whole sweep, never restarted: connections and caches stay warm, as they are in a long run, and
the random order of every round makes what one run leaves for the next noise instead of bias.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from penstock.errors import ConfigError
from penstock.perf.compare.model import Refusal
from penstock.perf.compare.progress import Progress, Silent
from penstock.perf.compare.refusals import alternative_failed
from penstock.perf.measure.bystanders import Bystanders
from penstock.perf.measure.model import AlternativeError, Measured, RunRequest, RunResult
from penstock.perf.scaling.budget import Plan, plan_within, told_cuts
from penstock.perf.scaling.levels import (
    LEVELS_MIN,
    REPEATS_MIN,
    Look,
    interpolated,
    measured_levels,
    next_look,
    run_items,
    shuffled_rounds,
)
from penstock.perf.scaling.model import SweepRun, Tuning
from penstock.perf.scaling.options import SweepOptions
from penstock.perf.scaling.pushback import Watch, client_notes, drift_notes, queue_notes
from penstock.perf.scaling.told import refused, told_run
from penstock.perf.workload.model import Alternative, Workload
from penstock.telemetry.machinefacts import machine_facts

Make = Callable[[Alternative, Workload], Measured]
_WARM_UP_ITEMS = 3
_LOOKS_SHARE_MAX = 0.4
_CONCLUDE_S = 5.0
_LOOKS_SHARE = 0.15


def sweep(
    workload: Workload,
    alternative: Alternative,
    options: SweepOptions,
    *,
    make: Make | None = None,
    say: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Tuning:
    """Measure `alternative` at many concurrencies and conclude. Blocks for up to `options.seconds_max`, about.

    Whatever the server or the code does ends in the `Tuning`: recommended, or refused with the reason. Raises
    ConfigError for what cannot be set up at all, and SweepInterrupted for Ctrl-C; the process has ended by then.
    """
    if not workload.items:
        raise ConfigError(f"workload {workload.name}: expected at least one item, got none")
    return _Sweep(workload, alternative, options, make, say or Silent(), clock).run()


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep. `tuning` is concluded from what was measured by then, or refused."""

    def __init__(self, tuning: Tuning) -> None:
        super().__init__("interrupted")
        self.tuning = tuning


class _Sweep:
    def __init__(
        self,
        workload: Workload,
        alternative: Alternative,
        options: SweepOptions,
        make: Make | None,
        say: Progress,
        clock: Callable[[], float],
    ) -> None:
        self._is_interrupted = False
        # A fake takes no time of the machine's, so nobody can disturb it.
        self._bystanders = Bystanders() if make is None else None
        self._workload = workload
        self._alternative = alternative
        self._options = options
        self._measured = (make or _measured_process())(alternative, workload)
        self._say = say
        self._clock = clock
        self._watch = Watch(is_fetch=alternative.function is None)
        self._asked = 0
        self._looks: list[Look] = []
        self._look_runs: list[SweepRun] = []
        self._runs: list[SweepRun] = []
        self._notes: list[str] = []

    def run(self) -> Tuning:
        """Once. See `sweep`."""
        self._began_s = self._clock()
        refusal = None
        try:
            self._measured.start()
            refusal = self._warm_up() or self._look() or self._measure()
        except AlternativeError as error:
            refusal = alternative_failed(error, self._workload, {})
        except KeyboardInterrupt:
            self._is_interrupted = True
            self._notes.append("interrupted: only what had been measured by then counts")
        finally:
            self._stop()
        tuning = self._conclude(refusal)
        if self._is_interrupted:
            raise SweepInterrupted(tuning)
        return tuning

    def _stop(self) -> None:
        """A second Ctrl-C does not leave a process behind."""
        try:
            self._measured.stop()
        except KeyboardInterrupt:
            self._measured.stop()
            raise

    def _warm_up(self) -> Refusal | None:
        self._say.show("warming up", 0.0)
        result = self._do(1, _WARM_UP_ITEMS)
        refusal = self._watch.refusal(result)
        self._first_guess = Look(1, result.throughput_per_s, 1 / result.throughput_per_s if result.items else 0.0)
        return refusal

    def _look(self) -> Refusal | None:
        """Ascend, to find the range and how long runs must be."""
        guess = self._first_guess
        while (level := self._next_level()) is not None:
            grown = guess.throughput_per_s * min(2.0, max(1.0, level / guess.concurrency))
            items = run_items(Look(level, grown, guess.p50_s), self._options.run_s)
            if self._is_spent(items):
                self._notes.append(
                    f"concurrency {level} and above was left out: --max-seconds and --max-requests set the bounds"
                )
                return None
            self._say.show(f"looking at concurrency {level}", min(_LOOKS_SHARE, 0.01 + 0.015 * len(self._looks)))
            result = self._do(level, items)
            refusal = self._watch.refusal(result)
            again = run_items(_look_of(result), self._options.run_s)
            is_hasty = not self._looks and result.wall_s < self._options.run_s / 2
            if refusal is None and is_hasty and not self._is_spent(again):
                # The warm-up met a cold client and promised too little; once more with what is known now.
                result = self._do(level, again)
                refusal = self._watch.refusal(result)
            self._look_runs.append(told_run(result, 0))
            if refusal is not None:
                return refusal
            guess = _look_of(result)
            self._looks.append(guess)
        return None

    def _next_level(self) -> int | None:
        if self._options.levels is None:
            return next_look(self._looks, self._options.concurrency_max)
        rest = sorted(set(self._options.levels))[len(self._looks) :]
        return rest[0] if rest else None

    def _is_spent(self, items: int) -> bool:
        """Whether the look would take what the rounds need: time, or requests."""
        options = self._options
        is_late = bool(self._looks) and self._elapsed_s() > _LOOKS_SHARE_MAX * options.seconds_max
        return is_late or (options.requests_max is not None and self._asked + items > options.requests_max)

    def _measure(self) -> Refusal | None:
        options = self._options
        self._looks = self._looks or [self._first_guess]
        levels = (
            tuple(sorted(set(options.levels)))
            if options.levels is not None
            else measured_levels(self._looks, options.concurrency_max, slo_p95_s=options.slo_p95_s)
        )
        plan, fits = plan_within(
            self._looks,
            levels,
            options.repeats,
            options.run_s,
            seconds_max=self._left_s(),
            items_max=None if options.requests_max is None else options.requests_max - self._asked,
            is_fixed=options.levels is not None,
        )
        if not fits:
            return self._no_room(plan)
        if (cut := told_cuts(plan, levels, options.repeats, options.run_s)) is not None:
            self._notes.append(cut)
        return self._rounds(plan)

    def _rounds(self, plan: Plan) -> Refusal | None:
        options = self._options
        rng = random.Random(f"sweep {options.seed}")
        rounds = shuffled_rounds(plan.levels, plan.repeats, rng)
        steps = [(repetition, level) for repetition, order in enumerate(rounds, 1) for level in order]
        for done, (repetition, level) in enumerate(steps):
            if self._left_s() <= 0:
                self._notes.append(f"{options.seconds_max:g} s were over after {done} of {len(steps)} runs")
                return None
            share = done / len(steps)
            what = f"round {repetition} of {plan.repeats} · concurrency {level}"
            self._say.show(what, _LOOKS_SHARE + (1 - _LOOKS_SHARE) * share, plan.seconds * (1 - share))
            items = run_items(interpolated(self._looks, level), plan.run_s)
            if options.requests_max is not None:
                items = min(items, options.requests_max - self._asked)
            result = self._do(level, items)
            self._runs.append(told_run(result, repetition))
            if (refusal := self._watch.refusal(result)) is not None:
                return refusal
        return None

    def _no_room(self, plan: Plan) -> Refusal:
        seconds = self._elapsed_s() + plan.seconds + _CONCLUDE_S
        requests = self._asked + plan.items
        limit = self._options.requests_max
        is_time = plan.seconds > self._left_s()
        over = f"{seconds:.0f} s" if is_time or limit is None else f"{requests:,} requests"
        allowed = f"{self._options.seconds_max:g} s" if is_time or limit is None else f"{limit:,}"
        flag = f"--max-seconds {1.2 * seconds:.0f}" if is_time or limit is None else f"--max-requests {requests * 2}"
        return Refusal(
            "too_few_runs",
            f"expected room for {plan.repeats} runs at each of {len(plan.levels)} concurrencies, which takes about "
            f"{over}, got {allowed}",
            f"{flag} gives it room",
        )

    def _do(self, level: int, items: int) -> RunResult:
        # A run is bounded by its items; its time says only how long that should take.
        request = RunRequest(
            loop="closed",
            concurrency=level,
            run_s=self._options.run_s,
            items=max(1, items),
            first=self._asked,
            is_checked=False,
        )
        self._asked += request.items or 0
        return self._measured.run(request)

    def _elapsed_s(self) -> float:
        return self._clock() - self._began_s

    def _left_s(self) -> float:
        return self._options.seconds_max - _CONCLUDE_S - self._elapsed_s()

    def _conclude(self, refusal: Refusal | None) -> Tuning:
        if refusal is None:
            self._runs, refusal = self._enough_runs()
        runs = self._runs or self._look_runs
        if refusal is not None and not runs:
            return Tuning(
                target=self._workload.name,
                strategy=self._alternative.strategy,
                seed=self._options.seed,
                elapsed_s=self._elapsed_s(),
                runs=(),
                points=(),
                slo_p95_s=self._options.slo_p95_s,
                notes=tuple(self._notes),
                refusal=refusal,
                machine=machine_facts(),
            )
        from penstock.perf.scaling.conclude import conclude_sweep

        self._say.show("concluding", 1.0)
        notes = list(self._notes)
        if refusal is None:
            notes += client_notes(self._alternative.strategy, runs, _cores())
            notes += queue_notes(runs)
            notes += drift_notes(runs)
            notes += self._bystanders.notes() if self._bystanders is not None else ()
        tuning = conclude_sweep(
            runs,
            target=self._workload.name,
            strategy=self._alternative.strategy,
            seed=self._options.seed,
            elapsed_s=self._elapsed_s(),
            slo_p95_s=self._options.slo_p95_s,
            notes=tuple(notes),
            machine=machine_facts(),
        )
        return tuning if refusal is None else refused(tuning, refusal)

    def _enough_runs(self) -> tuple[list[SweepRun], Refusal | None]:
        """The runs of the levels that have three, or the refusal."""
        counts: dict[int, int] = {}
        for run in self._runs:
            counts[run.concurrency] = counts.get(run.concurrency, 0) + 1
        enough = {level for level, count in counts.items() if count >= REPEATS_MIN}
        if len(enough) >= LEVELS_MIN:
            return [run for run in self._runs if run.concurrency in enough], None
        why = "it was interrupted" if self._is_interrupted else "the time was over"
        return self._runs, Refusal(
            "too_few_runs",
            f"expected {REPEATS_MIN} runs at {LEVELS_MIN} concurrencies or more, got them at {len(enough)}: {why}",
            "let it run on" if self._is_interrupted else "--max-seconds gives it more time",
        )


def _look_of(result: RunResult) -> Look:
    run = told_run(result, 0)
    return Look(result.concurrency, run.throughput_per_s, run.p50_s or 0.0, run.p95_s)


def _measured_process() -> Make:
    from penstock.perf.measure.process import MeasuredProcess

    return MeasuredProcess


def _cores() -> int:
    cores = machine_facts()["cores_usable"]
    return cores if isinstance(cores, int) else 1
