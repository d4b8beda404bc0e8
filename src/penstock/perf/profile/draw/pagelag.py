"""The loop profile's lag histogram as columns: how many beats came how late.

Columns are 1-2-5 steps of time; heights are logarithmic, because the rare late beats are the ones that matter. Plain
HTML and CSS. The rule: every column also says its count in words.
"""

from __future__ import annotations

import math

from penstock.perf.profile.draw.amounts import amount
from penstock.perf.profile.model import Profile

# From 0.1 ms to 50 s.
BOUNDS_S = tuple(step * 10.0**power for power in range(-4, 2) for step in (1, 2, 5))


def lag_columns(profile: Profile) -> str:
    """The histogram's HTML; "" without one in `details["lag"]`. Columns over the threshold are in the colour of bad."""
    counts = lag_counts(profile)
    filled = [at for at, count in enumerate(counts) if count]
    if not filled:
        return ""
    threshold_s = profile.numbers.get("threshold_s", math.inf)
    highest = math.log1p(max(counts))
    columns = []
    for at in range(filled[0], filled[-1] + 1):
        low_s = BOUNDS_S[at - 1] if at else 0.0
        last = at == len(BOUNDS_S)
        label = f"> {_plain(BOUNDS_S[-1])}" if last else f"≤ {_plain(BOUNDS_S[at])}"
        words = f"{counts[at]:,} beats {label} late"
        color = "--c-bad" if low_s >= threshold_s else "--c-fetch"
        columns.append(
            f'<div class="column" title="{words}"><b>{counts[at]:,}</b>'
            f'<span style="--height: {math.log1p(counts[at]) / highest:.3f}; --swatch: var({color})"></span>'
            f"<small>{label}</small></div>"
        )
    label = f"Lag of the event loop, {sum(counts):,} beats"
    return (
        f'<div class="columns" role="img" aria-label="{label}">{"".join(columns)}</div>'
        '<p class="soft small">How late the loop ran a callback that was due; heights are logarithmic.</p>'
    )


def lag_counts(profile: Profile) -> list[int]:
    """Beats by bound of `BOUNDS_S`, and last those beyond; a beat counts by its bucket's upper bound."""
    counts = [0] * (len(BOUNDS_S) + 1)
    buckets = profile.details.get("lag")
    for bucket in buckets if isinstance(buckets, list) else []:
        match bucket:
            case [int() | float() as upper_s, int() as count]:
                # Histogram bounds are a little above the round number that they stand for.
                fits = (at for at, bound_s in enumerate(BOUNDS_S) if upper_s <= bound_s * 1.02)
                counts[next(fits, len(BOUNDS_S))] += count
    return counts


def _plain(seconds: float) -> str:
    number, _, unit = amount(seconds, "seconds").partition(" ")
    return f"{float(number):g} {unit}"
