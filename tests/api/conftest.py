"""An origin for the tests of the library's front door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import uvloop

from penstock.perf.origin.process import OriginProcess

# libuv opens a pipe with the first loop of a process and keeps it for good: not this test's leak.
uvloop.new_event_loop().close()


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess() as running:
        yield running
