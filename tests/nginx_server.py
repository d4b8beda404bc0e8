"""Debian's nginx as a test's server: own configuration, own port, all files in a folder of the test's."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_START_S_MAX = 20.0
_PORT_TRIES = 5
_CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 256; }}
http {{
  log_format protocol '$server_protocol $connection $status $request_uri';
  access_log access.log protocol;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  types {{ text/html html; text/plain txt; application/json json; }}
  default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port}{listen};
    root www;
    {server}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    folder: Path
    port: int
    scheme: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def access_lines(self) -> list[list[str]]:
        """`[protocol, connection number, status, path]` of each request that has been answered."""
        return [line.split(" ") for line in (self.folder / "access.log").read_text().splitlines()]


@contextlib.contextmanager
def running_nginx(program: str, folder: Path, *, server: str = "", tls: bool = False) -> Iterator[Nginx]:
    """Serve `folder/www` on a free port until the block ends. `server` is added to the server's configuration."""
    (folder / "www").mkdir(exist_ok=True)
    for _ in range(_PORT_TRIES):
        port = _free_port()
        listen = " ssl http2" if tls else ""
        (folder / "nginx.conf").write_text(_CONFIG.format(port=port, listen=listen, server=server))
        command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if _serves(process, port):
                yield Nginx(folder, port, "https" if tls else "http")
                return
        finally:
            process.terminate()
            process.wait(timeout=_START_S_MAX)
    raise AssertionError(f"nginx does not start: {(folder / 'error.log').read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serves(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline_s = time.monotonic() + _START_S_MAX
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.01)
    return False
