"""Penstock's peak memory against the length of the list and the size of bodies: `python benchmarks/memory.py --help`.

Fetches from nginx on the other core and samples VmHWM of the largest process of the tree. The aims: 1,000,000 one-KB
items peak within 10 % of 50,000; 200 KB bodies stay under the byte window (256 MiB) plus 150 MB.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import Cores, choose_cores, machine, missing_program, penstock_command
from benchmarks.peers.measured import Usage, measure
from benchmarks.peers.nginx import Nginx, Origin

AIM_GROWTH = 1.10
AIM_LARGE_BYTES = (256 << 20) + 150_000_000
_SAMPLE_INTERVAL_S = 0.05


def main() -> int:
    """Exit code 0 when it was measured, met or not; 1 when a run failed; 2 when Penstock or nginx is not there."""
    args = _parse()
    words, trouble = penstock_command(args.penstock)
    if trouble := trouble or missing_program("nginx"):
        print(f"not measured: {trouble}", file=sys.stderr)
        return 2
    cores = choose_cores()
    work = Path(tempfile.mkdtemp(prefix="penstock-memory-", dir=args.work and args.work.absolute()))
    peaks: dict[str, list[int]] = {"few": [], "many": [], "large": []}
    plan = {"few": ("1k", args.few), "many": ("1k", args.many), "large": ("200k", args.large)}
    try:
        with Nginx(work / "nginx", core=cores.server, sizes=("1k", "200k")) as origin:
            for number in range(1, args.rounds + 1):
                for name, (body, records) in plan.items():
                    usage = _fetch(words, origin, body, records, cores, work)
                    peaks[name].append(usage.peak_rss_bytes)
                    print(
                        f"round {number}: {records:,} × {body}: peak {_mb(usage.peak_rss_bytes)}, "
                        f"{usage.wall_s:.1f} s, {usage.cpu_s / records * 1e6:.1f} µs CPU a record",
                        flush=True,
                    )
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _report(peaks, args)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Penstock's peak memory: long lists and large bodies.")
    parser.add_argument("--few", type=int, default=50_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000, help="items of 200 KB (10000)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--penstock", help="the penstock program (default: beside this Python)")
    parser.add_argument("--work", type=Path, help="folder for output, about 3 GB, on a disk (default: the temp folder)")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _fetch(words: list[str], origin: Origin, body: str, records: int, cores: Cores, work: Path) -> Usage:
    folder = Path(tempfile.mkdtemp(dir=work))
    listing = folder / "urls.txt"
    with listing.open("w") as file:
        file.writelines(f"{origin.url(body, number, is_tls=False)}\n" for number in range(records))
    limits = ["-j", "64", "--max-per-host", "64", "--allow-private", "127.0.0.0/8"]
    command = [*words, "fetch", str(listing), "-o", str(folder / "out"), *limits, "--progress", "none"]
    usage = measure(
        command,
        folder=folder,
        core=cores.client,
        timeout_s=120 + records / 500,
        rss_interval_s=_SAMPLE_INTERVAL_S,
    )
    shutil.rmtree(folder)
    if usage.trouble:
        raise RuntimeError(f"penstock fetch with {records} records of {body}: {usage.trouble}")
    return usage


def _report(peaks: dict[str, list[int]], args: argparse.Namespace) -> None:
    """The worst of all rounds: the largest peak of the long list over the smallest of the short one."""
    growth = max(peaks["many"]) / min(peaks["few"])
    large = max(peaks["large"])
    print(
        f"{args.many:,} items against {args.few:,}: {growth:.3f} × the peak; at most {AIM_GROWTH}: "
        f"{'yes' if growth <= AIM_GROWTH else 'no'}\n"
        f"{args.large:,} bodies of 200 KB: {_mb(large)}; at most {_mb(AIM_LARGE_BYTES)}: "
        f"{'yes' if large <= AIM_LARGE_BYTES else 'no'}"
    )
    if args.json:
        facts = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), **machine()}
        content = {"peak_rss_bytes": peaks, "few": args.few, "many": args.many, "large": args.large, "facts": facts}
        args.json.write_text(json.dumps(content, indent=1) + "\n")


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


if __name__ == "__main__":
    raise SystemExit(main())
