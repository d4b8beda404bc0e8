"""Await chains: every kind of awaitable is followed to what it waits for, down to the line."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any

import pytest

from penstock.perf.profile import chains
from penstock.perf.profile.chains import Codes, awaited_text, running_chain, suspended_chain


async def forever() -> None:
    await asyncio.Event().wait()


async def chain_of(coroutine: Coroutine[Any, Any, Any]) -> list[str]:
    """The names in the chain of a task that has gone as far as it can, and the kind of what it waits for."""
    task = asyncio.create_task(coroutine)
    for _ in range(5):
        await asyncio.sleep(0)
    codes = Codes()
    places, _ = suspended_chain(task.get_coro(), codes)
    waiter: Any = task._fut_waiter  # type: ignore[attr-defined]  # what the profiler reads too
    names = [codes.frame(place).name for place in places] + [awaited_text(waiter)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [name for name in names if name]


def names(make: Callable[[], Coroutine[Any, Any, Any]]) -> list[str]:
    async def main() -> list[str]:
        return await chain_of(make())

    return asyncio.run(main())


class Numbers:
    async def endless(self) -> AsyncIterator[int]:
        while True:
            await forever()
            yield 1

    async def through_another(self) -> AsyncIterator[int]:
        async for number in self.endless():
            yield number


class Awaitable1:
    def __await__(self) -> Generator[Any, None, None]:
        yield from forever().__await__()


class InC:
    """Its `__await__` gives a coroutine's own wrapper, as aiohttp's context managers do."""

    def __await__(self) -> Generator[Any, None, None]:
        return forever().__await__()


async def over(iterator: AsyncIterator[int]) -> None:
    async for _ in iterator:
        pass


async def awaits(awaitable: Awaitable[object]) -> None:
    await awaitable


async def makes_and_awaits(make: Callable[[], Awaitable[object]]) -> None:
    await make()


@types.coroutine
def old_style() -> Generator[Any, None, None]:
    yield from forever().__await__()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: over(Numbers().endless()), ["over", "Numbers.endless", "forever", "Event.wait"]),
        (
            lambda: over(Numbers().through_another()),
            ["over", "Numbers.through_another", "Numbers.endless", "forever", "Event.wait"],
        ),
        (lambda: awaits(anext(Numbers().endless())), ["awaits", "Numbers.endless", "forever", "Event.wait"]),
        (lambda: awaits(anext(Numbers().endless(), 0)), ["awaits", "Numbers.endless", "forever", "Event.wait"]),
        (lambda: awaits(Awaitable1()), ["awaits", "Awaitable1.__await__", "forever", "Event.wait"]),
        (lambda: awaits(InC()), ["awaits", "forever", "Event.wait"]),
        (lambda: awaits(old_style()), ["awaits", "old_style", "forever", "Event.wait"]),
        (lambda: awaits(asyncio.wait_for(forever(), 60)), ["awaits", "wait_for"]),
        (lambda: awaits(asyncio.Queue().get()), ["awaits", "Queue.get"]),
        (lambda: awaits(asyncio.sleep(60)), ["awaits", "sleep"]),
        (lambda: makes_and_awaits(lambda: asyncio.create_task(forever())), ["makes_and_awaits", "[task forever]"]),
        (
            lambda: makes_and_awaits(lambda: asyncio.gather(forever(), forever(), forever())),
            ["makes_and_awaits", "[gather of 3]"],
        ),
    ],
)
def test_every_awaitable_is_followed(make: Callable[[], Coroutine[Any, Any, Any]], expected: list[str]) -> None:
    found = names(make)
    assert found[: len(expected)] == expected


def test_a_future_from_another_thread_is_called_so() -> None:
    import concurrent.futures

    future: concurrent.futures.Future[None] = concurrent.futures.Future()
    assert names(lambda: makes_and_awaits(lambda: asyncio.wrap_future(future))) == [
        "makes_and_awaits",
        "[another thread or process]",
    ]


def test_gathers_of_about_the_same_size_have_one_name() -> None:
    async def main() -> list[str]:
        found = []
        for count in (99, 1234, 1231):
            gathered = asyncio.gather(*(asyncio.sleep(0) for _ in range(count)))
            found.append(awaited_text(gathered))
            await gathered
        return found

    assert asyncio.run(main()) == ["[gather of 99]", "[gather of about 1200]", "[gather of about 1200]"]


def test_a_chain_has_a_bound() -> None:
    async def deep(levels: int) -> None:
        await (deep(levels - 1) if levels else forever())

    found = names(lambda: deep(chains.DEPTH_MAX + 50))
    assert len(found) == chains.DEPTH_MAX + 1
    assert found[-1] == "[deeper calls left out]"


def test_a_running_chain_begins_at_the_coroutine_and_has_the_plain_calls() -> None:
    codes = Codes()
    seen: list[str] = []

    def plain(task: asyncio.Task[None]) -> None:
        places = running_chain(sys._getframe(), task.get_coro(), codes)
        seen.extend(codes.frame(place).name for place in places)

    async def inner() -> None:
        task = asyncio.current_task()
        assert task is not None
        plain(task)

    async def outer() -> None:
        await inner()

    asyncio.run(outer())
    assert [name.rpartition(".")[2] for name in seen] == ["outer", "inner", "plain"]


async def two_waits() -> None:
    await asyncio.sleep(0)
    await forever()


def test_lines_are_where_the_task_is_and_the_root_is_where_it_begins() -> None:
    async def main() -> tuple[int, int]:
        task = asyncio.create_task(two_waits())
        for _ in range(5):
            await asyncio.sleep(0)
        codes = Codes()
        places, _ = suspended_chain(task.get_coro(), codes)
        task.cancel()
        return codes.root(places[0]).line, codes.frame(places[0]).line

    first = two_waits.__code__.co_firstlineno
    assert asyncio.run(main()) == (first, first + 2)
