"""Static charts: well-formed, complete, escaped, with words beside every colour, for few rows, many and none."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svg_kit import HOSTILE, parsed, tags, texts

from penstock.perf.page.assets import asset_text
from penstock.perf.page.svg.canvas import NARROW, Drawing, fitting, inline, standalone, text_width
from penstock.perf.page.svg.curve import Band, CurveChart, Limit, Measure, Panel, VerticalMark, curves
from penstock.perf.page.svg.intervals import IntervalChart, Mark, Row, intervals
from penstock.perf.page.svg.legend import Key, legend
from penstock.perf.page.svg.stacks import Stack, StackChart, stacks
from penstock.telemetry.format import duration_text, rate_text

THREE = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"))
NUMBER = st.one_of(st.floats(width=32), st.sampled_from([1e-6, 0.0, 1e9]))
VALUE = st.one_of(st.none(), NUMBER)
MARK = st.builds(Mark, VALUE, VALUE, VALUE)


def chart(*rows: Row, **changes: object) -> IntervalChart:
    return IntervalChart("Throughput", "items per second, more is better", rows, rate_text, **changes)  # type: ignore[arg-type]


def rows(count: int) -> tuple[Row, ...]:
    return tuple(
        Row(f"way {n}", (Mark(n + 1, n + 0.5, n + 1.5),), rate_text(n + 1), f"{n} to {n + 2}") for n in range(count)
    )


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_every_row_stands_in_the_chart_with_its_name_value_and_interval(count: int) -> None:
    drawing = intervals(chart(*rows(count)))
    shown = texts(inline(drawing))
    for row in rows(count):
        assert row.name in shown
        assert f"{row.label} {row.sure}" in shown
        assert row.name in drawing.told
    assert len(re.findall(r"<circle", "".join(drawing.shapes))) == count


def test_rows_do_not_overlap_however_many_there_are() -> None:
    picture = parsed(inline(intervals(chart(*rows(20)))))
    names = [float(e.get("y", "0")) for e in picture.iter() if e.tag == "text" and (e.text or "").startswith("way")]
    assert len(names) == 20
    assert min(b - a for a, b in pairwise(names)) >= 30


def test_a_row_that_cannot_be_measured_says_so_in_its_place() -> None:
    drawing = intervals(chart(*rows(2), Row("sync", trouble="cannot keep up at 400/s")))
    assert "cannot keep up at 400/s" in texts(inline(drawing))
    assert "sync cannot keep up at 400/s" in drawing.told


def test_the_best_is_marked_in_words() -> None:
    drawing = intervals(chart(Row("a", (Mark(2.0),), "2/s", mark="best", is_best=True), Row("b", (Mark(1.0),), "1/s")))
    assert "a best" in texts(inline(drawing))
    assert "a (best)" in drawing.told


def test_series_are_told_apart_by_shape_and_named_in_a_legend() -> None:
    row = Row("a", (Mark(1.0, 0.9, 1.1), Mark(2.0), Mark(3.0)), "1 · 2 · 3 s")
    svg = inline(intervals(chart(row, series=THREE)))
    assert [text for text in texts(svg) if text in ("p50", "p95", "p99")] == ["p50", "p95", "p99"]
    classes = [e.get("class", "") for e in parsed(svg).iter()]
    for shape in ("t-p50 dot", "t-p95 square", "t-p99 upright"):
        assert classes.count(shape) == 2, f"{shape}: one in the legend, one in the row"


def test_values_that_differ_much_get_a_logarithmic_axis_and_the_note_says_so() -> None:
    far = intervals(chart(Row("a", (Mark(1e-6),)), Row("b", (Mark(1e9),))))
    near = intervals(chart(Row("a", (Mark(1.0),)), Row("b", (Mark(2.0),))))
    assert far.note.endswith("logarithmic")
    assert not near.note.endswith("logarithmic")


def test_names_without_room_beside_their_values_get_a_line_of_their_own() -> None:
    short = intervals(chart(Row("sync", (Mark(1.0),), "1,234/s", "1,200–1,260")))
    tall = intervals(chart(Row("fetch_everything · threads", (Mark(1.0),), "1,234/s", "1,200–1,260")))
    assert tall.height > short.height
    assert "fetch_everything · threads" in texts(inline(tall)), "whole"


def test_a_wide_script_is_cut_where_it_would_hang_over() -> None:
    name = "取得" * 30
    cut = fitting(name, 100)
    assert cut != name
    assert text_width(cut) <= 100
    assert fitting("sync", 1) == "sync", "four characters always stand"


def test_a_long_name_is_cut_in_the_chart_and_whole_under_the_pointer_and_for_listeners() -> None:
    name = "a_module_with_a_very_long_name.and_more:fetch_everything_at_once"
    drawing = intervals(chart(Row(name, (Mark(1.0),), "1/s", "0–2")))
    shapes = "".join(drawing.shapes)
    assert f"<title>{name}</title>" in shapes
    assert f">{name}<" not in shapes.replace(f"<title>{name}</title>", "")
    assert name in drawing.told


@given(st.lists(st.lists(MARK, max_size=4), max_size=6), st.sampled_from([None, "linear", "log"]))
def test_no_value_breaks_an_interval_chart(marks: list[list[Mark]], kind: str | None) -> None:
    made = intervals(chart(*(Row(f"way {n}", tuple(row)) for n, row in enumerate(marks)), series=THREE, kind=kind))
    parsed(inline(made))
    parsed(standalone(made))


@given(st.lists(st.lists(VALUE, max_size=4), max_size=6))
def test_no_value_breaks_a_stacked_chart(values: list[list[float | None]]) -> None:
    made = stacks(StackChart("Cost", "s", THREE, tuple(Stack("n", tuple(row)) for row in values), lambda v: f"{v:.3g}"))
    parsed(inline(made))
    parsed(standalone(made))


def test_a_stacked_bar_holds_its_parts_in_the_order_of_the_legend() -> None:
    row = Stack("8 at once", (0.001, None, 0.003), "4 ms", mark="recommended")
    drawing = stacks(StackChart("Cost", "mean per item", THREE, (row,), duration_text))
    found = parsed(inline(drawing))
    slices = [e for e in found.iter() if "slice" in e.get("class", "")]
    assert [e.get("class") for e in slices] == ["t-p50 slice", "t-p99 slice"]
    first, second = slices
    width = float(first.get("width", "").removesuffix("%"))
    assert float(second.get("x", "").removesuffix("%")) == pytest.approx(width, abs=0.02)
    assert float(second.get("width", "").removesuffix("%")) == pytest.approx(3 * width, abs=0.05)
    assert [title.text for title in found.iter("title")] == ["8 at once p50: 1.0 ms", "8 at once p99: 3.0 ms"]
    assert "8 at once recommended" in texts(inline(drawing))
    assert "8 at once 4 ms: p50 1.0 ms, p99 3.0 ms" in drawing.told


def panel(**changes: object) -> Panel:
    made: dict[str, object] = {
        "name": "items per second",
        "tick": rate_text,
        "runs": (Measure(1, 10.0), Measure(2, 19.0), Measure(2, 20.0)),
        "points": (Measure(1, 10.0, 9.0, 11.0), Measure(2, 19.5)),
        "curve": (Band(1, 10.0, 9.0, 11.0), Band(1.4, 14.0, 13.0, 15.0), Band(2, 19.0, 18.0, 20.0)),
        "limit": Limit(15.0, "allowed: 15/s"),
    }
    return Panel(**{**made, **changes})  # type: ignore[arg-type]


def curve(*panels: Panel, marks: tuple[VerticalMark, ...] = ()) -> Drawing:
    return curves(CurveChart("Sweep", "a note", "told", "concurrency", panels, marks, (Key("run", "fetch", "run"),)))


def test_a_curve_shows_runs_means_band_limit_and_marks_each_with_its_words() -> None:
    drawing = curve(
        panel(), marks=(VerticalMark(2, "recommended: 2", is_main=True), VerticalMark(1.5, "knee", low=1, high=2))
    )
    svg = inline(drawing)
    shown = texts(svg)
    for expected in ("items per second", "allowed: 15/s", "recommended: 2", "knee", "1", "2", "concurrency"):
        assert expected in shown
    classes = [e.get("class", "") for e in parsed(svg).iter()]
    assert classes.count("t-fetch run") == 3 + 1, "three runs, one key"
    assert classes.count("t-fetch open") == 2
    assert classes.count("t-fetch whisker") == 1
    for once in ("t-fetch band", "t-fetch line", "t-bad dash", "mark-main", "mark-side dash", "t-idle shade"):
        assert classes.count(once) == 1, once


def test_a_place_is_twice_as_far_for_four_times_the_concurrency() -> None:
    drawing = curve(panel(runs=tuple(Measure(n, 1.0) for n in (1, 4, 16)), points=(), curve=(), limit=None))
    places = [
        float(e.get("cx", "").removesuffix("%"))
        for e in parsed(inline(drawing)).iter()
        if e.get("class") == "t-fetch run" and "%" in e.get("cx", "")
    ]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.02)


@given(
    st.lists(
        st.builds(Measure, NUMBER, NUMBER, VALUE, VALUE),
        max_size=8,
    ),
    st.lists(NUMBER, max_size=3),
)
def test_no_value_breaks_a_curve(measures: list[Measure], marks: list[float]) -> None:
    bands = tuple(Band(one.x, one.value, one.low or 0.0, one.high or math.nan) for one in measures)
    made = curve(
        panel(runs=tuple(measures), points=tuple(measures), curve=bands, limit=None),
        panel(runs=(), points=(), curve=(), kind=None),
        marks=tuple(VerticalMark(x, f"mark {x}") for x in marks),
    )
    parsed(inline(made))
    parsed(standalone(made))


def test_hostile_words_stay_words() -> None:
    made = (
        intervals(chart(Row(HOSTILE, (Mark(1.0),), HOSTILE, HOSTILE, HOSTILE, HOSTILE), series=((HOSTILE, "p50"),))),
        stacks(
            StackChart(HOSTILE, HOSTILE, ((HOSTILE, "p50"),), (Stack(HOSTILE, (1.0,), HOSTILE, HOSTILE, HOSTILE),), str)
        ),
        curve(panel(name=HOSTILE, limit=Limit(1.0, HOSTILE)), marks=(VerticalMark(1, HOSTILE),)),
    )
    for drawing in made:
        for svg in (inline(drawing), standalone(drawing)):
            assert not tags(svg) & {"script", "img", "a", "foreignObject"}
            assert "\x1b" not in svg


def test_a_picture_of_its_own_needs_nothing_and_has_both_grounds() -> None:
    svg = standalone(intervals(chart(*rows(3))))
    assert 'xmlns="http://www.w3.org/2000/svg"' in svg
    assert "var(" not in svg, "renderers without variables draw it too"
    assert "@media (prefers-color-scheme:dark)" in svg
    light, dark = svg.split("@media", 1)
    assert "fill: #ffffff" in light
    assert "fill: #16191f" in dark
    root = parsed(svg)
    title, told = root[0], root[1]
    assert root.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    assert title.text == "Throughput"
    assert "way 2" in (told.text or "")
    assert not re.search(r"(href|src|url\()", svg)


def test_a_picture_cannot_be_narrower_than_its_words() -> None:
    drawing = intervals(chart(*rows(1)))
    assert f'width="{NARROW}"' in standalone(drawing, NARROW)
    with pytest.raises(ValueError, match="expected a width"):
        standalone(drawing, NARROW - 1)


def test_every_class_that_a_chart_uses_has_its_look() -> None:
    css = asset_text("pictures.css")
    made = (
        intervals(chart(Row("a", (Mark(1.0, 0.5, 2.0),) * 3, "1", "2", "3", "4", True), series=THREE)),
        stacks(StackChart("t", "a", (("x", "fetch"),), (Stack("n", (1.0,), "1", "2", "3"),), str)),
        curve(panel(), marks=(VerticalMark(2, "m", True), VerticalMark(1.5, "k", low=1, high=2))),
    )
    used = {kind for drawing in made for e in parsed(inline(drawing)).iter() for kind in e.get("class", "").split()}
    assert [kind for kind in used if f".{kind} " not in css and f".{kind}," not in css] == []


def test_a_legend_wraps_before_it_leaves_the_narrowest_chart() -> None:
    keys = [Key(f"a longer name {n}", "fetch") for n in range(6)]
    height, shapes = legend(keys, 0)
    lines = {e.get("y") for e in parsed(f"<svg>{''.join(shapes)}</svg>").iter("text")}
    assert len(lines) == 3
    assert height > 3 * 15
    assert legend([], 0) == (0.0, [])
