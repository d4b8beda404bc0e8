"""Counters: the accounting equation, resumed runs, examples without secrets, bounded hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Bug
from penstock.model import Failure
from penstock.telemetry.counters import OTHER_HOSTS, Counters, Earlier

SERVER_ERROR = Failure("http_5xx", "503 Service Unavailable", http_status=503)


def give_up(counters: Counters, times: int = 1) -> None:
    for item_id in range(times):
        counters.item_failed(item_id, "http://a/", SERVER_ERROR)


@given(
    st.lists(st.sampled_from(["admit", "write", "fail", "skip"]), max_size=60),
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
def test_any_run_in_which_items_end_once_adds_up(steps: list[str], before: tuple[int, int, int]) -> None:
    counters = Counters(Earlier(*before, failures={"dns": before[1]}))
    held = 0
    for step in steps:
        if step == "admit":
            counters.admitted += 1
            held += 1
            continue
        if not held:
            continue
        held -= 1
        match step:
            case "write":
                counters.ended += 1
                counters.written += 1
            case "fail":
                give_up(counters)
                counters.failed += 1
            case _:
                counters.ended += 1
                counters.skipped += 1
        counters.check_accounting(held)
    assert counters.pending == held
    assert counters.admitted == counters.written + counters.failed + counters.skipped + counters.pending
    assert counters.done_here == counters.done - sum(before)


def test_writing_more_than_was_admitted_is_a_bug() -> None:
    counters = Counters()
    counters.admitted = counters.ended = 1
    counters.written = 2
    with pytest.raises(Bug, match="pending is -1"):
        counters.check_accounting()


def test_an_item_that_the_engine_no_longer_holds_but_nobody_counted_is_a_bug() -> None:
    counters = Counters()
    counters.admitted = 10
    counters.ended = counters.written = 9
    counters.check_accounting(1)
    with pytest.raises(Bug, match="pending is 1 but the engine holds 0"):
        counters.check_accounting(0)


def test_a_durable_dead_letter_that_nobody_gave_up_is_a_bug() -> None:
    counters = Counters()
    counters.admitted = counters.ended = 2
    give_up(counters)
    counters.ended = 2
    counters.failed = 2
    with pytest.raises(Bug, match="2 dead letters are durable but 1 items were given up"):
        counters.check_accounting()


def test_something_durable_that_never_ended_is_a_bug() -> None:
    counters = Counters()
    counters.admitted = 3
    counters.ended = 1
    counters.written = 2
    with pytest.raises(Bug, match="1 items ended here, but 2 are durable"):
        counters.check_accounting()


def test_counting_below_the_earlier_runs_is_a_bug() -> None:
    counters = Counters(Earlier(written=5))
    counters.written = 4
    with pytest.raises(Bug, match="written 4 is below the 5 of earlier runs"):
        counters.check_accounting()


def test_a_resumed_run_starts_from_what_is_done_and_counts_its_own_work_apart() -> None:
    counters = Counters(Earlier(written=100, failed=7, skipped=3, failures={"dns": 7}))
    assert (counters.admitted, counters.pending, counters.done, counters.done_here) == (110, 0, 110, 0)
    assert counters.ended_ever == 110
    counters.admitted += 2
    counters.ended += 1
    counters.written += 1
    assert (counters.done_here, counters.pending, counters.ended_ever) == (1, 1, 111)
    counters.check_accounting(1)


def test_earlier_failures_are_not_changed_by_later_ones() -> None:
    earlier = Earlier(failed=1, failures={"http_5xx": 1})
    counters = Counters(earlier)
    counters.admitted += 1
    give_up(counters)
    assert counters.failures == {"http_5xx": 2}
    assert earlier.failures == {"http_5xx": 1}


def test_the_first_example_of_a_kind_is_kept_without_secrets_and_control_characters() -> None:
    counters = Counters()
    failure = Failure("connect", "cannot reach http://user:secret@h/\nrefused\x1b[31m", None)
    counters.item_failed(17, "http://user:p@ss@h.example/a\x1b]0;x\x07", failure)
    counters.item_failed(18, "http://later.example/", failure)
    example = counters.examples["connect"]
    assert example.item_id == 17
    assert example.url == "http://h.example/a?]0;x?"
    assert example.message == "cannot reach http://h/ refused?[31m"
    assert counters.failures["connect"] == 2


def test_an_example_is_bounded_in_length() -> None:
    counters = Counters()
    counters.item_failed(1, "http://h/" + "a" * 100_000, Failure("process", "b" * 100_000))
    example = counters.examples["process"]
    assert len(example.url) <= 500
    assert len(example.message) <= 500


def test_a_success_counts_everywhere() -> None:
    counters = Counters()
    counters.success("http://a:80", 1000, 0.010, 0.025)
    counters.success("http://a:80", 500, 0.030, 0.050)
    row = counters.hosts["http://a:80"]
    assert (counters.attempts, counters.bytes_body) == (2, 1500)
    assert (row.answers, row.bytes_body, row.failures) == (2, 1500, 0)
    assert row.ttfb_s_mean == pytest.approx(0.020)
    assert (counters.ttfb.n, counters.ttfb.max_s, counters.total.n, counters.total.max_s) == (2, 0.030, 2, 0.050)


@pytest.mark.parametrize(("status", "throttled"), [(429, 1), (503, 1), (500, 0), (None, 0)])
def test_only_429_and_503_count_as_throttled(status: int | None, throttled: int) -> None:
    counters = Counters()
    counters.attempt_failed("http://a:80", Failure("http_5xx", "", http_status=status))
    assert (counters.attempts, counters.throttled, counters.hosts["http://a:80"].throttled) == (1, throttled, throttled)
    assert counters.ttfb.n == 0


def test_hosts_past_the_limit_are_counted_together_and_nothing_is_lost() -> None:
    counters = Counters(hosts_max=3)
    for number in range(10):
        for _ in range(10 - number):
            counters.success(f"http://h{number}:80", 1, 0.1, 0.1)
    assert len(counters.hosts) == 4
    assert sum(row.answers for row in counters.hosts.values()) == 55
    assert counters.hosts[OTHER_HOSTS].answers == 7 + 6 + 5 + 4 + 3 + 2 + 1
    counters.success("http://h0:80", 1, 0.1, 0.1)
    assert counters.hosts["http://h0:80"].answers == 11


def test_busiest_hosts_come_first_and_the_folded_rest_last() -> None:
    counters = Counters(hosts_max=3)
    for host, times in (("a", 1), ("b", 5), ("c", 3), ("d", 9)):
        for _ in range(times):
            counters.attempt_failed(host, SERVER_ERROR)
    assert [host for host, _ in counters.busiest_hosts(2)] == ["b", "c", OTHER_HOSTS]
