"""The series of a run as the report reads and thins it: nothing is lost by merging, and damage costs itself only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_kit import slow_sink_windows, write_run, write_series

from penstock.perf.report.series import (
    POINTS_MAX,
    Epoch,
    chart_model,
    downsample,
    read_series,
    thinned,
    windows_from,
)
from penstock.telemetry.window import COLUMNS, Window, columnar

COUNTS = ("admitted", "ended", "written", "failed", "retries", "throttled", "bytes_body", "connects", "answers")
SHARES = ("fetch_busy", "fetch_blocked", "source_blocked", "sink_busy")


@st.composite
def runs(draw: st.DrawFn) -> list[Window]:
    end_s, windows = 0.0, []
    for _ in range(draw(st.integers(0, 12))):
        span_s = draw(st.sampled_from([0.4, 1.0, 1.5]))
        end_s += span_s
        window = Window(end_s=end_s, span_s=span_s)
        for name in COUNTS:
            setattr(window, name, draw(st.integers(0, 1000)))
        for name in SHARES:
            setattr(window, name, draw(st.floats(0, 1)))
        window.loop_lag_s_max = draw(st.floats(0, 5))
        window.rss_bytes = draw(st.none() | st.integers(0, 10**9))
        window.ttfb_s_p95 = draw(st.none() | st.floats(0, 60))
        windows.append(window)
    return windows


@given(runs(), st.integers(1, 15))
def test_downsampling_keeps_every_count_and_the_time(windows: list[Window], points_max: int) -> None:
    fewer = downsample(windows, points_max)
    assert len(fewer) == min(len(windows), points_max)
    for name in COUNTS:
        assert sum(getattr(window, name) for window in fewer) == sum(getattr(window, name) for window in windows)
    assert sum(window.span_s for window in fewer) == pytest.approx(sum(window.span_s for window in windows))
    assert [window.end_s for window in fewer] == sorted({window.end_s for window in fewer})
    assert fewer[-1:] == [] or fewer[-1].end_s == windows[-1].end_s


@given(runs(), st.integers(1, 15))
def test_downsampled_shares_stay_means_over_time_and_the_longest_lag_stays(
    windows: list[Window], points_max: int
) -> None:
    fewer = downsample(windows, points_max)
    for name in SHARES:
        before = sum(getattr(window, name) * window.span_s for window in windows)
        assert sum(getattr(window, name) * window.span_s for window in fewer) == pytest.approx(before, abs=1e-6)
        assert all(-1e-9 <= getattr(window, name) <= 1 + 1e-9 for window in fewer)
    longest = max((window.loop_lag_s_max for window in windows), default=0.0)
    assert max((window.loop_lag_s_max for window in fewer), default=0.0) == longest


@given(runs())
def test_a_percentile_that_was_never_measured_is_not_invented(windows: list[Window]) -> None:
    merged = downsample(windows, 1)
    known = [window.ttfb_s_p95 for window in windows if window.ttfb_s_p95 is not None]
    for window in merged:
        if not known:
            assert window.ttfb_s_p95 is None
        elif window.ttfb_s_p95 is not None:
            assert min(known) - 1e-9 <= window.ttfb_s_p95 <= max(known) + 1e-9


def test_room_for_no_window_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        downsample([Window(1.0, 1.0)], 0)


def test_thinning_leaves_every_epoch_a_window_and_keeps_to_the_limit() -> None:
    epochs = [Epoch("", slow_sink_windows(count)) for count in (1, 900, 300)] + [Epoch("empty")]
    fewer = thinned(epochs, 100)
    assert [bool(epoch.windows) for epoch in fewer] == [True, True, True]
    assert sum(len(epoch.windows) for epoch in fewer) <= 103
    assert [epoch.elapsed_s for epoch in fewer] == [1.0, 900.0, 300.0]


# --- the file


def test_the_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    first, second = slow_sink_windows(30), slow_sink_windows(20, seed=9)
    read = read_series(write_series(write_run(tmp_path), first, second))
    assert [epoch.windows for epoch in read.epochs] == [first, second]
    assert [epoch.started[:13] for epoch in read.epochs] == ["2026-11-22T09", "2026-11-22T10"]
    assert read.lines_bad == 0


def test_no_file_is_no_series(tmp_path: Path) -> None:
    assert read_series(tmp_path / "series.jsonl").epochs == []


@pytest.mark.parametrize("cut", [1, 5, 40, 200])
def test_a_line_cut_by_a_kill_costs_itself_and_is_no_trouble(tmp_path: Path, cut: int) -> None:
    windows = slow_sink_windows(10)
    path = write_series(write_run(tmp_path), windows)
    path.write_bytes(path.read_bytes()[:-cut])
    read = read_series(path)
    assert read.epochs[0].windows in (windows[:9], windows)  # without its line break alone it is whole
    assert read.lines_bad == 0


DAMAGE = [b"\x00\x00\xff\xfe\n", b"[1, 2]\n", b'"text"\n', b"{\n", b'["a", "b"]\n', b"17\n"]


@pytest.mark.parametrize("line", DAMAGE)
def test_a_damaged_line_in_the_middle_is_counted_and_left_out(tmp_path: Path, line: bytes) -> None:
    windows = slow_sink_windows(6)
    path = write_series(write_run(tmp_path), windows)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], line, *lines[4:]]))
    read = read_series(path)
    assert read.epochs[0].windows == windows
    assert read.lines_bad == 1


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_fail(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("series") / "series.jsonl"
    header = json.dumps({"format": 1, "started": "", "columns": ["end_s", "span_s", "ended"]}).encode()
    path.write_bytes(header + b"\n[1.0, 1.0, 4]\n" + junk)
    read = read_series(path)
    assert read.epochs[0].windows[0].ended == 4


def test_windows_of_a_format_that_is_not_known_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    path.write_text('{"format": 99, "columns": ["end_s", "span_s"]}\n[1, 1]\n[2, 1]\n', encoding="utf-8")
    read = read_series(path)
    assert read.epochs == []
    assert read.lines_bad == 2


def test_columns_of_another_version_are_ignored_or_take_their_default(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    path.write_text(
        '{"format": 1, "started": "x", "columns": ["end_s", "span_s", "ended", "of_the_future"]}\n[2, 1, null, 5]\n',
        encoding="utf-8",
    )
    assert read_series(path).epochs[0].windows == [Window(end_s=2, span_s=1)]


def test_a_day_of_windows_is_read_in_bounded_memory_without_losing_a_count(tmp_path: Path) -> None:
    windows = [Window(end_s=float(second + 1), span_s=1.0, ended=second % 7) for second in range(20_000)]
    names = ("end_s", "span_s", "ended")
    path = tmp_path / "series.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"format": 1, "started": "", "columns": names}) + "\n")
        file.writelines(json.dumps([getattr(window, name) for name in names]) + "\n" for window in windows)
    epochs = read_series(path).epochs
    assert len(epochs[0].windows) <= 4 * POINTS_MAX
    drawn = thinned(epochs)[0].windows
    assert len(drawn) <= POINTS_MAX
    assert sum(window.ended for window in drawn) == sum(window.ended for window in windows)


# --- what is drawn


def test_the_model_puts_epochs_one_after_the_other_and_says_where_each_begins() -> None:
    later = [Epoch("2026-11-22T10:00:00", slow_sink_windows(5)), Epoch("", slow_sink_windows(3))]
    model = chart_model([Epoch("a", slow_sink_windows(10)), *later])
    series = model["series"]
    assert isinstance(series, dict)
    assert series["end_s"] == [float(second) for second in range(1, 19)]
    assert model["breaks"] == [10, 15]
    assert model["marks"] == [{"x": 10.0, "text": "resumed 2026-11-22 10:00"}, {"x": 15.0, "text": "resumed"}]
    assert len({len(values) for values in series.values()}) == 1


def test_columns_that_nobody_measured_are_not_in_the_model() -> None:
    model = chart_model([Epoch("", [Window(1.0, 1.0, ended=5)])])
    series = model["series"]
    assert isinstance(series, dict)
    assert "ended" in series
    assert "rss_bytes" not in series


def test_the_model_of_the_longest_run_stays_small() -> None:
    model = chart_model(thinned([Epoch("", slow_sink_windows(5_000))]))
    assert len(json.dumps(model)) < 400_000


# --- series inside stats.json


def test_a_series_of_unequal_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        windows_from({"end_s": [1, 2], "span_s": [1]})


def test_values_that_are_no_numbers_cost_their_window() -> None:
    table = columnar([Window(1.0, 1.0, ended=3), Window(2.0, 1.0, ended=4)])
    table["ended"][0] = "three"
    assert [window.ended for window in windows_from(table)] == [4]


def test_every_column_of_a_window_is_known_here() -> None:
    assert set(columnar([Window(1.0, 1.0)])) == set(COLUMNS)
