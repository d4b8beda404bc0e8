"""What it costs to hand control, or an item, from one place to another: threads, tasks, loops and processes.

Each function measures one cost once, in seconds per hand-over of wall time with nothing else to do; `costs.py` repeats
and interleaves them. The rule: both sides really wait for each other, so that every hand-over is a switch.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor

import uvloop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def thread_switch_s(switches: int = 4_000) -> float:
    """Two threads that wake each other through locks, in turn."""
    gates = [threading.Lock(), threading.Lock()]
    for gate in gates:
        gate.acquire()

    def other() -> None:
        for _ in range(switches // 2):
            gates[0].acquire()
            gates[1].release()

    thread = threading.Thread(target=other)
    thread.start()
    began_s = time.perf_counter()
    for _ in range(switches // 2):
        gates[0].release()
        gates[1].acquire()
    took_s = time.perf_counter() - began_s
    thread.join()
    return took_s / switches


def task_switch_s(loop_name: str, switches: int = 20_000) -> float:
    """Two tasks that wake each other through futures, in turn, on one loop."""

    async def both() -> float:
        loop = asyncio.get_running_loop()
        turns = [loop.create_future(), loop.create_future()]

        async def other() -> None:
            for _ in range(switches // 2):
                await turns[0]
                turns[0] = loop.create_future()
                turns[1].set_result(None)

        task = loop.create_task(other())
        began_s = time.perf_counter()
        for _ in range(switches // 2):
            turns[0].set_result(None)
            await turns[1]
            turns[1] = loop.create_future()
        took_s = time.perf_counter() - began_s
        await task
        return took_s / switches

    return run_on(loop_name, both)


def socket_wake_s(loop_name: str, round_trips: int = 3_000) -> float:
    """A byte to a socket and back, between two readers of one loop: what an answer from the network costs the loop.

    Per wake-up: two of them make a round trip.
    """

    async def both() -> float:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)

            async def echo() -> None:
                for _ in range(round_trips):
                    await loop.sock_sendall(right, await loop.sock_recv(right, 1))

            task = loop.create_task(echo())
            began_s = time.perf_counter()
            for _ in range(round_trips):
                await loop.sock_sendall(left, b"x")
                await loop.sock_recv(left, 1)
            took_s = time.perf_counter() - began_s
            await task
        return took_s / (2 * round_trips)

    return run_on(loop_name, both)


def pool_hand_over_s(pool: Executor, body_bytes: int, items: int) -> float:
    """An item of `body_bytes` to a warm pool and its result of the same size back, one at a time."""
    body = bytes(body_bytes)
    began_s = time.perf_counter()
    for _ in range(items):
        pool.submit(same, body).result()
    return (time.perf_counter() - began_s) / items


def same(body: bytes) -> bytes:
    """What the pool's worker does: nothing."""
    return body


def run_on(loop_name: str, main: Callable[[], object]) -> float:
    """Run the coroutine function on a fresh loop of that kind."""
    with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
        result = runner.run(main())  # type: ignore[arg-type]  # both kinds of loop take any coroutine
    assert isinstance(result, float)
    return result
