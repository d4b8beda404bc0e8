"""The dashboard in a real browser beside a real run: what it shows, what its buttons do, and what it does not allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dashboard_kit import LiveRun, live_run, until

from browser import _FLAGS, Browser, running_browser
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(answer_s_max=60, hosts=4) as running:
        yield running


@pytest.fixture
def fresh(origin: OriginProcess) -> OriginProcess:
    origin.reset()
    return origin


@contextmanager
def shown(browser: Browser, folder: Path, origin: OriginProcess, count: int = 8000) -> Iterator[LiveRun]:
    """A run of pages on four hosts of different latency, and its dashboard open, with charts."""
    urls = [
        f"{origin.url_of(f'127.0.0.{2 + number % 4}')}/page/{number}?latency={0.02 + 0.02 * (number % 4)}&bytes=8K"
        for number in range(count)
    ]
    with live_run(folder, urls, "-j", "16", "--shard-rows", "500", "--seed", "1") as run:
        browser.resize(1280, 900)
        browser.color_scheme("light")
        browser.open_url(run.link)
        browser.wait_for("document.querySelectorAll('#charts svg').length > 8")
        yield run


def number(browser: Browser, selector: str) -> int:
    """A count as the page shows it, without the thin spaces between thousands."""
    text = browser.find(selector).text
    return int("".join(character for character in text if character.isdigit()))


def phase(browser: Browser, wanted: str) -> None:
    browser.wait_for("document.querySelector('#phase').textContent.startsWith(arguments[0])", wanted)


def test_the_page_shows_a_run_and_follows_it(browser: Browser, tmp_path: Path, fresh: OriginProcess) -> None:
    with shown(browser, tmp_path, fresh) as run:
        phase(browser, "running")
        assert browser.find("h1").text == "out"
        assert browser.find("#link-text").text == "live"
        assert not browser.script("return location.hash"), "the token stays out of the address bar"
        ended = number(browser, "#ended")
        points = "document.querySelector('#charts path.chart-line').getAttribute('d').split('L').length"
        before = browser.script(f"return {points}")
        browser.wait_for(f"{points} > arguments[0] + 2", before)
        assert number(browser, "#ended") > ended
        assert browser.find_all("#hosts tr")
        parts = ("written", "failed", "skipped", "pending", "admitted")
        sums = browser.script(
            "return arguments[0].map((id) => Number(document.getElementById(id).textContent.replace(/\\D/g, '')))",
            parts,
        )
        assert sum(sums[:-1]) == sums[-1]
        browser.wait_for("document.querySelector('#verdict-evidence li')")
        browser.resize(1280, 4200)  # charts out of sight are not drawn
        for scheme in ("light", "dark"):
            browser.color_scheme(scheme)
            elapsed = browser.find("#elapsed").text
            browser.wait_for("document.querySelector('#elapsed').textContent !== arguments[0]", elapsed)
            browser.screenshot(f"dashboard-{scheme}")
        browser.resize(400, 800)
        assert browser.script("return document.documentElement.scrollWidth") <= 400, "nothing hangs over on a phone"
        browser.screenshot("dashboard-narrow")
        browser.driver.refresh()  # the tab knows the token
        browser.wait_for("document.querySelectorAll('#charts svg').length > 8")
        assert browser.console_errors() == []
        assert browser.foreign_requests() == []
        run.command("drain")
        assert run.end() == 75


def test_the_buttons_pause_resume_and_change_the_concurrency(
    browser: Browser, tmp_path: Path, fresh: OriginProcess
) -> None:
    with shown(browser, tmp_path, fresh) as run:
        browser.find("#pause").click()
        phase(browser, "paused")
        until(lambda: fresh.stats()["inflight"] == 0)
        requests = fresh.stats()["requests"]
        browser.screenshot("dashboard-paused", whole_page=False)
        elapsed = browser.find("#elapsed").text
        browser.wait_for("document.querySelector('#elapsed').textContent !== arguments[0]", elapsed)
        assert fresh.stats()["requests"] == requests, "a request was made while the run was paused"
        assert browser.find("#pause").text == "Resume"
        browser.find("#pause").click()
        phase(browser, "running")
        until(lambda: fresh.stats()["requests"] > requests)

        browser.find("#limit-double").click()
        browser.wait_for("document.querySelector('#answer').textContent.includes('32')")
        browser.wait_for("document.querySelector('#limit').value === '32'")
        until(lambda: fresh.stats()["inflight"] > 16)
        field = browser.find("#limit")
        field.clear()
        field.send_keys("3\n")
        browser.wait_for("document.querySelector('#figures dd').textContent.includes('of 3')")
        until(lambda: fresh.stats()["inflight"] <= 3)
        assert browser.console_errors() == []
        run.command("drain")
        assert run.end() == 75


def test_drain_asks_first_and_then_ends_the_run_cleanly(browser: Browser, tmp_path: Path, fresh: OriginProcess) -> None:
    since = len(fresh.requests())
    with shown(browser, tmp_path, fresh) as run:
        browser.find("#drain").click()
        browser.wait_for("document.querySelector('#confirm').open")
        browser.screenshot("dashboard-confirm", whole_page=False)
        browser.find("#confirm button[value=cancel]").click()
        browser.wait_for("!document.querySelector('#confirm').open")
        requests = fresh.stats()["requests"]
        until(lambda: fresh.stats()["requests"] > requests)
        browser.find("#drain").click()
        browser.find("#confirm button[value=drain]").click()
        phase(browser, "ended early")
        assert run.end() == 75
        assert browser.find("#link-text").text == "the run has ended"
        assert "goes on where it stopped" in browser.find("#news").text
        assert not browser.find("#pause").is_enabled()
        answered = sum(each.complete and each.status == 200 for each in fresh.requests()[since:])
        assert number(browser, "#written") == answered
        assert f"= written {answered:,} + failed 0" in run.said
        browser.screenshot("dashboard-ended", whole_page=False)
        assert browser.console_errors() == []


def test_a_run_that_completes_shows_its_last_numbers(browser: Browser, tmp_path: Path, fresh: OriginProcess) -> None:
    with shown(browser, tmp_path, fresh, count=1500) as run:
        assert run.end() == 0
        phase(browser, "complete")
        assert number(browser, "#written") == 1500
        assert browser.find("#share").text.startswith("100")
        assert browser.find("#news").text == "The run is complete."
        assert browser.console_errors() == []


def test_without_the_token_the_page_shows_nothing_of_the_run(
    browser: Browser, tmp_path: Path, fresh: OriginProcess
) -> None:
    with shown(browser, tmp_path, fresh) as run:
        browser.open_url("about:blank")
        browser.open_url(f"{run.url}/#token=wrong")
        browser.wait_for("!document.querySelector('#ask').hidden")
        assert not browser.find("#run").is_displayed()
        browser.screenshot("dashboard-locked", whole_page=False)
        browser.find("#token").send_keys(run.token + "\n")
        browser.wait_for("document.querySelectorAll('#charts svg').length > 8")
        run.command("drain")
        assert run.end() == 75


def test_a_page_under_a_wrong_name_is_refused(
    browser: Browser,
    tmp_path: Path,
    fresh: OriginProcess,
    require_server: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # DNS rebinding as a browser lives it: a stranger's name leads to the dashboard's address and port.
    rebound = "--host-resolver-rules=MAP evil.test 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.*"
    monkeypatch.setattr("browser._FLAGS", (*_FLAGS, rebound))
    programs = require_server("chromium"), require_server("chromedriver")
    with shown(browser, tmp_path, fresh) as run:
        with running_browser(*programs) as deceived:
            deceived.open_url(f"http://evil.test:{run.port}/#token={run.token}")
            assert "expected a Host header that names this server, got 'evil.test:" in deceived.find("body").text
            assert not deceived.find_all("#run")
            read = "fetch('/events', {headers: {Authorization: 'Bearer ' + arguments[0]}}).then((a) => a.status)"
            read += ".then(arguments[1])"
            assert deceived.driver.execute_async_script(read, run.token) == 421
        run.command("drain")
        assert run.end() == 75


FROM_ANOTHER_SITE = """
const [url, token, done] = arguments;
const headers = { Authorization: "Bearer " + token, "Content-Type": "application/json" };
const body = JSON.stringify({ action: "drain" });
const told = (asked) => asked.then((answer) => answer.type + answer.status, (error) => error.name);
Promise.all([
  told(fetch(url + "/control", { method: "POST", headers, body })),
  told(fetch(url + "/control", { method: "POST", body, mode: "no-cors" })),
  told(fetch(url + "/events", { headers })),
  told(fetch(url + "/")),
  new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = url + "/assets/dashboard.js";
    script.onload = () => resolve("loaded");
    script.onerror = () => resolve("refused");
    document.head.append(script);
  }),
]).then(done);
"""


def test_another_site_in_the_browser_can_neither_read_nor_steer(
    browser: Browser, tmp_path: Path, fresh: OriginProcess
) -> None:
    with shown(browser, tmp_path, fresh) as run:
        browser.open_url(f"{fresh.url}/page/1")
        answers = browser.driver.execute_async_script(FROM_ANOTHER_SITE, run.url, run.token)
        assert answers == ["TypeError", "TypeError", "TypeError", "TypeError", "refused"], json.dumps(answers)
        requests = fresh.stats()["requests"]
        until(lambda: fresh.stats()["requests"] > requests + 50)  # the run goes on, nobody has drained it
        assert run.process.poll() is None
        run.command("drain")
        assert run.end() == 75


def test_a_run_that_is_killed_leaves_a_page_that_says_so(
    browser: Browser, tmp_path: Path, fresh: OriginProcess
) -> None:
    with shown(browser, tmp_path, fresh) as run:
        run.process.kill()
        browser.wait_for("document.querySelector('#link').dataset.state === 'lost'")
        assert "trying again" in browser.find("#link-text").text
        assert number(browser, "#ended") > 0, "the last numbers stay"
