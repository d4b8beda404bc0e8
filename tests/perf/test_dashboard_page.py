"""The page in a real browser, fed by the test: hours within a second, texts that would be markup, a blocked loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dashboard_kit import serving, until

from browser import Browser
from penstock.perf.dashboard.hub import Update
from penstock.perf.dashboard.live import live_json
from penstock.perf.dashboard.server import DashboardServer
from penstock.telemetry.counters import Counters, Earlier
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import HostRow, Snapshot
from penstock.telemetry.window import Window

pytestmark = pytest.mark.slow

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;\u2028\x00"


@pytest.fixture
def server(browser: Browser) -> Iterator[DashboardServer]:
    browser.resize(1280, 900)
    browser.color_scheme("light")
    with serving() as running:
        yield running


def snapshot(**more: object) -> Snapshot:
    counters = Counters(Earlier(written=1000, failed=20))
    counters.admitted += 500
    counters.written += 300
    counters.ended = 400
    counters.failures = {"http_5xx": 12, "dns": 3}
    return Snapshot(120.0, counters, in_flight=7, limit=8, **more)


def publish(server: DashboardServer, windows: int) -> None:
    for number in range(1, windows + 1):
        server.hub.publish(Update((Window(float(number), 1.0, ended=number, in_flight=2.0),)))


def show(browser: Browser, server: DashboardServer, seen: Snapshot, verdict: dict[str, object] | None = None) -> None:
    judge = None if verdict is None else lambda: verdict
    server.hub.publish(Update((), live_json(seen, Rates(), "running"), judge))
    browser.open_url(server.url)
    browser.wait_for("document.querySelectorAll('#charts svg').length > 1")


def test_what_servers_and_files_are_called_stays_text(browser: Browser, server: DashboardServer) -> None:
    verdict = {
        "name": MARKUP, "confidence": 0.95, "evidence": [MARKUP], "next": MARKUP,
        "at_twice_concurrency": MARKUP, "falsify": MARKUP,
    }  # fmt: skip
    publish(server, 2)
    show(browser, server, snapshot(hosts=[HostRow(MARKUP, note=MARKUP)], state=MARKUP), verdict)
    assert "<img src=x" in browser.find("#hosts td").text
    assert "<img src=x" in browser.find("#verdict-evidence").text
    assert not browser.find_all("main img, #run script")
    assert browser.console_errors() == []


def test_hours_can_be_seen_as_a_whole_or_by_their_last_minutes(browser: Browser, server: DashboardServer) -> None:
    publish(server, 4000)
    until(lambda: server.hub._history.coarse_s == 16)
    show(browser, server, snapshot())
    ticks = "#charts figure:first-of-type .chart-tick"
    axis = f"Array.from(document.querySelectorAll('{ticks}'), (tick) => tick.textContent)"
    browser.wait_for("!document.querySelector('#range').hidden")
    assert "1:05:00" in browser.script(f"return {axis}")
    browser.find("#whole").click()
    browser.wait_for(f"{axis}.includes('0') && !{axis}.includes('1:05:00')")
    browser.find("#recent").click()
    browser.wait_for(f"{axis}.includes('1:05:00')")
    browser.screenshot("dashboard-hours", whole_page=False)
    assert browser.console_errors() == []


def test_the_numbers_of_a_resumed_run_of_unknown_length_are_told_rightly(
    browser: Browser, server: DashboardServer
) -> None:
    publish(server, 2)
    show(browser, server, snapshot())
    assert browser.find("#ended").text == "1\u202f420"
    assert browser.find("#total").text == "items have ended"
    assert not browser.find("#bar").is_displayed()
    assert browser.find("#earlier").text == "1\u202f020 of them by earlier runs"
    assert browser.find("#failures").text == "Given up: http_5xx 12 · dns 3"
    assert browser.find("#verdict-name").text == "Cannot tell yet"
    assert not browser.find("#verdict-sure").is_displayed()


def test_a_run_that_blocks_says_so_at_the_top(browser: Browser, server: DashboardServer) -> None:
    publish(server, 2)
    show(browser, server, snapshot(total=9000))
    server.hub.beat()
    browser.wait_for("!document.querySelector('#blocked').hidden")
    assert "has been blocked for" in browser.find("#blocked").text
    browser.screenshot("dashboard-blocked", whole_page=False)
    server.hub.beat()
    browser.wait_for("document.querySelector('#blocked').hidden")
