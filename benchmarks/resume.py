"""How soon a run of 1,000,000 items that is 99 % done fetches again after a stop: `python benchmarks/resume.py`.

Prepares by a real run against nginx, stopped by a signal when the server has answered 99 % of the list; then starts it
again and takes the time from exec to the first new request that reaches the server (asked every 5 ms).
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import choose_cores, machine, missing_program, penstock_command
from benchmarks.peers.measured import kill_group
from benchmarks.peers.nginx import Nginx, Origin, RequestCounter, pinned_to

AIM_S = 3.0
_ASK_INTERVAL_S = 0.005


def main() -> int:
    """Exit code 0 when it was measured, met or not; 1 when a run went wrong; 2 when Penstock or nginx is not there."""
    args = _parse()
    words, trouble = penstock_command(args.penstock)
    if trouble := trouble or missing_program("nginx"):
        print(f"not measured: {trouble}", file=sys.stderr)
        return 2
    cores = choose_cores()
    work = Path(tempfile.mkdtemp(prefix="penstock-resume-", dir=args.work and args.work.absolute()))
    try:
        with Nginx(work / "nginx", core=cores.server, sizes=("1k",)) as origin:
            result = _measure(words, origin, cores.client, args, work)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    first_s = result["first_request_s"]
    print(f"first request {first_s:.3f} s after the start; within {AIM_S:.0f} s: {'yes' if first_s <= AIM_S else 'no'}")
    if args.json:
        facts = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), **machine()}
        args.json.write_text(json.dumps({**result, "signal": args.signal, "facts": facts}, indent=1) + "\n")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time from the start of a resumed run to its first request.")
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--done", type=float, default=0.99, help="share of the list done before it is stopped (0.99)")
    parser.add_argument("--signal", choices=["INT", "TERM", "KILL"], default="INT", help="how it is stopped (INT)")
    parser.add_argument("--penstock", help="the penstock program (default: beside this Python)")
    parser.add_argument("--work", type=Path, help="folder for output, about 1 GB, on a disk (default: the temp folder)")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _measure(
    words: list[str], origin: Origin, core: int | None, args: argparse.Namespace, work: Path
) -> dict[str, float]:
    listing = work / "urls.txt"
    with listing.open("w") as file:
        file.writelines(f"{origin.url('1k', number, is_tls=False)}\n" for number in range(args.n))
    limits = ["-j", "64", "--max-per-host", "64", "--allow-private", "127.0.0.0/8"]
    fetch = [*words, "fetch", str(listing), "-o", str(work / "out"), *limits, "--progress", "none"]
    command = [*pinned_to(core), *fetch]
    deadline_s = 120 + args.n / 500

    counter = RequestCounter(origin)
    process, start_s = _start(command, work / "first.log")
    _until(lambda: counter.count() >= args.n * args.done, process, deadline_s, work / "first.log")
    kill_group(process.pid, getattr(signal, f"SIG{args.signal}"))
    process.wait(timeout=60)
    before = counter.count()
    print(
        f"stopped after {before:,} requests, {time.monotonic() - start_s:.1f} s, exit {process.returncode}", flush=True
    )

    process, start_s = _start(command, work / "second.log")
    _until(lambda: counter.count() > before, process, deadline_s, work / "second.log")
    first_s = time.monotonic() - start_s
    code = process.wait(timeout=deadline_s)
    again = counter.count() - before
    total_s = time.monotonic() - start_s
    print(f"resumed: {again:,} requests, {total_s:.1f} s, exit {code}", flush=True)
    if code != 0:
        raise RuntimeError(f"the resumed run ends with {code}: {_last_line(work / 'second.log')}")
    _check_rows(work / "out", args.n)
    return {
        "n": args.n,
        "requests_before": before,
        "requests_after": again,
        "first_request_s": first_s,
        "total_s": total_s,
    }


def _start(command: list[str], log: Path) -> tuple[subprocess.Popen[bytes], float]:
    with log.open("wb") as file:
        start_s = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    return process, start_s


def _until(is_reached: Callable[[], bool], process: subprocess.Popen[bytes], timeout_s: float, log: Path) -> None:
    """Ask every 5 ms until it is so. Raises RuntimeError when the child ended first, or time ran out (and ends it)."""
    deadline_s = time.monotonic() + timeout_s
    while not is_reached():
        if process.poll() is not None:
            raise RuntimeError(
                f"the run ended with {process.returncode} before it could be measured: {_last_line(log)}"
            )
        if time.monotonic() > deadline_s:
            kill_group(process.pid)
            process.wait()
            raise RuntimeError(f"the run did not get that far in {timeout_s:.0f} s: {_last_line(log)}")
        time.sleep(_ASK_INTERVAL_S)


def _check_rows(out: Path, records: int) -> None:
    """The dataset holds each record once: the right number of rows and of different item ids."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(sorted(out.glob("*.parquet")), columns=["item_id"])
    distinct = pc.count_distinct(table.column("item_id")).as_py()
    if table.num_rows != records or distinct != records:
        raise RuntimeError(
            f"expected {records} records, each once; got {table.num_rows} rows, {distinct} different ids"
        )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was printed"


if __name__ == "__main__":
    raise SystemExit(main())
