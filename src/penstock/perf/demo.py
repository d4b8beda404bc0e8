"""The demo: the real program against a local origin with faults, killed in the middle, resumed, and checked.

Every step is the command a user would type, as a process of its own. The proof compares the output with the origin's
log of every request, not with what Penstock says of itself.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from penstock.engine.rundir import RunDir
from penstock.engine.snapshot import take_snapshot
from penstock.errors import Bug, ConfigError
from penstock.perf.origin.process import OriginProcess
from penstock.perf.origin.scenarios import DEMO_HOSTS, demo_hosts, demo_scenario

_KILL_AT = 0.4
_POLL_S = 0.05


@dataclass(frozen=True)
class DemoOptions:
    """`pages` pages over 20 hosts, records in `out` (replaced). `seed` changes which of them fail."""

    out: Path
    pages: int = 20_000
    seed: int = 2026
    is_killed: bool = True
    progress: str = "auto"


@dataclass(frozen=True)
class Proof:
    """What the output holds against what the origin saw. Counts of pages; `requests` are of both runs together."""

    pages: int
    written: int
    dead_letters: int
    lost: int
    duplicated: int
    wrong: int
    requests: int
    requests_repeated: int

    @property
    def holds(self) -> bool:
        return not (self.lost or self.duplicated or self.wrong)


def run_demo(options: DemoOptions, say: Callable[[str], None]) -> Proof:
    """Run it; `say` gets lines for people. The lists and the origin's log lie in `options.out`'s sibling folder.

    Raises ConfigError when `out` holds something that is not a demo's, Bug when a step ends otherwise than it must.
    """
    work = options.out
    if work.exists() and any(work.iterdir()) and not (work / "urls.csv").exists():
        raise ConfigError(f"{work}: expected an empty folder or that of an earlier demo, found other files")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    scenario = {**demo_scenario(), "seed": options.seed}
    with OriginProcess(scenario, hosts=DEMO_HOSTS, log=work / "origin-log.jsonl") as origin:
        say(f"[1/5] a local origin: {DEMO_HOSTS} hosts, 5 to 80 ms, about 5 % faults, on port {origin.port}")
        urls = _write_urls(work / "urls.csv", options.pages, origin.port)
        command = _command(work, origin.port, options.progress)
        shown = shlex.join(["penstock", *command[3:]]).replace(str(work), work.name)
        say(f"[2/5] {_short(shown)}")
        if options.is_killed:
            done = _run_and_kill(command, work, options.pages)
            say(f"\n[3/5] SIGKILL, with {done:,} of {options.pages:,} pages durable. The same command again:")
        code = subprocess.run(command, check=False).returncode
        if code not in (0, 1):
            raise Bug(f"demo: expected the run to finish with 0 or 1, got exit code {code}")
        say("[4/5] penstock verify")
        out = work / "pages"
        verify = [sys.executable, "-m", "penstock", "verify", str(out)]
        if subprocess.run(verify, check=False).returncode != 0:
            raise Bug("demo: verify found something wrong")
        proof = _prove(urls, out, origin)
    _say_proof(proof, say)
    return proof


def _write_urls(path: Path, pages: int, port: int) -> list[str]:
    hosts = demo_hosts()
    urls = [f"http://{hosts[n % len(hosts)]}:{port}/page/{n}" for n in range(pages)]
    with path.open("w", encoding="utf-8") as file:
        file.write("url,page,note\n")
        file.writelines(f"{url},{n:06d},kept as it is\n" for n, url in enumerate(urls))
    return urls


def _command(work: Path, port: int, progress: str) -> list[str]:
    resolve = [
        part
        for number, host in enumerate(demo_hosts())
        for part in ("--resolve", f"{host}:{port}:127.0.0.{number + 2}")
    ]
    return [
        sys.executable, "-m", "penstock", "fetch", str(work / "urls.csv"), "-o", str(work / "pages"),
        "--process", "penstock.perf.demo_page:parse_page", "-j", "128", "--max-per-host", "32",
        "--shard-rows", "2000", "--allow-private", "127.0.0.0/8", "--progress", progress, *resolve,
    ]  # fmt: skip


def _short(command: str) -> str:
    """Without the 20 --resolve entries but one."""
    head, *entries = command.split(" --resolve ")
    return f"{head} --resolve {entries[0]} … ({len(entries)} of these)"


def _run_and_kill(command: list[str], work: Path, pages: int) -> int:
    """Start the run and SIGKILL it once 40 % are durable; returns how many were. The child is ours, by its id."""
    run_dir = RunDir(work / "pages")
    process = subprocess.Popen(command)
    try:
        while process.poll() is None:
            durable = take_snapshot(run_dir).accounts.counts().total if run_dir.ledger_path.exists() else 0
            if durable >= _KILL_AT * pages:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                return durable
            time.sleep(_POLL_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    raise Bug(f"demo: expected to kill the run in the middle, but it ended with exit code {process.returncode}")


def _prove(urls: list[str], out: Path, origin: OriginProcess) -> Proof:
    import pyarrow.parquet as pq

    found: Counter[int] = Counter()
    wrong = 0
    for shard in sorted(out.glob("*.parquet")):
        table = pq.read_table(shard, columns=["item_id", "url", "page", "content_length", "title"])
        for row in table.to_pylist():
            found[row["item_id"]] += 1
            wrong += row["url"] != urls[row["item_id"]] or row["page"] != f"{row['item_id']:06d}" or not row["title"]
    dead = Counter(failed.item.id for failed in take_snapshot(RunDir(out)).dead_letters())
    requests = origin.requests()
    answered = {(request.host, request.path) for request in requests if request.complete and request.status == 200}
    served = {item_id for item_id, url in enumerate(urls) if _host_and_path(url) in answered}
    wrong += len(found.keys() - served)  # written, though never served in full
    wrong += len(dead.keys() & served)  # given up, though it was
    together = found + dead
    return Proof(
        pages=len(urls),
        written=len(found),
        dead_letters=len(dead),
        lost=sum(item_id not in together for item_id in range(len(urls))),
        duplicated=sum(count > 1 for count in together.values()),
        wrong=wrong,
        requests=len(requests),
        requests_repeated=len(requests) - len(urls),
    )


def _host_and_path(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.path


def _say_proof(proof: Proof, say: Callable[[str], None]) -> None:
    say("[5/5] the output against the origin's own log")
    say(f"      pages asked for        {proof.pages:>8,}")
    say(f"      written exactly once   {proof.written:>8,}")
    say(f"      dead letters           {proof.dead_letters:>8,}   (never served in full, in any attempt)")
    say(f"      lost                   {proof.lost:>8,}")
    say(f"      duplicated             {proof.duplicated:>8,}")
    say(f"      wrong or never served  {proof.wrong:>8,}")
    repeated = f"{proof.requests_repeated:,} retries, and work repeated after the SIGKILL"
    say(f"      requests in the log    {proof.requests:>8,}   ({repeated})")
    say("      exactly once: holds" if proof.holds else "      exactly once: DOES NOT HOLD")


def proof_as_json(proof: Proof) -> str:
    """The proof for programs."""
    return json.dumps({**proof.__dict__, "holds": proof.holds})
