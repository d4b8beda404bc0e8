"""What stands around a scenario's run: the origin, the link before it, names, neighbours on the core, a slow disk.

Each is a context manager that has ended when its block ends. The rule: only processes started here are ended, by id.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.verdict.scenario import Scenario

from penstock.perf.origin.process import OriginProcess

HERE = Path(__file__).resolve().parent
RESOLVER_ADDRESS = "127.0.0.153"
_URLS_MAX = 120_000


@contextlib.contextmanager
def child(*words: str) -> Iterator[str]:
    """A helper process that prints one line when it is ready, yielded, and ends when its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1]
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{words[0]}: expected a line when ready, it ended with {process.wait(timeout=10)}")
        yield line
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def urls_of(scenario: Scenario) -> Iterator[tuple[list[str], dict[str, object]]]:
    """Start the server and the link; the URLs of the run, and further settings it needs to reach them."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    pinned = cores[-1] if scenario.is_heavy and len(cores) > 1 else None
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(
            OriginProcess(hosts=scenario.hosts, is_tls=scenario.is_tls, is_logging=False, cpu=pinned)
        )
        port = origin.port
        if scenario.relay_bytes_per_s is not None or scenario.relay_delay_s:
            words = [str(HERE / "relay.py"), "--to", f"127.0.0.1:{port}", "--delay-s", str(scenario.relay_delay_s)]
            if scenario.relay_bytes_per_s is not None:
                words += ["--bytes-per-s", str(scenario.relay_bytes_per_s)]
            port = int(stack.enter_context(child(*words)))
        settings: dict[str, object] = {"cacert": str(origin.ca_path)} if scenario.is_tls else {}
        if scenario.stuck_address:
            stack.enter_context(stuck_listener(port))
            settings["resolve"] = [f"stuck.test:{port}:[::1],127.0.0.1"]
        if scenario.dns_delay_s is not None:
            delay = str(scenario.dns_delay_s)
            stack.enter_context(child(str(HERE / "resolver.py"), "--address", RESOLVER_ADDRESS, "--delay-s", delay))
        scheme = urlsplit(origin.url).scheme
        joint = "&" if "?" in scenario.path else "?"
        urls = [
            f"{scheme}://{_host(scenario, n)}:{port}{scenario.path.replace('{n}', str(n))}{joint}_n={n}"
            for n in range(_URLS_MAX if scenario.is_heavy else _URLS_MAX // 8)
        ]
        yield urls, settings


def _host(scenario: Scenario, n: int) -> str:
    if scenario.dns_delay_s is not None:
        return f"h{n}.test"
    if scenario.stuck_address:
        return "stuck.test"
    return f"127.0.0.{2 + n % scenario.hosts}" if scenario.hosts else "127.0.0.1"


@contextlib.contextmanager
def stuck_listener(port: int) -> Iterator[None]:
    """`[::1]:port` exists and never answers: its queue of connections is full and nobody takes one (listen(2))."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("::1", port))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket(socket.AF_INET6))
            filler.setblocking(False)
            filler.connect_ex(("::1", port))
        yield


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """This process keeps one core, and `count` others compute on it without end."""
    if not count:
        yield
        return
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})  # children inherit it
    script = "import sys, threading\nprint('ready', flush=True)\n"
    script += "threading.Thread(target=lambda: (sys.stdin.read(), __import__('os')._exit(0)), daemon=True).start()\n"
    script += "while True: sum(range(10_000))\n"
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(child("-c", script))
        yield


@contextlib.contextmanager
def slow_disk(fsync_s: float) -> Iterator[None]:
    """In this process every fsync takes `fsync_s` longer, as on a slow network file system."""
    if not fsync_s:
        yield
        return
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        time.sleep(fsync_s)
        fsync(descriptor)

    os.fsync = slow  # type: ignore[assignment]  # takes any descriptor, as fsync does
    try:
        yield
    finally:
        os.fsync = fsync


@contextlib.contextmanager
def paced_stdin(lines: list[str], per_s: float, burst: int) -> Iterator[None]:
    """This process's standard input is a pipe into which `burst` lines are written at a time, `per_s` on average."""
    reading, writing = os.pipe()
    ended = threading.Event()

    def feed() -> None:
        with os.fdopen(writing, "w") as pipe, contextlib.suppress(BrokenPipeError):
            for start in range(0, len(lines), burst):
                pipe.write("".join(f"{line}\n" for line in lines[start : start + burst]))
                pipe.flush()
                if ended.wait(burst / per_s):
                    return

    feeder = threading.Thread(target=feed)
    before = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    feeder.start()
    try:
        yield
    finally:
        ended.set()
        os.dup2(before, 0)
        os.close(before)
        feeder.join(timeout=10)
