"""How much of Little's law Penstock reaches when only latency limits it: `python benchmarks/latency_bound.py --help`.

500 requests in flight at 100 ms each make 5,000 a second at best. The rate is the slope of the answers over time in the
origin's own log, between the first and the last fifth of the run: start-up, ramp and tail are outside of it by design.
wrk with as many connections says what the origin itself allows.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import choose_cores, machine, missing_program, penstock_command
from benchmarks.peers.intervals import at_least, median_estimate
from benchmarks.peers.measured import measure
from benchmarks.peers.nginx import free_ports, pinned_to, wait_for_port

AIM_SHARE = 0.95


def main() -> int:
    """Exit code 0 when it was measured, met or not; 1 when a run failed; 2 when Penstock is not there."""
    args = _parse()
    words, trouble = penstock_command(args.penstock)
    if trouble:
        print(f"penstock: {trouble}", file=sys.stderr)
        return 2
    cores = choose_cores()
    work = Path(tempfile.mkdtemp(prefix="penstock-latency-"))
    port = free_ports(1)[0]
    requests_log = ["--log", str(work / "requests.log")]
    command = [*pinned_to(cores.server), *words, "origin", "--port", str(port), *requests_log]
    with (work / "origin.log").open("wb") as log:
        origin = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_port(port, origin)
        url = f"http://127.0.0.1:{port}/bytes/1024?latency=fixed:{args.latency}"
        print(f"wrk at {args.concurrency} connections: {_wrk_rate(url, args.concurrency, cores.server) or 'no number'}")
        rates = []
        for number in range(1, args.rounds + 1):
            run_url = f"{url}&_run={number}"
            wall_s = _fetch(words, run_url, args.n, args.concurrency, cores.client, work)
            rates.append(steady_rate(_answer_times(work / "requests.log", f"&_run={number}&", args.n)))
            print(f"round {number}: {rates[-1]:,.0f} records/s steady, {wall_s:.2f} s in all", flush=True)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        origin.terminate()
        origin.wait(timeout=30)
        shutil.rmtree(work, ignore_errors=True)
    _report(rates, args)
    return 0


def steady_rate(ends_s: list[float], *, trim_share: float = 0.2) -> float:
    """Answers a second by least squares of count over time, `trim_share` of the answers left out at either end.

    `ends_s` are times in seconds, in any order. The slope hardly feels that answers come in waves, one each latency,
    as a count between two moments does. Raises ValueError with fewer than 10 answers.
    """
    if len(ends_s) < 10:
        raise ValueError(f"a steady rate needs at least 10 answers, got {len(ends_s)}")
    ordered = sorted(ends_s)
    first, last = int(len(ordered) * trim_share), int(len(ordered) * (1 - trim_share))
    return statistics.linear_regression(ordered[first:last], range(first, last)).slope


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The share of Little's law reached at a fixed latency.")
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--concurrency", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds (0.1)")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--penstock", help="the penstock program (default: beside this Python)")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.n < 10 * args.concurrency:
        parser.error(f"--n: expected at least ten times the concurrency, else nothing is steady; got {args.n}")
    return args


def _fetch(words: list[str], url: str, records: int, concurrency: int, core: int | None, work: Path) -> float:
    """Wall seconds of one run; RuntimeError when it failed."""
    folder = Path(tempfile.mkdtemp(dir=work))
    listing = folder / "urls.txt"
    listing.write_text("".join(f"{url}&id={number}\n" for number in range(records)))
    limits = ["-j", str(concurrency), "--max-per-host", str(concurrency), "--allow-private", "127.0.0.0/8"]
    command = [*words, "fetch", str(listing), "-o", str(folder / "out"), *limits, "--progress", "none"]
    usage = measure(command, folder=folder, core=core, timeout_s=60 + records / 500)
    shutil.rmtree(folder)
    if usage.trouble:
        raise RuntimeError(f"penstock fetch with {records} records: {usage.trouble}")
    return usage.wall_s


def _answer_times(log: Path, marker: str, records: int) -> list[float]:
    """When the origin ended each answer of this run, in seconds; it writes its log up to 100 ms later."""
    deadline_s = time.monotonic() + 10
    while True:
        with log.open() as file:
            entries = [json.loads(line) for line in file if marker in line and line.endswith("\n")]
        ends_s = [(entry["t_ns"] + entry["duration_ns"]) / 1e9 for entry in entries if entry["complete"]]
        if len(ends_s) >= records:
            return ends_s
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"expected {records} complete answers in the origin's log, got {len(ends_s)}")
        time.sleep(0.1)


def _wrk_rate(url: str, concurrency: int, core: int | None) -> str:
    if missing_program("wrk"):
        return ""
    command = [*pinned_to(core), "wrk", "-t1", f"-c{concurrency}", "-d6s", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    return f"{float(found[1]):,.0f} requests/s, ramp-up included" if found else ""


def _report(rates: list[float], args: argparse.Namespace) -> None:
    ideal = args.concurrency / args.latency
    share = median_estimate([rate / ideal for rate in rates])
    verdict = at_least(share, AIM_SHARE)
    print(
        f"{share.median:.1%} of Little's law ({ideal:,.0f}/s), interval {share.low:.1%} to {share.high:.1%} "
        f"({share.coverage:.1%} coverage, {share.n} rounds of n = {args.n:,})\nat least {AIM_SHARE:.0%}: {verdict}"
    )
    if args.json:
        facts = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), **machine()}
        content = {
            "ideal_per_s": ideal,
            "rates_per_s": rates,
            "n": args.n,
            "concurrency": args.concurrency,
            "met": verdict,
            "facts": facts,
        }
        args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
