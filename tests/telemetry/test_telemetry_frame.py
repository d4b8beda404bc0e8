"""The frame: what it says, that it keeps to any width and height, and that it says the same without colours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import FAILURE_KINDS, Failure
from penstock.telemetry.counters import Counters, Earlier
from penstock.telemetry.frame import frame, host_label, plain_line
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import HostRow, Snapshot, host_rows
from penstock.telemetry.styled import in_ascii, text_of, width_of


def counted() -> Counters:
    """8,000 of 20,000 have ended, 3,000 of them in earlier runs; 6,890 are durable."""
    counters = Counters(Earlier(written=2990, failed=10, failures={"dns": 10}))
    counters.admitted = 9000
    for _ in range(100):
        counters.item_failed(1, "http://a/", Failure("http_5xx", "503"))
    for _ in range(20):
        counters.item_failed(1, "http://a/", Failure("timeout_idle", "idle for 20 s"))
    counters.ended = 5000
    counters.written = 6800
    counters.failed = 90
    counters.retries = 31
    counters.throttled = 7
    return counters


def rates(left: int | None = 12_000) -> Rates:
    steady = Rates()
    steady.update(0.0, ended=0, bytes_body=0, left=left)
    steady.update(10.0, ended=5000, bytes_body=123_000_000, left=left)
    return steady


def snapshot(**changes: object) -> Snapshot:
    values: dict[str, object] = {
        "elapsed_s": 10.0,
        "counters": counted(),
        "in_flight": 58,
        "queued": 1230,
        "delayed": 12,
        "deferred": 3,
        "total": 20_000,
        "limit": 64,
        "bytes_held": 34_500_000,
        "bytes_held_max": 256_000_000,
    }
    return Snapshot(**(values | changes))  # type: ignore[arg-type] # a dict of fields has no precise type


def text(snapshot: Snapshot, width: int = 120, height: int = 40, left: int | None = 12_000) -> str:
    return text_of(frame(snapshot, rates(left), width=width, height=height))


def test_a_wide_frame_says_everything() -> None:
    assert text(snapshot(state="draining: 12 in flight, Ctrl-C again to cancel")) == (
        "━━━━━━━━━━━━━━━━━━━━╍╍╍╍────────────────────────────────────  8,000 / 20,000 · 40.0 % · 500/s · ETA 24 s\n"
        "written 6,800 · failed 90 · skipped 0 · pending 2,110 · from earlier runs 3,000\n"
        "in flight 58/64 · 12.3 MB/s · retries 31 · queued 1,230 · waiting 12 · deferred 3 · throttled 7\n"
        "memory 34.5 MB of 256 MB\n"
        "failures http_5xx 100 · timeout_idle 20 · dns 10\n"
        "draining: 12 in flight, Ctrl-C again to cancel\n"
    )


def test_a_narrow_frame_says_the_same_on_more_lines() -> None:
    narrow, wide = text(snapshot(), 60), text(snapshot(), 120)
    assert max(len(line) for line in narrow.splitlines()) <= 60
    words = {word for word in wide.split() if not set(word) <= set("━╍─·")}
    assert words <= set(narrow.split())


def test_only_this_process_makes_the_rate_but_all_runs_make_the_bar() -> None:
    shown = text(snapshot())
    assert "8,000 / 20,000" in shown
    assert "500/s" in shown, "5,000 items here in 10 s; the 3,000 of earlier runs would make it 800/s"


def test_an_unknown_total_has_neither_bar_nor_eta() -> None:
    shown = text(snapshot(total=None), left=None)
    assert "8,000 items · 500/s" in shown
    assert "ETA" not in shown
    assert "━" not in shown
    assert "%" not in shown


def test_an_estimated_total_is_marked() -> None:
    assert "8,000 / ~20,000 · ~40.0 % · 500/s · ETA ~24 s" in text(snapshot(is_total_estimated=True))


def test_more_ended_than_an_estimated_total_is_no_more_than_all() -> None:
    shown = text(snapshot(total=7_000, is_total_estimated=True), left=-1000)
    assert "~100.0 %" in shown
    assert "ETA ~0 s" in shown


def test_before_anything_happened_nothing_is_invented() -> None:
    shown = text_of(frame(Snapshot(0.0, Counters(), total=0), Rates(), width=80, height=24))
    assert shown == (
        "0 / 0 · – · – · ETA –\nwritten 0 · failed 0 · skipped 0 · pending 0\nin flight 0 · –/s · retries 0\n"
    )


@pytest.mark.parametrize(("lag_s", "is_shown"), [(None, False), (0.019, False), (0.031, True)])
def test_event_loop_lag_is_shown_when_it_matters(lag_s: float | None, is_shown: bool) -> None:
    assert ("event loop late 31.0 ms" in text(snapshot(loop_lag_s_p95=lag_s))) == is_shown


def test_rare_failure_kinds_are_added_up() -> None:
    counters = Counters()
    counters.failures = {kind: number + 1 for number, kind in enumerate(FAILURE_KINDS[:10])}
    shown = text(snapshot(counters=counters))
    assert f"failures {FAILURE_KINDS[9]} 10" in shown
    assert "4 more kinds 10" in shown


def hosts(count: int) -> list[HostRow]:
    return [
        HostRow(f"https://host{number:02d}.example.com:443", answers=1000 - number, failures=3, bytes_body=5_000_000)
        for number in range(count)
    ]


def test_the_host_table_drops_columns_that_do_not_fit() -> None:
    rows = hosts(1)
    rows[0].in_flight, rows[0].limit, rows[0].queued, rows[0].note = 6, 6, 44, "paused 12 s"
    rows[0].ttfb_s_mean = 0.0123
    wide = text(snapshot(hosts=rows)).splitlines()[-2:]
    assert wide == [
        "host               in flight  queued   answers  errors 429/503     TTFB    bytes",
        "host00.example.com       6/6      44     1,000       3       0  12.3 ms   5.0 MB  paused 12 s",
    ]
    narrow = text(snapshot(hosts=rows), 60).splitlines()[-2:]
    assert narrow == [
        "host               in flight   answers  errors     TTFB",
        "host00.example.com       6/6     1,000       3  12.3 ms",
    ]


def test_the_host_table_takes_the_rows_that_are_left_and_says_how_many_it_hides() -> None:
    shown = text(snapshot(hosts=hosts(30), state="draining"), height=12).splitlines()
    assert len(shown) == 12
    assert shown[-1] == "draining"
    assert shown[-2] == "and 26 more hosts"
    assert sum("example.com" in line for line in shown) == 4


def test_a_host_is_named_without_what_goes_without_saying() -> None:
    assert host_label("https://a.example:443") == "a.example"
    assert host_label("https://a.example:8443") == "a.example:8443"
    assert host_label("http://a.example:80") == "http://a.example"
    assert host_label("(other)") == "(other)"


def test_a_hostile_host_name_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in text(snapshot(hosts=[HostRow("http://\x1b[2J:80", note="\x1b[0m")]))


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 60),
    rows=st.integers(0, 30),
    total=st.none() | st.integers(0, 10**9),
    state=st.text(max_size=200),
    huge=st.integers(0, 10**15),
)
def test_no_frame_is_wider_or_higher_than_it_may_be(
    width: int, height: int, rows: int, total: int | None, state: str, huge: int
) -> None:
    counters = counted()
    counters.retries = counters.ended = huge
    look = snapshot(counters=counters, total=total, hosts=hosts(rows), state=state, queued=huge)
    lines = frame(look, rates(), width=width, height=height)
    assert len(lines) <= height
    assert all(width_of(line) <= max(width, 40) for line in lines)
    if state:
        assert lines[-1][0][1] == "warn", "the state is the last thing to be left out"


def test_the_bar_is_never_ahead_of_the_counts() -> None:
    counters = Counters()
    counters.admitted = counters.ended = 9_999
    look = Snapshot(1.0, counters, total=10_000)
    bar = text_of(frame(look, Rates(), width=60, height=20)).splitlines()[0]
    assert bar.count("━") == 0, "nothing is durable yet"
    assert bar.count("╍") == 59, "9,999 of 10,000 is not the whole bar"


def test_dead_letters_are_durable_in_the_bar_too() -> None:
    counters = Counters(Earlier(failed=30, skipped=20))
    bar = text_of(frame(Snapshot(1.0, counters, total=100), Rates(), width=60, height=20)).splitlines()[0]
    assert bar == "━" * 30 + "─" * 30


def test_a_plain_line_says_it_in_one_line() -> None:
    assert plain_line(snapshot(state="draining: 12 in flight"), rates()) == (
        "10 s · 8,000 / 20,000 · 40.0 % · 500/s · ETA 24 s · written 6,800 · in flight 58/64 · 12.3 MB/s · retries 31"
        " · queued 1,230 · waiting 12 · deferred 3 · throttled 7 · memory 34.5 MB of 256 MB"
        " · failures 130 (http_5xx 100, timeout_idle 20, dns 10) · draining: 12 in flight"
    )


def test_ascii_has_a_nearest_sign_for_all_that_is_shown() -> None:
    shown = text_of(in_ascii(frame(snapshot(hosts=hosts(2)), rates(), width=80, height=30)))
    assert shown.isascii()
    assert "?" not in shown


def test_host_rows_join_what_was_counted_with_what_is_known_now() -> None:
    counters = Counters()
    counters.success("http://a:80", 10, 0.2, 0.3)
    counters.success("http://a:80", 10, 0.4, 0.5)
    counters.attempt_failed("http://b:80", Failure("http_429", "", http_status=429))
    now = {"http://a:80": HostRow("http://a:80", in_flight=2, limit=4, queued=9, note="paused 1 s")}
    first, second = host_rows(counters, 10, now)
    assert (first.host, first.answers, first.bytes_body, first.in_flight, first.limit) == ("http://a:80", 2, 20, 2, 4)
    assert first.ttfb_s_mean == pytest.approx(0.3)
    assert (second.host, second.failures, second.throttled, second.in_flight) == ("http://b:80", 1, 1, 0)
