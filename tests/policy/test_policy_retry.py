from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.model import FAILURE_KINDS, Failure, FailureKind, Item
from penstock.policy.retry import (
    RETRY_STATUSES,
    Decision,
    Defer,
    GiveUp,
    Retry,
    RetryPolicy,
    decide,
    is_retryable,
    is_throttled,
)

POLICY = RetryPolicy()
RESET = Failure("reset", "")


def item(attempts: int = 1, method: str = "GET") -> Item:
    return Item(0, "", "a", method=method, attempts=attempts)


def answer(status: int, retry_after_s: float | None = None) -> Failure:
    kind: FailureKind = "http_429" if status == 429 else "http_5xx" if status >= 500 else "http_4xx"
    return Failure(kind, "", http_status=status, server_retry_after_s=retry_after_s)


def decide_now(failure: Failure, of: Item, *, budget_allows: bool = True, policy: RetryPolicy = POLICY) -> Decision:
    return decide(policy, failure, of, budget_allows=budget_allows, rng=random.Random(1))


def test_exactly_the_documented_kinds_are_retryable() -> None:
    retryable = {kind for kind in FAILURE_KINDS if is_retryable(POLICY, Failure(kind, ""), "GET")}
    assert retryable == {
        "dns_temporary",
        "connect",
        "proxy",
        "reset",
        "truncated",
        "timeout_connect",
        "timeout_first_byte",
        "timeout_idle",
        "timeout_speed",
        "timeout_total",
    }


def test_exactly_the_documented_statuses_are_retryable() -> None:
    retryable = {status for status in range(300, 600) if is_retryable(POLICY, answer(status), "GET")}
    assert retryable == {408, 425, 429, 500, 502, 503, 504, 522, 524}


def test_more_statuses_can_be_added() -> None:
    policy = RetryPolicy(retry_statuses=RETRY_STATUSES | {404})
    assert isinstance(decide_now(answer(404), item(), policy=policy), Retry)
    assert isinstance(decide_now(answer(410), item(), policy=policy), GiveUp)


def test_a_redirect_loop_through_a_busy_server_is_not_retryable() -> None:
    assert not is_retryable(POLICY, Failure("redirects", "", http_status=503), "GET")


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT", "UNHEARD-OF"])
def test_an_unsafe_method_is_repeated_only_if_nothing_was_sent(method: str) -> None:
    assert isinstance(decide_now(RESET, item(method=method)), GiveUp)
    assert isinstance(decide_now(Failure("reset", "", is_unsent=True), item(method=method)), Retry)
    assert isinstance(decide_now(answer(503), item(method=method)), GiveUp)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_an_idempotent_method_is_repeated(method: str) -> None:
    assert isinstance(decide_now(RESET, item(method=method)), Retry)


def test_the_fourth_failure_is_final() -> None:
    kinds = [type(decide_now(RESET, item(attempts))) for attempts in (1, 2, 3, 4, 5)]
    assert kinds == [Retry, Retry, Retry, GiveUp, GiveUp]


def test_one_attempt_means_no_retry() -> None:
    assert isinstance(decide_now(RESET, item(1), policy=RetryPolicy(attempts_max=1)), GiveUp)


def test_an_empty_budget_defers_and_never_drops() -> None:
    """With the delay that a retry would have had: what waits for the end must not come back in one burst."""
    for failure in (RESET, answer(429, 7)):
        retry = decide_now(failure, item())
        assert isinstance(retry, Retry)
        assert decide_now(failure, item(), budget_allows=False) == Defer(retry.delay_s, retry.pause_host_s)


def test_a_final_failure_still_pauses_the_host_as_asked() -> None:
    assert decide_now(answer(429, 7), item(4)) == GiveUp(7)
    assert decide_now(answer(503, 7), item(method="POST")) == GiveUp(7)


def test_retry_after_on_a_status_that_is_not_retried_pauses_nothing() -> None:
    assert decide_now(answer(404, 7), item()) == GiveUp(None)


@pytest.mark.parametrize(
    ("wish_s", "pause_s"),
    [
        (None, None),
        (0.0, None),
        (-5.0, None),
        (math.nan, None),
        (-math.inf, None),
        (7.5, 7.5),
        (1e9, 300),
        (math.inf, 300),
    ],
)
def test_retry_after_is_capped_and_nonsense_is_ignored(wish_s: float | None, pause_s: float | None) -> None:
    decision = decide_now(answer(429, wish_s), item())
    assert isinstance(decision, Retry)
    assert decision.pause_host_s == pause_s
    assert (pause_s or 0) <= decision.delay_s <= (pause_s or 0) + 1.0


@pytest.mark.parametrize(("status", "throttled"), [(429, True), (503, True), (500, False), (408, False)])
def test_429_and_503_count_as_throttled(status: int, throttled: bool) -> None:
    assert is_throttled(answer(status)) == throttled
    assert not is_throttled(RESET)


def test_the_delay_is_full_jitter_over_the_whole_range() -> None:
    rng = random.Random(3)
    delays_s = []
    for _ in range(1000):
        decision = decide(POLICY, answer(503), item(3), budget_allows=True, rng=rng)
        assert isinstance(decision, Retry)
        delays_s.append(decision.delay_s)
    assert min(delays_s) < 0.2
    assert 3.8 < max(delays_s) <= 4.0  # 1 s doubled twice
    assert 1.8 < sum(delays_s) / 1000 < 2.2


failures = st.builds(
    Failure,
    kind=st.sampled_from(FAILURE_KINDS),
    message=st.just(""),
    http_status=st.none() | st.integers(100, 599),
    server_retry_after_s=st.none() | st.floats(),
    is_unsent=st.booleans(),
)
items = st.builds(item, st.integers(1, 5000), st.sampled_from(["GET", "POST", "PUT", "PATCH"]))
policies = st.builds(
    RetryPolicy,
    attempts_max=st.integers(1, 10_000),
    base_transient_s=st.floats(0, 10),
    base_throttled_s=st.floats(0, 10),
    backoff_max_s=st.floats(0, 100),
    retry_after_max_s=st.floats(0, 1000),
)


@given(policy=policies, failure=failures, of=items, budget_allows=st.booleans(), seed=st.integers())
def test_any_failure_has_a_decision_within_bounds(
    policy: RetryPolicy, failure: Failure, of: Item, budget_allows: bool, seed: int
) -> None:
    decision = decide(policy, failure, of, budget_allows=budget_allows, rng=random.Random(seed))
    pause_s = decision.pause_host_s
    assert pause_s is None or 0 < pause_s <= policy.retry_after_max_s
    may_go_on = is_retryable(policy, failure, of.method) and of.attempts < policy.attempts_max
    assert isinstance(decision, GiveUp) == (not may_go_on)
    assert isinstance(decision, Defer) == (may_go_on and not budget_allows)
    if isinstance(decision, Retry | Defer):
        base_s = policy.base_throttled_s if is_throttled(failure) else policy.base_transient_s
        backoff_s = min(policy.backoff_max_s, base_s * 2.0 ** min(of.attempts - 1, 500))
        assert (pause_s or 0) <= decision.delay_s <= (pause_s or 0) + backoff_s
        assert failure.is_unsent or of.method in {"GET", "PUT"}


def test_mistakes_in_a_policy_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(attempts_max=0, base_transient_s=-1, backoff_max_s=math.nan, retry_statuses=frozenset({200, 999}))
    for word in ("attempts_max", "base_transient_s", "backoff_max_s", "200", "999"):
        assert word in str(caught.value)
    assert "base_throttled_s" not in str(caught.value)
