"""Flamegraph pages in a real browser: drawn, zoomed, searched and read with mouse and keyboard, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from flame_kit import APP, HOSTILE, UNITS, big, hostile, of_kind, small
from selenium.webdriver import Keys

from browser import Browser
from penstock.perf.page.document import document
from penstock.perf.profile.draw.diff import diff_html
from penstock.perf.profile.draw.flamegraph import (
    flamegraph_fragment,
    flamegraph_html,
    flamegraph_scripts,
    flamegraph_styles,
    flamegraph_svg,
)
from penstock.perf.profile.model import Frame, Kind, Profile

pytestmark = pytest.mark.slow

LABEL = "return [...document.querySelectorAll('.flame-view g')].map(g => g.getAttribute('aria-label'))"
TEXT = "return document.querySelector(arguments[0]).textContent"


def opened(browser: Browser, folder: Path, html: str, fragment: str = "") -> Browser:
    page = folder / "page.html"
    page.write_text(html, encoding="utf-8", errors="backslashreplace")
    browser.resize(1280, 900)
    browser.color_scheme("light")
    browser.open_file(page, fragment)
    browser.wait_for("document.querySelectorAll('.flame-view g').length > 0")
    return browser


def is_quiet(browser: Browser) -> bool:
    assert browser.console_errors() == []
    assert browser.foreign_requests() == []
    return True


def frame(browser: Browser, name: str) -> dict[str, float]:
    """Where the first box of that name is: x, y, width in CSS pixels."""
    found = browser.script(
        "const g = [...document.querySelectorAll('.flame-view g')]"
        ".find(g => g.getAttribute('aria-label').startsWith(arguments[0] + ','));"
        "if (!g) return null; const r = g.querySelector('rect').getBoundingClientRect();"
        "return {x: r.x, y: r.y, width: r.width};",
        name,
    )
    assert found, f"{name} is not drawn"
    return dict(found)


def click(browser: Browser, name: str) -> None:
    for group in browser.find_all(".flame-view g"):
        if str(group.get_attribute("aria-label")).startswith(f"{name},"):
            group.click()
            return
    raise AssertionError(f"{name} is not drawn")


def is_drawn(browser: Browser, name: str) -> bool:
    return any(label.startswith(f"{name},") for label in browser.script(LABEL))


def search(browser: Browser, text: str) -> str:
    field = browser.find(".flame-tools input")
    field.clear()
    field.send_keys(text)
    return str(browser.script(TEXT, ".flame-tools output"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", UNITS)
def test_every_kind_is_drawn_from_a_file_without_errors_or_network(
    browser: Browser, tmp_path: Path, kind: Kind, scheme: str
) -> None:
    opened(browser, tmp_path, flamegraph_html(of_kind(kind)))
    browser.color_scheme(scheme)  # type: ignore[arg-type] # parametrised
    assert is_quiet(browser)
    assert is_drawn(browser, "all")
    background = browser.script("return getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, background[4:-1].split(","))) > 200) == (scheme == "light"), "the page follows the system"
    browser.screenshot(f"flame-{kind}-{scheme}")
    assert is_quiet(browser)


def test_widths_are_to_scale(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    whole = frame(browser, "all")["width"]
    assert frame(browser, "parse")["width"] == pytest.approx(0.75 * whole, abs=1.5)
    assert frame(browser, "loads")["width"] == pytest.approx(0.25 * whole, abs=1.5)
    assert frame(browser, "loads")["y"] > frame(browser, "parse")["y"], "the root is on top"


def test_a_click_zooms_and_escape_shows_everything_again(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    whole = frame(browser, "all")["width"]
    click(browser, "loads")
    assert frame(browser, "loads")["width"] == pytest.approx(whole, abs=1.5)
    assert is_drawn(browser, "main"), "the frames above stay, at full width"
    assert browser.script("return document.querySelectorAll('.flame-view g.above').length") == 3
    browser.press(Keys.ESCAPE)
    assert frame(browser, "loads")["width"] == pytest.approx(0.25 * whole, abs=1.5)
    assert is_quiet(browser)


def test_a_zoom_has_an_address_that_leads_back_to_it(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    whole = frame(browser, "all")["width"]
    click(browser, "parse")
    _, _, fragment = browser.driver.current_url.partition("#")
    assert fragment.startswith("flame:flame-cpu:")
    opened(browser, tmp_path, flamegraph_html(small()), fragment)
    assert frame(browser, "parse")["width"] == pytest.approx(whole, abs=1.5)


@pytest.mark.parametrize("fragment", ["flame:flame-cpu:99999", "flame:flame-cpu:1:%E0%A4%A", "flame:other:1", "x"])
def test_an_address_that_leads_nowhere_shows_everything(browser: Browser, tmp_path: Path, fragment: str) -> None:
    opened(browser, tmp_path, flamegraph_html(small()), fragment)
    assert is_drawn(browser, "loads")
    assert is_quiet(browser)


def test_a_search_marks_what_matches_and_tells_its_share(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    assert search(browser, "^PARSE$").startswith("75.0 % matched · 3.00 s · 1 frame")
    assert browser.script("return document.querySelectorAll('.flame-view g.match').length") == 1
    assert search(browser, "parse|loads").startswith("75.0 % matched"), "what is below a match counts once"
    assert search(browser, r"json/").startswith("25.0 % matched"), "files are searched too"
    assert search(browser, "nothing like it").startswith("0 % matched")
    browser.screenshot("flame-search-light")
    assert search(browser, "parse(") == "0 % matched · 0 s · 0 frames", "no regular expression: looked for as it is"
    assert browser.find(".flame-tools input").get_attribute("aria-invalid") == "true"
    assert is_quiet(browser)


def test_the_legend_marks_whose_code_it_is(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    buttons = {button.text: button for button in browser.find_all(".flame-groups button")}
    assert set(buttons) == {"app.py 75.0 %", "Python 25.0 %"}
    buttons["Python 25.0 %"].click()
    assert str(browser.script(TEXT, ".flame-tools output")).startswith("25.0 % matched")


def test_the_keyboard_alone_is_enough(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    whole = frame(browser, "all")["width"]
    browser.script("document.querySelector('.flame-view svg').focus()")
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    detail = str(browser.script(TEXT, ".flame-detail"))
    assert " ".join(detail.split()) == "parse shop/app.py:20 total 3.00 s · 75.0 % own 2.00 s · 50.0 %"
    active = browser.script("return document.querySelector('.flame-view svg').getAttribute('aria-activedescendant')")
    assert browser.find(f"#{active}").get_attribute("aria-label").startswith("parse,")  # type: ignore[union-attr]
    browser.press(Keys.ENTER)
    assert frame(browser, "parse")["width"] == pytest.approx(whole, abs=1.5)
    browser.press(Keys.ARROW_UP)
    assert str(browser.script(TEXT, ".flame-detail")).startswith("main")
    browser.press(Keys.ESCAPE, "/")
    browser.press("loads")
    assert str(browser.script(TEXT, ".flame-tools output")).startswith("25.0 %")
    assert is_quiet(browser)


def test_siblings_are_reached_sideways(browser: Browser, tmp_path: Path) -> None:
    profile = Profile("cpu", "seconds", stacks={(Frame(name, APP, 1),): 4.0 - at for at, name in enumerate("abc")})
    opened(browser, tmp_path, flamegraph_html(profile))
    browser.script("document.querySelector('.flame-view svg').focus()")
    seen = []
    for key in (Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT):
        browser.press(key)
        seen.append(str(browser.script(TEXT, ".flame-detail strong")))
    assert seen == ["a", "b", "c", "c", "b"]


def test_a_tooltip_has_name_place_weights_and_lines(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    browser.hover(browser.find_all(".flame-view g")[2])
    browser.wait_for("!document.querySelector('.flame-tip').hidden")
    text = str(browser.find(".flame-tip").text)
    assert text.split("\n")[:2] == ["parse", "shop/app.py:20"]
    assert "total 3.00 s · 75.0 %" in text
    assert "own 2.00 s · 50.0 %" in text
    assert "line 25 16.7 % of it" in text


def test_callers_turns_it_over_and_upwards_puts_the_root_below(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    whole = frame(browser, "all")["width"]
    callers, upwards = browser.find_all(".flame-tools button")[1:3]
    callers.click()
    # Own weights: parse 2 s, main 1 s, loads 1 s; below them who called them.
    assert frame(browser, "parse")["width"] == pytest.approx(0.5 * whole, abs=1.5)
    assert [label for label in browser.script(LABEL) if label.startswith("loads")] == ["loads, 25.0 %, 1.00 s"]
    assert [label for label in browser.script(LABEL) if label.startswith("main")] == [
        "main, 50.0 %, 2.00 s",
        "main, 25.0 %, 1.00 s",
        "main, 25.0 %, 1.00 s",
    ]
    callers.click()
    upwards.click()
    assert frame(browser, "loads")["y"] < frame(browser, "all")["y"]
    assert is_quiet(browser)


def test_the_readers_theme_wins_over_the_systems(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, flamegraph_html(small()))
    before = browser.script("return getComputedStyle(document.body).backgroundColor")
    browser.find(".theme-toggle").click()
    chosen = browser.script("return getComputedStyle(document.body).backgroundColor")
    assert chosen != before
    browser.color_scheme("dark")
    assert browser.script("return getComputedStyle(document.body).backgroundColor") == chosen
    browser.find(".theme-toggle").click()
    assert browser.script("return getComputedStyle(document.body).backgroundColor") == before
    browser.script("localStorage.clear()")


@pytest.mark.parametrize("kind", UNITS)
def test_hostile_names_are_shown_and_never_run(browser: Browser, tmp_path: Path, kind: Kind) -> None:
    opened(browser, tmp_path, flamegraph_html(hostile(kind)))
    labels = browser.script(LABEL)
    assert all(any(label.startswith(name) for label in labels) for name in HOSTILE if name.isprintable())
    click(browser, HOSTILE[0])
    assert browser.find(".flame-detail strong").text == HOSTILE[0]
    tips = browser.script(
        "return [...document.querySelectorAll('.flame-view g')].map(g => {"
        " const move = new PointerEvent('pointermove', {bubbles: true, clientX: 9, clientY: 9});"
        " g.querySelector('rect').dispatchEvent(move);"
        " return document.querySelector('.flame-tip strong').textContent; })"
    )
    assert HOSTILE[0] in tips
    search(browser, "<img")
    # Whatever a name says, only elements of ours are there, and texts hold text.
    made = "return [...document.querySelectorAll('.flame *, .flame-tip *')].map(e => e.localName)"
    assert not {"img", "script", "style", "title"} & set(browser.script(made))
    assert browser.script("return document.querySelectorAll('.flame-view text *, .flame-tip strong *').length") == 0
    assert browser.script("return window.broken === undefined && document.images.length === 0")
    assert is_quiet(browser)


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, tmp_path: Path) -> None:
    for kind in UNITS:
        opened(browser, tmp_path, flamegraph_html(of_kind(kind)))
        browser.resize(400, 800)
        browser.wait_for("document.querySelector('.flame-view svg').viewBox.baseVal.width < 400")
        assert browser.script("return document.documentElement.scrollWidth") <= 400
        assert is_drawn(browser, "parse")
        browser.screenshot(f"flame-{kind}-narrow")
    assert is_quiet(browser)


def test_ten_thousand_nodes_are_drawn_zoomed_and_turned_over(browser: Browser, tmp_path: Path) -> None:
    profile = big(10_000)
    opened(browser, tmp_path, flamegraph_html(profile))
    assert browser.script("return document.querySelector('.flame').flame.tree.count") > 10_000
    # What is narrower than 0.1 % is not in the picture: that keeps it quick.
    assert 100 < len(browser.script(LABEL)) < 5_000
    narrowest = browser.script(
        "return Math.min(...[...document.querySelectorAll('.flame-view rect')].map(r => +r.getAttribute('width')))"
    )
    assert narrowest >= 0.999
    browser.screenshot("flame-big-light")
    assert search(browser, "^alpha").split(" ")[1] == "%"
    browser.find_all(".flame-view g")[40].click()
    browser.find_all(".flame-tools button")[1].click()
    total = browser.script("const f = document.querySelector('.flame').flame; return f.tree.total[0]")
    assert total == pytest.approx(profile.total, rel=1e-4)
    # Each own weight has a chain of callers of its own; followed to the end they would be ten times as many nodes.
    assert browser.script("return document.querySelector('.flame').flame.tree.count") < 5_000
    assert is_quiet(browser)


def test_several_graphs_live_on_one_page(browser: Browser, tmp_path: Path) -> None:
    fragments = [flamegraph_fragment(of_kind(kind), element_id=f"graph-{kind}") for kind in UNITS]
    data = {key: value for fragment in fragments for key, value in fragment.data.items()}
    body = "<main>" + "".join(fragment.html for fragment in fragments) + "</main>"
    opened(
        browser, tmp_path, document("all", body, styles=flamegraph_styles(), scripts=flamegraph_scripts(), data=data)
    )
    assert len(browser.find_all(".flame-view svg")) == len(UNITS)
    browser.find("#graph-memory .flame-view g:nth-of-type(3)").click()
    assert browser.script("return document.querySelectorAll('#graph-memory g.above').length") == 2
    assert browser.script("return document.querySelectorAll('#graph-cpu g.above').length") == 0
    assert is_quiet(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_difference_shows_more_in_red_and_less_in_blue(browser: Browser, tmp_path: Path, scheme: str) -> None:
    before = Profile("cpu", "seconds", samples=10)
    after = Profile("cpu", "seconds", samples=10)
    for name, old, new in (("slower", 1.0, 3.0), ("same", 2.0, 2.0), ("faster", 3.0, 1.0), ("gone", 1.0, 0.0)):
        before.add((Frame("main", APP, 1), Frame(name, APP, 2)), old)
        after.add((Frame("main", APP, 1), Frame(name, APP, 9)), new + (1.0 if name == "same" else 0.0) / 3)
    opened(browser, tmp_path, diff_html(before, after))
    browser.color_scheme(scheme)  # type: ignore[arg-type] # parametrised
    fills = {
        label.split(",")[0]: color
        for label, color in browser.script(
            "const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true});"
            "return [...document.querySelectorAll('.flame-view g')].map(g => {"
            " c.fillStyle = getComputedStyle(g.querySelector('rect')).fill; c.fillRect(0, 0, 1, 1);"
            " return [g.getAttribute('aria-label'), [...c.getImageData(0, 0, 1, 1).data]]; })"
        )
    }
    assert fills["slower"][0] > fills["slower"][2] + 20
    assert fills["faster"][2] > fills["faster"][0] + 20
    assert not is_drawn(browser, "gone"), "widths are those of after"
    browser.script(
        "const s = document.querySelector('.flame-tools select');s.value = 'both'; s.dispatchEvent(new Event('change'))"
    )
    assert is_drawn(browser, "gone")
    browser.hover(browser.find_all(".flame-view g")[2])
    assert "before" in browser.find(".flame-tip").text
    browser.screenshot(f"flame-diff-{scheme}")
    assert is_quiet(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_static_picture_is_drawn_without_scripts(browser: Browser, tmp_path: Path, scheme: str) -> None:
    picture = tmp_path / "cpu.svg"
    picture.write_text(flamegraph_svg(big(2_000), 1000), encoding="utf-8")
    browser.resize(1040, 700)
    browser.color_scheme(scheme)  # type: ignore[arg-type] # parametrised
    browser.open_file(picture)
    assert is_quiet(browser)
    assert browser.script("return document.querySelectorAll('rect').length") > 50
    ground = browser.script("return getComputedStyle(document.querySelector('.ground')).fill")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 25, 31)")
    browser.screenshot(f"flame-picture-{scheme}", whole_page=False)


def test_without_samples_the_page_says_so(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "empty.html"
    page.write_text(flamegraph_html(Profile("cpu", "seconds", title="true")), encoding="utf-8")
    browser.open_file(page)
    assert "nothing was recorded" in browser.find(".flame").text
    assert is_quiet(browser)
