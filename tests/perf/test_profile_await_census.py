"""The census: every task has the same chance, and the weights add up to the number of tasks, whatever else is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.profile import census
from penstock.perf.profile.census import SUBSET_MAX, Census


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _nothing() -> None:
    pass


async def _looks(waiting: int, done: int, looks: int, seed: int) -> tuple[list[float], Counter[object], int]:
    """Estimates of the number of tasks, how often each was looked at, and the most tasks of one look."""
    event = asyncio.Event()
    tasks = [asyncio.create_task(_wait(event)) for _ in range(waiting)]
    kept = [asyncio.create_task(_nothing()) for _ in range(done)]
    await asyncio.gather(*kept)
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    drawer = Census(Random(seed))
    estimates, hits, most = [], Counter[object](), 0
    for _ in range(looks):
        drawn, weight = drawer.draw(loop, current)
        estimates.append(len(drawn) * weight)
        hits.update(drawn)
        most = max(most, len(drawn))
        assert current not in drawn
    event.set()
    await asyncio.gather(*tasks)
    return estimates, hits, most


@given(waiting=st.integers(0, 300), done=st.integers(0, 300), seed=st.integers(0, 2**32))
def test_the_weights_add_up_to_the_number_of_tasks(waiting: int, done: int, seed: int) -> None:
    estimates, _, most = asyncio.run(_looks(waiting, done, 60, seed))
    assert most <= SUBSET_MAX
    # 60 looks of at least 8 useful draws: six standard errors are a third of the whole.
    assert fmean(estimates) == pytest.approx(waiting, rel=0.35, abs=3)


def test_no_task_is_favoured() -> None:
    looks = 2000
    _, hits, _ = asyncio.run(_looks(waiting=500, done=200, looks=looks, seed=5))
    counts = [hits[task] for task in hits]
    assert len(counts) == 500
    expected = sum(counts) / 500
    spread = expected**0.5
    assert all(abs(count - expected) < 6 * spread for count in counts)


def test_few_tasks_are_all_looked_at() -> None:
    estimates, hits, _ = asyncio.run(_looks(waiting=20, done=10, looks=5, seed=0))
    assert estimates == [20.0] * 5
    assert set(hits.values()) == {5}


def test_another_loops_tasks_are_left_out() -> None:
    """A task of a loop that is not running now is still known to asyncio."""
    other = asyncio.new_event_loop()
    forgotten = other.create_task(_nothing())
    try:
        assert asyncio.run(_looks(waiting=3, done=0, looks=1, seed=0))[0] == [3.0]
    finally:
        other.run_until_complete(forgotten)
        other.close()


def test_where_asyncio_keeps_its_tasks_in_c_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.14's `all_tasks` is a function in C, and the set of references stays empty."""
    monkeypatch.setattr(census, "BuiltinFunctionType", type(asyncio.all_tasks))
    estimates, hits, _ = asyncio.run(_looks(waiting=40, done=10, looks=5, seed=0))
    assert estimates == [40.0] * 5
    assert set(hits.values()) == {5}
