"""What every test gets: a quiet environment, repeatable Hypothesis, and a check that it left nothing running.

Fixtures for one area live in that area's folder. The rule: a test that leaks fails itself, not a later test.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from leaks import Leftovers, snapshot

_STEERING = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR")
_STEERING += ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")

# The same examples on every run. To search for new ones: PENSTOCK_HYPOTHESIS_PROFILE=explore make test
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("PENSTOCK_HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "leaves(reason): this test may leave threads, tasks, files or processes behind")
    meant_for_tests = ("PENSTOCK_REQUIRE_SERVERS", "PENSTOCK_HYPOTHESIS_PROFILE", "PENSTOCK_TEST_ARTIFACTS")
    for name in list(os.environ):
        # What steers a user's run must not steer the tests.
        is_ours = name.startswith("PENSTOCK_") and name not in meant_for_tests
        if is_ours or name.upper() in _STEERING:
            del os.environ[name]


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test after which threads, child processes, descriptors or pending asyncio tasks remain.

    Fixtures of a wider scope that the test asks for in its signature are set up before, and may keep what they hold.
    """
    if request.node.get_closest_marker("leaves"):
        yield
        return
    asyncio_errors = _Errors()
    logger = logging.getLogger("asyncio")
    before = snapshot()
    logger.addHandler(asyncio_errors)
    try:
        yield
        gc.collect(1)  # a pending task is a reference cycle, and says so only when it is collected
        left = Leftovers.since(before)
    finally:
        logger.removeHandler(asyncio_errors)
    problems = [*left.describe(), *asyncio_errors.messages]
    if problems:
        pytest.fail("the test left behind:\n  " + "\n  ".join(problems), pytrace=False)


@pytest.fixture
def require_server() -> Callable[[str], str]:
    """`require_server("nginx")` is the path of that program; without it the test is skipped.

    With PENSTOCK_REQUIRE_SERVERS=1, as in CI, a missing server fails the test instead.
    """

    def find(program: str) -> str:
        # Debian keeps servers in sbin, which is not on everybody's PATH.
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
        if path is None:
            message = f"this test fetches from a real server: {program} is not installed"
            if os.environ.get("PENSTOCK_REQUIRE_SERVERS") == "1":
                pytest.fail(f"{message} and PENSTOCK_REQUIRE_SERVERS=1", pytrace=False)
            pytest.skip(message)
        return path

    return find


class _Errors(logging.Handler):
    """Keeps what asyncio reports about lost tasks and exceptions nobody read."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "never retrieved" in text or "destroyed but it is pending" in text:
            self.messages.append(f"asyncio: {text}")
