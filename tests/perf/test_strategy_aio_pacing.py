"""Waiting until an item is due: never early, in order, by the kernel's timer and by the loop's."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import closing

import pytest
import uvloop
from async_strategy_kit import make_libuv_ready

from penstock.perf.strategy.loops import asyncio_loop
from penstock.perf.strategy.pacing import Pacer

with_each_loop = pytest.mark.parametrize("factory", [asyncio_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(scope="module", autouse=True)
def libuv() -> None:
    make_libuv_ready()


@pytest.fixture(params=["kernel", "loop"])
def new_pacer(request: pytest.FixtureRequest) -> Callable[[], Pacer]:
    """Both kinds; the loop's own timers are what other systems than Linux have."""
    if request.param == "kernel" and sys.platform != "linux":
        pytest.skip("timerfd is Linux's")
    return lambda: Pacer(has_kernel_timer=request.param == "kernel")


@with_each_loop
def test_nobody_returns_early_and_the_order_is_that_of_the_calls(
    factory: LoopFactory, new_pacer: Callable[[], Pacer]
) -> None:
    due_at = [0.0, 0.0003, 0.0021, 0.0022, 0.0022, 0.0104, 0.02]
    returned: list[tuple[float, float]] = []

    async def wait(pacer: Pacer, due_s: float) -> None:
        await pacer.until(due_s)
        returned.append((due_s, time.perf_counter()))

    async def main() -> None:
        with closing(new_pacer()) as pacer:
            began_s = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for due_s in due_at:
                    group.create_task(wait(pacer, began_s + due_s))

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert len(returned) == len(due_at)
    assert all(at_s >= due_s for due_s, at_s in returned)
    assert [due_s for due_s, _ in returned] == sorted(due_s for due_s, _ in returned)


@with_each_loop
def test_who_was_cancelled_holds_up_nobody_also_not_in_a_later_run(
    factory: LoopFactory, new_pacer: Callable[[], Pacer]
) -> None:
    async def cut_off(pacer: Pacer) -> None:
        far = [asyncio.create_task(pacer.until(time.perf_counter() + 3600)) for _ in range(3)]
        await asyncio.sleep(0)
        for task in far:
            task.cancel()
        await asyncio.wait(far)

    async def opened() -> Pacer:
        return new_pacer()

    async def later(pacer: Pacer) -> None:
        async with asyncio.timeout(60):
            await pacer.until(time.perf_counter() + 0.002)
        pacer.close()

    with asyncio.Runner(loop_factory=factory) as runner:
        pacer = runner.run(opened())
        runner.run(cut_off(pacer))
        runner.run(later(pacer))


def test_what_is_due_already_does_not_wait(new_pacer: Callable[[], Pacer]) -> None:
    async def main() -> None:
        with closing(new_pacer()) as pacer:
            waiting = pacer.until(time.perf_counter())
            with pytest.raises(StopIteration):
                waiting.send(None)  # it ends without ever giving way to the loop

    asyncio.run(main())
