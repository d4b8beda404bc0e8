"""The run's pulse: measures how late the loop is, and does the rounds (deadlines, old shards, progress) in time.

One task, one timer. Work here is bounded: it looks at running transfers once a second and draws at most 4 times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from penstock.telemetry.lag import LoopLag

_BEAT_S = 0.02
_ROUND_S = 0.25
_SWEEP_S = 1.0
_BLOCKED_S = 1.0


async def beat(
    lag: LoopLag,
    *,
    look: Callable[[float], None],
    rounds: Callable[[float], None],
    sweep: Callable[[float], None],
) -> None:
    """Run until cancelled. `look(now_s)` is called on every beat, `rounds(now_s)` every 0.25 s, `sweep(now_s)` every
    second, but not when the loop itself was blocked: a transfer must not be called overdue because nobody looked."""
    loop = asyncio.get_running_loop()
    next_round_s = next_sweep_s = loop.time()
    while True:
        expected_s = loop.time() + _BEAT_S
        await asyncio.sleep(_BEAT_S)
        now_s = loop.time()
        lag.record(expected_s, now_s)
        look(now_s)
        if now_s - expected_s > _BLOCKED_S:
            next_sweep_s = now_s + _SWEEP_S
        if now_s >= next_round_s:
            next_round_s = now_s + _ROUND_S
            rounds(now_s)
        if now_s >= next_sweep_s:
            next_sweep_s = now_s + _SWEEP_S
            sweep(now_s)
