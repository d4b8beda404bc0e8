"""Compares the alternatives of one workload: starts them, checks that they do the same, runs them in turn, judges.

It decides no statistics (`conclude`, `another_round`, `open_rate_per_s`) and measures nothing itself (`Measured`). The
rule: whatever goes wrong ends in a `Comparison` with a refusal, and no process outlives the call.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from penstock.errors import ConfigError
from penstock.perf.compare.model import Comparison, Refusal
from penstock.perf.compare.options import CompareInterrupted, CompareOptions
from penstock.perf.compare.outputs import Outputs
from penstock.perf.compare.plan import CHECKED_ITEMS_MAX, Remaining, concurrency_of, first_items, open_run_s, orders
from penstock.perf.compare.progress import Progress, Silent
from penstock.perf.compare.refusals import alternative_failed, did, items_failed
from penstock.perf.measure.bystanders import Bystanders
from penstock.perf.measure.model import AlternativeError, Measured, RunRequest, RunResult
from penstock.perf.workload.agree import disagreement, unstable
from penstock.perf.workload.model import Alternative, Workload

Make = Callable[[Alternative, Workload], Measured]
_START_S = 0.5  # nominal, for the time left
_TIMEOUTS_MAX = 2
"""Alternatives that may run into their timeout before the rest is not tried any more."""


def compare_workload(
    workload: Workload,
    alternatives: Sequence[Alternative],
    options: CompareOptions = CompareOptions(),
    *,
    make: Make | None = None,
    say: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Comparison:
    """Run all `alternatives` on `workload` and judge them. `make` gives a `Measured`; None: a process for each.

    An alternative that cannot be measured, items that fail, a server that pushes back and outputs that differ give a
    `Comparison` with a refusal. Raises ConfigError for fewer than two alternatives or two of one name, and
    CompareInterrupted for Ctrl-C; every process it started has ended by then.
    """
    names = [alternative.name for alternative in alternatives]
    if len(names) < 2:
        raise ConfigError(
            f"expected at least two alternatives to compare, got {', '.join(names) or 'none'}",
            hint="name another strategy, client or function",
        )
    if len(set(names)) < len(names):
        raise ConfigError(f"expected alternatives with different names, got {', '.join(names)}")
    if not workload.items:
        raise ConfigError(f"workload {workload.name}: expected at least one item, got none")
    session = _Session(workload, alternatives, options, make, say or Silent(), clock)
    return session.compare()


_SAMPLE_CHARACTERS = 200
"""A sample of this length was cut: the output is longer, and checking it in timed runs would show in their times."""


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class _Session:
    def __init__(
        self,
        workload: Workload,
        alternatives: Sequence[Alternative],
        options: CompareOptions,
        make: Make | None,
        progress: Progress,
        clock: Callable[[], float],
    ) -> None:
        self.workload = workload
        self.options = options
        self.alternatives = {alternative.name: alternative for alternative in alternatives}
        self.closed: dict[str, list[RunResult]] = {name: [] for name in self.alternatives}
        self.opened: dict[str, list[RunResult]] = {name: [] for name in self.alternatives}
        self.rate_per_s: float | None = None
        self.notes: list[str] = []
        self._make = make or _measured_process()
        self._measured: dict[str, Measured] = {}
        self._outputs = Outputs(workload)
        # A fake takes no time of the machine's, so nobody can disturb it.
        self._bystanders = Bystanders() if make is None else None
        self._is_checking = True  # digests of 1 KB cost 5 µs, of 10,000 records 40 ms
        self._progress = progress
        self._clock = clock
        self._began_s = clock()
        n = len(alternatives)
        self._round_s = n * workload.run_s
        self._open_round_s = n * options.open_run_s
        self._remaining = Remaining(
            2 * n * _START_S + (1 + options.rounds_max) * self._round_s + self._open_rounds * self._open_round_s
        )

    # --- the whole

    def compare(self) -> Comparison:
        refusal, is_interrupted = None, False
        try:
            self._start_all()
            self._check_outputs()
            self._warm_up()
            self._closed_rounds()
            self._open_loop()
        except _Refused as refused:
            refusal = refused.refusal
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            self._stop_all()
        if is_interrupted:
            raise CompareInterrupted(self._interrupted()) from None
        return self._concluded(refusal)

    def _stop_all(self) -> None:
        """A second Ctrl-C does not leave a process behind: the one being ended is ended first, then the rest."""
        interrupted: KeyboardInterrupt | None = None
        for measured in self._measured.values():
            try:
                measured.stop()
            except KeyboardInterrupt as again:
                interrupted = again
                measured.stop()
        if interrupted is not None:
            raise interrupted

    # --- before anything is timed

    def _start_all(self) -> None:
        troubles: list[AlternativeError] = []
        did_what: dict[str, str] = {}
        for name, alternative in self.alternatives.items():
            self._show(f"starting {name}")
            measured = self._measured[name] = self._make(alternative, self.workload)
            try:
                measured.start()
                did_what[name] = "started"
            except AlternativeError as error:
                troubles.append(error)
                did_what[name] = f"did not start either ({error.trouble})" if len(troubles) > 1 else "did not start"
                if error.trouble == "timeout":
                    break
            self._remaining.did(_START_S)
        self._refuse_trouble(troubles, did_what)

    def _check_outputs(self) -> None:
        """Every alternative does the same first items, and their outputs must agree."""
        checked: dict[str, RunResult] = {}
        troubles: list[AlternativeError] = []
        did_what: dict[str, str] = {}
        timeouts: Counter[str | None] = Counter()  # by function: what hangs under two strategies hangs
        for name, alternative in self.alternatives.items():
            if timeouts[alternative.function] >= _TIMEOUTS_MAX:
                did_what[name] = "not tried"
                continue
            self._show(f"checking the output of {name}")
            try:
                checked[name] = self._measured[name].run(self._for(name, self._check_request()))
                did_what[name] = did(checked[name])
            except AlternativeError as error:
                troubles.append(error)
                timeouts[alternative.function] += error.trouble == "timeout"
                did_what[name] = f"the same ({error.trouble})"
            self._remaining.did(_START_S)
        self._refuse_trouble(troubles, did_what)
        refusal = disagreement(self.workload, checked)
        if refusal is not None:
            raise _Refused((self._unsteady(checked) if refusal.kind == "different_output" else None) or refusal)
        for name, result in checked.items():
            self._outputs.differ(name, result)
            if any(len(sample) >= _SAMPLE_CHARACTERS for sample in result.samples.values()):
                self._is_checking = False
        if not self._is_checking:
            self.notes.append("outputs are long, and checking them costs CPU: they were checked before the timed runs")

    def _check_request(self) -> RunRequest:
        return RunRequest(run_s=self.workload.run_s, items=min(len(self.workload.items), CHECKED_ITEMS_MAX))

    def _unsteady(self, checked: Mapping[str, RunResult]) -> Refusal | None:
        """Outputs differ: because the first alternative does not even agree with itself?"""
        name, before = next(iter(checked.items()))
        try:
            again = self._measured[name].run(self._for(name, self._check_request()))
        except AlternativeError:
            return None
        return unstable(self.workload, before, again, name=name)

    def _warm_up(self) -> None:
        """One run of each that is not counted: 8 items open 8 connections, not all."""
        for name in self.alternatives:
            self._show(f"warming up {name}")
            self._run(name, RunRequest(run_s=self.workload.run_s))
            self._remaining.did(self.workload.run_s)

    # --- timed

    def _closed_rounds(self) -> None:
        from penstock.perf.compare.rounds import another_round

        options = self.options
        order = orders(tuple(self.alternatives), options.seed)
        firsts = first_items(len(self.workload.items), options.seed)
        took_s, rounds = self._round_s, 0
        while rounds < options.rounds_max:
            if rounds and not another_round(self.closed, rounds_min=options.rounds_min, rounds_max=options.rounds_max):
                break
            if rounds and not self._has_time(took_s, rounds):
                break
            began_s = self._clock()
            request = RunRequest(run_s=self.workload.run_s, first=next(firsts), is_checked=self._is_checking)
            self._round(next(order), f"round {rounds + 1}", request, self.closed)
            took_s = self._clock() - began_s
            rounds += 1
            self._remaining.did(self._round_s)
        self._remaining.skip((options.rounds_max - rounds) * self._round_s)

    def _has_time(self, round_s: float, rounds: int) -> bool:
        """For one more round. Up to the least they make the verdict; later ones leave time for the open loop."""
        limit_s, least = self.options.seconds_max, self.options.rounds_min
        elapsed_s = self._elapsed_s + round_s
        if rounds < least:
            if limit_s is not None and elapsed_s > limit_s:
                self.notes.append(f"the time limit of {limit_s:g} s left room for {rounds} rounds only")
                return False
            return True
        elapsed_s += self._open_rounds * self._open_round_s
        usual_s = self.options.seconds_usual
        if elapsed_s <= (usual_s if limit_s is None else min(usual_s, limit_s)):
            return True
        self.notes.append(f"not all verdicts were clear when time was up after {rounds} rounds; --runs asks for more")
        return False

    def _open_loop(self) -> None:
        """Only of those that can keep up: a backlog takes long to work off, and its latencies grow with the run."""
        from penstock.perf.compare.rounds import sustains

        rate_per_s = self._rate()
        if rate_per_s is None:
            return
        names = [name for name, runs in self.closed.items() if sustains(runs, rate_per_s)]
        if not names:
            self.notes.append(f"no open loop: no alternative reaches {rate_per_s:,.4g}/s")
            return
        self.rate_per_s = rate_per_s
        options, limit_s = self.options, self.options.seconds_max
        run_s = open_run_s(rate_per_s, options.open_run_s)
        order = orders(names, options.seed + 1)
        firsts = first_items(len(self.workload.items), options.seed + 1)
        for number in range(options.open_rounds):
            if limit_s is not None and self._elapsed_s + len(names) * run_s > limit_s:
                self.notes.append(f"the time limit left room for {number} of {options.open_rounds} open-loop rounds")
                return
            request = RunRequest("open", 1, run_s, rate_per_s, None, next(firsts), self._is_checking)
            title = f"open loop at {rate_per_s:,.4g}/s, round {number + 1} of {options.open_rounds}"
            self._round(next(order), title, request, self.opened)
            self._remaining.did(self._open_round_s)

    def _rate(self) -> float | None:
        from penstock.perf.compare.rounds import open_rate_per_s

        match self.options.rate:
            case "none":
                return None
            case "auto":
                rate_per_s = open_rate_per_s(self.closed)
                if rate_per_s is None:
                    self.notes.append("no open loop: no rate that every alternative could sustain")
                return rate_per_s
            case rate_per_s:
                return float(rate_per_s)

    def _round(self, order: tuple[str, ...], title: str, request: RunRequest, into: dict[str, list[RunResult]]) -> None:
        """Counted only when it is whole: an interrupted round would favour whoever came first."""
        results = {}
        for name in order:
            self._show(f"{title} · {name}")
            results[name] = self._run(name, request)
        for name, result in results.items():
            into[name].append(result)

    def _run(self, name: str, request: RunRequest) -> RunResult:
        try:
            result = self._measured[name].run(self._for(name, request))
        except AlternativeError as error:
            raise _Refused(alternative_failed(error, self.workload, self._others(name))) from error
        self._refuse_failures(name, result, self._others(name))
        refusal = self._outputs.differ(name, result)
        if refusal is not None:
            raise _Refused(refusal)
        return result

    def _for(self, name: str, request: RunRequest) -> RunRequest:
        return replace(request, concurrency=concurrency_of(self.alternatives[name], self.workload))

    # --- the end

    def _concluded(self, refusal: Refusal | None) -> Comparison:
        from penstock.perf.compare.conclude import conclude
        from penstock.telemetry.machinefacts import machine_facts

        comparison = conclude(
            self.workload,
            tuple(self.alternatives.values()),
            self.closed,
            self.opened,
            seed=self.options.seed,
            elapsed_s=self._elapsed_s,
            rate_per_s=self.rate_per_s,
            machine=machine_facts(),
            notes=(*dict.fromkeys(self.notes), *(self._bystanders.notes() if self._bystanders else ())),
        )
        if refusal is None:
            return comparison
        return replace(comparison, refusal=refusal, pairs=(), recommendation=None, serial=None, commentary=())

    def _interrupted(self) -> Comparison | None:
        rounds = min(len(runs) for runs in self.closed.values())
        if not rounds:
            return None
        self.notes.append(f"interrupted after {rounds} rounds of the closed loop")
        return self._concluded(None)

    # --- small parts

    @property
    def _open_rounds(self) -> int:
        return 0 if self.options.rate == "none" else self.options.open_rounds

    @property
    def _elapsed_s(self) -> float:
        return self._clock() - self._began_s

    def _others(self, name: str) -> dict[str, str]:
        rounds = len(self.closed[name]) + len(self.opened[name])
        text = {0: "no whole round yet", 1: "1 round, all well"}.get(rounds, f"{rounds} rounds, all well")
        return {other: text for other in self.alternatives if other != name}

    def _refuse_trouble(self, troubles: Sequence[AlternativeError], did_what: dict[str, str]) -> None:
        if troubles:
            first = troubles[0]
            others = {name: what for name, what in did_what.items() if name != first.alternative}
            raise _Refused(alternative_failed(first, self.workload, others))

    def _refuse_failures(self, name: str, result: RunResult, did_what: dict[str, str]) -> None:
        if result.failed or result.pushbacks:
            others = {other: what for other, what in did_what.items() if other != name}
            raise _Refused(items_failed(name, result, self.workload, others))

    def _show(self, what: str) -> None:
        left_s = self._remaining.left_s(self._elapsed_s)
        self._progress.show(f"{self.workload.name} · {what}", self._remaining.share, left_s)


def _measured_process() -> Make:
    from penstock.perf.measure.process import MeasuredProcess

    return MeasuredProcess
