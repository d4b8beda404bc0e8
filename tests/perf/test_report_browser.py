"""The report in a real browser: drawn without network, read with mouse and keyboard, light, dark, narrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_kit import slow_sink_windows, stats, write_run, write_series
from selenium.webdriver import Keys

from browser import Browser
from penstock.perf.page.assets import asset_text
from penstock.perf.page.document import document
from penstock.perf.profile.model import Frame, Profile
from penstock.perf.report.series import Epoch, chart_model
from penstock.perf.report.write import write_report
from penstock.telemetry.window import Window

pytestmark = pytest.mark.slow

WINDOWS = 60 + 120
CHARTS = ".run-charts .chart"
FRAMES = """[...document.querySelectorAll(".flame-view g")]
  .map((group) => [group.getAttribute("aria-label"), group.querySelector("rect").getBoundingClientRect().width])"""
IS_FITTED = """Math.abs(document.querySelector(".chart-plot svg").viewBox.baseVal.width
  - document.querySelector(".chart-plot").clientWidth) < 2"""
OVERLAPS = """
const bad = [];
for (const svg of document.querySelectorAll(".run-charts svg")) {
  const boxes = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  boxes.forEach(([a, one], i) => boxes.slice(i + 1).forEach(([b, two]) => {
    const across = Math.min(one.right, two.right) - Math.max(one.left, two.left);
    const down = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
    if (across > 0.5 && down > 2) bad.push(`${svg.getAttribute("aria-label").slice(0, 30)}: ${a} on ${b}`);
  }));
}
return bad;
"""
OUTSIDE = """
const wide = document.documentElement.clientWidth + 0.5;
return [...document.querySelectorAll("main *")]
  .filter((e) => !e.closest(".scroll, .chart-table, svg, .visually-hidden, [hidden], .flame, .columns"))
  .filter((e) => e.getBoundingClientRect().right > wide)
  .map((e) => e.outerHTML.slice(0, 90));
"""


def profile() -> Profile:
    made = Profile("cpu", "seconds", title="penstock fetch urls.csv -o out", duration_s=120, samples=24_000)
    for number, name in enumerate(("select", "parse", "encode", "hash")):
        stack = (
            Frame("main", "/app/run.py", 3),
            Frame("step", "/app/engine.py", 9),
            Frame(name, "/app/work.py", number),
        )
        made.add(stack, 1.0 + number)
    return made


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of two epochs, with a profile."""
    out = tmp_path_factory.mktemp("report") / "shop-crawl"
    document_ = stats(slow_sink_windows(120))
    write_run(out, document_, started="2026-11-22T10:00:00+00:00")
    write_series(out, slow_sink_windows(60, seed=3), slow_sink_windows(120))
    (out / "_penstock" / "profiles").mkdir()
    (out / "_penstock" / "profiles" / "cpu.json").write_text(json.dumps(profile().to_json()), encoding="utf-8")
    return write_report(out).page


@pytest.fixture
def page(browser: Browser, report: Path) -> Browser:
    browser.resize(1280, 900)
    browser.color_scheme("light")
    browser.open_file(report)
    browser.wait_for("document.querySelectorAll('.run-charts svg').length > 20")
    return browser


def bring(page: Browser, selector: str) -> Any:
    element = page.find(selector)
    page.script("arguments[0].scrollIntoView({block: 'center'})", element)
    return element


def assert_quiet(browser: Browser) -> None:
    assert browser.console_errors() == []
    assert browser.foreign_requests() == []


def test_every_chart_is_drawn_without_errors_or_network(page: Browser) -> None:
    drawn = page.script(
        "return [...document.querySelectorAll('.run-charts .chart')].map((chart) => ["
        "chart.querySelector('.chart-title').textContent,"
        "[...chart.querySelectorAll('path')].map((path) => (path.getAttribute('d').match(/,/g) || []).length),"
        "chart.querySelector('svg').getBoundingClientRect().height])"
    )
    titles = [title for title, _, _ in drawn]
    for title in ("Items", "In flight", "Time to first byte", "Bytes", "Trouble", "Source", "Fetch", "Process", "Sink"):
        assert title in titles
    for title in ("Channel to the sink", "Credits taken", "Event loop", "CPU of this run", "Memory", "Whole machine"):
        assert title in titles
    for title, points, height in drawn:
        assert max(points) >= 60, f"{title} has no line of that many points: {points}"
        assert height > 40, title
    assert page.script("return document.querySelector('.run-charts').innerHTML.includes('NaN')") is False
    assert_quiet(page)


@pytest.mark.parametrize("width", [320, 400, 768, 1280, 1800])
def test_nothing_overlaps_or_hangs_out_of_the_page(page: Browser, width: int) -> None:
    page.resize(width, 900)
    page.wait_for(IS_FITTED)
    assert page.script(OVERLAPS) == []
    assert page.script(OUTSIDE) == []
    assert page.script("return document.documentElement.scrollWidth") <= width


def test_the_pointer_shows_one_tooltip_and_the_same_moment_in_every_chart(page: Browser) -> None:
    before = page.script("return document.documentElement.scrollHeight")
    page.hover(bring(page, ".run-panel .chart .chart-plot svg"))
    page.wait_for("document.querySelectorAll('.chart-tip:not([hidden])').length === 1")
    crosses = page.script(
        "return [...document.querySelectorAll('.run-charts .chart')]"
        ".map((chart) => chart.querySelectorAll('.chart-cross line').length)"
    )
    assert set(crosses) == {1}
    tip = page.find(".chart-tip:not([hidden])").text
    assert "pushed back" in tip
    assert "%" in tip
    assert page.script("return document.documentElement.scrollHeight") == before, "the page must not move"
    page.hover(bring(page, "h1"))
    page.wait_for("document.querySelectorAll('.chart-cross line').length === 0")
    assert_quiet(page)


def test_a_chart_is_read_with_the_keyboard(page: Browser) -> None:
    page.script("document.querySelector('.chart-plot').focus()")
    page.press(Keys.END)
    assert "2:59 to 3:00" in page.find(".chart-tip:not([hidden])").text
    page.press(Keys.HOME, Keys.ARROW_RIGHT)
    assert "1.0" in page.find(".chart-tip:not([hidden]) .chart-tip-time").text
    page.press(Keys.ESCAPE)
    assert page.find_all(".chart-tip:not([hidden])") == []


def test_every_chart_has_its_numbers_as_a_table(page: Browser) -> None:
    bring(page, ".run-charts .chart")
    page.script("document.querySelector('.run-charts .chart .chart-button').click()")
    rows = page.script("return document.querySelectorAll('.chart-table tbody tr').length")
    assert rows == WINDOWS
    assert page.find(".chart-button").get_attribute("aria-expanded") == "true"
    page.script("document.querySelector('.chart-button').click()")
    assert page.script("return document.querySelectorAll('.chart-table tbody tr').length") == 0


def test_every_chart_says_in_words_what_it_shows(page: Browser) -> None:
    labels = page.script(
        "return [...document.querySelectorAll('.run-charts svg')].map((s) => s.getAttribute('aria-label'))"
    )
    assert all("mean" in label for label in labels)
    assert any(label.startswith("Sink. writes: mean") for label in labels)


def column(page: Browser, number: int) -> list[str]:
    cells = page.script(
        "return [...document.querySelectorAll('#hosts tbody tr')].map((r) => r.cells[arguments[0]].textContent)", number
    )
    return list(cells)


def test_the_hosts_are_sorted_by_a_click_and_back(page: Browser) -> None:
    hosts = column(page, 0)
    bring(page, "#hosts th:nth-child(4) button").click()
    errors = [int(text) for text in column(page, 2)]
    assert errors != sorted(errors, reverse=True)
    bring(page, "#hosts th:nth-child(3) button").click()
    assert [int(text) for text in column(page, 2)] == sorted(errors, reverse=True)
    page.find("#hosts th:nth-child(3) button").click()
    assert [int(text) for text in column(page, 2)] == sorted(errors)
    assert page.find("#hosts th:nth-child(3)").get_attribute("aria-sort") == "ascending"
    page.find("#hosts th:nth-child(1) button").click()
    assert column(page, 0) == sorted(hosts)


def test_the_flamegraph_inside_is_zoomed_and_searched(page: Browser) -> None:
    bring(page, ".flame-view")
    box = next(
        group for group in page.find_all(".flame-view g") if str(group.get_attribute("aria-label")).startswith("hash,")
    )
    narrow = dict(page.script(f"return {FRAMES}"))
    box.click()
    page.wait_for(f"{FRAMES}.some(([label, width]) => label.startsWith('hash,') && width > 900)")
    assert max(width for label, width in narrow.items() if label.startswith("hash,")) < 900
    field = page.find(".flame-tools input")
    field.send_keys("hash|encode")
    assert "70" in page.find(".flame-tools output").text
    assert_quiet(page)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 400)])
def test_pictures_of_the_report_are_kept(page: Browser, scheme: Any, width: int) -> None:
    page.color_scheme(scheme)
    page.resize(width, 900)
    page.wait_for(IS_FITTED)
    picture = page.screenshot(f"report-{scheme}-{width}")
    assert picture.stat().st_size > 50_000
    background = page.script("return getComputedStyle(document.body).backgroundColor")
    red = int(background.split("(")[1].split(",")[0])
    assert (red > 128) is (scheme == "light")


def test_paper_is_white_whatever_theme_is_chosen(page: Browser) -> None:
    page.script("document.documentElement.dataset.theme = 'dark'; dispatchEvent(new Event('beforeprint'))")
    assert page.script("return document.documentElement.dataset.theme") == "light"
    page.script("dispatchEvent(new Event('afterprint'))")
    assert page.script("return document.documentElement.dataset.theme") == "dark"


# --- the charts by themselves, as the dashboard uses them

FORMATS = [
    (0.0000012, "s", "1.2 µs"),
    (0.0347, "s", "34.7 ms"),
    (12.34, "s", "12.3 s"),
    (600, "s", "10.0 min"),
    (999, "bytes", "999 B"),
    (1234, "bytes", "1.2 kB"),
    (98_765_432, "bytes", "98.8 MB"),
    (4_300_000, "bytes/s", "4.3 MB/s"),
    (12345, "count", "12 345"),
    (1_234_567, "count", "1.2 M"),
    (64, "count", "64"),
    (0, "per_s", "0/s"),
    (748.4, "per_s", "748/s"),
    (0.5, "share", "50.0 %"),
    (1, "share", "100 %"),
    (0.004, "share", "0.4 %"),
    (0.38, "cores", "0.38"),
    (None, "s", "–"),
]


def charts_page(browser: Browser, folder: Path, model: dict[str, object]) -> Browser:
    scripts = [asset_text("charts.js"), asset_text("runcharts.js")]
    html = document("charts", '<main><div id="here"></div></main>', styles=[asset_text("charts.css")], scripts=scripts)
    path = folder / "charts.html"
    path.write_text(html, encoding="utf-8")
    browser.resize(1280, 900)
    browser.open_file(path)
    browser.script("window.run = Penstock.runCharts(document.getElementById('here'), arguments[0])", model)
    return browser


def model_of(windows: list[Window]) -> dict[str, object]:
    return chart_model([Epoch("", windows)])


def test_numbers_are_written_as_people_read_them(browser: Browser, tmp_path: Path) -> None:
    page = charts_page(browser, tmp_path, model_of(slow_sink_windows(5)))
    values = [[value, unit] for value, unit, _ in FORMATS]
    shown = page.script("return arguments[0].map(([v, u]) => Penstock.charts.format(v, u))", values)
    assert [text.replace("\u202f", " ") for text in shown] == [text for _, _, text in FORMATS]


def test_live_charts_come_and_go_in_their_order_and_keep_the_pointer(browser: Browser, tmp_path: Path) -> None:
    calm = [Window(end_s=float(n + 1), span_s=1.0, ended=5, answers=5, in_flight=3.0, limit=4.0) for n in range(5)]
    page = charts_page(browser, tmp_path, model_of(calm))
    titles = "return [...document.querySelectorAll('.chart-title')].map((t) => t.textContent)"
    few = page.script(titles)
    assert "Trouble" not in few
    page.hover(page.find(".chart-plot svg"))
    page.wait_for("document.querySelectorAll('.chart-tip:not([hidden])').length === 1")
    page.script(
        "window.first = document.querySelector('.chart'); run.update(arguments[0])", model_of(slow_sink_windows(40))
    )
    many = page.script(titles)
    assert page.script("return window.first === document.querySelector('.chart')"), "updated, not made anew"
    assert len(page.find_all(".chart-tip:not([hidden])")) == 1
    assert many.index("Items") < many.index("In flight") < many.index("Source") < many.index("Sink")
    assert many.index("Sink") < many.index("Bytes") < many.index("Trouble") < many.index("Event loop")
    page.script("run.update(arguments[0])", model_of(calm))
    assert page.script(titles) == few
    page.script("run.update({series: {}}); run.destroy()")
    assert page.script("return document.getElementById('here').childElementCount") == 0
    assert_quiet(page)


def test_a_chart_out_of_sight_is_brought_up_to_date_when_it_is_looked_at_or_printed(
    browser: Browser, tmp_path: Path
) -> None:
    page = charts_page(browser, tmp_path, model_of(slow_sink_windows(30)))
    last = "[...document.querySelectorAll('.chart')].at(-1)"
    ends = f"return {last}.querySelector('svg .chart-line').getAttribute('d')"
    page.wait_for("window.scrollY === 0")
    before = page.script(ends)
    page.script("return new Promise((seen) => requestAnimationFrame(() => setTimeout(seen)))")  # observers have run
    page.script("run.update(arguments[0])", model_of(slow_sink_windows(60)))
    assert page.script(ends) == before, "nobody sees it"
    page.script("dispatchEvent(new Event('beforeprint'))")
    printed = page.script(ends)
    assert printed != before
    page.script("run.update(arguments[0])", model_of(slow_sink_windows(90)))
    page.script(f"{last}.scrollIntoView()")
    page.wait_for(f"{last}.querySelector('svg .chart-line').getAttribute('d') !== arguments[0]", printed)
    assert_quiet(page)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shortest_run_is_drawn_over_its_whole_width(browser: Browser, tmp_path: Path, count: int) -> None:
    page = charts_page(browser, tmp_path, model_of(slow_sink_windows(count)))
    shares = page.script(
        "return [...document.querySelectorAll('.chart-line')]"
        ".map((path) => path.getBBox().width / path.ownerSVGElement.viewBox.baseVal.width)"
    )
    assert shares
    assert min(shares) > 0.8
    assert_quiet(page)


def test_unknown_windows_are_gaps_and_zero_is_a_line(browser: Browser, tmp_path: Path) -> None:
    windows = slow_sink_windows(30)
    for window in windows[10:20]:
        window.ttfb_s_p50 = window.ttfb_s_p95 = None
    for window in windows:
        window.in_flight = 0.0
    page = charts_page(browser, tmp_path, model_of(windows))
    pieces = page.script(
        "return [...document.querySelectorAll('.chart')]"
        ".filter((chart) => chart.querySelector('.chart-title').textContent === arguments[0])"
        ".map((chart) => (chart.querySelector('.chart-line').getAttribute('d').match(/M/g) || []).length)",
        "Time to first byte",
    )
    assert pieces == [2]
    assert_quiet(page)
