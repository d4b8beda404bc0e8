"""When to lower the limit for a moment, and what that told: the run's own elasticity experiment, live.

Decides the limit to use now and keeps the readings; it starts nothing and reads no clock, and what the numbers mean is
the verdict's business. The rule: never a probe that costs more than it may, and no result from a phase that did not
settle.

    probe = ElasticityProbe()
    low = probe.step(now_s, reading, moment)      # every 50 to 250 ms, `now_s` seconds since the run began
    limit in force = moment.limit if low is None else low
    probe.results                                  # list[ProbeResult], grows by up to 3 in a set

| phase   | limit  | what happens                         | leaves when                                             |
|---------|--------|--------------------------------------|---------------------------------------------------------|
| idle    | normal | nothing                              | a set is due, affordable and would tell something       |
| normal  | normal | settles (not the first), then counts | counted: to low; after the third low: result, to idle   |
| low     | halved | settles, then counts                 | counted: to normal                                      |
| any     |        | the set is given up; again in 10 s   | the run ends, the limit was changed, or it is not full  |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LIMIT_MIN: Final = 4  # half of less says nothing of a limit
LOW_PHASES: Final = 3
FIRST_SET_S: Final = 4.5  # a set begins with a normal phase of 0.5 s or more, so nothing is lowered before 5 s
SET_EVERY_S: Final = 300.0
AGAIN_S: Final = 10.0  # after a set that came to nothing
COST_SHARE: Final = 0.02  # of the run so far, all sets together
AUTO_COST_SHARE: Final = 0.05  # until there is a result, twice at most: 1 s of throughput after 20 s
EARLY_COST_SHARE: Final = 0.30  # the same for who wants to know soon: after 5 s, later where answers are slower
FIRST_SETS: Final = 2
PHASE_S_MAX: Final = 5.0  # for settling and for counting each
ANSWERS_WANTED: Final = 40.0  # in a counting phase, if the time allows: chance alone then makes about 16 % of it


@dataclass(slots=True)
class Reading:
    """Totals since the run began: complete 2xx answers, their decoded bytes, their summed phases in seconds.

    `slot_s` is in-flight integrated over time: the seconds attempts have held their places.
    """

    answers: int = 0
    bytes_body: int = 0
    ttfb_s: float = 0.0
    body_s: float = 0.0
    slot_s: float = 0.0


@dataclass(slots=True)
class Moment:
    """How the run stands now.

    `limit`: attempts allowed at once when nothing probes. `fetch_busy`: the share of those places that hold an attempt,
    lately (a second or so), `fetch_host` the share left empty by the limit of a host; `loop_busy` the share of the time
    the event loop's thread ran or waited for a core. `total_s_p50`: median seconds of an answer, None before any.
    `is_ending`: no more input, draining or paused.
    """

    limit: int
    fetch_busy: float
    loop_busy: float
    total_s_p50: float | None
    is_ending: bool = False
    fetch_host: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One low phase against the normal ones before and after it (their mean).

    `limit`: the attempts that were allowed, or what the limits of the hosts left of them; `limit_low` was in force
    during. Per second: `answers_per_s`, `bytes_per_s`; mean seconds of an answer: `ttfb_s`, `body_s`; `in_flight` the
    mean number of attempts. `end_s` seconds since the run began.
    """

    end_s: float
    limit: int
    limit_low: int
    answers_per_s: float
    answers_per_s_low: float
    ttfb_s: float
    ttfb_s_low: float
    body_s: float
    body_s_low: float
    bytes_per_s: float
    bytes_per_s_low: float
    in_flight: float
    in_flight_low: float


class ElasticityProbe:
    """Lowers the limit in sets of three moments, seldom enough not to matter. Use one for each run.

    A set is begun only when it would tell something: the event loop is under 70 % busy, and at least 60 % of the places
    hold an attempt, or 80 % do so or wait for the limit of a host (the lowered limit is then half of those that do).
    Settling takes 1.5 × the median time of an answer (at least 0.2 s), counting 2 × (at least 0.5 s, up to 1 s to get
    40 answers), 5 s each at most; answers that need longer than that to settle are not probed.
    Cost: under 1 µs when idle. Loss: at most half of the throughput during the low phases, see `COST_SHARE`.
    """

    __slots__ = (
        "_done",
        "_first_cost_share",
        "_from",
        "_next_set_s",
        "_phases",
        "_plan",
        "_results_before",
        "_sets",
        "_spent_s",
        "_started_s",
        "results",
    )

    def __init__(self, first_cost_share: float = EARLY_COST_SHARE) -> None:
        """`first_cost_share`: of the run so far, what the sets may cost until there is a result, above 0."""
        self.results: list[ProbeResult] = []
        self._first_cost_share = first_cost_share
        self._plan: _Plan | None = None
        self._phases = 0  # ended in this set: even while a normal one goes on, odd while a low one does
        self._started_s = 0.0
        self._from: tuple[float, Reading] | None = None  # where counting began; None while settling
        self._done: list[_Phase] = []
        self._next_set_s = FIRST_SET_S
        self._sets = 0  # that lowered the limit
        self._results_before = 0  # this set
        self._spent_s = 0.0

    @property
    def is_low(self) -> bool:
        """Whether the limit is lowered at present."""
        return self._plan is not None and self._phases % 2 == 1

    def step(self, now_s: float, reading: Reading, moment: Moment) -> int | None:
        """The limit to use from now until the next call, or None for the normal one.

        Call it every 50 to 250 ms, `now_s` never going back. `reading` is kept, so pass a new one each time.
        """
        plan = self._plan
        if plan is None:
            plan = self._begin(now_s, reading, moment)
        elif moment.is_ending or moment.limit != plan.limit_set:
            self._end_set(now_s)
            return None
        else:
            self._advance(now_s, reading, plan)
        return plan.limit_low if plan is not None and self.is_low else None

    def _begin(self, now_s: float, reading: Reading, moment: Moment) -> _Plan | None:
        if now_s < self._next_set_s or not _would_tell(moment):
            return None
        plan = _plan(moment, reading.answers / now_s)
        if plan is None:
            return None
        share = COST_SHARE if self.results or self._sets >= FIRST_SETS else self._first_cost_share
        if self._spent_s + plan.cost_s > share * (now_s + plan.count_s):
            return None
        self._plan, self._phases, self._done = plan, 0, []
        self._results_before = len(self.results)
        self._started_s, self._from = now_s, (now_s, reading)  # the run is settled already
        return plan

    def _advance(self, now_s: float, reading: Reading, plan: _Plan) -> None:
        if self._from is None:
            if now_s - self._started_s >= plan.settle_s:
                self._from = (now_s, reading)
            return
        from_s, before = self._from
        if now_s - from_s < plan.count_s:
            return
        phase = _phase(before, reading, now_s - from_s)
        if not _is_full(phase, plan, is_low=self.is_low):
            self._end_set(now_s)
            return
        self._begin_phase(now_s, phase)
        if self._phases >= 3 and self._phases % 2 == 1:
            result = _result(now_s, plan, *self._done[-3:])
            if result.in_flight_low > _LOWERED * result.in_flight:  # something else had kept the attempts few
                self._end_set(now_s)
                return
            self.results.append(result)
        if self._phases == 2 * LOW_PHASES + 1:
            self._end_set(now_s)

    def _begin_phase(self, now_s: float, ended: _Phase) -> None:
        self._count_cost(now_s)
        self._done.append(ended)
        self._phases += 1
        self._sets += self._phases == 1
        self._started_s, self._from = now_s, None

    def _end_set(self, now_s: float) -> None:
        self._count_cost(now_s)
        self._plan = None
        self._next_set_s = now_s + (SET_EVERY_S if len(self.results) > self._results_before else AGAIN_S)

    def _count_cost(self, now_s: float) -> None:
        if self.is_low:
            self._spent_s += _LOSS * (now_s - self._started_s)


_LOSS: Final = 0.5  # the most a halved limit can cost
_LOWERED: Final = 0.8  # of the attempts that were in flight: with more of them left the limit was not felt


@dataclass(frozen=True, slots=True)
class _Plan:
    limit_set: int
    limit: int
    limit_low: int
    settle_s: float
    count_s: float

    @property
    def cost_s(self) -> float:
        """Seconds of the run's throughput that a set can cost at most."""
        return LOW_PHASES * _LOSS * (self.settle_s + self.count_s)


@dataclass(frozen=True, slots=True)
class _Phase:
    answers_per_s: float
    bytes_per_s: float
    ttfb_s: float
    body_s: float
    in_flight: float


def _would_tell(moment: Moment) -> bool:
    is_full = moment.fetch_busy >= 0.60 or moment.fetch_busy + moment.fetch_host >= 0.80
    return (
        not moment.is_ending
        and is_full
        and _reached(moment) >= LIMIT_MIN
        and moment.loop_busy <= 0.70
        and moment.total_s_p50 is not None
    )


def _reached(moment: Moment) -> int:
    """The limit that is felt: the one that is set, or where hosts have limits of their own, what these leave of it."""
    return moment.limit if moment.fetch_busy >= 0.60 else round(moment.limit * moment.fetch_busy)


def _plan(moment: Moment, answers_per_s: float) -> _Plan | None:
    """None when an answer takes so long that a phase would not settle in time."""
    typical_s = moment.total_s_p50
    if typical_s is None or answers_per_s <= 0.0:
        return None
    settle_s = max(0.2, 1.5 * typical_s)
    if settle_s > PHASE_S_MAX:
        return None
    count_s = min(PHASE_S_MAX, max(0.5, 2.0 * typical_s, min(1.0, ANSWERS_WANTED / answers_per_s)))
    reached = _reached(moment)
    return _Plan(moment.limit, reached, max(2, reached // 2), settle_s, count_s)


def _phase(before: Reading, after: Reading, span_s: float) -> _Phase:
    answers = after.answers - before.answers
    each = 1.0 / answers if answers else 0.0
    return _Phase(
        answers_per_s=answers / span_s,
        bytes_per_s=(after.bytes_body - before.bytes_body) / span_s,
        ttfb_s=(after.ttfb_s - before.ttfb_s) * each,
        body_s=(after.body_s - before.body_s) * each,
        in_flight=(after.slot_s - before.slot_s) / span_s,
    )


def _is_full(phase: _Phase, plan: _Plan, *, is_low: bool) -> bool:
    """Whether the limit was what held the attempts back, and had been reached: else the phase compares nothing."""
    limit = plan.limit_low if is_low else plan.limit
    return phase.answers_per_s > 0.0 and 0.5 * limit <= phase.in_flight <= 1.25 * limit + 0.5


def _result(now_s: float, plan: _Plan, before: _Phase, low: _Phase, after: _Phase) -> ProbeResult:
    return ProbeResult(
        end_s=now_s,
        limit=plan.limit,
        limit_low=plan.limit_low,
        answers_per_s=(before.answers_per_s + after.answers_per_s) / 2,
        answers_per_s_low=low.answers_per_s,
        ttfb_s=(before.ttfb_s + after.ttfb_s) / 2,
        ttfb_s_low=low.ttfb_s,
        body_s=(before.body_s + after.body_s) / 2,
        body_s_low=low.body_s,
        bytes_per_s=(before.bytes_per_s + after.bytes_per_s) / 2,
        bytes_per_s_low=low.bytes_per_s,
        in_flight=(before.in_flight + after.in_flight) / 2,
        in_flight_low=low.in_flight,
    )
