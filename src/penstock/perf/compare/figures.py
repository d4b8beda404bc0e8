"""A comparison's numbers as people read them: estimates, who is best, the full table, for page and Markdown alike.

Pure; texts are safe to show, not escaped. The rule: what cannot be said is a dash, and its reason is told once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from penstock.perf.compare.model import Comparison, Estimate, Metric, Pair, Percentiles, Summary
from penstock.perf.compare.phases import phases_of
from penstock.telemetry.format import UNKNOWN, bytes_text, count_text, duration_text, printable, rate_text

Show = Callable[[float], str]
METRICS: Mapping[Metric, str] = {"throughput": "Throughput", "cpu": "CPU per item", "p95": "Latency p95"}
"""Headings of the pairwise verdicts, in order."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell: the value, its interval (empty when there is none), and why it cannot be said."""

    text: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`group` joins columns under one heading; `get` finds the value of one alternative."""

    name: str
    group: str
    get: Callable[[Summary], Figure]


def figure(estimate: Estimate | None, show: Show) -> Figure:
    """The estimate as text; None, and what is no finite number, is a dash."""
    if estimate is None or estimate.value is None or not math.isfinite(estimate.value):
        return Figure(UNKNOWN, note=printable(estimate.note) if estimate else "")
    return Figure(show(estimate.value), span(estimate, show), printable(estimate.note))


def span(estimate: Estimate, show: Show) -> str:
    """`1,200–1,260/s`: the interval, its unit once where both ends share it; empty without both ends, `±<1 %` when
    they are written the same and are that near."""
    low, high = estimate.low, estimate.high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    if show(low) == show(high) and high - low < 0.02 * abs(estimate.value or 0.0):
        return "±<1 %"
    return joined((show(low), show(high)), "–")


def joined(texts: Sequence[str], between: str) -> str:
    """`21.1 · 24.8 ms`: values with the same unit say it once, at the end."""
    endings = {_unit(text) for text in texts}
    if len(endings) == 1 and (unit := endings.pop()):
        texts = [*(text.removesuffix(unit).rstrip() for text in texts[:-1]), texts[-1]]
    return between.join(texts)


def ratio_text(ratio: float) -> str:
    """`1.82×`, `12.3×`, `340×`: three digits."""
    if not math.isfinite(ratio):
        return UNKNOWN
    if 0 < ratio < 0.01:
        return "<0.01×"
    return f"{ratio:.2f}×" if ratio < 9.995 else f"{ratio:.1f}×" if ratio < 99.95 else f"{ratio:,.0f}×"


def small_text(value: float) -> str:
    """A plain number, three digits: `0.02`, `1.3`, `1,234`."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def ordered(comparison: Comparison) -> list[Summary]:
    """The alternatives, the highest throughput first, unknown ones last."""
    return sorted(comparison.summaries, key=lambda summary: -(known(summary.throughput_per_s) or -1.0))


def known(estimate: Estimate | None) -> float | None:
    """The value, if it is a number."""
    value = estimate.value if estimate else None
    return value if value is not None and math.isfinite(value) else None


def standing(comparison: Comparison, metric: Metric, values: Mapping[str, float | None]) -> dict[str, str]:
    """Name → `best`, or `≈ best` for those that cannot be told from it by this metric. Empty after a refusal, for fewer
    than two alternatives, and where nothing was judged."""
    told = {name: value for name, value in values.items() if value is not None}
    if comparison.refusal is not None or len(told) < 2:
        return {}
    best = max(told, key=told.__getitem__) if metric == "throughput" else min(told, key=told.__getitem__)
    names = {best: "best"}
    for name in told:
        pair = pair_of(comparison.pairs, metric, best, name)
        if name != best and pair is not None and pair.verdict == "cannot tell":
            names[name] = "≈ best"
    return names


def starred(comparison: Comparison, name: str) -> str:
    """The name, with a star behind it when it is recommended."""
    chosen = comparison.recommendation
    return f"{name} ★" if chosen is not None and comparison.refusal is None and chosen.name == name else name


def pair_of(pairs: Iterable[Pair], metric: Metric, a: str, b: str) -> Pair | None:
    """`a` against `b`, turned round when only `b` against `a` was judged; None when neither was."""
    for pair in pairs:
        if pair.metric == metric and (pair.a, pair.b) == (a, b):
            return pair
    for pair in pairs:
        if pair.metric == metric and (pair.a, pair.b) == (b, a):
            return _turned(pair)
    return None


def doubts(comparison: Comparison, metric: Metric) -> str:
    """Why pairs with a ratio cannot be told apart, with how many: `within 10 % (6 pairs), too noisy (1 pair)`; or
    nothing."""
    unsure = [pair for pair in comparison.pairs if pair.metric == metric and pair.verdict == "cannot tell"]
    counted = Counter(printable(pair.note) for pair in unsure if pair.note and known(pair.ratio) is not None)
    return ", ".join(f"{note} ({n} {'pair' if n == 1 else 'pairs'})" for note, n in counted.most_common())


def columns(comparison: Comparison) -> list[Column]:
    """The full table's columns after the alternative's name; latency only when there was an open loop."""
    found = [Column("throughput", "", lambda summary: figure(summary.throughput_per_s, rate_text))]
    found += _percentiles("service time", lambda summary: summary.service)
    if any(summary.latency is not None or summary.keeps_up is not None for summary in comparison.summaries):
        rate = f" at {rate_text(comparison.rate_per_s)}" if comparison.rate_per_s else ""
        found += _percentiles(f"latency from the intended start{rate}", lambda summary: summary.latency)
    found += [
        Column("CPU", "for 1,000 items", lambda summary: figure(summary.cpu_s_per_1000, duration_text)),
        Column("memory", "at most", lambda summary: figure(summary.rss_bytes, bytes_text)),
        Column("switches", "per item", lambda summary: figure(summary.switches_per_item, small_text)),
    ]
    if any(summary.wait_share is not None for summary in comparison.summaries):
        found.append(Column("waiting", "alone", _waiting))
    found.append(Column("items", "", lambda summary: Figure(count_text(summary.items), _runs(summary.runs))))
    return found


def short_columns(comparison: Comparison) -> list[Column]:
    """The few that most readers need: throughput, p95, CPU and memory."""
    every = columns(comparison)
    times = [column for column in every if column.name == "p95"]
    return [column for column in every if column in times[-1:] or column.name in ("throughput", "CPU", "memory")]


def phase_columns(comparison: Comparison) -> list[Column]:
    """Mean time of an item by phase in the closed loop; empty where no client told."""

    def column(key: str, name: str) -> Column:
        def get(summary: Summary) -> Figure:
            value = summary.phases.get(key)
            return Figure(UNKNOWN if value is None or not math.isfinite(value) else duration_text(max(0.0, value)))

        return Column(name, "", get)

    return [column(key, name) for key, name, _ in phases_of(summary.phases for summary in comparison.summaries)]


def reasons(comparison: Comparison, shown: Sequence[Column]) -> list[str]:
    """Why values are missing or unsure, each reason once: `service time p99: 60 samples, 100 needed (sync)`."""
    told: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for column in shown:
        for summary in ordered(comparison):
            note = column.get(summary).note
            if note:
                group = column.group if column.name.startswith("p") else ""
                columns_, names = told.setdefault((group, note), ([], []))
                columns_ += [column.name] if column.name not in columns_ else []
                names += [name] if (name := printable(summary.name, 60)) not in names else []
    return [
        f"{' '.join(filter(None, (group, ', '.join(columns_))))}: {note} ({', '.join(names)})"
        for (group, note), (columns_, names) in told.items()
    ]


def way(summary: Summary) -> str:
    """What an alternative is, in a few words: `asyncio, aiohttp, 32 at once`."""
    parts = [summary.strategy if summary.strategy != summary.name else "", summary.function or summary.client or ""]
    return ", ".join(filter(None, (*map(printable, parts), f"{count_text(summary.concurrency)} at once")))


def machine_pairs(machine: Mapping[str, object]) -> list[tuple[str, str]]:
    """Name and value of what is known about the machine."""
    pairs = []
    for name, value in machine.items():
        if value is None or value == "":
            continue
        if name.endswith("_bytes") and isinstance(value, int | float) and not isinstance(value, bool):
            pairs.append((printable(name.removesuffix("_bytes").replace("_", " "), 60), bytes_text(value)))
        else:
            pairs.append((printable(name.replace("_", " "), 60), printable(str(value), 200)))
    return pairs


def _turned(pair: Pair) -> Pair:
    verdict = {"faster": "slower", "slower": "faster"}.get(pair.verdict, pair.verdict)
    value, low, high = (
        1 / value if value and math.isfinite(value) else None
        for value in (pair.ratio.value, pair.ratio.high, pair.ratio.low)
    )
    ratio = Estimate(value, low, high, pair.ratio.n, pair.ratio.note)
    return Pair(pair.b, pair.a, pair.metric, verdict, ratio, pair.note)  # type: ignore[arg-type]  # a verdict again


def _percentiles(group: str, of: Callable[[Summary], Percentiles | None]) -> list[Column]:
    def column(name: str) -> Column:
        def get(summary: Summary) -> Figure:
            told = of(summary)
            if told is None:
                return Figure(UNKNOWN, note="" if summary.keeps_up is not False else "did not keep up with the rate")
            return figure(getattr(told, name), duration_text)

        return Column(name, group, get)

    return [column(name) for name in ("p50", "p95", "p99")]


def _waiting(summary: Summary) -> Figure:
    share = summary.wait_share
    return Figure(UNKNOWN if share is None else f"{100 * share:.0f} %")


def _runs(runs: int) -> str:
    return f"in {count_text(runs)} {'run' if runs == 1 else 'runs'}"


def _unit(text: str) -> str:
    number = text.rstrip()
    cut = max((index for index, character in enumerate(number) if character.isdigit()), default=-1)
    return number[cut + 1 :]
