"""From simulated sweeps to the page: aims, a row for each shape, other noise, traps, stability. Text only.

The rule: each aim is said to be met or missed by the number beside it.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.scaling.groups import CORPUS, SEED_FIRST, STRESS, Task, traps
from benchmarks.scaling.score import WITHIN, Case
from benchmarks.scaling.truths import SHAPES

Done = Sequence[tuple[Task, Case | None]]
WITHIN_MIN = 0.95
COVERAGE_MIN, COVERAGE_MAX = 0.85, 0.95


@dataclass(frozen=True)
class Aim:
    name: str
    wanted: str
    value: float
    is_met: bool


def aims(done: Done) -> tuple[Aim, ...]:
    """What the corpus must show."""
    cases = _cases(done, CORPUS)
    near = _share(cases, lambda case: case.share >= WITHIN)
    at = _mean(cases, lambda case: case.at_levels)
    between = _mean(cases, lambda case: case.between)
    coverage = f"{100 * COVERAGE_MIN:.0f} % to {100 * COVERAGE_MAX:.0f} %"
    return (
        Aim(
            "recommended concurrency within 10 % of the best throughput",
            f"≥ {100 * WITHIN_MIN:.0f} %",
            near,
            near >= WITHIN_MIN,
        ),
        Aim("90 % band holds the truth at measured levels", coverage, at, COVERAGE_MIN <= at <= COVERAGE_MAX),
        Aim("90 % band holds the truth between them", coverage, between, COVERAGE_MIN <= between <= COVERAGE_MAX),
    )


def page(done: Done, *, command: str, machine: str, seconds: float, pictures: Mapping[str, str]) -> str:
    """Markdown. `pictures`: file name by caption, relative to the page."""
    cases = _cases(done, CORPUS)
    parts = [
        _HEAD.format(command=command, machine=machine, count=len(cases), seconds=seconds),
        _aims_table(done, len(cases)),
        *(f"![{caption}]({name})\n\n*{caption}*" for caption, name in pictures.items()),
        "## By shape\n\n" + _shapes_table(done),
        _READING.format(**_reading(cases)),
        "## Other noise\n\nThe same systems, a subset, disturbed otherwise.\n\n" + _stress_table(done),
        "## Known traps\n\n" + _traps_table(done) + "\n\n" + _TRAPS,
        "## Does it say the same twice?\n\n" + _stability(done),
        _METHOD.format(first=SEED_FIRST),
        _LIMITS,
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _aims_table(done: Done, count: int) -> str:
    rows = [
        f"| {aim.name} | {aim.wanted} | **{_percent(aim.value)}** | {'yes' if aim.is_met else 'no'} |"
        for aim in aims(done)
    ]
    return "\n".join(
        [f"| aim ({count} systems, 5 % noise, 3 runs a level) | wanted | measured | met |", "|---|---|---|---|", *rows]
    )


def _shapes_table(done: Done) -> str:
    head = _head(
        "shape", "systems", "within 10 %", "median share of the best", "times the smallest that would do",
        "90 % band: at levels", "between", "half width",
        "at least", "fall seen", "fall claimed wrongly", "law chosen",
    )  # fmt: skip
    rows = []
    for shape in (*SHAPES, "all"):
        cases = [case for case in _cases(done, CORPUS) if shape in ("all", case.shape)]
        if not cases:
            continue
        falling = [case for case in cases if case.is_falling]
        steady = [case for case in cases if not case.is_falling]
        laws = ", ".join(
            f"{law.replace('_', '-')} {count}" for law, count in Counter(c.law for c in cases).most_common()
        )
        rows.append(
            f"| {shape} | {len(cases)} | {_percent(_share(cases, lambda case: case.share >= WITHIN))} "
            f"| {_percent(statistics.median(case.share for case in cases))} "
            f"| {_excess(cases)} | {_coverages(cases)} | {sum(case.is_at_least for case in cases)} "
            f"| {_of(falling)} | {_of(steady)} | {laws} |"
        )
    return "\n".join([*head, *rows])


def _reading(cases: Sequence[Case]) -> dict[str, str]:
    told = [case for case in cases if case.is_peak_right is not None]
    right = sum(bool(case.is_peak_right) for case in told)
    anywhere = _share(cases, lambda case: case.share_anywhere >= WITHIN)
    not_growing = [case for case in cases if not case.is_at_least]
    return {
        "right": f"{right} of {len(told)}",
        "coverage": _percent(right / len(told)) if told else "none told",
        "anywhere": _percent(anywhere),
        "stopped": _percent(_share(not_growing, lambda case: case.share_anywhere >= WITHIN)),
        "worst": _percent(min(case.share for case in cases)),
        "naive": _percent(_share(cases, lambda case: case.share_naive >= WITHIN)),
    }


def _stress_table(done: Done) -> str:
    head = _head(
        "noise", "systems", "within 10 %", "90 % band: at levels", "between", "half width", "fall claimed wrongly"
    )
    rows = []
    for name in STRESS:
        cases = _cases(done, name)
        if cases:
            rows.append(
                f"| {name} | {len(cases)} | {_percent(_share(cases, lambda case: case.share >= WITHIN))} "
                f"| {_coverages(cases)} | {_of([case for case in cases if not case.is_falling])} |"
            )
    return "\n".join([*head, *rows])


def _traps_table(done: Done) -> str:
    head = _head(
        "case (60 sweeps each)", "refused", "recommended: median (5 % to 95 %)", "within 10 % of the best up to 256",
        "“at least”", "peak told", "interval holds the peak", "the USL's N* would be",
    )  # fmt: skip
    rows = []
    for name, trap in traps().items():
        results = [case for task, case in done if task.group == f"trap {name}"]
        cases = [case for case in results if case is not None]
        refused = len(results) - len(cases)
        if not cases:
            rows.append(f"| {trap.about} | {refused} of {len(results)} | – | – | – | – | – | – |")
            continue
        told = [case for case in cases if case.is_peak_right is not None]
        right = f"{sum(bool(case.is_peak_right) for case in told)} of {len(told)}" if told else "–"
        rows.append(
            f"| {trap.about} | {refused} | {_spread([case.recommended for case in cases])} "
            f"| {_percent(_share(cases, lambda case: case.share >= WITHIN))} "
            f"| {sum(case.is_at_least for case in cases)} | {sum(case.is_peak_told for case in cases)} | {right} "
            f"| {_spread([case.usl_peak for case in cases])} |"
        )
    return "\n".join([*head, *rows])


def _stability(done: Done) -> str:
    groups: dict[str, list[Case]] = defaultdict(list)
    for task, case in done:
        if task.group.startswith("repeat") and case is not None:
            groups[task.group].append(case)
    if not groups:
        return "Not measured in this run."
    ours = [_apart([case.recommended for case in cases]) for cases in groups.values()]
    naive = [_apart([case.naive for case in cases]) for cases in groups.values()]
    cases_each = len(next(iter(groups.values())))
    shares = [case.share for cases in groups.values() for case in cases]
    ours_middle, ours_most = statistics.median(ours), max(ours)
    naive_middle, naive_most = statistics.median(naive), max(naive)
    return (
        f"{len(groups)} systems, {cases_each} sweeps of each with other noise, the levels found anew every time. Two\n"
        f"sweeps of one system recommend concurrencies that differ by a factor of {ours_middle:.2f} in the middle\n"
        f"system and {ours_most:.2f} in the worst (mean over pairs of sweeps); chosen from level means alone it\n"
        f"would be {naive_middle:.2f} and {naive_most:.2f}. Where throughput creeps up to its limit, as with\n"
        "contention, many concurrencies are nearly as good, and the noise decides between them: the true throughput\n"
        f"of what was recommended was never below {_percent(min(shares))} of the best."
    )


def _head(*names: str) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _excess(cases: Sequence[Case]) -> str:
    ordered = sorted(case.excess for case in cases)
    low, high = ordered[round(0.05 * (len(ordered) - 1))], ordered[round(0.95 * (len(ordered) - 1))]
    return f"{statistics.median(ordered):.2f} ({low:.2f} to {high:.2f})"


def _coverages(cases: Sequence[Case]) -> str:
    at, between = _mean(cases, lambda case: case.at_levels), _mean(cases, lambda case: case.between)
    return f"{_percent(at)} | {_percent(between)} | ±{_percent(_mean(cases, lambda case: case.half_width))}"


def _apart(values: Sequence[float]) -> float:
    """Typical ratio of two of them: the geometric mean over all pairs of larger by smaller."""
    logs = [math.log(value) for value in values]
    pairs = [abs(a - b) for index, a in enumerate(logs) for b in logs[index + 1 :]]
    return math.exp(statistics.fmean(pairs))


def _cases(done: Done, group: str) -> list[Case]:
    return [case for task, case in done if task.group == group and case is not None]


def _share(cases: Sequence[Case], holds: Callable[[Case], bool]) -> float:
    return sum(holds(case) for case in cases) / len(cases) if cases else math.nan


def _mean(cases: Sequence[Case], value: Callable[[Case], float]) -> float:
    return statistics.fmean(value(case) for case in cases) if cases else math.nan


def _of(cases: Sequence[Case]) -> str:
    return f"{sum(case.is_peak_seen for case in cases)} of {len(cases)}" if cases else "–"


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    low, high = ordered[round(0.05 * (len(ordered) - 1))], ordered[round(0.95 * (len(ordered) - 1))]
    return f"{_number(statistics.median(ordered))} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return "none" if math.isinf(value) else f"{value:,.0f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


_HEAD = """
# Does `penstock tune` find the right concurrency?

Sweeps of systems whose throughput at every concurrency is known, concluded by the code that `penstock tune` uses:
{count} systems of seven shapes, drawn at random; levels found by the sweep's own look; 5 % noise on each run, 3 runs a
level. Made by `{command}` in {seconds:.0f} s.

{machine}
"""

_READING = """
*Within 10 %*: the true throughput at the recommended concurrency is at least 90 % of the most at any concurrency up to
256, where the sweep may look. Where throughput still grows at 256, the answer is “at least”; against the most at any
concurrency up to 1,024, {anywhere} of all answers are within 10 %, and {stopped} of those not said to be “at least”.
The worst answer had {worst} of the best. Chosen from level means alone, without a curve, {naive} would be within 10 %.

*Times the smallest that would do*: the recommended concurrency over the smallest measured one that truly has 95 % of
the most; median, and 5 % to 95 %. Above 1 costs latency, below 1 throughput.

*Fall seen*: of systems that do fall before the last level. The USL's peak N* was told with a 95 % interval, which held
the true one in {right} cases ({coverage}).
"""

_TRAPS = """
Measured to 16 only, nothing can be known of what lies beyond: the answer is “at least”, and no peak is told where the
USL's N* is anybody's guess (last column). Without coherency there is no peak, but the USL fitted to noise may name one.
"""

_METHOD = """
## Method

- **Truth.** Closed queueing networks by exact mean-value analysis (Reiser & Lavenberg 1980; stations with several
  servers as in Reiser 1981): one station with delay (hard knee), two to six stations (soft knee), equal stations
  (balanced), up to 32 servers, a pool beside a delay (think time). Networks never lose throughput, so two more shapes
  come from the universal scalability law (Gunther 2007): contention without and with coherency (retrograde).
- **Runs.** A run far from the others of its level counts as if it were 2.5 deviations away.
- **Fit.** Four laws on ln X, soft L1 loss, chosen by AICc; so is whether the two-line law's second line is flat. No law
  is exact for a queueing network: what the level means say beyond the law is taken up by a Gaussian process over ln N,
  of a size that the data choose (Kennedy & O'Hagan 2001).
- **Band.** 400 sets of resampled whole runs; in each the laws are fitted and chosen anew, and a misfit is drawn.
- **Recommendation.** The smallest measured concurrency whose curve reaches 95 % of the maximum, and 90 % in 4 of 5
  replicates. Never the USL's N*.
- **Unseen.** Method and constants were made by looking at other systems (seeds below {first}), never at these.
"""

_LIMITS = """
## Limits

The noise of the corpus is independent from run to run and the same on both sides. Real noise drifts; `penstock tune`
spreads it over the levels by random order, but a machine that is busy for the whole sweep makes all of it wrong
together. Where some runs are slowed and none sped up, the band sits too low and holds less (last row of *other noise*).
Latency is not simulated beyond its mean: the limit on p95 is checked by tests, not here. A knee inside the first
doubling, steps (a pool that refuses above a size) and several knees are not among the shapes. A band that holds 90 % on
average holds less right at a sharp knee and more far from it.
"""
