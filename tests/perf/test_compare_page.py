"""A comparison as page, Markdown and pictures: nothing lost, nothing called best after a refusal, nothing runs."""

from __future__ import annotations

import dataclasses
import math
import re
from itertools import pairwise

import pytest
from compare_kit import PRESETS, STRATEGIES, comparison, estimate, refused, seven
from page_kit import Page, harmless, rendered_text
from runs_kit import COMPUTING, WAITING, compared
from svg_kit import HOSTILE, parsed, texts

from penstock.perf.compare.figures import (
    columns,
    doubts,
    figure,
    ordered,
    pair_of,
    phase_columns,
    ratio_text,
    reasons,
    span,
    standing,
)
from penstock.perf.compare.markdown import compare_markdown
from penstock.perf.compare.model import Comparison, Estimate, Pair, Percentiles, Recommendation, Refusal
from penstock.perf.compare.page import compare_html
from penstock.perf.compare.pictures import (
    comparison_pictures,
    latency_svg,
    stems,
    throughput_svg,
)
from penstock.perf.page.document import POLICY
from penstock.telemetry.format import bytes_text, duration_text, rate_text

BYTES_MAX = 200_000
UNKNOWN_ESTIMATE = Estimate(None, note="too few runs")


def hostile() -> Comparison:
    """Every text that comes from outside is markup."""
    base = comparison()
    names = {summary.name: f"{n}{HOSTILE}" for n, summary in enumerate(base.summaries)}
    return dataclasses.replace(
        base,
        workload=HOSTILE,
        about=HOSTILE,
        summaries=tuple(
            dataclasses.replace(one, name=names[one.name], function=HOSTILE, rss_bytes=Estimate(None, note=HOSTILE))
            for one in base.summaries
        ),
        pairs=tuple(dataclasses.replace(pair, a=names[pair.a], b=names[pair.b], note=HOSTILE) for pair in base.pairs),
        recommendation=Recommendation(names["threads"], HOSTILE),
        serial=dataclasses.replace(base.serial, reached_by=HOSTILE) if base.serial else None,
        commentary=(HOSTILE,),
        notes=(HOSTILE,),
        machine={HOSTILE: HOSTILE},
    )


def empty_of_numbers() -> Comparison:
    """Nothing could be said of anything."""
    base = comparison()
    unknown = Percentiles(UNKNOWN_ESTIMATE, UNKNOWN_ESTIMATE, UNKNOWN_ESTIMATE)
    blank = [
        dataclasses.replace(
            one,
            throughput_per_s=UNKNOWN_ESTIMATE,
            service=unknown,
            latency=None,
            keeps_up=None,
            cpu_s_per_1000=UNKNOWN_ESTIMATE,
            rss_bytes=UNKNOWN_ESTIMATE,
            switches_per_item=UNKNOWN_ESTIMATE,
        )
        for one in base.summaries
    ]
    return dataclasses.replace(
        base, summaries=tuple(blank), pairs=(), rate_per_s=None, serial=None, recommendation=None, commentary=()
    )


@pytest.mark.parametrize("workload", PRESETS)
def test_every_name_value_and_interval_stands_in_the_page_and_in_the_markdown(workload: str) -> None:
    told = comparison(workload)
    page, twin = Page(compare_html([told])).text, rendered_text(compare_markdown([told]))
    for shown in (page, twin):
        for summary in told.summaries:
            assert summary.name in shown
            for column in columns(told):
                value = column.get(summary)
                assert value.text in shown, (summary.name, column.name)
                assert value.interval in shown, (summary.name, column.name)
        for text in (
            *told.commentary,
            *told.notes,
            told.about,
            told.recommendation.reason if told.recommendation else "",
        ):
            assert text in shown
        for pair in told.pairs:
            assert ratio_text(pair.ratio.value or 0) in shown
        for _, value in (("cpu", "Example CPU 2.4 GHz"), ("memory", "8.0 GB"), ("seed", "seed 7")):
            assert value in shown
        for column in phase_columns(told):
            assert column.name in shown
            for summary in told.summaries:
                assert column.get(summary).text in shown
    for pair in told.pairs:
        turned = pair_of([pair], pair.metric, pair.b, pair.a)
        assert turned is not None
        spans = [figure(one.ratio, ratio_text).interval.removesuffix("×") for one in (pair, turned)]
        assert any(shown in page for shown in spans), pair


def test_the_page_holds_the_numbers_of_the_model_in_the_units_of_the_house() -> None:
    told = comparison()
    shown = Page(compare_html([told])).text
    for summary in told.summaries:
        for estimate_, show in (
            (summary.throughput_per_s, rate_text),
            (summary.service.p99, duration_text),
            (summary.cpu_s_per_1000, duration_text),
            (summary.rss_bytes, bytes_text),
        ):
            assert estimate_.value is not None
            assert show(estimate_.value) in shown
            assert span(estimate_, show) in shown


def test_the_recommendation_comes_first() -> None:
    told = comparison()
    page = Page(compare_html([told])).text
    assert page.index("Recommended for this workload") < page.index("Throughput") < page.index("All numbers")
    twin = compare_markdown([told])
    assert twin.index("**Recommended: ") < twin.index("| alternative") < twin.index("Machine: ")


def test_a_refusal_is_large_with_its_hint_and_nothing_is_called_best() -> None:
    told = refused()
    html = compare_html([told])
    page, twin = Page(html).text, rendered_text(compare_markdown([told]))
    for shown in (page, twin):
        assert "No verdict" in shown
        assert "different output" in shown.lower()
        assert "asyncio: {'n': 4}" in shown
        assert "floats that differ in the last digit can be rounded" in shown
        assert "hint" in shown
        assert "best" not in shown
        assert "Recommended" not in shown
        assert "Each against each" not in shown
        assert "▲" not in shown.partition("How to read this")[0]
    assert "<br>" in html, "the message keeps its lines"


def test_several_workloads_begin_with_all_of_them_at_a_glance() -> None:
    told = [*seven()[:2], refused()]
    page, twin = Page(compare_html(told)), compare_markdown(told)
    glance = page.text[page.text.index("At a glance") : page.text.index("Recommended for this workload")]
    for one in told:
        assert one.workload in glance
    assert "★" in glance
    assert "no verdict: different output" in glance
    assert twin.splitlines()[0] == "# Which way is fastest"
    assert "no verdict: different output" in twin.partition("## ")[0]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == ["#w0", "#w1", "#w2"]
    assert {"w0", "w1", "w2"} <= set(page.ids)


def test_seven_workloads_fit_into_the_budget() -> None:
    html = compare_html(seven(), command="penstock compare --preset all --seed 7")
    assert len(html.encode()) <= BYTES_MAX


@pytest.mark.parametrize("told", [hostile(), refused(refusal=Refusal("raised", HOSTILE, HOSTILE))])
def test_hostile_words_stay_words(told: Comparison) -> None:
    html = compare_html([told, told], command=HOSTILE)
    harmless(html)
    assert POLICY in html
    assert "\x1b" not in html
    assert "<img src=x onerror=alert(1)>" in Page(html).text
    twin = compare_markdown([told, told], command=HOSTILE)
    code = re.compile(r"^Again: .*$", re.MULTILINE)
    assert not re.search(r"(?<!\\)<(?!/?(?:sub|br|details|summary)>)", code.sub("", twin))
    assert not re.search(r"(?<!\\)\]\(", code.sub("", twin))
    assert "\x1b" not in twin
    for svg in comparison_pictures([told]).values():
        parsed(svg)


def test_what_is_unknown_is_a_dash_with_its_reason_told_once() -> None:
    told = empty_of_numbers()
    page = Page(compare_html([told])).text
    assert "service time p50, p95, p99: too few runs" in page
    assert "The measurements single out no way" in page
    assert "None" not in page
    assert "nan" not in page
    assert "None" not in compare_markdown([told])
    for svg in comparison_pictures([told]).values():
        assert texts(svg).count("too few runs") == len(told.summaries)


def test_reasons_are_grouped_by_what_they_are_about() -> None:
    told = comparison("io-200ms")
    names = [one.name for one in ordered(told) if one.service.p99.value is None]
    assert names
    assert f"service time p99: 60 samples, 100 needed ({', '.join(names)})" in reasons(told, columns(told))


def test_who_cannot_keep_up_says_so_in_the_chart_and_below_the_table() -> None:
    told = comparison()
    assert [one.name for one in told.summaries if one.keeps_up is False] == ["sync"]
    rate = rate_text(told.rate_per_s or 0)
    assert f"cannot keep up at {rate}" in texts(latency_svg(told))
    page = Page(compare_html([told])).text
    assert f"latency from the intended start at {rate} p50, p95, p99: did not keep up with the rate (sync)" in page


def test_without_an_open_loop_there_is_no_latency_and_its_picture_shows_service_time() -> None:
    base = comparison()
    summaries = tuple(dataclasses.replace(one, latency=None, keeps_up=None) for one in base.summaries)
    told = dataclasses.replace(base, summaries=summaries, rate_per_s=None)
    page = Page(compare_html([told])).text
    assert "latency from the intended start" not in page.lower()
    assert "service time p95" in page
    assert latency_svg(told) == comparison_pictures([told])[f"{told.workload}-service"]
    assert list(comparison_pictures([told])) == [f"{told.workload}-{name}" for name in ("throughput", "service", "cpu")]


@pytest.mark.parametrize("value", [1e-6, 1e-3, 1.0, 1e9])
def test_extreme_values_are_drawn_and_written(value: float) -> None:
    base = comparison()
    made = tuple(
        dataclasses.replace(
            one,
            throughput_per_s=estimate(value * (n + 1)),
            service=Percentiles(estimate(value), estimate(value * 10), estimate(value * 100)),
            cpu_s_per_1000=estimate(value),
            rss_bytes=estimate(value * 1000),
        )
        for n, one in enumerate(base.summaries)
    )
    told = dataclasses.replace(base, summaries=made)
    page = Page(compare_html([told])).text
    for text in (rate_text(value), duration_text(value), duration_text(value * 100), bytes_text(value * 1000)):
        assert text in page
    for svg in comparison_pictures([told]).values():
        parsed(svg)
    harmless(compare_html([told]))


@pytest.mark.parametrize("count", [0, 1, 20])
def test_any_number_of_alternatives(count: int) -> None:
    names = tuple(f"my_module.of_mine:fetch_{n}" for n in range(count))
    if not count:
        told = dataclasses.replace(comparison(), summaries=(), pairs=(), recommendation=None, serial=None)
    else:
        told = comparison(names=names)
    harmless(compare_html([told]))
    page = Page(compare_html([told])).text
    twin = rendered_text(compare_markdown([told]))
    for name in names:
        assert name in page
        assert name in twin
    for svg in comparison_pictures([told]).values():
        parsed(svg)
    if count == 1:
        assert "best" not in texts(throughput_svg(told))[0], "alone, nothing is best"


def test_nothing_at_all_makes_a_page_too() -> None:
    harmless(compare_html([]))
    assert compare_markdown([]).startswith("# Which way is fastest")


def test_infinities_and_nan_are_unknown() -> None:
    for value in (math.nan, math.inf, -math.inf):
        assert figure(Estimate(value, 1.0, 2.0), rate_text).text == "–"
        assert figure(Estimate(1.0, value, 2.0), rate_text).interval == ""
    base = comparison()
    assert base.serial is not None
    serial = dataclasses.replace(base.serial, speedup_max=math.inf, share=0.0)
    assert "no bound" in Page(compare_html([dataclasses.replace(base, serial=serial)])).text


def test_a_pair_is_found_both_ways_round() -> None:
    pair = Pair("a", "b", "cpu", "faster", Estimate(2.0, 1.6, 2.5, 9))
    assert pair_of([pair], "cpu", "a", "b") is pair
    assert pair_of([pair], "throughput", "a", "b") is None
    turned = pair_of([pair], "cpu", "b", "a")
    assert turned is not None
    assert (turned.verdict, turned.ratio.value) == ("slower", 0.5)
    assert (turned.ratio.low, turned.ratio.high) == (0.4, 0.625)


def test_why_pairs_cannot_be_told_apart_is_counted() -> None:
    told = comparison()
    unsure = [pair for pair in told.pairs if pair.metric == "throughput" and pair.verdict == "cannot tell"]
    assert unsure
    assert doubts(told, "throughput") == f"within 4 % ({len(unsure)} pairs)"
    for shown in (Page(compare_html([told])).text, rendered_text(compare_markdown([told]))):
        assert f"within 4 % ({len(unsure)} pairs)" in shown


def test_pairs_without_any_ratio_make_no_table() -> None:
    base = comparison()
    unknown = Estimate(None, note="too few")
    blank = tuple(
        dataclasses.replace(pair, verdict="cannot tell", ratio=unknown) if pair.metric == "p95" else pair
        for pair in base.pairs
    )
    page = Page(compare_html([dataclasses.replace(base, pairs=blank)]))
    assert "No two can be compared" in page.text
    tables = [attributes for tag, attributes in page.tags if tag == "table" and attributes.get("class") == "matrix"]
    assert len(tables) == 2
    assert "Latency p95, column" not in compare_markdown([dataclasses.replace(base, pairs=blank)])


def test_markdown_shows_the_few_numbers_that_matter_and_folds_the_rest() -> None:
    twin = compare_markdown([comparison()])
    first, _, rest = twin.partition("<details>")
    assert re.search(r"^\| alternative \| throughput \| p95, .* \| CPU .* \| memory .* \|$", first, re.MULTILINE)
    assert "<details><summary>All numbers</summary>" in rest
    assert twin.count("<details>") == twin.count("</details>")


def test_best_is_who_leads_and_who_cannot_be_told_from_it() -> None:
    told = comparison()
    rates = {one.name: one.throughput_per_s.value for one in told.summaries}
    marks = standing(told, "throughput", rates)
    leader = max(rates, key=lambda name: rates[name] or 0)
    assert marks[leader] == "best"
    for name in STRATEGIES:
        pair = pair_of(told.pairs, "throughput", leader, name)
        is_even = pair is not None and pair.verdict == "cannot tell"
        assert (marks.get(name) == "≈ best") is is_even
    assert standing(refused(), "throughput", rates) == {}


def test_rows_stand_in_one_order_in_every_chart() -> None:
    told = comparison()
    names = [one.name for one in ordered(told)]
    for svg in (throughput_svg(told), latency_svg(told), *comparison_pictures([told]).values()):
        shown = [text.split()[0] for text in texts(svg) if text.split()[0] in STRATEGIES]
        assert shown == names


def test_markdown_links_the_pictures_it_is_given() -> None:
    told = comparison("my preset/1")
    name = "my-preset-1-throughput"
    assert name in comparison_pictures([told])
    twin = compare_markdown([told], {name: "pictures/my preset-1).svg"})
    assert "![Throughput: my preset/1](pictures/my%20preset-1%29.svg)" in twin
    assert "![" not in compare_markdown([told])


def test_pictures_of_workloads_of_one_name_are_kept_apart() -> None:
    told = [comparison("a/b"), comparison("a/b"), comparison("a-b-2"), comparison("///")]
    assert stems(told) == ["a-b", "a-b-2", "a-b-2-2", "workload"]
    made = comparison_pictures(told)
    assert len(made) == 4 * 4
    twin = compare_markdown(told, {name: f"{name}.svg" for name in made})
    assert re.findall(r"\((.*-throughput\.svg)\)", twin) == [f"{stem}-throughput.svg" for stem in stems(told)]


def test_markdown_tables_have_as_many_cells_in_every_row() -> None:
    lines = compare_markdown([*seven(), hostile(), refused()]).splitlines()
    cells = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    for above, below in pairwise(cells):
        assert not (above and below) or above == below
    assert sum(map(bool, cells)) > 100


@pytest.mark.parametrize(
    "told",
    [
        compared(WAITING, rate_per_s=600),
        compared(COMPUTING),
        compared(WAITING, rounds=3),
        compared({"sync": WAITING["sync"]}),
    ],
    ids=["open loop", "closed only", "too few rounds", "one alternative"],
)
def test_what_is_concluded_from_runs_is_shown(told: Comparison) -> None:
    html = compare_html([told])
    harmless(html)
    page, twin = Page(html).text, rendered_text(compare_markdown([told]))
    for shown in (page, twin):
        assert "None" not in shown
        assert "nan" not in shown
        for sentence in told.commentary:
            assert " ".join(sentence.split()) in shown
        for summary in told.summaries:
            assert rate_text(summary.throughput_per_s.value or 0) in shown
    if told.refusal is not None:
        assert told.refusal.hint in page
    for svg in comparison_pictures([told]).values():
        parsed(svg)


def test_headings_descend_one_step_at_a_time() -> None:
    for html in (compare_html([comparison()]), compare_html(seven()), compare_html([refused()])):
        levels = [int(tag[1]) for tag, _ in Page(html).tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(below <= above + 1 for above, below in pairwise(levels))


def test_units_are_said_once_where_both_ends_share_them() -> None:
    assert span(Estimate(2.0, 1.0, 3.0), duration_text) == "1.0–3.0 s"
    assert span(Estimate(1.0, 0.9, 1.1), duration_text) == "900 ms–1.1 s"
    assert span(Estimate(1.0, 0.9, 1.1), rate_text) == "0.9–1.1/s"
    assert span(Estimate(1.0, None, 1.1), rate_text) == ""
    assert span(Estimate(1000.0, 999.9, 1000.1), rate_text) == "±<1 %"
    assert span(Estimate(0.03, 0.026, 0.034), "{:.0f}".format) == "0–0", "not within 1 %, whatever the digits say"
