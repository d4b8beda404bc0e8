from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.policy.budget import RetryBudget


def retries_until_empty(budget: RetryBudget, host: str, *, is_throttled: bool) -> int:
    count = 0
    while budget.allows(host, is_throttled=is_throttled):
        budget.spend(host, is_throttled=is_throttled)
        count += 1
        assert count <= 100_000
    return count


def test_a_host_starts_with_ten_retries_or_twenty_seven_throttled_ones() -> None:
    assert retries_until_empty(RetryBudget(), "a", is_throttled=False) == 10
    assert retries_until_empty(RetryBudget(), "a", is_throttled=True) == 27


def test_ten_successes_earn_one_retry() -> None:
    budget = RetryBudget()
    retries_until_empty(budget, "a", is_throttled=False)
    for _ in range(9):
        budget.record_success("a")
    assert not budget.allows("a", is_throttled=False)
    budget.record_success("a")
    assert budget.allows("a", is_throttled=False)


def test_a_dead_host_takes_its_own_retries_only() -> None:
    budget = RetryBudget()
    retries_until_empty(budget, "dead", is_throttled=False)
    assert budget.allows("healthy", is_throttled=False)
    assert budget.tokens_of("healthy") == 10


def test_the_global_budget_bounds_many_dead_hosts_together() -> None:
    budget = RetryBudget(global_tokens_max=15)
    total = sum(retries_until_empty(budget, f"dead-{number}", is_throttled=False) for number in range(10))
    assert total == 15


def test_a_host_that_is_full_again_is_forgotten() -> None:
    budget = RetryBudget()
    budget.spend("a", is_throttled=False)
    assert budget.host_count == 1
    for _ in range(10):
        budget.record_success("a")
    assert budget.host_count == 0
    budget.record_success("never failed")
    assert budget.host_count == 0


def test_the_number_of_hosts_remembered_is_bounded_and_the_longest_quiet_goes_first() -> None:
    budget = RetryBudget(global_tokens_max=1000, hosts_max=3)
    for host in ("a", "b", "c", "a", "d"):
        budget.spend(host, is_throttled=False)
    assert budget.host_count == 3
    assert [budget.tokens_of(host) for host in "abcd"] == [8, 10, 9, 9]


@pytest.mark.parametrize("options", [{"host_tokens_max": -1}, {"global_tokens_max": -1}, {"hosts_max": 0}])
def test_impossible_budgets_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="expected retry budgets"):
        RetryBudget(**options)


def test_a_budget_of_nothing_allows_nothing() -> None:
    assert retries_until_empty(RetryBudget(host_tokens_max=0), "a", is_throttled=True) == 0


events = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["success", "fault", "throttled"])), max_size=300)


@settings(deadline=None)
@given(events=events)
def test_retries_never_cost_more_than_the_start_and_a_tenth_of_the_successes(events: list[tuple[str, str]]) -> None:
    budget = RetryBudget(host_tokens_max=4, global_tokens_max=6)
    successes = dict.fromkeys("abc", 0)
    spent = dict.fromkeys("abc", 0)  # hundredths
    tokens = dict.fromkeys("abc", 400)
    global_tokens = 600
    for host, event in events:
        if event == "success":
            successes[host] += 1
            tokens[host] = min(400, tokens[host] + 10)
            global_tokens = min(600, global_tokens + 10)
            budget.record_success(host)
        else:
            is_throttled = event == "throttled"
            cost = 36 if is_throttled else 100
            allowed = budget.allows(host, is_throttled=is_throttled)
            assert allowed == (tokens[host] >= cost and global_tokens >= cost)
            if allowed:
                budget.spend(host, is_throttled=is_throttled)
                spent[host] += cost
                tokens[host] -= cost
                global_tokens -= cost
        assert budget.tokens_of(host) == tokens[host] / 100
        assert budget.global_tokens == global_tokens / 100
        assert spent[host] <= 400 + 10 * successes[host]
    assert sum(spent.values()) <= 600 + 10 * sum(successes.values())
    assert budget.host_count == sum(value < 400 for value in tokens.values())
