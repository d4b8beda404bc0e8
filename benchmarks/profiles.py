"""Profiles of Penstock itself on the peers' workload: `python benchmarks/profiles.py`, about two minutes.

Fetches 1 KB and 20 KB bodies from nginx on the other core under `penstock profile`, and writes the flamegraphs and the
lines that matter to docs/report/profiles/. docs/report/profiles.md says what they told.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import choose_cores, machine, missing_program, penstock_command
from benchmarks.peers.nginx import Nginx, Origin, pinned_to

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "report" / "profiles"
# name: kind, size of the bodies, how many, flags of the profiler. Memory slows every allocation down: fewer.
RUNS = {
    "cpu-1k": ("cpu", "1k", 150_000, ("--interval", "1ms")),
    "cpu-20k": ("cpu", "20k", 40_000, ("--interval", "1ms")),
    "await-1k": ("await", "1k", 150_000, ()),
    "loop-1k": ("loop", "1k", 150_000, ("--threshold", "10ms")),
    "memory-1k": ("memory", "1k", 20_000, ()),
}


def main() -> int:
    """Exit code 0 when every profile was taken; 1 when a run failed; 2 when Penstock or nginx is not there."""
    parser = argparse.ArgumentParser(description="Flamegraphs of Penstock on the peers' workload.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RUNS)} (default: all)")
    parser.add_argument("-o", "--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    words, trouble = penstock_command(None)
    if trouble := trouble or missing_program("nginx"):
        print(f"not profiled: {trouble}", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    cores, said = choose_cores(), []
    with tempfile.TemporaryDirectory(prefix="penstock-profiles-") as name:
        work = Path(name)
        with Nginx(work / "nginx", core=cores.server, sizes=("1k", "20k")) as origin:
            for run in args.names or RUNS:
                print(f"{run} …", flush=True)
                lines = _profile(run, [*pinned_to(cores.client), *words], origin, work, args.out)
                if lines is None:
                    return 1
                said += [f"## {run}", "", "```", *lines, "```", ""]
    where = "; ".join(f"{key} {value}" for key, value in machine().items())
    (args.out / "lines.md").write_text("\n".join(["# The lines that matter", "", where, "", *said]))
    return 0


def _profile(run: str, words: list[str], origin: Origin, work: Path, out: Path) -> list[str] | None:
    kind, body, records, flags = RUNS[run]
    listing = work / "urls.txt"
    with listing.open("w") as file:
        file.writelines(f"{origin.url(body, number, is_tls=False)}\n" for number in range(records))
    fetch = ["fetch", "urls.txt", "-o", "out", "--overwrite", "-j", "64", "--allow-private", "127.0.0.0/8", "-q"]
    command = [*words, "profile", kind, "-o", "profile", *flags, "--", *fetch]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        return None
    for suffix in ("html", "svg"):
        shutil.copyfile(work / "profile" / f"{kind}.{suffix}", out / f"{run}.{suffix}")
    lines = [line for line in done.stderr.splitlines() if line.strip() and "profile/" not in line]
    print("\n".join(lines), flush=True)
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
