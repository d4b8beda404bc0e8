"""Headless Chromium as a test's reader: opens a page, tells what the console and the network saw, takes pictures.

Own profile, own home, no network but loopback. The rule: it ends the processes it started, and only those.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import psutil
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

WAIT_S_MAX = 20.0
_END_S_MAX = 10.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-client-side-phishing-detection",
    "--disable-domain-reliability",
    "--metrics-recording-only",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # Whatever a page asks for by name is not found, instead of being looked for outside.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.*",
)
_LOCAL_SCHEMES = {"file", "data", "blob", "about", "chrome"}


def artifact_folder() -> Path:
    """Where pictures are kept: `PENSTOCK_TEST_ARTIFACTS`, or `test-artifacts/` in the repository. Created if needed."""
    chosen = os.environ.get("PENSTOCK_TEST_ARTIFACTS")
    folder = Path(chosen) if chosen else Path(__file__).resolve().parents[1] / "test-artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Browser:
    """One tab. `driver` is selenium's, for what is not here."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self._console: list[str] = []
        self._requests: list[str] = []

    def open_file(self, path: Path, fragment: str = "") -> None:
        """Load a page from a file and forget what earlier pages said. `fragment` goes behind the `#`."""
        self.open_url(path.resolve().as_uri() + (f"#{fragment}" if fragment else ""))

    def open_url(self, url: str) -> None:
        """Load a page and forget what earlier pages said. A URL that differs behind the `#` only is loaded again."""
        self.driver.get("about:blank")
        self._read_logs()
        self._console.clear()
        self._requests.clear()
        self.driver.get(url)

    def console_errors(self) -> list[str]:
        """Errors of the page since it was opened: uncaught exceptions, `console.error`, refusals of its policy."""
        self._read_logs()
        return list(self._console)

    def foreign_requests(self) -> list[str]:
        """URLs the page asked for since it was opened that are neither files, nor inside the page, nor loopback."""
        self._read_logs()
        return [url for url in self._requests if not _is_local(url)]

    def color_scheme(self, scheme: Literal["light", "dark"]) -> None:
        """What the system prefers, as the page sees it; holds for later pages too."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def resize(self, width: int, height: int) -> None:
        """The viewport in CSS pixels; narrower than a window can be is fine."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def screenshot(self, name: str, *, whole_page: bool = True) -> Path:
        """Save what is shown as `NAME.png` in the artefact folder; `whole_page` also what is below the fold."""
        options = {"format": "png", "captureBeyondViewport": whole_page}
        if whole_page:
            size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        picture = artifact_folder() / f"{name}.png"
        picture.write_bytes(b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))
        return picture

    def script(self, body: str, *arguments: object) -> Any:
        """Run a function body in the page (`return …`; `arguments[0]`, …). A JavaScript exception is raised here."""
        return self.driver.execute_script(body, *arguments)

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector; selenium's NoSuchElementException without one."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        """Type keys (`selenium.webdriver.Keys`, or text) into what has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def hover(self, element: WebElement) -> None:
        ActionChains(self.driver).move_to_element(element).perform()

    def wait_for(self, expression: str, *arguments: object) -> Any:
        """The first true value of a JavaScript expression, asked again until then; AssertionError after a while."""
        deadline_s = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < deadline_s:
            value = self.script(f"return ({expression});", *arguments)
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"never true: {expression}; console: {self.console_errors()}")

    def _read_logs(self) -> None:
        for entry in self.driver.get_log("browser"):
            if entry["level"] == "SEVERE":
                self._console.append(str(entry["message"]))
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._requests.append(str(message["params"]["request"]["url"]))
            elif message["method"] == "Network.webSocketCreated":
                self._requests.append(str(message["params"]["url"]))


@contextlib.contextmanager
def running_browser(chromium: str, chromedriver: str) -> Iterator[Browser]:
    """A browser until the block ends. The arguments are the paths of the two programs."""
    with tempfile.TemporaryDirectory(prefix="penstock-browser-", ignore_cleanup_errors=True) as home:
        options = Options()
        options.binary_location = chromium
        for flag in (*_FLAGS, f"--user-data-dir={home}/profile", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        folders = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, "TMPDIR": home}
        service = Service(chromedriver, env={**os.environ, **folders})
        driver = webdriver.Chrome(options=options, service=service)
        started = _family(service.process.pid)
        try:
            driver.set_page_load_timeout(WAIT_S_MAX)
            browser = Browser(driver)
            browser.resize(1280, 900)
            yield browser
        finally:
            started += [process for process in _family(service.process.pid) if process not in started]
            driver.quit()
            _end(started)


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end(processes: list[psutil.Process]) -> None:
    """Wait for them, and kill what is still there. psutil compares start times: a reused id is not touched."""
    for process in psutil.wait_procs(processes, timeout=_END_S_MAX)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=_END_S_MAX)


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in _LOCAL_SCHEMES or (parts.hostname or "").startswith("127.") or parts.hostname == "localhost"
