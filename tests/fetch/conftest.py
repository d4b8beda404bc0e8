"""Origins for the transport tests: one for each module, plain and over TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import uvloop

from penstock.perf.origin.process import OriginProcess

# libuv opens a pipe with the first loop of a process and keeps it for good: not this test's leak.
uvloop.new_event_loop().close()


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(hosts=2, answer_s_max=60) as running:
        yield running


@pytest.fixture(scope="module")
def tls_origin() -> Iterator[OriginProcess]:
    with OriginProcess(is_tls=True) as running:
        yield running
