from __future__ import annotations

import math

import pytest

from penstock.errors import Bug
from penstock.model import FailureKind, Item
from penstock.policy.concurrency import FixedLimiter, Limiter, Sample
from penstock.policy.frontier import Frontier
from penstock.policy.rate import Rate


def make_frontier(
    *,
    global_limit: int = 100,
    host_limit: int = 100,
    host_limits: dict[str, int] | None = None,
    rate: Rate | None = None,
    rate_per_host: Rate | None = None,
) -> Frontier:
    def limiter_of(host: str) -> Limiter:
        return FixedLimiter((host_limits or {}).get(host, host_limit))

    return Frontier(
        limiter_of=limiter_of, global_limiter=FixedLimiter(global_limit), rate=rate, rate_per_host=rate_per_host
    )


def push_all(frontier: Frontier, hosts: str) -> list[Item]:
    """One item for each letter, which is its host."""
    items = [Item(number, "", host) for number, host in enumerate(hosts)]
    for item in items:
        frontier.push(item)
    return items


def pop_all(frontier: Frontier, now_s: float = 0.0) -> str:
    """The hosts of everything that may start at `now_s`, in order."""
    started = []
    while (item := frontier.pop(now_s)) is not None:
        started.append(item.host)
        assert len(started) <= 10_000
    return "".join(started)


def test_a_list_sorted_by_host_is_served_round_robin() -> None:
    frontier = make_frontier()
    push_all(frontier, "aaaabbbcc")
    assert pop_all(frontier) == "abcabcaba"


def test_items_of_one_host_keep_their_order() -> None:
    frontier = make_frontier()
    items = push_all(frontier, "aaa")
    assert [frontier.pop(0.0) for _ in items] == items


def test_a_host_at_its_limit_waits_for_a_release_and_others_go_on() -> None:
    frontier = make_frontier(host_limits={"a": 1})
    push_all(frontier, "aaabb")
    assert pop_all(frontier) == "abb"
    assert frontier.next_due_s() is None
    frontier.release("b", 1.0)
    assert pop_all(frontier, 1.0) == ""
    frontier.release("a", 1.0)
    assert pop_all(frontier, 1.0) == "a"


def test_the_global_limit_holds_over_all_hosts() -> None:
    frontier = make_frontier(global_limit=3)
    push_all(frontier, "abcdef")
    assert pop_all(frontier) == "abc"
    assert frontier.next_due_s() is None
    frontier.release("b", 0.0)
    assert pop_all(frontier) == "d"


def test_one_slow_host_never_gets_more_than_half_of_the_global_limit_while_another_has_work() -> None:
    frontier = make_frontier(global_limit=10)
    push_all(frontier, "a" * 50 + "b" * 50)
    assert pop_all(frontier) == "ab" * 5
    for _ in range(40):  # b answers, a never does
        frontier.release("b", 0.0)
        assert pop_all(frontier) == "b"
    assert frontier.in_flight_of("a") == 5


def test_a_slow_host_that_holds_its_half_gets_nothing_more_while_another_can_go() -> None:
    frontier = make_frontier(global_limit=4)
    push_all(frontier, "aa")
    assert pop_all(frontier) == "aa"
    push_all(frontier, "aaabbb")
    assert pop_all(frontier) == "bb"
    frontier.release("b", 0.0)
    assert pop_all(frontier) == "b"


def test_a_host_alone_takes_the_whole_global_limit_and_gives_back_when_another_comes() -> None:
    frontier = make_frontier(global_limit=4)
    push_all(frontier, "aaaaaaaa")
    assert pop_all(frontier) == "aaaa"
    push_all(frontier, "bbb")
    for _ in range(2):
        frontier.release("a", 0.0)
        assert pop_all(frontier) == "b"
    assert frontier.in_flight_of("a") == 2


def test_a_host_over_its_half_keeps_its_place_in_the_ring() -> None:
    frontier = make_frontier(global_limit=4)
    push_all(frontier, "aaaa")
    frontier.pop(0.0)
    frontier.pop(0.0)
    push_all(frontier, "b")
    assert pop_all(frontier) == "ba"


def test_a_host_over_its_half_goes_on_when_the_others_in_the_ring_prove_blocked() -> None:
    frontier = make_frontier(global_limit=4)
    push_all(frontier, "aaaa")
    frontier.pop(0.0)
    frontier.pop(0.0)
    push_all(frontier, "bc")
    frontier.pause_host("b", 9.0)
    frontier.pause_host("c", 9.0)
    assert pop_all(frontier) == "aa"
    assert frontier.next_due_s() is None  # all permits are out
    frontier.release("a", 9.0)
    assert pop_all(frontier, 9.0) == "b"


def test_a_delayed_item_holds_no_permit_and_goes_first_when_due() -> None:
    frontier = make_frontier(global_limit=1)
    first, second, third = push_all(frontier, "aaa")
    assert frontier.pop(0.0) is first
    frontier.release("a", 0.0)
    frontier.delay(first, due_s=5.0)
    assert frontier.pop(4.9) is second
    frontier.release("a", 4.9)
    assert frontier.pop(5.0) is first
    frontier.release("a", 5.0)
    assert frontier.pop(5.0) is third


def test_items_due_together_keep_the_order_of_their_due_times() -> None:
    frontier = make_frontier()
    items = push_all(frontier, "aaa")
    pop_all(frontier)
    for due_s, item in zip((3.0, 1.0, 2.0), items, strict=True):
        frontier.release("a", 0.0)
        frontier.delay(item, due_s)
    assert frontier.next_due_s() == 1.0
    assert [frontier.pop(9.0) for _ in items] == [items[1], items[2], items[0]]


def test_retry_after_pauses_the_host_not_the_item() -> None:
    frontier = make_frontier()
    push_all(frontier, "aab")
    frontier.pause_host("a", 10.0)
    assert pop_all(frontier, 9.9) == "b"
    assert frontier.next_due_s() == 10.0
    assert pop_all(frontier, 10.0) == "aa"


def test_a_later_pause_wins_and_none_is_shortened() -> None:
    frontier = make_frontier()
    push_all(frontier, "a")
    frontier.pause_host("a", 10.0)
    assert pop_all(frontier, 1.0) == ""
    frontier.pause_host("a", 20.0)
    frontier.pause_host("a", 5.0)
    frontier.pause_host("a", math.nan)
    assert pop_all(frontier, 10.0) == ""
    assert frontier.next_due_s() == 20.0
    assert pop_all(frontier, 20.0) == "a"


def test_a_pause_is_remembered_while_the_host_is_idle() -> None:
    frontier = make_frontier()
    frontier.pause_host("a", 10.0)
    push_all(frontier, "a")
    assert pop_all(frontier, 9.0) == ""
    assert pop_all(frontier, 10.0) == "a"


def test_prolonging_a_pause_over_and_over_keeps_one_timer() -> None:
    frontier = make_frontier()
    push_all(frontier, "a")
    for now in range(1000):
        frontier.pause_host("a", now + 1.5)
        assert frontier.pop(float(now)) is None
    assert len(frontier._timers) == 1  # memory is bounded by what waits, which no public name shows


def test_the_rate_of_a_host_delays_that_host_alone() -> None:
    frontier = make_frontier(rate_per_host=Rate(0.5))
    push_all(frontier, "aab")
    assert pop_all(frontier) == "ab"
    due_s = frontier.next_due_s()
    assert due_s == pytest.approx(2.0, abs=0.021)
    assert pop_all(frontier, due_s - 0.001) == ""
    assert pop_all(frontier, due_s) == "a"


def test_the_rate_of_a_host_is_remembered_while_it_is_idle() -> None:
    frontier = Frontier(
        limiter_of=lambda host: FixedLimiter(1),
        global_limiter=FixedLimiter(1),
        rate_per_host=Rate(0.1),
        idle_hosts_max=0,
    )
    push_all(frontier, "a")
    pop_all(frontier)
    frontier.release("a", 0.0)
    push_all(frontier, "a")
    assert pop_all(frontier, 1.0) == ""


def test_the_global_rate_holds_and_says_when_it_lets_go() -> None:
    frontier = make_frontier(rate=Rate(10, burst=2))
    push_all(frontier, "abc")
    assert pop_all(frontier) == "ab"
    assert frontier.next_due_s() == pytest.approx(0.1)
    assert pop_all(frontier, 0.11) == "c"


def test_deferred_items_come_back_when_they_are_called_for() -> None:
    frontier = make_frontier()
    item, _ = push_all(frontier, "ab")
    pop_all(frontier)
    frontier.release("a", 0.0)
    frontier.defer(item, 5.0)
    assert (len(frontier), frontier.deferred_count, frontier.next_due_s()) == (1, 1, None)
    assert pop_all(frontier, 100.0) == ""
    assert frontier.requeue_deferred(100.0) == 1
    assert frontier.pop(104.9) is None
    assert frontier.pop(105.0) is item
    assert frontier.requeue_deferred(105.0) == 0


def test_releasing_what_was_not_taken_is_a_bug() -> None:
    frontier = make_frontier()
    push_all(frontier, "a")
    for host in ("a", "unknown"):
        with pytest.raises(Bug, match=host):
            frontier.release(host, 0.0)


def test_delaying_until_not_a_number_is_a_bug() -> None:
    frontier = make_frontier()
    with pytest.raises(Bug, match="NaN"):
        frontier.delay(Item(0, "", "a"), math.nan)


def test_a_limit_that_grows_lets_more_start_after_the_next_release() -> None:
    class Growing:
        def __init__(self) -> None:
            self.value = 1
            self.samples: list[tuple[float | None, int, bool, FailureKind | None, float]] = []

        def limit(self) -> int:
            return self.value

        def observe(self, sample: Sample, now_s: float) -> None:
            self.value += 1
            self.samples.append((sample.ttfb_s, sample.in_flight, sample.was_pushed_back, sample.failure_kind, now_s))

    of_host, of_run = Growing(), Growing()
    of_run.value = 10
    frontier = Frontier(limiter_of=lambda host: of_host if host == "a" else FixedLimiter(5), global_limiter=of_run)
    push_all(frontier, "aaaabb")
    assert pop_all(frontier) == "abb"
    frontier.observe("a", Sample(ttfb_s=0.25), now_s=1.0)
    frontier.release("a", 1.0)
    assert pop_all(frontier, 1.0) == "aa"
    assert of_host.samples == [(0.25, 1, False, None, 1.0)]
    assert of_run.samples == [(0.25, 3, False, None, 1.0)]


def test_observing_an_attempt_that_is_not_running_is_a_bug() -> None:
    with pytest.raises(Bug, match="nowhere"):
        make_frontier().observe("nowhere", Sample(ttfb_s=None), 0.0)


def test_the_host_table_shows_each_host_that_is_busy_or_paused() -> None:
    frontier = make_frontier(host_limits={"a": 1})
    items = push_all(frontier, "aaab")
    pop_all(frontier)
    frontier.release("b", 0.0)
    frontier.delay(items[3], 3.0)
    frontier.pause_host("c", 9.0)
    frontier.pop(1.0)
    rows = [
        (row.host, row.queued, row.delayed, row.in_flight, row.limit, row.paused_until_s) for row in frontier.hosts()
    ]
    assert rows == [("a", 2, 0, 1, 1, None), ("b", 0, 1, 0, 100, None), ("c", 0, 0, 0, 100, 9.0)]
    frontier.pop(9.0)
    assert [row.host for row in frontier.hosts()] == ["a", "b"]
