"""The frontier against a naive model that recomputes everything from scratch at every step.

Times are multiples of 1/64 s and rates are powers of two, so that model and frontier agree to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.model import Item
from penstock.policy.concurrency import Sample
from penstock.policy.frontier import Frontier
from penstock.policy.rate import Rate

HOSTS = ("a", "b", "c", "d")
hosts = st.sampled_from(HOSTS)
limits = st.integers(1, 6)
durations_s = st.integers(0, 256).map(lambda ticks: ticks / 64)
rates = st.sampled_from([None, None, None, Rate(8, burst=3), Rate(4, burst=2), Rate(16, burst=5)])


@dataclass
class AdjustableLimiter:
    value: int

    def limit(self) -> int:
        return self.value

    def observe(self, sample: Sample, now_s: float) -> None:
        pass


@dataclass
class LeakyBucket:
    """The other form of GCRA in ITU-T I.371, continuous-state: written down independently to check the frontier's."""

    rate: Rate | None
    level_s: float = 0.0
    last_s: float = -math.inf
    starts_s: list[float] = field(default_factory=list)

    def earliest_s(self) -> float:
        if self.rate is None or self.last_s == -math.inf:
            return -math.inf
        return self.last_s + self.level_s - self.rate.tolerance_s

    def take(self, now_s: float) -> None:
        if self.rate is None:
            return
        self.level_s = max(0.0, self.level_s - (now_s - self.last_s)) + self.rate.interval_s
        self.last_s = now_s
        self.starts_s.append(now_s)
        for count, start_s in enumerate(reversed(self.starts_s), 1):
            assert count <= 1 + self.rate.per_s * (now_s - start_s + self.rate.tolerance_s)


class FrontierMachine(RuleBasedStateMachine):
    @initialize(rate=rates, rate_per_host=rates, global_limit=limits, host_limit=limits)
    def start(self, rate: Rate | None, rate_per_host: Rate | None, global_limit: int, host_limit: int) -> None:
        self.limiters = {host: AdjustableLimiter(host_limit) for host in HOSTS}
        self.global_limiter = AdjustableLimiter(global_limit)
        self.frontier = Frontier(
            limiter_of=self.limiters.__getitem__,
            global_limiter=self.global_limiter,
            rate=rate,
            rate_per_host=rate_per_host,
            idle_hosts_max=1,  # so that forgetting a host is part of the game
        )
        self.now_s = 0.0
        self.next_id = 0
        self.queued: list[Item] = []
        self.delayed: list[tuple[float, Item]] = []
        self.deferred: list[tuple[float, Item]] = []
        self.in_flight: list[Item] = []
        self.paused_until_s = dict.fromkeys(HOSTS, -math.inf)
        self.global_bucket = LeakyBucket(rate)
        self.buckets = {host: LeakyBucket(rate_per_host) for host in HOSTS}
        # passed_over[host][other]: how often `other` was served since `host` could have been
        self.passed_over: dict[str, dict[str, int]] = {host: {} for host in HOSTS}

    # --- the model ---

    def running(self, host: str) -> int:
        return sum(item.host == host for item in self.in_flight)

    def share(self) -> int:
        return math.ceil(self.global_limiter.value / 2)

    def earliest_s(self, host: str) -> float:
        """When the host could start an item if nothing but time happens; inf if never."""
        ready_s = [due_s for due_s, item in self.delayed if item.host == host]
        if any(item.host == host for item in self.queued):
            ready_s.append(-math.inf)
        if not ready_s or self.running(host) >= self.limiters[host].value:
            return math.inf
        if len(self.in_flight) >= self.global_limiter.value:
            return math.inf
        gates_s = (self.global_bucket.earliest_s(), self.buckets[host].earliest_s(), self.paused_until_s[host])
        return max(min(ready_s), *gates_s)

    def take(self, item: Item) -> None:
        """Check one item that the frontier let start, and move it in the model."""
        host = item.host
        able = {other for other in HOSTS if self.earliest_s(other) <= self.now_s}
        assert host in able, "started although at a limit, paused, paced or not due"
        if self.running(host) >= self.share():
            assert able == {host}, "took more than its share while another host could go"
        due = [waiting for due_s, waiting in self.delayed if waiting.host == host and due_s <= self.now_s]
        if due:
            assert any(item is waiting for waiting in due), "an item that is due goes before the queue"
            self.delayed = [(due_s, waiting) for due_s, waiting in self.delayed if waiting is not item]
        else:
            assert item is next(waiting for waiting in self.queued if waiting.host == host), "first in, first out"
            self.queued = [waiting for waiting in self.queued if waiting is not item]
        for other in HOSTS:
            if other == host or other not in able or self.running(other) >= self.share():
                self.passed_over[other] = {}
            else:
                counts = self.passed_over[other]
                counts[host] = counts.get(host, 0) + 1
                assert counts[host] <= 1, f"{host} was served twice while {other} could go"
        self.in_flight.append(item)
        self.global_bucket.take(self.now_s)
        self.buckets[host].take(self.now_s)

    # --- what may happen ---

    @rule(host=hosts, count=st.integers(1, 4))
    def push(self, host: str, count: int) -> None:
        for _ in range(count):
            item = Item(self.next_id, "", host)
            self.next_id += 1
            self.queued.append(item)
            self.frontier.push(item)

    @rule(count=st.integers(1, 6))
    def pop(self, count: int) -> None:
        for _ in range(count):
            item = self.frontier.pop(self.now_s)
            if item is None:
                self.check_idle()
                return
            self.take(item)

    def check_idle(self) -> None:
        """`pop` returned None: rightly so, and `next_due_s` leads to the next start without ever standing still."""
        earliest_s = min(self.earliest_s(host) for host in HOSTS)
        assert earliest_s > self.now_s, "refused although a host could go"
        for _ in range(100):
            due_s = self.frontier.next_due_s()
            if earliest_s == math.inf and due_s is None:
                return
            assert due_s is not None, "an item waits on time alone"
            assert due_s > self.now_s, "the time given did not move"
            assert due_s <= earliest_s, "the time given is too late"
            self.now_s = due_s
            item = self.frontier.pop(due_s)
            if item is not None:
                self.take(item)
                return
        raise AssertionError("next_due_s never led anywhere")

    @rule(step_s=durations_s)
    def wait(self, step_s: float) -> None:
        self.now_s += step_s

    @precondition(lambda self: self.in_flight)
    @rule(
        data=st.data(),
        limit=st.none() | limits,
        global_limit=st.none() | limits,
        ending=st.sampled_from(["done", "delay", "defer"]),
    )
    def end_attempt(self, data: st.DataObject, limit: int | None, global_limit: int | None, ending: str) -> None:
        item = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        self.limiters[item.host].value = limit or self.limiters[item.host].value
        self.global_limiter.value = global_limit or self.global_limiter.value
        is_released_first = data.draw(st.booleans())
        if is_released_first:
            self.frontier.release(item.host, self.now_s)
        if ending == "delay":
            due_s = self.now_s + data.draw(durations_s)
            self.delayed.append((due_s, item))
            self.frontier.delay(item, due_s)
        elif ending == "defer":
            delay_s = data.draw(durations_s)
            self.deferred.append((delay_s, item))
            self.frontier.defer(item, delay_s)
        if not is_released_first:
            self.frontier.release(item.host, self.now_s)

    @rule(host=hosts, step_s=durations_s)
    def pause(self, host: str, step_s: float) -> None:
        until_s = self.now_s + step_s
        self.paused_until_s[host] = max(self.paused_until_s[host], until_s)
        self.frontier.pause_host(host, until_s)

    @rule()
    def end_of_input(self) -> None:
        count = len(self.deferred)
        self.delayed += [(self.now_s + delay_s, item) for delay_s, item in self.deferred]
        self.deferred = []
        assert self.frontier.requeue_deferred(self.now_s) == count

    # --- what always holds ---

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "frontier"):
            return
        assert len(self.frontier) == len(self.queued) + len(self.delayed) + len(self.deferred)
        assert self.frontier.in_flight == len(self.in_flight)
        assert self.frontier.deferred_count == len(self.deferred)
        views = {view.host: view for view in self.frontier.hosts()}
        for host in HOSTS:
            assert self.frontier.in_flight_of(host) == self.running(host)
            here = sum(item.host == host for item in self.queued)
            here += sum(item.host == host for _, item in self.delayed)
            view = views.get(host)
            assert here == (0 if view is None else view.queued + view.delayed)

    def teardown(self) -> None:
        """Whatever happened before: everything ends exactly once."""
        if not hasattr(self, "frontier"):
            return
        self.end_of_input()
        expected = {item.id for item in self.queued + self.in_flight} | {item.id for _, item in self.delayed}
        ended = set()
        for _ in range(10_000):
            while self.in_flight:
                item = self.in_flight.pop()
                assert item.id not in ended, "an item ended twice"
                ended.add(item.id)
                self.frontier.release(item.host, self.now_s)
            item_or_none = self.frontier.pop(self.now_s)
            if item_or_none is not None:
                self.take(item_or_none)
            elif len(self.frontier) == 0:
                break
            else:
                self.check_idle()
        assert ended == expected, "an item was lost"
        assert self.frontier.next_due_s() is None


TestFrontier = FrontierMachine.TestCase
TestFrontier.settings = settings(max_examples=100, stateful_step_count=40)
