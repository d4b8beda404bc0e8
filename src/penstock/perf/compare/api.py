"""Comparisons from Python: `compare(fetch_sync, fetch_async, items=urls)` gives a `Comparison`.

What it takes and does is `wanted` and `session`; this file is their one call. The rule: other processes run the code,
so it must be importable there, and importing a file must not start the comparison anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Literal

from penstock.errors import ConfigError
from penstock.perf.compare.model import Comparison
from penstock.perf.compare.options import CompareOptions
from penstock.perf.compare.progress import Progress
from penstock.perf.compare.wanted import Wanted, limits_of, targets

_LOADER = "penstock.process.load"


def compare(
    *what: str | Callable[..., object],
    items: int | Sequence[str] | str | None = None,
    urls: str | Sequence[str] | None = None,
    preset: str | None = None,
    process: str | None = None,
    strategies: Sequence[str] = (),
    clients: Sequence[str] = (),
    concurrency: int | None = None,
    processes: int | None = None,
    rounds: int = 5,
    rounds_max: int | None = None,
    run_s: float | None = None,
    item_s_max: float | None = None,
    rate: float | Literal["auto", "none"] = "auto",
    seed: int = 0,
    seconds_max: float | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare functions of one item, or strategies that fetch URLs; blocks for about 30 s.

    `what`: functions, or references to them (`module:function`, `file.py:function`); `def` runs under sync, threads
    and processes, `async def` under asyncio, uvloop and penstock. Each gets `items` (texts; a number N: "0" to "N-1";
    a file: its lines), the URLs of `urls`, or those of a `preset`'s local origin. Without functions the URLs are
    fetched, and `process` (a reference) makes the output of each response. Other arguments are those of `penstock
    compare`. See `options` for rounds and rate.

    Call it under `if __name__ == "__main__":`, because the measured processes import your file. What goes wrong with
    an alternative is `Comparison.refusal`. Raises ConfigError for what cannot be compared as written, and
    CompareInterrupted for Ctrl-C.
    """
    _refuse_when_imported()
    require_scipy()
    chosen = Wanted(
        functions=what,
        presets=() if preset is None else (preset,),
        urls=urls,
        items=items,
        process=process,
        strategies=tuple(strategies),
        clients=tuple(clients),
        limits=limits_of(concurrency=concurrency, processes=processes, run_s=run_s, item_s_max=item_s_max),
    )
    options = CompareOptions(
        rounds_min=rounds, rounds_max=rounds_for(rounds, rounds_max), rate=rate, seed=seed, seconds_max=seconds_max
    )
    found = targets(chosen)
    if len(found) != 1:
        names = ", ".join(target.name for target in found)
        raise ConfigError(f"compare: expected one workload, got {names}", hint="call compare() once for each")
    from penstock.perf.compare.session import compare_workload

    with found[0].open() as workload:
        return compare_workload(workload, found[0].alternatives, options, say=progress)


def rounds_for(rounds_min: int, rounds_max: int | None) -> int:
    """The most rounds when only the least was said: 12; but fewer than 5 were meant as they are."""
    if rounds_max is not None:
        return rounds_max
    return rounds_min if rounds_min < 5 else max(12, rounds_min)


def require_scipy() -> None:
    """Raise ConfigError now, not after a minute of measuring, when the verdicts cannot be made."""
    from importlib.util import find_spec

    missing = [name for name in ("numpy", "scipy") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"penstock compare: expected the libraries numpy and scipy, not installed: {', '.join(missing)}",
            hint="pip install 'penstock[perf]'",
        )


def _refuse_when_imported() -> None:
    """Without `if __name__ == "__main__":`, importing the user's file would compare, which imports the file, …"""
    frame = sys._getframe(2)
    caller = frame.f_code.co_filename
    while frame is not None:
        if frame.f_globals.get("__name__") in {_LOADER, "__mp_main__"}:
            raise ConfigError(
                f"compare() was called while {caller} was being imported for it: put the call under "
                '`if __name__ == "__main__":`'
            )
        frame = frame.f_back  # type: ignore[assignment]  # None at the outermost
