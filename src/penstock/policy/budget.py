"""How many retries a run may spend: a share of its successes, per host and over all hosts.

Decides only whether there are tokens; what happens without (the item is deferred, never dropped) is `retry.decide`'s
business. A retry costs one token, a success earns a tenth: in the long run at most one retry for ten successes.
The rule: both buckets pay, and a retry that either cannot pay for is not made.
"""

from __future__ import annotations

from penstock.errors import ConfigError

# Hundredths of a token, so that sums are exact.
_TOKEN = 100
_EARNED = 10  # +0.1 per success: gRPC A6, tokenRatio 0.1; also the 10 % per-client retry ratio of the Google SRE book
_RETRY_COST = _TOKEN  # −1 per retry: gRPC A6
_THROTTLED_COST = 36  # −0.36: botocore charges 5 for a throttled retry where others cost 14; 5/14 = 0.357


class RetryBudget:
    """Tokens per host and for the run. Both start full: the first failures of a run may be retried.

    `host_tokens_max` is gRPC A6's example, maxTokens = 10 for each server name (there retries stop at half of it; here
    at nothing). `global_tokens_max` is ten times that, so that a few dead hosts cannot take the retries of the healthy;
    for comparison, one botocore client, which talks to one service, holds 500/14 = 36 retries.

    Memory: only hosts below their maximum are kept, at most `hosts_max`; beyond it the one that spent longest ago
    counts as full again. Cost: O(1) per call, about 0.1 µs for a success while nothing was spent.
    """

    __slots__ = ("_global", "_global_max", "_host_max", "_hosts", "_hosts_max")

    def __init__(self, *, host_tokens_max: int = 10, global_tokens_max: int = 100, hosts_max: int = 100_000) -> None:
        if min(host_tokens_max, global_tokens_max) < 0 or hosts_max < 1:
            raise ConfigError(
                "expected retry budgets of 0 or more and at least one host remembered, "
                f"got {host_tokens_max} per host, {global_tokens_max} globally, {hosts_max} hosts"
            )
        self._host_max = host_tokens_max * _TOKEN
        self._global_max = global_tokens_max * _TOKEN
        self._hosts_max = hosts_max
        self._global = self._global_max
        self._hosts: dict[str, int] = {}  # in the order of their last spending

    def allows(self, host: str, *, is_throttled: bool) -> bool:
        """True when both buckets hold a retry's price. Takes nothing."""
        cost = _THROTTLED_COST if is_throttled else _RETRY_COST
        return self._global >= cost and self._hosts.get(host, self._host_max) >= cost

    def spend(self, host: str, *, is_throttled: bool) -> None:
        """Pay for a retry that `allows` has granted. Never goes below nothing."""
        cost = _THROTTLED_COST if is_throttled else _RETRY_COST
        self._global = max(0, self._global - cost)
        self._hosts[host] = max(0, self._hosts.pop(host, self._host_max) - cost)
        if len(self._hosts) > self._hosts_max:
            del self._hosts[next(iter(self._hosts))]

    def record_success(self, host: str) -> None:
        """Earn a tenth of a token for the host and for the run, up to their maxima."""
        if self._global < self._global_max:
            self._global = min(self._global_max, self._global + _EARNED)
        tokens = self._hosts.get(host)
        if tokens is not None:
            tokens += _EARNED
            if tokens >= self._host_max:
                del self._hosts[host]
            else:
                self._hosts[host] = tokens

    def tokens_of(self, host: str) -> float:
        """Retries left for the host."""
        return self._hosts.get(host, self._host_max) / _TOKEN

    @property
    def global_tokens(self) -> float:
        """Retries left for the run."""
        return self._global / _TOKEN

    @property
    def host_count(self) -> int:
        """How many hosts are remembered: those below their maximum."""
        return len(self._hosts)
