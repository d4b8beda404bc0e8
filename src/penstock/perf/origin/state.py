"""What the origin remembers between requests: virtual hosts, attempts, limiters, counters, and which script applies.

No sockets and no clock: the connection brings both. Everything kept here has a limit; over it the oldest entry goes.
"""

from __future__ import annotations

from collections import Counter
from email.utils import formatdate
from typing import TypeVar

from penstock.perf.origin.content import Content
from penstock.perf.origin.draw import draw
from penstock.perf.origin.limits import Bucket, Slots
from penstock.perf.origin.log import Entry, RequestLog
from penstock.perf.origin.scenario import Rule, Scenario
from penstock.perf.origin.script import Script, make_script, parse_query

Key = TypeVar("Key")
Value = TypeVar("Value")

HOSTS_MAX = 100_000
PATHS_MAX = 5_000_000
_SCRIPTS_MAX = 10_000
_LIMITERS_MAX = 100_000


class VirtualHost:
    """One host name (without port, lower case), or one local address where clients send no Host field."""

    __slots__ = ("_attempts", "inflight", "inflight_max", "name", "outcomes", "requests", "rules")

    def __init__(self, name: str, rules: tuple[Rule, ...]) -> None:
        self.name = name
        self.rules = rules
        self.inflight = 0
        self.inflight_max = 0
        self.requests = 0
        self.outcomes: Counter[str] = Counter()
        self._attempts: dict[str, int] = {}

    def begin(self, target: str) -> int:
        """Count a request for `target` (path with query) as in flight; return its attempt number, from 1."""
        self.requests += 1
        self.inflight += 1
        self.inflight_max = max(self.inflight_max, self.inflight)
        attempts = self._attempts
        attempt = attempts[target] = attempts.get(target, 0) + 1
        if attempt == 1 and len(attempts) > PATHS_MAX:
            del attempts[next(iter(attempts))]
        return attempt

    def reset(self) -> None:
        """Forget attempts and counters; what is in flight stays counted as such."""
        self.requests = 0
        self.inflight_max = self.inflight
        self.outcomes.clear()
        self._attempts.clear()


class OriginState:
    """Shared by every connection of one origin; one event loop, one thread."""

    def __init__(self, seed: int, scenario: Scenario, log: RequestLog | None, now_s: float) -> None:
        self.seed = seed
        self.content = Content(seed)
        self.log = log
        self.started_s = now_s
        self.connections = 0
        self.connections_open = 0
        self.accept_resets = 0
        self.complete = 0
        self.bytes_sent = 0
        self._scenario = scenario
        self._is_timed = any(rule.from_s > 0 or rule.until_s < float("inf") for rule in scenario.rules)
        self._hosts: dict[str, VirtualHost] = {}
        self._hosts_by_field: dict[bytes, VirtualHost] = {}
        self._scripts: dict[tuple[tuple[int, ...], str], Script | list[str]] = {}
        self._slots: dict[tuple[int, int, str], Slots] = {}
        self._buckets: dict[tuple[float, float, str], Bucket] = {}
        self._accepted: Counter[str] = Counter()
        self._date = (0, "")

    def find_host(self, host_field: bytes, local: str) -> VirtualHost:
        """The virtual host of a Host field as sent; empty: that of the local address."""
        key = host_field or local.encode("ascii")
        host = self._hosts_by_field.get(key)
        if host is None:
            name = strip_port(key.decode("latin-1")).lower()
            host = self._hosts.get(name)
            if host is None:
                host = self._hosts[name] = VirtualHost(name, self._scenario.rules_for_host(name))
                _drop_oldest(self._hosts, HOSTS_MAX)
            self._hosts_by_field[key] = host
            _drop_oldest(self._hosts_by_field, HOSTS_MAX)
        return host

    def find_script(self, host: VirtualHost, path: str, query: str, now_s: float) -> Script | list[str]:
        """The script of the rules that match and of the query, or what is wrong with the query."""
        rules = host.rules
        if rules:
            matching = tuple(index for index, rule in enumerate(rules) if rule.path is None or rule.path.match(path))
            if self._is_timed:
                elapsed_s = now_s - self.started_s
                matching = tuple(i for i in matching if rules[i].from_s <= elapsed_s < rules[i].until_s)
        else:
            matching = ()
        key = (tuple([id(rules[index]) for index in matching]), query)
        script = self._scripts.get(key)
        if script is None:
            values, errors = parse_query(query) if query else ({}, [])
            script = errors or make_script(*(rules[index].values for index in matching), values)
            self._scripts[key] = script
            _drop_oldest(self._scripts, _SCRIPTS_MAX)
        return script

    def take_token(self, script: Script, host: VirtualHost, now_s: float) -> float:
        """Seconds until the host's token bucket has one; 0.0 when one was taken, or when there is no bucket."""
        if (limit := script.limit) is None:
            return 0.0
        key = (limit.rate_per_s, limit.burst, host.name)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(limit.rate_per_s, limit.burst, now_s)
            _drop_oldest(self._buckets, _LIMITERS_MAX)
        return bucket.take(now_s)

    def find_slots(self, script: Script, host: VirtualHost) -> Slots | None:
        """The slots that the script names, shared by all requests with the same `slots`, `queue` and scope."""
        if script.slots is None:
            return None
        key = (script.slots, script.queue_max, host.name if script.scope == "host" else "")
        slots = self._slots.get(key)
        if slots is None:
            slots = self._slots[key] = Slots(script.slots, script.queue_max)
            _drop_oldest(self._slots, _LIMITERS_MAX)
        return slots

    def accept(self, local: str, now_s: float) -> bool:
        """Count a connection; False when the scenario wants it reset. Drawn per local address and connection there."""
        self.connections += 1
        self.connections_open += 1
        self._accepted[local] += 1
        host = self.find_host(b"", local)
        if not host.rules:
            return True
        script = self.find_script(host, "", "", now_s)
        if not isinstance(script, Script) or script.accept_reset == 0.0:
            return True
        if draw(self.seed, "accept", local, self._accepted[local]) >= script.accept_reset:
            return True
        self.accept_resets += 1
        return False

    def end(self, host: VirtualHost, entry: Entry) -> None:
        """Count a request that ended, and log it."""
        host.inflight -= 1
        host.outcomes[entry[8]] += 1
        self.bytes_sent += entry[10]
        self.complete += entry[11]
        if self.log is not None:
            self.log.append(entry)

    def format_date(self, wall_s: float) -> str:
        """The Date field's value, made once a second."""
        second = int(wall_s)
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    def reset(self, now_s: float) -> None:
        """Forget attempts, counters and limiters, and start the scenario's time again. The log file stays."""
        self.started_s = now_s
        self.connections = self.connections_open
        self.accept_resets = self.complete = self.bytes_sent = 0
        self._slots.clear()
        self._buckets.clear()
        self._accepted.clear()
        for host in self._hosts.values():
            host.reset()

    def stats(self) -> dict[str, object]:
        """Totals, and per host the requests, those in flight now and at most, and the outcomes. Ready for JSON."""
        hosts = [host for host in self._hosts.values() if host.requests or host.inflight]
        outcomes: Counter[str] = Counter()
        for host in hosts:
            outcomes.update(host.outcomes)
        return {
            "seed": self.seed,
            "connections": self.connections,
            "connections_open": self.connections_open,
            "accept_resets": self.accept_resets,
            "requests": sum(host.requests for host in hosts),
            "inflight": sum(host.inflight for host in hosts),
            "complete": self.complete,
            "bytes_sent": self.bytes_sent,
            "outcomes": dict(outcomes),
            "hosts": {
                host.name: {
                    "requests": host.requests,
                    "inflight": host.inflight,
                    "inflight_max": host.inflight_max,
                    "outcomes": dict(host.outcomes),
                }
                for host in hosts
            },
        }


def strip_port(authority: str) -> str:
    """`host` of `host`, `host:port` and `[v6]:port`."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _drop_oldest(entries: dict[Key, Value], entries_max: int) -> None:
    if len(entries) > entries_max:
        del entries[next(iter(entries))]
