"""Process functions of known cost, and async ones that misbehave on the event loop.

Cost is CPU time of the calling thread, so a busy machine makes them slower but not cheaper.
"""

from __future__ import annotations

import time

from penstock.model import Response


def compute(cpu_s: float) -> None:
    """Use `cpu_s` of this thread's CPU time."""
    end_s = time.thread_time() + cpu_s
    while time.thread_time() < end_s:
        pass


def compute_3ms(response: Response) -> dict[str, object]:
    compute(0.003)
    return {"length": len(response.body)}


def compute_10ms(response: Response) -> dict[str, object]:
    compute(0.010)
    return {"length": len(response.body)}


def compute_20ms(response: Response) -> dict[str, object]:
    compute(0.020)
    return {"length": len(response.body)}


def compute_50ms(response: Response) -> dict[str, object]:
    compute(0.050)
    return {"length": len(response.body)}


def sleep_15ms(response: Response) -> dict[str, object]:
    time.sleep(0.015)
    return {"length": len(response.body)}


def sleep_100ms(response: Response) -> dict[str, object]:
    time.sleep(0.1)
    return {"length": len(response.body)}


async def blocking_async_20ms(response: Response) -> dict[str, object]:
    time.sleep(0.02)  # noqa: ASYNC251 - the fault that this scenario is about
    return {"length": len(response.body)}


async def computing_async_10ms(response: Response) -> dict[str, object]:
    compute(0.010)
    return {"length": len(response.body)}
