"""Comparisons and sweeps in a real browser: drawn without errors or network, nothing overlaps, light, dark, narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compare_kit import comparison, estimate, refused, refused_tuning, seven, tuning

from browser import Browser
from penstock.perf.compare.page import compare_html
from penstock.perf.compare.pictures import comparison_pictures
from penstock.perf.scaling.page import tuning_html
from penstock.perf.scaling.pictures import tuning_pictures

pytestmark = pytest.mark.slow

LONG = tuple(f"a_module_with_a_long_name.and_more:fetch_{n}" for n in range(20))
PAGES = {
    "one": lambda: compare_html([comparison()], command="penstock compare --preset io-20ms --seed 7"),
    "seven": lambda: compare_html(seven()),
    "refused": lambda: compare_html([refused(), comparison()]),
    "twenty": lambda: compare_html([comparison(names=LONG)]),
    "tune": lambda: tuning_html(tuning(), command="penstock tune --preset io-20ms --slo 80ms --seed 7"),
    "tune-edges": lambda: tuning_html(
        tuning(recommended=1, knee=estimate(1.2), peak=estimate(95.0), slo_p95_s=0.03, commentary=())
    ),
    "tune-refused": lambda: tuning_html(refused_tuning()),
}
OVERLAPS = """
const bad = [];
for (const svg of document.querySelectorAll("svg.pic")) {
  const boxes = [...svg.querySelectorAll("text:not(.on)")].map((t) => [t.textContent, t.getBoundingClientRect()]);
  boxes.forEach(([a, one], i) => boxes.slice(i + 1).forEach(([b, two]) => {
    const across = Math.min(one.right, two.right) - Math.max(one.left, two.left);
    const down = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
    if (across > 0.5 && down > 3) bad.push(`${a} on ${b}`);
  }));
}
return bad;
"""
OUT_OF_PICTURE = """
const bad = [];
for (const svg of document.querySelectorAll("svg.pic")) {
  const frame = svg.getBoundingClientRect();
  for (const part of svg.querySelectorAll("text, circle, rect, path")) {
    const box = part.getBoundingClientRect();
    if (box.left < frame.left - 3 || box.right > frame.right + 3) bad.push(part.outerHTML.slice(0, 90));
    if (box.top < frame.top - 3 || box.bottom > frame.bottom + 3) bad.push(part.outerHTML.slice(0, 90));
  }
}
return bad;
"""
OUTSIDE = """
const wide = document.documentElement.clientWidth + 0.5;
return [...document.querySelectorAll("main *")]
  .filter((e) => !e.closest(".scroll, svg, pre"))
  .filter((e) => e.getBoundingClientRect().right > wide)
  .map((e) => e.outerHTML.slice(0, 90));
"""
SMALLEST_TEXT = """
return Math.min(...[...document.querySelectorAll("main *")].filter((e) => e.textContent.trim() && !e.children.length)
  .map((e) => parseFloat(getComputedStyle(e).fontSize)));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compare")
    for name, make in PAGES.items():
        (made / f"{name}.html").write_text(make(), encoding="utf-8")
    return made


def opened(browser: Browser, folder: Path, name: str, width: int, scheme: Any = "light") -> Browser:
    browser.resize(width, 900)
    browser.color_scheme(scheme)
    browser.open_file(folder / f"{name}.html")
    return browser


@pytest.mark.parametrize("width", [320, 375, 768, 1280, 1800])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_overlaps_or_hangs_out_of_the_page(browser: Browser, folder: Path, name: str, width: int) -> None:
    page = opened(browser, folder, name, width)
    assert page.script(OVERLAPS) == []
    assert page.script(OUT_OF_PICTURE) == []
    assert page.script(OUTSIDE) == []
    assert page.script("return document.documentElement.scrollWidth") <= width
    assert page.console_errors() == []
    assert page.foreign_requests() == []


@pytest.mark.parametrize("name", ["one", "tune"])
def test_text_is_readable_on_a_phone(browser: Browser, folder: Path, name: str) -> None:
    page = opened(browser, folder, name, 375)
    assert page.script(SMALLEST_TEXT) >= 10
    sizes = page.script(
        "return [...document.querySelectorAll('svg.pic text')].map((t) => t.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 11, "charts grow narrower, their words do not"


@pytest.mark.parametrize("name", ["one", "refused", "tune"])
def test_words_of_charts_stand_out_from_their_ground(browser: Browser, folder: Path, name: str) -> None:
    for scheme, ground in (("light", (255, 255, 255)), ("dark", (22, 25, 31))):
        page = opened(browser, folder, name, 1280, scheme)
        fills = page.script(
            "return [...new Set([...document.querySelectorAll('svg.pic text:not(.on), svg.pic tspan')]"
            ".map((t) => getComputedStyle(t).fill))]"
        )
        for fill in fills:
            colour = tuple(int(part) for part in fill[4:-1].split(","))
            assert contrast(colour, ground) >= 4.5, (scheme, fill)


def contrast(one: tuple[int, ...], two: tuple[int, ...]) -> float:
    """WCAG 2.2, contrast ratio."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = [(c / 255) / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_the_glance_leads_to_each_workload(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, "seven", 1280)
    page.find('.glance a[href="#w3"]').click()
    top = page.script("return document.getElementById('w3').getBoundingClientRect().top")
    assert abs(top) < 60


def test_wide_tables_scroll_by_keyboard_inside_the_page(browser: Browser, folder: Path) -> None:
    page = opened(browser, folder, "one", 375)
    wide = page.script(
        "return [...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
        ".map((e) => [e.tabIndex, e.getAttribute('aria-label')])"
    )
    assert wide
    assert all(index == 0 and label for index, label in wide)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375), ("dark", 375)])
@pytest.mark.parametrize("name", ["one", "seven", "refused", "tune"])
def test_pictures_of_the_pages_are_kept(browser: Browser, folder: Path, name: str, scheme: Any, width: int) -> None:
    page = opened(browser, folder, name, width, scheme)
    assert page.screenshot(f"compare-{name}-{scheme}-{width}").stat().st_size > 30_000
    background = page.script("return getComputedStyle(document.body).backgroundColor")
    assert (int(background.split("(")[1].split(",")[0]) > 128) is (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_their_own_are_drawn_in_both_grounds(browser: Browser, tmp_path: Path, scheme: Any) -> None:
    made = {**comparison_pictures([comparison()]), **tuning_pictures(tuning())}
    browser.color_scheme(scheme)
    browser.resize(700, 900)
    for name, svg in made.items():
        (tmp_path / f"{name}.svg").write_text(svg, encoding="utf-8")
        browser.open_file(tmp_path / f"{name}.svg")
        ground = browser.script("return getComputedStyle(document.querySelector('.ground')).fill")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 25, 31)")
        assert browser.script(OUT_OF_PICTURE) == []
        assert browser.script(OVERLAPS) == []
        browser.screenshot(f"compare-svg-{name}-{scheme}", whole_page=False)
        assert browser.console_errors() == []
