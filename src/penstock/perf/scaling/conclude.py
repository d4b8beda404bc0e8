"""From the runs of a sweep to what it recommends: points, laws, band, knee, peak, advice and sentences.

Pure: no clock, files or processes; the same runs and seed give the same answer, in whatever order the runs come. The
rule: too few runs, failures or push-back give a refusal and no recommendation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from penstock.errors import ConfigError
from penstock.perf.compare.model import Refusal
from penstock.perf.scaling.levels import LEVELS_MIN, REPEATS_MIN
from penstock.perf.scaling.model import CurvePoint, SweepRun, Tuning

_PUSHBACKS_MAX = 0.01
_FAILED_MAX = 0.02
_ODD_SHARE = 0.05  # noise alone draws in one run in eighty
_ODD_ONES = 2  # so few of either are let pass, however short the run


def conclude_sweep(
    runs: Sequence[SweepRun],
    *,
    target: str,
    strategy: str,
    seed: int,
    elapsed_s: float,
    slo_p95_s: float | None = None,
    notes: Sequence[str] = (),
    machine: Mapping[str, object],
) -> Tuning:
    """The whole conclusion of a sweep, in a fraction of a second. Curves have a 90 % band, estimates 95 % intervals.

    Needs 6 concurrencies with 3 runs each; concurrencies with fewer runs are shown but not used, with a note.
    `slo_p95_s`: the most that p95 may be. Raises ConfigError when SciPy is missing or the limit is not above 0.
    """
    if slo_p95_s is not None and not slo_p95_s > 0:
        raise ConfigError(f"slo_p95_s: expected seconds above 0, got {slo_p95_s}", hint="for example 0.25")
    _require_scipy()
    from penstock.perf.scaling.points import points_of

    ordered = tuple(sorted(runs, key=lambda run: (run.concurrency, run.repetition)))
    points = points_of(ordered)
    counts = Counter(run.concurrency for run in ordered)
    used = [run for run in ordered if counts[run.concurrency] >= REPEATS_MIN]
    refusal = _trouble(ordered) or _too_few(counts)
    if refusal is not None:
        return Tuning(
            target=target, strategy=strategy, seed=seed, elapsed_s=elapsed_s, runs=ordered, points=points,
            slo_p95_s=slo_p95_s, notes=tuple(notes), refusal=refusal, machine=machine,
        )  # fmt: skip
    left_out = sorted(level for level, count in counts.items() if count < REPEATS_MIN)
    more = [f"not used, fewer than {REPEATS_MIN} runs: concurrency {', '.join(map(str, left_out))}"]
    bare = Tuning(
        target=target, strategy=strategy, seed=seed, elapsed_s=elapsed_s, runs=ordered, points=points,
        slo_p95_s=slo_p95_s, notes=(*notes, *(more if left_out else ())), machine=machine,
    )  # fmt: skip
    return _concluded(bare, used)


def _concluded(bare: Tuning, used: Sequence[SweepRun]) -> Tuning:
    from dataclasses import replace

    from penstock.perf.scaling.band import band_of
    from penstock.perf.scaling.commentary import commentary, reason
    from penstock.perf.scaling.fit import fit_sample
    from penstock.perf.scaling.knee import bound_knee, knee_of, peak_of
    from penstock.perf.scaling.recommend import advise
    from penstock.perf.scaling.sample import sample_of

    levels = {run.concurrency for run in used}
    points = [point for point in bare.points if point.concurrency in levels]
    sample = sample_of(used)
    fitted = fit_sample(sample)
    fits = tuple(one.fit for one in fitted)
    band = band_of(sample, fitted, seed=bare.seed)
    lows, highs = band.interval()
    knee = knee_of(sample, fitted, band)
    peak = peak_of(sample, fitted, band)
    advice = advise(band, points, bare.slo_p95_s)
    odd = f"{sample.odd} of {len(used)} runs were far from the others at their concurrency and count less in the curve"
    return replace(
        bare,
        notes=(*bare.notes, *((odd,) if sample.odd >= _ODD_SHARE * len(used) else ())),
        fits=fits,
        chosen=band.law,
        curve=tuple(
            CurvePoint(float(level), math.exp(middle), math.exp(low), math.exp(high))
            for level, middle, low, high in zip(band.grid, band.curve, lows, highs, strict=True)
        ),
        throughput_max_per_s=advice.maximum,
        knee=knee,
        peak=peak.estimate,
        is_peak_seen=peak.is_seen,
        recommended=advice.concurrency,
        reason=reason(advice, points, bare.slo_p95_s),
        commentary=commentary(advice, points, fits, knee, bound_knee(band), peak, bare.slo_p95_s),
    )


def _trouble(runs: Sequence[SweepRun]) -> Refusal | None:
    """The lowest concurrency at which the server pushed back, items failed or nothing came through."""
    for level in sorted({run.concurrency for run in runs}):
        some = [run for run in runs if run.concurrency == level]
        pushed = sum(run.pushbacks for run in some)
        failed = sum(run.failed for run in some)
        asked = failed + sum(run.items for run in some)
        if pushed > max(_ODD_ONES, _PUSHBACKS_MAX * asked):
            return Refusal(
                "pushback",
                f"expected a server that answers, got push-back at concurrency {level}: {pushed:,} of {asked:,} "
                "answers were 429 or 503",
                "the server has a limit, and a sweep would only find that: stay below it with --rate",
            )
        if failed > max(_ODD_ONES, _FAILED_MAX * asked):
            return Refusal(
                "raised",
                f"expected items that end well, got failures at concurrency {level}: {failed:,} of {asked:,}",
                "mend what fails first; throughput of failures says nothing",
            )
        if any(run.throughput_per_s <= 0 for run in some):
            return Refusal(
                "too_few_items",
                f"expected items to end in every run, got none in a run at concurrency {level}",
                "give each run more time, or tune on shorter items",
            )
    return None


def _too_few(counts: Mapping[int, int]) -> Refusal | None:
    enough = [level for level, count in counts.items() if count >= REPEATS_MIN]
    if len(enough) >= LEVELS_MIN:
        return None
    return Refusal(
        "too_few_runs",
        f"expected at least {LEVELS_MIN} concurrencies with {REPEATS_MIN} runs each, got {len(enough)} "
        f"(and {len(counts) - len(enough)} with fewer runs)",
        "let the sweep finish, or give it more levels; with four points every law fits",
    )


def _require_scipy() -> None:
    try:
        import numpy  # noqa: F401  # only asks whether it is there
        import scipy  # noqa: F401  # only asks whether it is there
    except ImportError as error:
        raise ConfigError(
            "tuning: expected numpy and scipy, which are not installed", hint="pip install 'penstock[perf]'"
        ) from error
