"""What the frontier costs per item: one push, one pop and one release, in µs, for several numbers of hosts.

A plain script: `python benchmarks/micro/frontier.py`. Prints the median and the range of `REPEATS` rounds of `ITEMS`
items each, on one core, with the read-ahead window full. What the cost may grow with is tested by counting, not here.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections import deque

from penstock.model import Item
from penstock.policy.concurrency import FixedLimiter
from penstock.policy.frontier import Frontier
from penstock.policy.rate import Rate

ITEMS = 100_000
REPEATS = 9
GLOBAL_LIMIT = 500


def seconds_per_item(hosts: int, host_limit: int, rate: Rate | None, rate_per_host: Rate | None) -> float:
    """Push, pop and release `ITEMS` items, keeping `GLOBAL_LIMIT` in flight and four times as many queued."""
    shared = FixedLimiter(host_limit)
    frontier = Frontier(
        limiter_of=lambda host: shared,
        global_limiter=FixedLimiter(GLOBAL_LIMIT),
        rate=rate,
        rate_per_host=rate_per_host,
    )
    items = [Item(number, "", f"http://host-{number % hosts}") for number in range(ITEMS)]
    for item in items[: 4 * GLOBAL_LIMIT]:
        frontier.push(item)
    in_flight: deque[Item] = deque()
    while (started := frontier.pop(0.0)) is not None:
        in_flight.append(started)
    now_s = 0.0
    begin_s = time.perf_counter()
    for item in items:
        now_s += 0.0001
        frontier.release(in_flight.popleft().host, now_s)
        frontier.push(item)
        started = frontier.pop(now_s)
        assert started is not None
        in_flight.append(started)
    return (time.perf_counter() - begin_s) / ITEMS


def main() -> None:
    fast = Rate(1e6, burst=100_000)
    print(f"Python {platform.python_version()}, {platform.machine()}, {REPEATS} rounds of {ITEMS:,} items")
    for name, hosts, host_limit, rate, rate_per_host in [
        ("1 host", 1, GLOBAL_LIMIT, None, None),
        ("8 hosts", 8, GLOBAL_LIMIT, None, None),
        ("500 hosts, all at their limit", 500, 1, None, None),
        ("1,000 hosts", 1000, GLOBAL_LIMIT, None, None),
        ("100,000 hosts, seen once each", ITEMS, GLOBAL_LIMIT, None, None),
        ("8 hosts, global and host rate", 8, GLOBAL_LIMIT, fast, fast),
    ]:
        rounds = [seconds_per_item(hosts, host_limit, rate, rate_per_host) * 1e6 for _ in range(REPEATS)]
        print(f"{name:32s} {statistics.median(rounds):5.2f} µs per item ({min(rounds):.2f} to {max(rounds):.2f})")


if __name__ == "__main__":
    main()
