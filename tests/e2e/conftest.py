"""The command as a user runs it, and servers that were not written here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.perf.origin.process import OriginProcess

_LIMIT_S = 90.0


@dataclass(frozen=True)
class Penstock:
    """Runs `python -m penstock` in `folder`, with loopback allowed and no live view."""

    folder: Path

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "penstock", *map(str, arguments)]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {"ALLOW_PRIVATE": "127.0.0.0/8", "PROGRESS": "none"}
        flags = {f"PENSTOCK_{name}_{flag}": own[flag] for name in ("FETCH", "RETRY") for flag in own}
        return {**os.environ, **flags, **(more or {})}

    def __call__(
        self, *arguments: str | Path, exit_code: int = 0, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(env),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=_LIMIT_S,
        )
        result = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        assert result.returncode == exit_code, (result.returncode, result.stdout, result.stderr)
        return result

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def table(self, out: str = "out") -> pa.Table:
        """Every Parquet record, by item id."""
        shards = sorted((self.folder / out).glob("*.parquet"))
        return pa.concat_tables([pq.read_table(shard) for shard in shards]).sort_by("item_id")

    def rows(self, out: str = "out") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table(out).to_pylist()
        return rows

    def letters(self, out: str = "out") -> list[dict[str, Any]]:
        """Every dead letter, by item id."""
        files = sorted((self.folder / out / "failed").glob("*.jsonl"))
        found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return sorted(found, key=lambda letter: int(letter["penstock"]["item_id"]))

    def status(self, out: str = "out") -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self("status", out, "--json").stdout)
        return document


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    return Penstock(tmp_path)


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess(answer_s_max=120) as running:
        yield running


@pytest.fixture
def fresh(origin: OriginProcess) -> OriginProcess:
    """The origin with its attempts forgotten."""
    origin.reset()
    return origin


@pytest.fixture(scope="module")
def httpbin() -> Iterator[str]:
    """The URL of httpbin from its package."""
    program = (
        "from werkzeug.serving import make_server; from httpbin import app; "
        "server = make_server('127.0.0.1', 0, app, threaded=True); print(server.port, flush=True); "
        "server.serve_forever()"
    )
    yield from _announced([sys.executable, "-W", "ignore", "-c", program], lambda line: line)


@pytest.fixture
def http_server(tmp_path: Path) -> Iterator[str]:
    """The URL of Python's own `http.server`, serving `www` in the test's folder."""
    (tmp_path / "www").mkdir()
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "-d", str(tmp_path / "www")]
    yield from _announced(command, lambda line: line.partition(" port ")[2].split(" ")[0])


def _announced(command: list[str], port_of: Any) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(port_of(process.stdout.readline().strip()))}"
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
