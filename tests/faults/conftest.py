"""An origin shared by the fault tests, and a list of URLs on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults_kit import COUNT

from penstock.perf.origin.process import OriginProcess


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess() as server:
        yield server


@pytest.fixture
def urls(origin: OriginProcess, tmp_path: Path) -> list[str]:
    """Some fail for ever, some need another attempt, some are cut off once; each body is 1,024 bytes. In urls.txt."""
    origin.reset()
    kinds = {7: "&fail=always:404", 11: "&fail=1:503", 13: "&fail=1:truncate", 17: "&fail=1:reset-body"}
    lines = [
        f"{origin.url}/bytes/1024?id={n}" + next((query for step, query in kinds.items() if n % step == 3), "")
        for n in range(COUNT)
    ]
    (tmp_path / "urls.txt").write_text("\n".join(lines) + "\n")
    return lines
