"""The table on a terminal: every number and verdict, at any width, without colours, and nothing that is not so."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from compare_kit import comparison, refused
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.compare.grid import Column, fits, grid
from penstock.perf.compare.model import Comparison, Estimate, Percentiles, Refusal
from penstock.perf.compare.table import number_text, render
from penstock.telemetry.styled import text_of, width_of
from penstock.telemetry.terminal import write_lines

WIDTHS = (40, 60, 80, 100, 140, 300)


def shown(told: Comparison, width: int = 140) -> str:
    return text_of(render(told, width))


@pytest.mark.parametrize("width", WIDTHS)
def test_every_alternative_number_and_the_recommendation_is_there_at_any_width(width: int) -> None:
    told = comparison("io-20ms")
    text = shown(told, width)
    for summary in told.summaries:
        assert summary.name in text
        assert number_text(summary.throughput_per_s.value) in text
        assert number_text(summary.throughput_per_s.low) in text
    assert "from the intended start" in text
    assert told.recommendation is not None
    assert f"recommended: {told.recommendation.name}" in text
    assert "note: The machine was busy" in text


@given(width=st.integers(1, 200), seed=st.integers(0, 20))
def test_no_line_is_wider_than_the_terminal(width: int, seed: int) -> None:
    told = comparison("mixed", seed, ("sync", "threads", "asyncio", "penstock"))
    assert all(width_of(line) <= max(40, width) for line in render(told, width))


def test_the_best_comes_first_and_the_verdicts_of_the_others_are_against_it() -> None:
    told = comparison("io-200ms")
    lines = shown(told).splitlines()
    start = next(number for number, line in enumerate(lines) if "verdict" in line)
    rows = lines[start + 1 : start + 1 + len(told.summaries)]
    best = max(told.summaries, key=lambda one: one.throughput_per_s.value or 0).name
    assert rows[0].split()[0] == best
    assert rows[0].rstrip().endswith("best")
    assert all(re.search(r"(slower [<\d.,]+×|cannot tell)$", row.rstrip()) for row in rows[1:])


def test_the_matrix_says_the_same_from_both_sides() -> None:
    told = comparison("io-20ms", names=("sync", "penstock"))
    lines = [line.split() for line in shown(told).splitlines() if re.match(r"[12] (sync|penstock)", line)]
    assert lines[0][1:3] == ["penstock", "·"]
    assert lines[0][3] == "faster"
    assert lines[1][1:3] == ["sync", "slower"]
    assert lines[1][4] == "·"
    assert float(lines[0][4].rstrip("×")) * float(lines[1][3].rstrip("×")) == pytest.approx(1, abs=0.2)


def test_where_words_are_too_wide_the_matrix_has_ratios_and_then_it_is_a_list() -> None:
    told = comparison("io-20ms")
    assert "than 6" in shown(told, 140)
    assert "? cannot tell; below 1: slower" in shown(told, 80)
    assert "sync against penstock: slower" in shown(told, 40)


def test_who_falls_behind_the_rate_is_said() -> None:
    told = comparison("io-20ms")
    behind = [summary.name for summary in told.summaries if summary.keeps_up is False]
    assert behind
    lines = shown(told).splitlines()
    for name in behind:
        assert any(line.startswith(name) and line.rstrip().endswith("falls behind") for line in lines)


def test_without_an_open_loop_there_is_nothing_about_one() -> None:
    summaries = tuple(replace(one, latency=None, keeps_up=None) for one in comparison().summaries)
    text = shown(comparison(summaries=summaries, rate_per_s=None))
    assert "intended start" not in text
    assert "falls behind" not in text
    assert "service time" in text


def test_a_value_that_cannot_be_said_is_a_dash_with_its_reason_once() -> None:
    few = Estimate(None, note="too few: n = 9, p99 needs at least 300")
    told = comparison()
    summaries = tuple(
        replace(one, service=Percentiles(one.service.p50, one.service.p95, few)) for one in told.summaries
    )
    text = shown(replace(told, summaries=summaries), 200)
    assert text.count("too few: n = 9") == 1
    assert "– p99 of service time: too few: n = 9, p99 needs at least 300 (all)" in text


def test_a_refusal_says_no_verdict_and_shows_none() -> None:
    told = refused()
    text = shown(told)
    assert "no verdict: expected the same output of both" in text
    assert "    threads: {'n': 3}" in text or "  threads: {'n': 3}" in text
    assert "hint: make both return the same" in text
    assert "recommended" not in text
    assert not re.search(r"faster|slower|cannot tell|best", text)
    assert told.summaries[0].name in text


def test_a_refusal_before_anything_ran_shows_no_empty_tables() -> None:
    text = shown(refused(rounds=0, refusal=Refusal("start", "threads: no module named 'x'", "install it")))
    assert "items/s" not in text
    assert "service" not in text
    assert "no verdict: threads: no module named 'x'" in text


def test_colours_only_repeat_the_words_and_obey_no_color() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    lines = render(comparison(), 100)
    texts = {}
    for name, environ in (("colours", {}), ("none", {"NO_COLOR": "1"}), ("dumb", {"TERM": "dumb"})):
        stream = Terminal()
        write_lines(lines, stream, {"TERM": "xterm-256color", "COLUMNS": "100", **environ})
        texts[name] = stream.getvalue()
    assert "\x1b[32m" in texts["colours"]
    assert not re.search(r"\x1b\[[0-9;]*3\dm", texts["none"])
    assert "\x1b" not in texts["dumb"]
    plain = {re.sub(r"\x1b\[[0-9;]*m", "", text).replace(" \n", "\n").strip() for text in texts.values()}
    assert {re.sub(r" +\n", "\n", text) for text in plain} == {text_of(lines).strip()}


def test_names_from_outside_cannot_move_the_cursor() -> None:
    told = comparison(names=("sync", "asyncio"))
    evil = "\x1b[2Jevil"
    summaries = tuple(replace(one, name=one.name + evil) for one in told.summaries)
    text = shown(replace(told, workload=evil, about=evil, summaries=summaries, commentary=(evil,), notes=(evil,)))
    assert "\x1b" not in text


@given(st.floats(1e-6, 1e9))
def test_numbers_keep_three_digits(value: float) -> None:
    assert float(number_text(value).replace(",", "")) == pytest.approx(value, rel=0.006)


cells = st.text(alphabet="ab 1", max_size=12)


@given(
    st.lists(st.tuples(cells, st.sampled_from(["", "one", "two"]), st.booleans()), min_size=1, max_size=6).flatmap(
        lambda columns: st.tuples(
            st.just(columns), st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), max_size=4)
        )
    ),
    st.integers(1, 120),
)
def test_a_grid_keeps_to_its_width_where_it_fits_and_loses_no_cell_where_not(
    given: tuple[list[tuple[str, str, bool]], list[list[str]]], width: int
) -> None:
    columns = [Column(title, group, is_text) for title, group, is_text in given[0]]
    rows = [[(text, "") for text in row] for row in given[1]]
    lines = grid(columns, rows, width)  # type: ignore[arg-type]  # styles are empty
    text = text_of(lines)
    for row in given[1]:
        assert all(cell.strip() in text for cell in row)
    if fits(columns, rows, width):  # type: ignore[arg-type]  # as above
        assert len({width_of(line) for line in lines}) == 1
        assert width_of(lines[0]) <= width
