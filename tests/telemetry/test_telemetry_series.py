"""The series stays small whatever the run, and merging windows loses no count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry.series import Series, merged
from penstock.telemetry.window import COLUMNS, Window, columnar, windows_of

WINDOW = st.builds(
    Window,
    end_s=st.just(0.0),
    span_s=st.floats(0.5, 2.0),
    answers=st.integers(0, 10_000),
    bytes_body=st.integers(0, 10**12),
    fetch_busy=st.floats(0, 1),
    loop_run=st.none() | st.floats(0, 1),
    ttfb_s_p95=st.none() | st.floats(0.001, 10),
    loop_lag_s_max=st.floats(0, 5),
    is_probe=st.booleans(),
    cpu_s=st.none() | st.floats(0, 2),
    rss_bytes=st.none() | st.integers(0, 10**12),
)


@given(st.lists(WINDOW, min_size=1, max_size=60), st.integers(4, 20))
def test_a_series_is_bounded_and_keeps_every_count(windows: list[Window], room: int) -> None:
    series, end_s = Series(room), 0.0
    for window in windows:
        end_s += window.span_s
        series.add(replace(window, end_s=end_s))
    assert len(series.windows) <= room
    assert sum(window.answers for window in series.windows) == sum(window.answers for window in windows)
    assert sum(window.bytes_body for window in series.windows) == sum(window.bytes_body for window in windows)
    assert sum(w.span_s for w in series.windows) == pytest.approx(sum(window.span_s for window in windows))
    busy_s = sum(window.fetch_busy * window.span_s for window in windows)
    assert sum(w.fetch_busy * w.span_s for w in series.windows) == pytest.approx(busy_s)
    assert series.windows[-1].end_s == pytest.approx(end_s)
    ends = [window.end_s for window in series.windows]
    assert ends == sorted(ends)


def test_a_long_run_keeps_its_time_axis_even() -> None:
    """Merging only the older half, again and again, once left everything before the last hour in one window."""
    series = Series(20)
    for second in range(1, 10_001):
        series.add(Window(float(second), 1.0))
    spans = {window.span_s for window in series.windows[:-1]}
    assert len(spans) == 1
    assert 10 <= len(series.windows) <= 20
    assert [window.end_s for window in series.recent] == list(range(9_881, 10_001))


@given(WINDOW, WINDOW)
def test_merging_takes_the_larger_lag_and_any_value_before_none(first: Window, second: Window) -> None:
    both = merged(first, second)
    assert both.loop_lag_s_max == max(first.loop_lag_s_max, second.loop_lag_s_max)
    assert both.is_probe == (first.is_probe or second.is_probe)
    assert (both.loop_run is None) == (first.loop_run is None and second.loop_run is None)
    known = [w.ttfb_s_p95 for w in (first, second) if w.ttfb_s_p95 is not None]
    assert (both.ttfb_s_p95 is None) == (not known)
    if known:
        assert min(known) * 0.999 <= (both.ttfb_s_p95 or 0) <= max(known) * 1.001


@given(st.lists(WINDOW, max_size=10))
def test_the_columnar_form_is_read_back(windows: list[Window]) -> None:
    assert windows_of(columnar(windows)) == windows


def test_every_column_is_merged_in_one_way() -> None:
    """A new column that nobody thought of would silently be averaged: this test names those that are."""
    first = Window(1.0, 1.0)
    second = Window(2.0, 1.0)
    for name in COLUMNS[2:]:
        setattr(first, name, 1)
        setattr(second, name, 3)
    both = merged(first, second)
    of = {name: getattr(both, name) for name in COLUMNS}
    counts = "admitted ended written failed skipped records attempts answers retries throttled deferred bytes_body"
    counts += " bytes_durable shards connects dns_s connect_s tls_s ttfb_s body_s total_s slot_s cpu_s cpu_children_s"
    assert {name for name, value in of.items() if value == 4} == {*counts.split(), "runqueue_s"}
    assert {name for name, value in of.items() if value == 3} == {"loop_lag_s_max", "is_probe", "rss_bytes", "fds"}


def test_old_and_new_columns_do_not_disturb_each_other() -> None:
    table = columnar([Window(1.0, 1.0, answers=7)])
    del table["fds"]
    table["of_a_later_version"] = [1]
    assert windows_of(table) == [Window(1.0, 1.0, answers=7)]
