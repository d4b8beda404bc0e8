"""The server all peers are measured against: Debian's nginx, one worker, in a temporary folder, bodies of exact size.

Serves /1k/<n>, /20k/<n> and /200k/<n> for every number n, plain on one port, over TLS 1.3 with a local CA on another,
HTTP/1.1 with keep-alive without limit. The body of n depends on its last three digits only: 1,000 different bodies a
size, so that a column writer cannot store one value for the whole run. Rule: it is ended by its own pid.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import random
import shutil
import socket
import string
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

BODY_BYTES = {"1k": 1_024, "20k": 20_480, "200k": 204_800}
BODIES_PER_SIZE = 1_000
_LETTERS = "".join(random.Random(0).choices(string.ascii_lowercase, k=8_000))
_WORDS = tuple(_LETTERS[at : at + 2 + at % 7] for at in range(0, 4_000, 4))
_WORD_WEIGHTS = tuple(itertools.accumulate(1 / rank for rank in range(1, len(_WORDS) + 1)))  # Zipf's law

_CONFIG = """\
daemon off;
worker_processes 1;
{user}
pid {root}/nginx.pid;
error_log {root}/error.log warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  default_type text/html;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=8000 inactive=3600s;
  open_file_cache_valid 3600s;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp; fastcgi_temp_path {root}/tmp;
  uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
  server {{
    listen 127.0.0.1:{plain_port} backlog=4096;
    listen 127.0.0.1:{tls_port} ssl backlog=4096;
    ssl_certificate {root}/server.pem;
    ssl_certificate_key {root}/server.key;
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:peers:4m;
    root {root}/bodies;
    location = /status {{ stub_status; }}
    location ~ "^/(1k|20k|200k)/[0-9]*?([0-9][0-9]?[0-9]?)$" {{ try_files /$1/$2 =404; }}
  }}
}}
"""


@dataclass(frozen=True)
class Origin:
    """Where the running server listens. `ca_file` is the PEM certificate that clients must trust for `tls_port`.

    `bodies` holds what it serves, as files `<size>/<last digits of the number>`.
    """

    plain_port: int
    tls_port: int
    ca_file: Path
    bodies: Path

    def url(self, body: str, number: int, *, is_tls: bool) -> str:
        """The URL of one body; `body` is a key of BODY_BYTES."""
        scheme, port = ("https", self.tls_port) if is_tls else ("http", self.plain_port)
        return f"{scheme}://127.0.0.1:{port}/{body}/{number}"


class Nginx:
    """A context manager around one nginx process. `core` pins it to that processor; None leaves it free.

    Raises FileNotFoundError when nginx is not installed, RuntimeError with nginx's own words when it does not start.
    """

    def __init__(self, root: Path, *, core: int | None, sizes: tuple[str, ...] = ("1k", "20k")) -> None:
        self._root = root
        self._core = core
        self._sizes = sizes
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Origin:
        program = program_path("nginx")
        if program is None:
            raise FileNotFoundError("expected the program nginx, found none\nhint: apt-get install -y nginx")
        (self._root / "tmp").mkdir(parents=True)
        for size in self._sizes:
            write_bodies(self._root / "bodies" / size, BODY_BYTES[size])
        ca_file = _write_certificates(self._root)
        plain_port, tls_port = free_ports(2)
        config = self._root / "nginx.conf"
        user = (
            "user root;" if os.geteuid() == 0 else ""
        )  # else root's worker becomes nobody, who may not read our files
        config.write_text(_CONFIG.format(root=self._root, user=user, plain_port=plain_port, tls_port=tls_port))
        command = [program, "-p", str(self._root), "-e", str(self._root / "error.log"), "-c", str(config)]
        self._process = subprocess.Popen([*pinned_to(self._core), *command], stdin=subprocess.DEVNULL)
        self._wait_until_ready(plain_port)
        return Origin(plain_port, tls_port, ca_file, self._root / "bodies")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()  # the master's pid; it ends its worker
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self, port: int) -> None:
        assert self._process is not None
        try:
            wait_for_port(port, self._process)
        except RuntimeError as error:
            self.__exit__(None, None, None)
            log = self._root / "error.log"
            words = log.read_text()[-500:] if log.exists() else "nothing"
            raise RuntimeError(f"nginx did not start ({error}); its log says: {words}") from error


class RequestCounter:
    """Counts the requests that reached the server, its own left out. One connection, about 0.2 ms a question."""

    def __init__(self, origin: Origin) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", origin.plain_port, timeout=5)
        self._own = 0
        self._base = 0
        self._base = self.count()

    def count(self) -> int:
        """Requests by others since this counter was made."""
        self._own += 1
        self._connection.request("GET", "/status")
        text = self._connection.getresponse().read().decode()
        return requests_of_status(text) - self._own - self._base


def requests_of_status(text: str) -> int:
    """The third number of stub_status's `accepts handled requests` line. Raises ValueError on other text."""
    lines = text.splitlines()
    for index, line in enumerate(lines[:-1]):
        if line.startswith("server accepts handled requests"):
            return int(lines[index + 1].split()[2])
    raise ValueError(f"expected nginx's stub_status, got {text[:80]!r}")


def write_bodies(folder: Path, size_bytes: int) -> None:
    """1,000 HTML-like files of exactly `size_bytes`, named by the last one to three digits of a number."""
    folder.mkdir(parents=True)
    for number in range(BODIES_PER_SIZE):
        first = folder / str(number)
        first.write_bytes(body_of(number, size_bytes))
        for width in (2, 3):
            padded = folder / str(number).zfill(width)
            if not padded.exists():
                os.link(first, padded)


def body_of(number: int, size_bytes: int) -> bytes:
    """The body served for `number`, exactly `size_bytes` long: links and words, about as compressible as web pages are.

    zstd at level 1 shrinks 1 KB of it 2.3 times, 20 KB 3.6 times.
    """
    rng = random.Random(number % BODIES_PER_SIZE)
    parts = [f"<!doctype html><title>Page {number % BODIES_PER_SIZE}</title>\n"]
    length = len(parts[0])
    while length < size_bytes:
        words = " ".join(rng.choices(_WORDS, cum_weights=_WORD_WEIGHTS, k=9))
        parts.append(f'<li class="entry"><a href="/page/{rng.randrange(10_000)}">{words}</a></li>\n')
        length += len(parts[-1])
    return "".join(parts).encode()[:size_bytes]


def digests_of(size_bytes: int) -> list[str]:
    """SHA-256 in hex of the 1,000 bodies of this size; that of number n is at n % 1000."""
    return [hashlib.sha256(body_of(number, size_bytes)).hexdigest() for number in range(BODIES_PER_SIZE)]


def pinned_to(core: int | None) -> list[str]:
    """The words before a command that pin it to `core`; none when `core` is None or taskset is missing."""
    return ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []


def program_path(name: str) -> str | None:
    """Where a program is; the sbin folders count also for users who do not have them in PATH."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def _write_certificates(root: Path) -> Path:
    import trustme

    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    server = authority.issue_cert("127.0.0.1", "localhost", key_type=trustme.KeyType.ECDSA)
    ca_file = root / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    for index, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(str(root / "server.pem"), append=index > 0)
    server.private_key_pem.write_to_path(str(root / "server.key"))
    return ca_file


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 15.0) -> None:
    """Return when 127.0.0.1:`port` accepts. Raises RuntimeError when the process ends first or `timeout_s` passes."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the server does not listen on port {port} after {timeout_s:.0f} s")


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
