"""Stopping a run by signal, once, twice, three times; and two runs on one output. The origin's log is the witness."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.perf.origin.content import Content
from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow
WAIT_S = 60.0


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def requests_of(origin: OriginProcess) -> int:
    return int(origin.stats()["requests"])


def send(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal and wait until it has been delivered: of two pending ones of a kind the kernel keeps one."""
    process.send_signal(number)

    def is_delivered() -> bool:
        if sys.platform != "linux" or process.poll() is not None:
            return True
        status = Path(f"/proc/{process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
        return not pending >> (number - 1) & 1

    until(is_delivered)


def fetched(origin: OriginProcess, since: int) -> Counter[str]:
    """How often each path was answered completely, from log line `since` on."""
    return Counter(each.path for each in origin.requests()[since:] if each.complete and each.status == 200)


def kept(penstock: Any) -> list[int]:
    out = penstock.folder / "out"
    return [row["item_id"] for row in penstock.rows()] if list(out.glob("*.parquet")) else []


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_drains_commits_and_says_how_to_go_on(
    penstock: Any, fresh: OriginProcess, number: signal.Signals, exit_code: int
) -> None:
    count, since = 40, len(fresh.requests())
    paths = [f"/page/{n}?latency=0.1" for n in range(count)]
    penstock.write("list.txt", "".join(f"{fresh.url}{path}\n" for path in paths))
    arguments = ["fetch", "list.txt", "-o", "out", "-j", "4"]
    with penstock.start(*arguments) as process:
        until(lambda: requests_of(fresh) >= 6)
        send(process, number)
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == exit_code, said
    written = kept(penstock)
    assert 2 <= len(written) < count, "the partial shard is committed"
    assert len(written) == sum(fetched(fresh, since).values()), "what was in flight was finished and written"
    assert f"= written {len(written)} + failed 0 + skipped 0 + pending " in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("resume")
    assert " ".join(["penstock", *arguments]) in last
    assert penstock.status()["state"] == "interrupted"

    penstock(*arguments)
    assert kept(penstock) == list(range(count))
    assert [row["body"] for row in penstock.rows()] == [Content(0).page(n) for n in range(count)]
    assert fetched(fresh, since) == Counter(dict.fromkeys(paths, 1)), "nothing was fetched twice"
    penstock("verify", "out")


def test_the_second_signal_abandons_what_is_in_flight(penstock: Any, fresh: OriginProcess) -> None:
    """Ten are answered, the others hang once: the drain would take 25 s, the second signal ends it at once."""
    count = 14
    hangs = [n >= 10 for n in range(count)]
    lines = [f"{fresh.url}/page/{n}{'?fail=1:hang' if hangs[n] else ''}" for n in range(count)]
    penstock.write("list.txt", "\n".join(lines) + "\n")
    arguments = ["fetch", "list.txt", "-o", "out", "-j", "4", "--drain-timeout", "1h"]
    with penstock.start(*arguments) as process:
        until(lambda: requests_of(fresh) == count)
        send(process, signal.SIGINT)
        send(process, signal.SIGINT)
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, said
    assert kept(penstock) == list(range(10))
    assert "admitted 14 = written 10 + failed 0 + skipped 0 + pending 4" in said
    penstock(*arguments)
    assert kept(penstock) == list(range(count))


def test_a_drain_that_takes_too_long_is_cut_and_says_so(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", f"{fresh.url}/page/0\n{fresh.url}/page/1?fault=hang\n")
    with penstock.start("fetch", "list.txt", "-o", "out", "--drain-timeout", "0.2s") as process:
        until(lambda: requests_of(fresh) == 2)
        send(process, signal.SIGTERM)
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75, said
    assert kept(penstock) == [0]


BLOCKING = """
import os, time

def wait(response):
    if not os.path.exists("go"):
        open("blocked", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    return {}
"""


def test_the_third_signal_ends_at_once_and_the_resume_is_whole(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("f.py", BLOCKING)
    count = 6
    penstock.write("list.txt", "".join(f"{fresh.url}/page/{n}\n" for n in range(count)))
    arguments = ["fetch", "list.txt", "-o", "out", "--process", "f.py:wait", "--process-mode", "inline"]
    with penstock.start(*arguments) as process:
        until((penstock.folder / "blocked").exists)
        for _ in range(3):
            send(process, signal.SIGINT)
        penstock.write("go", "")
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, said
    assert said == "", "no summary: it left at once"
    assert kept(penstock) == []
    assert penstock.status()["state"] == "killed"
    penstock(*arguments)
    assert kept(penstock) == list(range(count))
    penstock("verify", "out")


def test_a_second_run_on_the_same_output_is_refused_and_names_the_first(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", f"{fresh.url}/page/0?fail=1:hang\n")
    with penstock.start("fetch", "list.txt", "-o", "out") as process:
        until(lambda: requests_of(fresh) == 1)
        assert penstock.status()["state"] == "running"
        for more in ([], ["--overwrite"], ["--resume"]):
            refused = penstock("fetch", "list.txt", "-o", "out", *more, exit_code=2)
            assert f"process {process.pid} on " in refused.stderr
            assert "hint: " in refused.stderr
        assert f"process {process.pid} on " in penstock("retry", "out", exit_code=2).stderr
        assert requests_of(fresh) == 1
        process.kill()
        process.communicate(timeout=WAIT_S)
    assert penstock.status()["state"] == "killed"
    penstock("fetch", "list.txt", "-o", "out")
    assert kept(penstock) == [0]
