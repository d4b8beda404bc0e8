"""A tuning on a terminal: what stands in it, at any width, and what is said when something cannot be said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.perf.compare.model import Estimate, Refusal
from penstock.perf.scaling.model import Fit, Point, SweepRun, Tuning
from penstock.perf.scaling.table import render
from penstock.telemetry.styled import text_of

NOTHING = Estimate(None, note="too few items in a run")


def point(concurrency: int, rate_per_s: float, p95_s: float | None) -> Point:
    return Point(
        concurrency,
        3,
        Estimate(rate_per_s, 0.97 * rate_per_s, 1.03 * rate_per_s, 3),
        Estimate(0.02, 0.019, 0.021, 300),
        NOTHING if p95_s is None else Estimate(p95_s, 0.9 * p95_s, 1.1 * p95_s, 300),
        Estimate(0.125, 0.12, 0.13, 3),
    )


POINTS = (point(1, 50, None), point(8, 400, 0.03), point(16, 765, 0.033), point(32, 781, 0.055), point(64, 770, 0.4))
RUNS = tuple(SweepRun(one.concurrency, repetition, 1, 1, 1, 100, 1, 1) for one in POINTS for repetition in (1, 2, 3))
TUNING = Tuning(
    "slots",
    "penstock",
    7,
    47.0,
    RUNS,
    POINTS,
    fits=(
        Fit("usl", {"rate_per_s": 49.0, "alpha": 0.02, "beta": 0.0003}, -250.0, 0.098, 0.0),
        Fit("two_line", {"rate_per_s": 45.7, "knee": 15.8, "slope": 0.02}, -393.7, 0.026, 1.0),
    ),
    chosen="two_line",
    throughput_max_per_s=Estimate(781, 760, 800, 400),
    knee=Estimate(15.8, 15.5, 16.2, 400),
    peak=Estimate(None, note="no concurrency past a maximum was measured"),
    recommended=16,
    reason="the smallest measured concurrency with at least 95 % of the maximum",
    slo_p95_s=0.3,
    commentary=("Throughput grows up to a sharp knee.",),
    notes=("the client is the limit", "the client is the limit"),
)


def shown(tuning: Tuning, width: int = 120) -> str:
    return text_of(render(tuning, width))


def row(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start + " "))


def test_every_level_has_its_row_and_the_marks_stand_where_they_belong() -> None:
    text = shown(TUNING)
    assert row(text, "16").split()[:5] == ["16", "765", "742–788", "20.0", "ms"]
    assert row(text, "16").endswith("recommended")
    assert row(text, "32").endswith("the most")
    assert row(text, "64").endswith("p95 over 300 ms")


def test_the_head_says_what_was_done_and_how_to_repeat_it() -> None:
    assert "penstock · 5 concurrencies · 15 runs in random order · p95 within 300 ms · seed 7 · 47 s" in shown(TUNING)


def test_laws_stand_best_first_with_the_chosen_one_named() -> None:
    text = shown(TUNING)
    assert text.index("two lines") < text.index("USL  ")
    assert "chosen: rate_per_s 45.7, knee 15.8, slope 0.02" in row(text, "two lines")
    assert "knee at 15.8 (15.5–16.2)" in text


def test_a_value_that_cannot_be_said_is_a_dash_with_its_reason_once() -> None:
    text = shown(TUNING)
    assert row(text, "1").split()[5:7] == ["–", "0.125"]
    assert text.count("too few items in a run") == 1
    assert "– peak: no concurrency past a maximum was measured" in text


def test_notes_stand_once() -> None:
    assert shown(TUNING).count("the client is the limit") == 1


def test_the_recommendation_has_its_reason() -> None:
    assert "recommended: concurrency 16: the smallest measured concurrency with at least 95 %" in shown(TUNING)


def test_no_level_within_the_limit_is_said_as_such() -> None:
    text = shown(replace(TUNING, recommended=None, reason="no measured concurrency has p95 within 1 ms"))
    assert "no recommendation: no measured concurrency has p95 within 1 ms" in text
    assert "recommended: concurrency" not in text


def test_a_refusal_says_why_and_what_to_do() -> None:
    refusal = Refusal("pushback", "expected a server that answers, got push-back at concurrency 8", "fetch with --rate")
    refused = replace(
        TUNING, points=POINTS[:2], runs=RUNS[:6], fits=(), recommended=None, reason="", refusal=refusal, commentary=()
    )
    text = shown(refused)
    assert "no recommendation: expected a server that answers, got push-back at concurrency 8" in text
    assert "hint: fetch with --rate" in text
    assert "in random order" not in text  # the ascending look is all there was


def test_a_refusal_before_any_run_is_short() -> None:
    bare = Tuning("slots", "penstock", 7, 0.3, (), (), refusal=Refusal("start", "no process"))
    assert shown(bare).splitlines() == ["slots", "penstock · seed 7 · 0 s", "", "no recommendation: no process"]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_lines_keep_to_the_width(width: int) -> None:
    assert all(len(line) <= width for line in shown(TUNING, width).splitlines())
