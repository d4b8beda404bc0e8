"""START READING HERE: what limits a run, how sure that is, and what to do about it.

Pure: windows, settings and probes in, a verdict out. Which windows count stands in `verdict_sums`, the rules in
`verdict_rules`, the confidence in `verdict_bootstrap`, the words in `verdict_wording`. The rule: what cannot be told
from the numbers is said to be so, with a low confidence; no verdict is a guess that looks like one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.telemetry.verdict_advice import experiment, step, twice
from penstock.telemetry.verdict_bootstrap import shares
from penstock.telemetry.verdict_elasticity import middle, readings
from penstock.telemetry.verdict_rules import Label, decide, is_unprobed_pool, is_untold
from penstock.telemetry.verdict_sums import NOTHING, STEADY_S_MIN, means, steady, total
from penstock.telemetry.verdict_wording import NAMES, Case, evidence, numbers
from penstock.telemetry.window import Probe, RunShape, Window

_TOO_SHORT_MAX: Final = 0.3
_UNTOLD_MAX: Final = 0.5
_NOT_CLOSED_MAX: Final = 0.6
_UNPROBED_MAX: Final = 0.8
_PROBE_AGE_S_MAX: Final = 400.0  # a set of probes every five minutes, and some time for it
_CLOSURE: Final = 0.10
_CLOSURE_ATTEMPTS_MIN: Final = 50.0
_OF_THE_LOOP: Final = ("event_loop", "machine_contention", "cpu")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What limits a run.

    `label` is from a closed set; `name` is how people see it. `confidence` 0 to 1: the share of resamples that agree,
    lowered where a number is missing; below 0.9 the evidence opens with both candidates. `evidence`: sentences, the
    decisive one first. `next`: one thing to do. `alternatives`: other labels with their share of the resamples, largest
    first. `numbers`: what was looked at (shares of the time, seconds, per second). `at_twice_concurrency`: what would
    happen with twice the limit. `falsify`: one experiment that would prove the verdict wrong. `is_closed`: Little's law
    holds within 10 %; None where it cannot be checked.
    """

    label: Label
    confidence: float
    evidence: tuple[str, ...]
    next: str
    at_twice_concurrency: str
    falsify: str
    alternatives: tuple[tuple[Label, float], ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    is_closed: bool | None = None

    @property
    def name(self) -> str:
        """The label as people see it: EVENT LOOP, RATE LIMIT/POLITENESS, …"""
        return NAMES[self.label]

    def to_json(self) -> dict[str, object]:
        """Plain JSON types: what stats.json holds under `verdict`."""
        return {
            "label": self.label,
            "name": self.name,
            "confidence": self.confidence,
            "evidence": list(self.evidence),
            "next": self.next,
            "alternatives": [[label, share] for label, share in self.alternatives],
            "numbers": dict(self.numbers),
            "at_twice_concurrency": self.at_twice_concurrency,
            "falsify": self.falsify,
            "is_closed": self.is_closed,
        }


def judge(windows: Sequence[Window], shape: RunShape, probes: Sequence[Probe] = (), *, seed: int = 0) -> Verdict:
    """What limits the run these windows are of, in order of time. The same arguments give the same verdict.

    Under 5 s without warm-up, tail and probes it is `mixed` at a confidence of 0.3 at most, and says so. Never raises
    on what a run can hold: zeros, no answers, None where the system does not tell. Cost: about 10 ms for 60 windows;
    a live caller passes the last one or two hundred.
    """
    stretch = steady(windows)
    if not stretch.rows:
        return _cannot_tell(Case(means(NOTHING), None, shape, stretch), tentative=None)
    each = readings(_of_this_stretch(probes, windows))
    case = Case(means(total(stretch.rows)), middle(each), shape, stretch)
    if stretch.span_s < STEADY_S_MIN:
        tentative = decide(case.means, case.elasticity, shape)
        return _cannot_tell(case, tentative=None if tentative == "mixed" else tentative)
    label = decide(case.means, case.elasticity, shape)
    if is_untold(label, case.means, case.elasticity):
        return _untold(case)
    votes = shares(stretch.rows, each, shape, seed=seed)
    confidence = votes.pop(label, 0.0)
    is_closed = _closure(case)
    if is_closed is False and label not in _OF_THE_LOOP:
        confidence = min(confidence, _NOT_CLOSED_MAX)
    if is_unprobed_pool(label, case.elasticity) and confidence > _UNPROBED_MAX:
        votes["server"] = max(votes.get("server", 0.0), 1.0 - _UNPROBED_MAX)
        confidence = _UNPROBED_MAX
    return _verdict(label, confidence, case, tuple(votes.items()), is_closed)


def _of_this_stretch(probes: Sequence[Probe], windows: Sequence[Window]) -> list[Probe]:
    """Probes are rare, so those of the last minutes before the windows still count; older ones told of another run."""
    since_s = min((window.end_s for window in windows), default=0.0) - _PROBE_AGE_S_MAX
    return [probe for probe in probes if probe.end_s >= since_s]


def _verdict(
    label: Label, confidence: float, case: Case, alternatives: tuple[tuple[Label, float], ...], is_closed: bool | None
) -> Verdict:
    return Verdict(
        label=label,
        confidence=confidence,
        evidence=evidence(label, case, confidence, alternatives, is_closed=is_closed),
        next=step(label, case),
        at_twice_concurrency=twice(label, case),
        falsify=experiment(label, case),
        alternatives=alternatives,
        numbers=numbers(case),
        is_closed=is_closed,
    )


def _cannot_tell(case: Case, *, tentative: Label | None) -> Verdict:
    """Too little to go by. `tentative`: what the little points at."""
    confidence = _TOO_SHORT_MAX * min(1.0, case.stretch.span_s / STEADY_S_MIN)
    alternatives: tuple[tuple[Label, float], ...] = () if tentative is None else ((tentative, confidence),)
    return _verdict("mixed", confidence, case, alternatives, None)


def _untold(case: Case) -> Verdict:
    """The places fetch, and no probe told why that is not faster: the two that it may be, evenly."""
    run = case.means
    held_by: Label = "cpu" if run.process > run.busy else "network" if run.body > run.ttfb else "server"
    alternatives: tuple[tuple[Label, float], ...] = ((held_by, 0.5), ("concurrency", 0.5))
    return _verdict("mixed", _UNTOLD_MAX, case, alternatives, _closure(case))


def _closure(case: Case) -> bool | None:
    """Little's law: mean in-flight = attempts per second × seconds of an attempt.

    The left by our clock (`slot_s`, which is exact; `in_flight` is looked at every 20 ms), the right by libcurl's. More
    than 10 % on the left may be what attempts waited for a loop that was late, or busy with the process function.
    None with too few answers, where failures hide their time, or for answers as long as the stretch.
    """
    run, span_s = case.means, case.stretch.span_s
    if run.answered < 0.9 or run.attempts_per_s * span_s < _CLOSURE_ATTEMPTS_MIN:
        return None
    if run.answer_s * 5 > span_s or run.answer_s <= 0.0:
        return None
    gap = run.slot_s / run.answer_s - 1.0  # both × attempts per second
    explained = run.loop_late + (run.process_busy if case.shape.process_mode == "inline" else 0.0)
    return -_CLOSURE < gap < _CLOSURE + explained
