"""The engine's parts one by one: channel, credits, low-water mark, reader thread, heartbeat."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.channel import Channel
from penstock.engine.credits import Credits
from penstock.engine.heartbeat import beat
from penstock.engine.lowwater import LowWater
from penstock.engine.threads import DaemonThread
from penstock.errors import Bug
from penstock.telemetry.lag import LoopLag
from penstock.testing import VirtualLoop, run_virtual


@given(
    sizes=st.lists(st.integers(0, 50), max_size=60),
    batch_items=st.integers(1, 10),
    batch_bytes=st.integers(1, 100),
    flush_every=st.integers(1, 20),
)
def test_a_channel_keeps_order_and_loses_nothing(
    sizes: list[int], batch_items: int, batch_bytes: int, flush_every: int
) -> None:
    channel: Channel[int] = Channel(batch_items=batch_items, batch_bytes=batch_bytes)
    batches: list[list[int]] = []

    async def consume() -> None:
        while not channel.is_finished:
            if batch := await channel.take():
                batches.append(batch)

    async def main() -> None:
        consumer = asyncio.create_task(consume())
        for index, size in enumerate(sizes):
            channel.put(index, size)
            if index % flush_every == 0:
                channel.flush()
                await asyncio.sleep(0)
        channel.close()
        await consumer

    run_virtual(main())
    assert [index for batch in batches for index in batch] == list(range(len(sizes)))
    assert all(len(batch) <= batch_items for batch in batches)
    assert all(sum(sizes[index] for index in batch) <= batch_bytes for batch in batches if len(batch) > 1)


def test_a_consumer_is_not_woken_for_less_than_a_batch() -> None:
    channel: Channel[int] = Channel(batch_items=10, batch_bytes=1000)

    async def main() -> None:
        taking = asyncio.create_task(channel.take())
        for value in range(9):
            channel.put(value)
            await asyncio.sleep(1)
        assert not taking.done()
        channel.put(9)
        assert await taking == list(range(10))

    run_virtual(main())


def test_a_failed_channel_raises_and_a_closed_one_refuses() -> None:
    channel: Channel[int] = Channel(batch_items=1, batch_bytes=1)
    channel.fail(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        run_virtual(channel.take())
    with pytest.raises(Bug):
        channel.put(1)


@given(
    bodies=st.lists(st.integers(0, 10_000), max_size=200),
    bytes_max=st.integers(1, 100_000),
    at_once=st.integers(1, 50),
)
def test_credits_always_let_something_run_and_balance(bodies: list[int], bytes_max: int, at_once: int) -> None:
    """A model run: fetches start when they may, end in order, and the sink takes everything when nothing may start."""
    credits_ = Credits(items_max=1, bytes_max=bytes_max)
    running: list[int] = []
    waiting: list[int] = []
    left = list(bodies)
    for _ in range(10 * len(bodies) + 10):
        if left and len(running) < at_once and credits_.may_start(len(running), 0):
            running.append(left.pop())
            assert len(running) == 1 or credits_.used_bytes(len(running), 0) <= bytes_max + 1e-6
        elif running:
            waiting.append(running.pop(0))
            credits_.body_arrived(waiting[-1])
        elif waiting:
            credits_.body_gone(waiting.pop())
    assert (left, running, waiting, credits_.waiting_bytes) == ([], [], [], 0)


@given(data=st.data(), sizes=st.lists(st.integers(0, 8), min_size=1, max_size=12))
def test_the_checkpoint_is_the_first_batch_with_something_unfinished(data: st.DataObject, sizes: list[int]) -> None:
    mark = LowWater()
    assert mark.checkpoint is None
    first_ids, ids, first_id = [], [], 0
    for size in sizes:
        first_ids.append(first_id)
        skipped = data.draw(st.integers(0, size))  # durable since an earlier run: not expected again
        mark.admit(first_id, f"at {first_id}", size - skipped)
        ids += [(len(first_ids) - 1, item_id) for item_id in range(first_id + skipped, first_id + size)]
        first_id += size
    for batch, item_id in data.draw(st.permutations(ids)):
        ids.remove((batch, item_id))
        mark.acknowledge([item_id])
        unfinished = {index for index, _ in ids}
        expected = first_ids[min(unfinished)] if unfinished else first_ids[-1]
        assert mark.checkpoint == (expected, f"at {expected}")


def test_a_thread_runs_calls_in_order_and_hands_back_what_they_raise() -> None:
    async def main() -> None:
        thread = DaemonThread("penstock-test")
        seen: list[int] = []
        first = asyncio.ensure_future(thread.call(seen.append, 1))
        second = asyncio.ensure_future(thread.call(seen.append, 2))
        await asyncio.gather(first, second)
        assert seen == [1, 2]
        assert await thread.call(threading.current_thread) is not threading.main_thread()
        with pytest.raises(ZeroDivisionError):
            await thread.call(lambda: 1 // 0)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await thread.call(next, iter(()))
        thread.close()
        assert thread.join(10)

    asyncio.run(main())


def test_a_cancelled_call_ends_in_its_thread_and_harms_nobody() -> None:
    async def main() -> None:
        thread = DaemonThread("penstock-test")
        gate, seen = threading.Event(), []
        blocked = asyncio.ensure_future(thread.call(gate.wait, 30))
        await asyncio.sleep(0)
        blocked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocked
        gate.set()
        await thread.call(seen.append, 1)
        assert seen == [1]
        thread.close()
        assert thread.join(10)

    asyncio.run(main())


def test_a_loop_that_was_blocked_looks_at_no_deadline_at_once() -> None:
    """Ten minutes of suspend, or a blocking call: nothing is swept until the loop has run freely for a second."""
    swept: list[float] = []
    seen: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        pulse = asyncio.create_task(beat(LoopLag(), look=seen.append, rounds=lambda _now_s: None, sweep=swept.append))
        await asyncio.sleep(3.5)
        loop.jump(600)
        await asyncio.sleep(3)
        pulse.cancel()

    run_virtual(main())
    after = [now_s for now_s in swept if now_s > 600]
    assert len([now_s for now_s in swept if now_s < 4]) == 4
    assert min(after) >= 604.5
    assert len(after) >= 2
    assert len(seen) > 300, "it is looked at on every beat"
