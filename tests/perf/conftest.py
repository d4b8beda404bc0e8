"""Shared by the laboratory's tests: one browser for a module, since starting it takes a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from browser import Browser, running_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Skipped where it is not installed; with PENSTOCK_REQUIRE_SERVERS=1, as in CI, a failure."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        message = f"this test looks at pages in a real browser: not installed: {', '.join(missing)}"
        if os.environ.get("PENSTOCK_REQUIRE_SERVERS") == "1":
            pytest.fail(f"{message}, and PENSTOCK_REQUIRE_SERVERS=1", pytrace=False)
        pytest.skip(message)
    with running_browser(str(programs["chromium"]), str(programs["chromedriver"])) as started:
        yield started
