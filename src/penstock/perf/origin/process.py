"""The origin as a process of its own, for tests, benchmarks and the demo: started, waited for, asked and stopped.

It never sleeps to wait: readiness is a line on a pipe. The process also stops when this one dies, because its standard
input closes then. One rule: only the process started here is ever signalled, by its own id.
"""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from penstock.errors import ConfigError
from penstock.perf.origin.log import LoggedRequest, read_log
from penstock.perf.origin.scenario import load_scenario

_START_S_MAX = 30.0
_STOP_S_MAX = 20.0


class OriginProcess:
    """`with OriginProcess(...) as origin:` runs an origin until the block ends.

    `scenario`: a scenario file, or the document of one. `hosts`: also serve 127.0.0.2 to 127.0.0.(hosts + 1). `log`:
    where the request log goes; without it a temporary file, which lives as long as this object, so that `requests()`
    always works; `is_logging=False` turns it off. `cpu`: pin the server to that core (Linux). Raises ConfigError for a
    mistake in the options or the scenario.
    """

    def __init__(
        self,
        scenario: Path | Mapping[str, object] | None = None,
        *,
        log: Path | None = None,
        hosts: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        is_tls: bool = False,
        seed: int | None = None,
        answer_s_max: float = 300.0,
        is_logging: bool = True,
        cpu: int | None = None,
    ) -> None:
        self.port = port
        self.pid = 0
        self._host = host
        self._directory = Path(tempfile.mkdtemp(prefix="penstock-origin-"))
        weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = log.absolute() if log is not None else None
        self._is_logging = is_logging
        self._is_tls = is_tls
        self._fields: dict[str, object] = {
            "host": host,
            "port": port,
            "hosts": hosts,
            "scenario": _read_document(scenario),
            "is_tls": is_tls,
            "seed": seed,
            "answer_s_max": answer_s_max,
            "cpu": cpu,
            "prints_json": True,
            "stops_with_stdin": True,
        }

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, or https; without a slash at its end."""
        return self.url_of(self._host)

    def url_of(self, host: str) -> str:
        """The same for another host name or address."""
        return f"{'https' if self._is_tls else 'http'}://{host}:{self.port}"

    @property
    def ca_path(self) -> Path:
        """The certificate to trust; there is one only with `is_tls=True`."""
        return self._directory / "ca.pem"

    @property
    def log_path(self) -> Path:
        """The request log; call `flush()` before reading it. Raises ConfigError when there is none."""
        if self._log is None:
            raise ConfigError("expected an origin with a request log, got is_logging=False, or one not started yet")
        return self._log

    def requests(self) -> list[LoggedRequest]:
        """Every request that has ended so far, in the order they ended; also after the origin has stopped."""
        if self._process is not None:
            self.flush()
        return read_log(self.log_path)

    def stats(self) -> dict[str, Any]:
        """Totals and, per host, requests, in flight now and at most, and outcomes: the answer of `/_origin/stats`."""
        return self._control("stats")

    def flush(self) -> None:
        """Make the origin write out the log of the requests that have ended."""
        self._control("flush")

    def reset(self) -> dict[str, Any]:
        """Forget attempts, counters and limiters (the log stays); returns the stats of before."""
        return self._control("reset")

    def start(self) -> OriginProcess:
        """Start and wait until it serves. The context manager calls this."""
        if self._is_logging and self._log is None:
            self._log = self._directory / "requests.jsonl"
        fields = {
            **self._fields,
            "log": str(self._log) if self._is_logging else None,
            "cert_dir": str(self._directory) if self._is_tls else None,
        }
        command = [sys.executable, "-m", "penstock.perf.origin"]
        # A session of its own: Ctrl-C at the terminal is for the client under test, which still needs its origin then.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self.pid = self._process.pid
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(fields).encode("ascii") + b"\n")
            self._process.stdin.flush()
            self.port = int(self._wait_until_ready()["port"])
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop it with SIGTERM (SIGKILL if that does not help), after which the log is complete."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.communicate(timeout=_STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def __enter__(self) -> OriginProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        ready, _, _ = select.select([process.stdout], [], [], _START_S_MAX)
        line = process.stdout.readline() if ready else b""
        if line:
            facts: dict[str, Any] = json.loads(line)
            return facts
        if not ready:
            raise ConfigError(f"expected the origin to serve within {_START_S_MAX:g} s, got no sign of it")
        raise ConfigError(process.stderr.read().decode("utf-8", "replace").strip() or "the origin ended at its start")

    def _control(self, action: str) -> dict[str, Any]:
        context = None
        if self._is_tls:
            import ssl

            context = ssl.create_default_context(cafile=str(self.ca_path))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"{self.url}/_origin/{action}", timeout=_START_S_MAX) as answer:
            document: dict[str, Any] = json.load(answer)
            return document


def _read_document(scenario: Path | Mapping[str, object] | None) -> Mapping[str, object]:
    if scenario is None:
        return {}
    if isinstance(scenario, Mapping):
        return scenario
    import tomllib

    load_scenario(scenario)  # for its messages, which name the file
    text = scenario.read_text(encoding="utf-8")
    document: dict[str, object] = json.loads(text) if scenario.suffix == ".json" else tomllib.loads(text)
    return document
