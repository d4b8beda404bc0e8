"""What a run has done so far, as plain integers that the engine bumps; every reader derives the rest from here.

No clock, no I/O, no lock: one event loop writes. The rule: `pending` is never stored, so admitted = written + failed +
skipped + pending cannot drift, and `check_accounting` compares it with what the engine itself still holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from penstock.errors import Bug
from penstock.model import Failure, FailureKind
from penstock.telemetry.format import printable
from penstock.telemetry.histogram import Histogram

OTHER_HOSTS = "(other)"
HOSTS_MAX = 1_000
_MESSAGE_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier epochs of the same run had finished when this process started. Items; `failures` by kind.

    `failures` may be empty when the ledger does not tell kinds; then they are not shown.
    """

    written: int = 0
    failed: int = 0
    skipped: int = 0
    failures: Mapping[FailureKind, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.written + self.failed + self.skipped


@dataclass(frozen=True, slots=True)
class Example:
    """The first item that failed in some way. Safe to show: no userinfo, no control characters, one line each."""

    item_id: int
    url: str
    message: str


@dataclass(slots=True)
class HostCounters:
    """One host's attempts: complete answers, attempts that failed, of these the throttled (429, 503); decoded bytes.

    `ttfb_sum_s` is over the answers.
    """

    answers: int = 0
    failures: int = 0
    throttled: int = 0
    bytes_body: int = 0
    ttfb_sum_s: float = 0.0

    @property
    def ttfb_s_mean(self) -> float | None:
        return self.ttfb_sum_s / self.answers if self.answers else None


class Counters:
    """The run's counters. Bump the integers directly; the methods are for what has more than one part.

    Items of the whole run: `admitted`, and once durable `written`, `failed`, `skipped`; these four begin with the
    earlier epochs' items. All others count this process only. `ended`: items that have an outcome, durable or on the
    way to the sink (`item_failed` bumps it; for written and skipped items the engine does). `deferred`: times an item
    was put off to the end of the run. `records`: rows made of written items. `attempts`: ended tries (`success` and
    `attempt_failed` bump it); `retries`; `throttled`: attempts answered 429 or 503. `bytes_body`: decoded.
    `bytes_durable` and `shards`: in committed files. `failures` counts items given up, by kind, when they are given up,
    hence before `failed`; `examples` holds the first of each kind. `ttfb`, `total`: seconds of successful attempts.
    """

    __slots__ = (
        "_hosts_max",
        "admitted",
        "answers",
        "attempts",
        "body",
        "body_sum_s",
        "bytes_body",
        "bytes_durable",
        "connect",
        "connect_sum_s",
        "connects",
        "deferred",
        "dns",
        "dns_sum_s",
        "earlier",
        "ended",
        "examples",
        "failed",
        "failures",
        "hosts",
        "process_s",
        "records",
        "retries",
        "shards",
        "skipped",
        "throttled",
        "tls",
        "tls_sum_s",
        "total",
        "total_sum_s",
        "ttfb",
        "ttfb_sum_s",
        "written",
    )

    def __init__(self, earlier: Earlier | None = None, *, hosts_max: int = HOSTS_MAX) -> None:
        """`earlier`: what the ledger holds when a run is resumed. At most `hosts_max` hosts get a row of their own."""
        self.earlier = earlier or Earlier()
        self.admitted = self.earlier.done
        self.written = self.earlier.written
        self.failed = self.earlier.failed
        self.skipped = self.earlier.skipped
        self.ended = 0
        self.records = 0
        self.attempts = 0
        self.answers = 0
        self.connects = 0
        self.retries = 0
        self.deferred = 0
        self.throttled = 0
        self.bytes_body = 0
        self.bytes_durable = 0
        self.shards = 0
        self.failures: dict[FailureKind, int] = dict(self.earlier.failures)
        self.examples: dict[FailureKind, Example] = {}
        self.hosts: dict[str, HostCounters] = {}
        self.dns, self.connect, self.tls = Histogram(), Histogram(), Histogram()
        self.ttfb, self.body, self.total = Histogram(), Histogram(), Histogram()
        self.dns_sum_s = self.connect_sum_s = self.tls_sum_s = 0.0
        self.ttfb_sum_s = self.body_sum_s = self.total_sum_s = 0.0
        self.process_s = 0.0
        self._hosts_max = hosts_max

    def success(
        self,
        host: str,
        body_bytes: int,
        ttfb_s: float,
        total_s: float,
        connecting_s: tuple[float, float, float] | None = None,
    ) -> None:
        """An attempt ended with a complete answer. Once per item, hot: 0.8 µs.

        `connecting_s`: seconds of name lookup, connection and TLS when a new connection was made, else None.
        """
        row = self.hosts.get(host) or self._add_host(host)
        self.attempts += 1
        self.answers += 1
        self.bytes_body += body_bytes
        row.answers += 1
        row.bytes_body += body_bytes
        row.ttfb_sum_s += ttfb_s
        body_s = total_s - ttfb_s
        if connecting_s is not None:
            body_s -= self._connected(*connecting_s)
        if body_s < 0.0:  # noqa: PLR1730 - max() costs 60 ns more, on every attempt
            body_s = 0.0
        self.ttfb_sum_s += ttfb_s
        self.body_sum_s += body_s
        self.total_sum_s += total_s
        self.ttfb.record(ttfb_s)
        self.body.record(body_s)
        self.total.record(total_s)

    def _connected(self, dns_s: float, connect_s: float, tls_s: float) -> float:
        self.connects += 1
        self.dns_sum_s += dns_s
        self.connect_sum_s += connect_s
        self.tls_sum_s += tls_s
        self.dns.record(dns_s)
        self.connect.record(connect_s)
        if tls_s:
            self.tls.record(tls_s)
        return dns_s + connect_s + tls_s

    def attempt_failed(self, host: str, failure: Failure) -> None:
        """An attempt ended with a failure, whether it will be repeated or not."""
        row = self.hosts.get(host) or self._add_host(host)
        self.attempts += 1
        row.failures += 1
        if failure.http_status in (429, 503):
            self.throttled += 1
            row.throttled += 1

    def item_failed(self, item_id: int, url: str, failure: Failure) -> None:
        """An item was given up (its dead letter is on the way to the sink); `failed` counts it once it is durable."""
        self.ended += 1
        kind = failure.kind
        self.failures[kind] = self.failures.get(kind, 0) + 1
        if kind not in self.examples:
            message = printable(failure.message, _MESSAGE_CHARACTERS_MAX)
            self.examples[kind] = Example(item_id, printable(url, _MESSAGE_CHARACTERS_MAX), message)

    @property
    def done(self) -> int:
        """Items that are durable in one of the three ways, in all epochs."""
        return self.written + self.failed + self.skipped

    @property
    def done_here(self) -> int:
        """Items made durable by this process."""
        return self.done - self.earlier.done

    @property
    def ended_ever(self) -> int:
        """Items that have an outcome, in all epochs: what the progress bar shows. Grows item by item, not by shards."""
        return self.earlier.done + self.ended

    @property
    def pending(self) -> int:
        """Admitted and not yet durable in any way."""
        return self.admitted - self.written - self.failed - self.skipped

    def busiest_hosts(self, limit: int) -> list[tuple[str, HostCounters]]:
        """The `limit` hosts with the most attempts, most first; the folded rest, if any, last. Up to 0.3 ms."""
        rows: Iterable[tuple[str, HostCounters]] = (pair for pair in self.hosts.items() if pair[0] != OTHER_HOSTS)
        busiest = sorted(rows, key=lambda pair: pair[1].answers + pair[1].failures, reverse=True)[:limit]
        other = self.hosts.get(OTHER_HOSTS)
        return [*busiest, (OTHER_HOSTS, other)] if other else busiest

    def check_accounting(self, held: int | None = None) -> None:
        """Raise Bug when the counters cannot all be true; `held` as in `accounting_problem`."""
        problem = self.accounting_problem(held)
        if problem:
            raise Bug(problem, hint="`penstock verify OUT` compares the ledger with the shards; please report this")

    def accounting_problem(self, held: int | None = None) -> str:
        """Why the counters cannot all be true, or an empty string. `held`: admitted items that the engine still holds.

        `held` is counted elsewhere (credits out), so comparing it with `pending` finds a lost or twice-counted item.
        """
        problems: list[str] = []
        earlier = self.earlier
        for name, now, before in (
            ("written", self.written, earlier.written),
            ("failed", self.failed, earlier.failed),
            ("skipped", self.skipped, earlier.skipped),
        ):
            if now < before:
                problems.append(f"{name} {now} is below the {before} of earlier runs")
        if self.pending < 0:
            problems.append(f"pending is {self.pending}")
        elif held is not None and held != self.pending:
            problems.append(f"pending is {self.pending} but the engine holds {held} items")
        admitted_here = self.admitted - earlier.done
        if not self.done_here <= self.ended <= admitted_here:
            problems.append(
                f"{self.ended} items ended here, but {self.done_here} are durable of {admitted_here} admitted"
            )
        given_up = sum(self.failures.values()) - sum(earlier.failures.values())
        failed_here = self.failed - earlier.failed
        if failed_here > given_up:
            problems.append(f"{failed_here} dead letters are durable but {given_up} items were given up")
        if not problems:
            return ""
        return (
            f"accounting: expected admitted {self.admitted} = written {self.written} + failed {self.failed}"
            f" + skipped {self.skipped} + pending {self.pending}, each right; got: {'; '.join(problems)}"
        )

    def _add_host(self, host: str) -> HostCounters:
        name = host if len(self.hosts) < self._hosts_max else OTHER_HOSTS
        return self.hosts.setdefault(name, HostCounters())
