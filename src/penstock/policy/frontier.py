"""Who may go next: a queue per host, ready hosts in a ring, everything that waits on time in one heap.

Decides order and moment only; it starts nothing and reads no clock. A host is in exactly one state:

| state  | meaning                                   | leaves when                                   |
|--------|-------------------------------------------|-----------------------------------------------|
| IDLE   | nothing queued                            | an item is pushed or falls due                |
| READY  | in the ring (may prove blocked on its turn) | its turn comes                              |
| FULL   | queued, but at its limit                  | `release`                                     |
| PARKED | queued, but paused or paced               | its entry in the heap fires                   |

The rule: a blocked host is not in the ring after its turn, so `pop` never scans hosts that cannot go.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from penstock.errors import Bug
from penstock.model import Item
from penstock.policy.concurrency import Limiter, Sample
from penstock.policy.rate import Gcra, Rate

IDLE_HOSTS_MAX: Final = 1024
_IDLE, _READY, _FULL, _PARKED = range(4)


@dataclass(frozen=True, slots=True)
class HostView:
    """One row of the per-host table: counts of items; `paused_until_s` (monotonic) is None unless paused now."""

    host: str
    queued: int
    delayed: int
    in_flight: int
    limit: int
    paused_until_s: float | None


class _Host:
    __slots__ = ("delayed", "gate", "in_flight", "limiter", "name", "paused_until_s", "queue", "retries", "state")

    def __init__(self, name: str, limiter: Limiter, gate: Gcra | None) -> None:
        self.name = name
        self.limiter = limiter
        self.gate = gate
        self.queue: deque[Item] = deque()
        self.retries: deque[Item] | None = None  # due again: served before `queue`, oldest first
        self.in_flight = 0
        self.delayed = 0
        self.paused_until_s = -math.inf
        self.state = _IDLE


class Frontier:
    """Deals out items fairly over hosts, within limits and rates. Not thread-safe: one event loop owns it.

    Order: deficit round-robin with a quantum of one item (Shreedhar and Varghese, 1995). As every item costs one, no
    deficit is ever left over and this is plain round-robin over the hosts that can go. Inside a host: first in, first
    out, except that items whose delay has passed come first.

    Share: while another host can go, no host is given more than half of the global limit, rounded up. Alone it may
    take all; what it holds is then not taken back, but it gets nothing more until it is under its half again.

    Cost: `push`, `pop` and `release` are O(1) amortised in the number of hosts: each futile look at a blocked host
    takes it out of the ring and is paid for by the one event that put it there. A wait costs O(log waiting).
    Memory: O(items held + hosts with something to remember), plus `idle_hosts_max` idle hosts kept to be found again.
    """

    def __init__(
        self,
        *,
        limiter_of: Callable[[str], Limiter],
        global_limiter: Limiter,
        rate: Rate | None = None,
        rate_per_host: Rate | None = None,
        idle_hosts_max: int = IDLE_HOSTS_MAX,
    ) -> None:
        self._limiter_of = limiter_of
        self._global_limiter = global_limiter
        self._gate = None if rate is None else Gcra(rate)
        self._rate_per_host = rate_per_host
        self._idle_hosts_max = idle_hosts_max
        self._hosts: dict[str, _Host] = {}
        self._ring: deque[_Host] = deque()
        # (due_s, tie-breaker, host, item), with None for the item when the host itself is parked. No entry is ever
        # stale: a parked host has exactly one, and as pauses and pacing only move later, an early one is put back.
        self._timers: list[tuple[float, int, _Host, Item | None]] = []
        self._timer_count = 0
        self._idle: dict[str, _Host] = {}  # hosts with no item anywhere, in the order in which they fell idle
        self._deferred: list[tuple[Item, float]] = []
        self._queued = 0
        self._delayed = 0
        self._in_flight = 0
        self._full_hosts = 0
        self._parked_hosts = 0
        self._now_s = 0.0  # the latest time seen

    def push(self, item: Item) -> None:
        """Queue an item behind those of its host. O(1)."""
        host = self._hosts.get(item.host)
        if host is None or host.name in self._idle:
            host = self._get(item.host)
        host.queue.append(item)
        self._queued += 1
        if host.state == _IDLE:
            host.state = _READY
            self._ring.append(host)

    def pop(self, now_s: float) -> Item | None:
        """The next item allowed to start at `now_s`, now counted in flight; None if none is (see `next_due_s`)."""
        self._now_s = now_s
        timers = self._timers
        if timers and timers[0][0] <= now_s:
            self._fire(now_s)
        limit = self._global_limiter.limit()
        gate = self._gate
        if self._in_flight >= limit or (gate is not None and now_s < gate.earliest_s()):
            return None
        host = self._next_host(now_s, (limit + 1) >> 1)
        if host is None:
            return None
        item = host.retries.popleft() if host.retries else host.queue.popleft()
        host.in_flight += 1
        self._in_flight += 1
        self._queued -= 1
        if gate is not None:
            gate.take(now_s)
        if host.gate is not None:
            host.gate.take(now_s)
        if host.queue or host.retries:
            self._ring.append(host)
        else:
            host.state = _IDLE
        return item

    def release(self, host_name: str, now_s: float) -> None:
        """An attempt on the host ended: its permit comes back. Exactly once for each item popped; else raises Bug."""
        host = self._hosts.get(host_name)
        if host is None or host.in_flight == 0:
            raise Bug(f"released a permit of {host_name!r}, which has none in flight")
        host.in_flight -= 1
        self._in_flight -= 1
        if host.state == _FULL:
            if host.in_flight < host.limiter.limit():
                host.state = _READY
                self._full_hosts -= 1
                self._ring.append(host)
        elif host.in_flight == 0 and host.state == _IDLE and host.delayed == 0:
            self._idle[host_name] = host
            if len(self._idle) > self._idle_hosts_max:
                self._evict(now_s)

    def observe(self, host_name: str, sample: Sample, now_s: float) -> None:
        """Tell the host's limiter and the global one how an attempt ended. Call it just before `release`."""
        host = self._hosts.get(host_name)
        if host is None or host.in_flight == 0:
            raise Bug(f"observed an attempt on {host_name!r}, which has none in flight")
        sample.in_flight = host.in_flight
        host.limiter.observe(sample, now_s)
        sample.in_flight = self._in_flight
        self._global_limiter.observe(sample, now_s)

    def delay(self, item: Item, due_s: float) -> None:
        """Keep an item back until `due_s` (monotonic), then put it ahead of its host's queue. Holds no permit."""
        if math.isnan(due_s):
            raise Bug(f"item {item.id} was delayed until NaN, which would break the heap's order")
        host = self._get(item.host)
        host.delayed += 1
        self._delayed += 1
        self._add_timer(due_s, host, item)

    def pause_host(self, host_name: str, until_s: float) -> None:
        """Start nothing on the host before `until_s` (monotonic). A later pause wins; none is ever shortened."""
        host = self._hosts.get(host_name)
        if host is None:
            host = self._get(host_name)
            self._idle[host_name] = host
        host.paused_until_s = max(host.paused_until_s, until_s)

    def defer(self, item: Item, delay_s: float) -> None:
        """Keep an item aside until `requeue_deferred`, and from then on for `delay_s` more."""
        self._deferred.append((item, delay_s))

    def requeue_deferred(self, now_s: float) -> int:
        """When nothing else is left: delay what was deferred, each by its own. Returns how many there were."""
        deferred, self._deferred = self._deferred, []
        for item, delay_s in deferred:
            self.delay(item, now_s + delay_s)
        return len(deferred)

    def next_due_s(self) -> float | None:
        """After `pop` returned None: when to call it again (monotonic), unless a push or release comes first.

        None means that no passing of time will help. At the time given, `pop` returns an item or the time moves later.
        """
        if self._in_flight >= self._global_limiter.limit():
            return None
        if self._ring:
            due_s = self._now_s
        elif self._timers:
            due_s = self._timers[0][0]
        else:
            return None
        return due_s if self._gate is None else max(due_s, self._gate.earliest_s())

    def __len__(self) -> int:
        """Items held: queued, delayed and deferred. Those in flight are not among them."""
        return self._queued + self._delayed + len(self._deferred)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def queued_count(self) -> int:
        """Items that wait for a permit or for their host, not for a time of their own."""
        return self._queued

    @property
    def full_hosts(self) -> int:
        """Hosts with items queued that were at their limit when their turn came."""
        return self._full_hosts

    @property
    def parked_hosts(self) -> int:
        """Hosts with items queued that a pause or their rate holds back."""
        return self._parked_hosts

    def is_rate_closed(self, now_s: float) -> bool:
        """Whether the run's own rate allows no start at `now_s`."""
        return self._gate is not None and now_s < self._gate.earliest_s()

    @property
    def deferred_count(self) -> int:
        return len(self._deferred)

    @property
    def delayed_count(self) -> int:
        return self._delayed

    @property
    def host_count(self) -> int:
        """How many hosts are remembered, busy or idle: what the memory of the frontier grows with."""
        return len(self._hosts)

    def in_flight_of(self, host_name: str) -> int:
        host = self._hosts.get(host_name)
        return 0 if host is None else host.in_flight

    def hosts(self) -> Iterator[HostView]:
        """A row for each host that holds items or is paused. O(hosts remembered): for the screen, not the hot path."""
        for host in tuple(self._hosts.values()):
            queued = len(host.queue) + len(host.retries or ())
            paused_until_s = host.paused_until_s if host.paused_until_s > self._now_s else None
            if queued or host.delayed or host.in_flight or paused_until_s is not None:
                yield HostView(host.name, queued, host.delayed, host.in_flight, host.limiter.limit(), paused_until_s)

    def _next_host(self, now_s: float, share: int) -> _Host | None:
        """Take from the ring the first host that may start an item now; hosts that prove blocked leave the ring.

        At most one host can be over its share here: two would fill the global limit, and `pop` has checked that.
        """
        ring = self._ring
        over_share: _Host | None = None
        while ring:
            host = ring.popleft()
            if host.in_flight >= host.limiter.limit():
                host.state = _FULL
                self._full_hosts += 1
            elif host.paused_until_s > now_s or (host.gate is not None and host.gate.earliest_s() > now_s):
                self._park(host)
            elif host.in_flight >= share and ring and over_share is None:
                over_share = host
            else:
                if over_share is not None:
                    ring.append(over_share)
                return host
        return over_share

    def _park(self, host: _Host) -> None:
        host.state = _PARKED
        self._parked_hosts += 1
        due_s = host.paused_until_s
        if host.gate is not None:
            due_s = max(due_s, host.gate.earliest_s())
        self._add_timer(due_s, host, None)

    def _fire(self, now_s: float) -> None:
        """Handle every timer that is due at `now_s`."""
        timers = self._timers
        while timers and timers[0][0] <= now_s:
            _, _, host, item = heapq.heappop(timers)
            if item is not None:
                self._delayed -= 1
                host.delayed -= 1
                if host.retries is None:
                    host.retries = deque()
                host.retries.append(item)
                self._queued += 1
            # A parked host whose pause was prolonged meanwhile finds out on its turn, like any other in the ring.
            if item is None or host.state == _IDLE:
                self._parked_hosts -= item is None
                host.state = _READY
                self._ring.append(host)

    def _add_timer(self, due_s: float, host: _Host, item: Item | None) -> None:
        self._timer_count += 1  # keeps entries with equal times in order, and the heap from comparing hosts
        heapq.heappush(self._timers, (due_s, self._timer_count, host, item))

    def _get(self, host_name: str) -> _Host:
        """The host's state, made if new, and no longer counted idle."""
        host = self._hosts.get(host_name)
        if host is None:
            gate = None if self._rate_per_host is None else Gcra(self._rate_per_host)
            host = self._hosts[host_name] = _Host(host_name, self._limiter_of(host_name), gate)
        else:
            self._idle.pop(host_name, None)
        return host

    def _evict(self, now_s: float) -> None:
        """Forget up to two of the longest idle hosts, unless a pause or their rate is still to be remembered.

        Two looks for each host that falls idle: the number kept shrinks again after many could not be forgotten.
        """
        for _ in range(2):
            if len(self._idle) <= self._idle_hosts_max:
                return
            host_name = next(iter(self._idle))
            host = self._idle.pop(host_name)
            if host.paused_until_s <= now_s and (host.gate is None or host.gate.is_full(now_s)):
                del self._hosts[host_name]
            else:
                self._idle[host_name] = host
