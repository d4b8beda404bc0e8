"""What the frontier's work and memory grow with, by counting, not by the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from penstock.model import Item
from penstock.policy.concurrency import FixedLimiter
from penstock.policy.frontier import IDLE_HOSTS_MAX, Frontier
from penstock.policy.rate import Rate


class CountingLimiter(FixedLimiter):
    """Counts how often the frontier looks at a host: it asks for the limit once each time."""

    looks = 0

    def limit(self) -> int:
        self.looks += 1
        return super().limit()


def looks_per_item(
    hosts: int,
    *,
    host_limit: int,
    global_limit: int = 50,
    rate_per_host: Rate | None = None,
    prepare: Callable[[Frontier], None] = lambda frontier: None,
) -> float:
    """Looks at hosts per item over 10,000 items, with 20 items queued on every host and the permits always in use."""
    limiter = CountingLimiter(host_limit)
    frontier = Frontier(
        limiter_of=lambda host: limiter, global_limiter=FixedLimiter(global_limit), rate_per_host=rate_per_host
    )
    for number in range(20 * hosts):
        frontier.push(Item(number, "", f"host-{number % hosts}"))
    prepare(frontier)
    in_flight: deque[Item] = deque()
    now_s, started = 0.0, 0
    while started < 10_000:
        while (item := frontier.pop(now_s)) is not None:
            in_flight.append(item)
            started += 1
        if in_flight:
            ended = in_flight.popleft()
            frontier.push(Item(started, "", ended.host))
            frontier.release(ended.host, now_s)
        now_s += 0.001
    return limiter.looks / started


def pause_half(frontier: Frontier) -> None:
    for row in list(frontier.hosts())[::2]:
        frontier.pause_host(row.host, 1e9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("all ready", {"host_limit": 50}),
        ("all at their limit", {"host_limit": 1, "global_limit": 10_000}),
        ("half paused", {"host_limit": 50, "prepare": pause_half}),
        ("paced", {"host_limit": 50, "rate_per_host": Rate(2)}),
    ],
)
def test_ten_times_the_hosts_cost_no_more_looks_per_item(name: str, options: dict[str, object]) -> None:
    few = looks_per_item(100, **options)  # type: ignore[arg-type]  # a table of keyword arguments
    many = looks_per_item(1000, **options)  # type: ignore[arg-type]  # as above
    assert 1 <= few <= 4, name  # the look that starts the item, and those paid for by its push, release and timer
    assert many <= 1.5 * few, name


def test_pop_does_not_look_at_blocked_hosts_again() -> None:
    limiter = CountingLimiter(1)
    frontier = Frontier(limiter_of=lambda host: limiter, global_limiter=FixedLimiter(10_000))
    for number in range(2000):
        frontier.push(Item(number, "", f"host-{number % 1000}"))
    while frontier.pop(0.0) is not None:
        pass
    limiter.looks = 0
    for _ in range(100):
        assert frontier.pop(1.0) is None
    assert limiter.looks == 0


def run_distinct_hosts(count: int, rate_per_host: Rate | None, step_s: float) -> int:
    """Fetch one item from each of `count` hosts; the most hosts remembered at any moment."""
    limiter = FixedLimiter(1)
    frontier = Frontier(limiter_of=lambda host: limiter, global_limiter=limiter, rate_per_host=rate_per_host)
    hosts_max = 0
    for number in range(count):
        now_s = number * step_s
        frontier.push(Item(number, "", f"host-{number}"))
        item = frontier.pop(now_s)
        assert item is not None
        frontier.release(item.host, now_s)
        hosts_max = max(hosts_max, frontier.host_count)
    return hosts_max


def test_memory_does_not_grow_with_distinct_hosts() -> None:
    assert run_distinct_hosts(20_000, None, 0.0) <= IDLE_HOSTS_MAX + 1


@pytest.mark.slow
def test_memory_does_not_grow_with_a_million_distinct_hosts() -> None:
    assert run_distinct_hosts(1_000_000, None, 0.0) <= IDLE_HOSTS_MAX + 1


def test_memory_under_a_host_rate_is_that_of_the_hosts_the_rate_must_remember() -> None:
    # 1/s at 5,000 hosts a second: 5,000 are inside their interval, and none of the rest may be kept for long
    assert run_distinct_hosts(40_000, Rate(1), 1 / 5000) <= 2 * 5000 + IDLE_HOSTS_MAX


def test_hosts_that_failed_to_be_forgotten_are_forgotten_later() -> None:
    limiter = FixedLimiter(1)
    frontier = Frontier(limiter_of=lambda host: limiter, global_limiter=limiter)
    for number in range(10_000):
        frontier.pause_host(f"paused-{number}", 10.0)
    assert frontier.host_count == 10_000
    for number in range(12_000):
        frontier.push(Item(number, "", f"host-{number}"))
        assert frontier.pop(11.0) is not None
        frontier.release(f"host-{number}", 11.0)
    assert frontier.host_count <= IDLE_HOSTS_MAX
