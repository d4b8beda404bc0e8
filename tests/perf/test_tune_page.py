"""A sweep as page, Markdown and pictures: what is recommended, what was seen, what the data cannot tell."""

from __future__ import annotations

import dataclasses
import re

import pytest
from compare_kit import estimate, refused_tuning, tuning
from page_kit import Page, harmless, rendered_text
from svg_kit import HOSTILE, parsed, texts

from penstock.perf.compare.model import Estimate, Refusal
from penstock.perf.scaling.figures import law_rows, phases, point_columns
from penstock.perf.scaling.markdown import tuning_markdown
from penstock.perf.scaling.model import CurvePoint, Fit, Point, SweepRun, Tuning
from penstock.perf.scaling.page import tuning_html
from penstock.perf.scaling.pictures import cost_svg, sweep_svg, tuning_pictures

BYTES_MAX = 100_000


def hostile() -> Tuning:
    return tuning(
        target=HOSTILE,
        strategy=HOSTILE,
        reason=HOSTILE,
        commentary=(HOSTILE,),
        notes=(HOSTILE,),
        machine={HOSTILE: HOSTILE},
        fits=(Fit("usl", {HOSTILE: 1.0, "alpha": 0.1}, -1.0, 0.1, 1.0),),
        points=tuple(dataclasses.replace(point, phases={HOSTILE: 0.1}) for point in tuning().points),
        peak=Estimate(None, note=HOSTILE),
    )


def test_every_number_of_every_point_stands_in_the_page_and_in_the_markdown() -> None:
    told = tuning()
    for shown in (Page(tuning_html(told)).text, rendered_text(tuning_markdown(told))):
        for point in told.points:
            for column in point_columns(told):
                value = column.get(point)
                assert value.text in shown, (point.concurrency, column.name)
                assert value.interval in shown, (point.concurrency, column.name)
        for law in law_rows(told):
            assert all(text in shown for text in law)
        for text in (told.reason, *told.commentary, *told.notes, "32 at once", "Example CPU 2.4 GHz", "seed 7"):
            assert text in shown


def test_the_recommendation_comes_first_and_the_peak_is_only_told() -> None:
    page = Page(tuning_html(tuning())).text
    assert page.index("Recommended concurrency") < page.index("32 at once") < page.index("USL peak: 44")
    assert "recommended: 44" not in page


def test_the_chart_marks_recommendation_knee_peak_and_limit_in_words() -> None:
    shown = texts(sweep_svg(tuning()))
    for expected in ("recommended: 32", "knee: 26", "USL peak: 44", "allowed: 80 ms", "USL ± 90 %", "items per second"):
        assert expected in shown


def test_every_run_and_every_mean_is_drawn() -> None:
    told = tuning()
    classes = [element.get("class") for element in parsed(sweep_svg(told)).iter()]
    assert classes.count("t-fetch run") == len(told.runs) + 1, "and its key"
    assert classes.count("t-sink run") == len(told.runs)
    assert classes.count("t-fetch open") == len(told.points) + 1
    assert classes.count("t-sink open") == len(told.points)


def test_a_peak_that_was_not_seen_is_said_to_be_so() -> None:
    told = tuning(peak=None, is_peak_seen=False, knee=None)
    page = Page(tuning_html(told)).text
    assert "not seen: throughput still rose at the highest concurrency" in page
    assert "USL peak" not in page
    assert "not seen" in tuning_markdown(told)
    noted = tuning(peak=Estimate(None, note="its upper end is not finite"))
    assert "its upper end is not finite" in Page(tuning_html(noted)).text


def test_a_refusal_is_large_with_its_hint_and_nothing_is_recommended() -> None:
    told = refused_tuning()
    for shown in (Page(tuning_html(told)).text, rendered_text(tuning_markdown(told))):
        assert "No verdict" in shown
        assert "pushback" in shown.lower()
        assert "got 429 for 31 %" in shown
        assert "--rate 50" in shown
        assert "ecommended" not in shown
    assert "recommended" not in " ".join(texts(sweep_svg(told)))


def test_cost_is_split_by_phase_with_a_bar_for_each_concurrency() -> None:
    told = tuning()
    assert [name for _, name, _ in phases(told)] == ["connect", "first byte", "body", "process"]
    shown = texts(cost_svg(told))
    for point in told.points:
        assert any(text.startswith(f"{point.concurrency} at once") for text in shown)
    assert "32 at once recommended" in shown


def test_without_phases_there_is_no_cost_chart() -> None:
    told = tuning(points=tuple(dataclasses.replace(point, phases={}) for point in tuning().points))
    assert "Where an item" not in Page(tuning_html(told)).text
    assert list(tuning_pictures(told)) == ["sweep"]


def test_what_differences_of_sums_leave_over_is_no_phase() -> None:
    told = tuning(
        points=tuple(dataclasses.replace(p, phases={"dns": -4e-23, "tls": 1e-22, "body": 0.1}) for p in tuning().points)
    )
    assert [key for key, _, _ in phases(told)] == ["body"]


def test_phases_of_other_names_are_shown_too() -> None:
    told = tuning(points=tuple(dataclasses.replace(point, phases={"pool_wait": 0.1}) for point in tuning().points))
    assert phases(told) == [("pool_wait", "pool wait", "idle")]
    assert "pool wait" in Page(tuning_html(told)).text


def test_hostile_words_stay_words() -> None:
    for told in (hostile(), refused_tuning(refusal=Refusal("raised", HOSTILE, HOSTILE))):
        html = tuning_html(told, command=HOSTILE)
        harmless(html)
        assert "\x1b" not in html
        twin = re.sub(r"^Again: .*$", "", tuning_markdown(told, command=HOSTILE), flags=re.MULTILINE)
        assert not re.search(r"(?<!\\)<(?!/?(?:sub|br|details|summary)>)", twin)
        assert not re.search(r"(?<!\\)\]\(", twin)
        for svg in tuning_pictures(told).values():
            parsed(svg)


@pytest.mark.parametrize("value", [1e-6, 1e9])
def test_extreme_values_are_drawn(value: float) -> None:
    point = Point(1, 1, estimate(value), estimate(value), estimate(value), estimate(value), {"ttfb": value})
    other = dataclasses.replace(point, concurrency=4096, throughput_per_s=estimate(value * 1000))
    runs = (SweepRun(1, 0, value, value, value, 10, value, 1.0), SweepRun(4096, 0, value, None, None, 0, 0.0, 1.0))
    curve = (CurvePoint(1, value, value / 2, value * 2), CurvePoint(4096, value, value / 2, value * 2))
    told = tuning(points=(point, other), runs=runs, curve=curve, slo_p95_s=value, recommended=4096)
    harmless(tuning_html(told))
    for svg in tuning_pictures(told).values():
        parsed(svg)


def test_what_is_unknown_is_a_dash() -> None:
    unknown = Estimate(None, note="too few items")
    points = tuple(
        dataclasses.replace(point, p50_s=unknown, p95_s=unknown, throughput_per_s=unknown) for point in tuning().points
    )
    told = tuning(points=points, throughput_max_per_s=unknown, knee=unknown, recommended=None, reason="")
    html = tuning_html(told)
    harmless(html)
    page = Page(html).text
    assert "p95 at 16: too few items" in page
    assert "None" not in page
    parsed(sweep_svg(told))


def test_nothing_measured_makes_a_page_too() -> None:
    told = refused_tuning(points=(), runs=())
    harmless(tuning_html(told))
    parsed(sweep_svg(told))
    assert "No verdict" in tuning_markdown(told)


@pytest.mark.parametrize("slo_p95_s", [None, 0.06, 0.001])
def test_what_is_concluded_from_runs_is_shown(slo_p95_s: float | None) -> None:
    pytest.importorskip("scipy")
    from penstock.perf.scaling.conclude import conclude_sweep

    told = conclude_sweep(
        tuning().runs, target="t", strategy="penstock", seed=1, elapsed_s=9.0, slo_p95_s=slo_p95_s, machine={"cores": 2}
    )
    html = tuning_html(told)
    harmless(html)
    page, twin = Page(html).text, rendered_text(tuning_markdown(told))
    for shown in (page, twin):
        assert "None" not in shown
        assert "nan" not in shown
        for sentence in (*told.commentary, *told.notes):
            assert " ".join(sentence.split()) in shown
        if told.recommended is not None:
            assert f"{told.recommended} at once" in shown
    for svg in tuning_pictures(told).values():
        parsed(svg)


def test_the_page_is_small_and_markdown_links_its_pictures() -> None:
    told = tuning()
    assert len(tuning_html(told).encode()) < BYTES_MAX
    twin = tuning_markdown(told, {"sweep": "sweep.svg", "cost": "cost.svg"}, command="penstock tune --seed 7")
    assert "![Throughput and p95 against concurrency: io-20ms](sweep.svg)" in twin
    assert "(cost.svg)" in twin
    assert "Again: `penstock tune --seed 7`" in twin
