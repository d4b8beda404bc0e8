"""Compares Penstock with its peers on this machine and writes the table: `python benchmarks/peers/run.py --help`.

Starts nginx, prepares a throw-away environment for the Python peers, runs the session and reports. Loopback only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.peers.environment import (
    REPOSITORY,
    choose_cores,
    cpu_times,
    ensure_venv,
    machine,
    missing_program,
    penstock_command,
    versions,
)
from benchmarks.peers.nginx import Nginx
from benchmarks.peers.rows import Row, all_rows
from benchmarks.peers.session import Cell, Plan, run_session
from benchmarks.peers.table import as_json, markdown

_BODY_NAMES = ("1k", "20k")
_QUIET_SHARE = 0.03
_SPACE_WANTED_BYTES = 4 << 30


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when the session ran (rows with errors are in the table), 2 for a mistake in the command line."""
    args = _parse(argv)
    if trouble := missing_program("nginx"):
        print(f"expected nginx to measure against: {trouble}", file=sys.stderr)
        return 2
    python, python_trouble = args.venv / "bin" / "python", ""
    try:
        ensure_venv(args.venv, lambda line: print(line, file=sys.stderr))
    except RuntimeError as error:  # no network, say: the programs can still be measured
        print(error, file=sys.stderr)
        python_trouble = "not installed (pip failed, see above)"
    words, penstock_trouble = penstock_command(args.penstock)
    rows = _chosen(all_rows(python, words, penstock_trouble, python_trouble), args.only)
    for row in rows:
        if row.unavailable:
            print(f"{row.name}: {row.unavailable}", file=sys.stderr)
    work = Path(tempfile.mkdtemp(prefix="penstock-peers-", dir=args.work.absolute() if args.work else _work_root()))
    try:
        plan = _plan(args, work)
        cores = choose_cores()
        facts = {"date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), **machine()}
        facts["pinned"] = f"clients to core {cores.client}, nginx to core {cores.server}" if cores.server else "nothing"
        facts["output on"] = "tmpfs" if str(work).startswith("/dev/shm") else "the file system of the work folder"
        facts["versions"] = ", ".join(f"{name} {version}" for name, version in versions(python).items())
        before = cpu_times()
        with Nginx(work / "nginx", core=cores.server) as origin:
            results = run_session(plan, rows, origin, cores)
        after = cpu_times()
        results.steal_share, results.others_share = after.steal_share_since(before), after.others_share_since(before)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if results.others_share > _QUIET_SHARE:
        print(f"warning: other programs used {results.others_share:.0%} of the processors meanwhile", file=sys.stderr)
    command = " ".join(["python benchmarks/peers/run.py", *(argv if argv is not None else sys.argv[1:])])
    page = markdown(results, plan, rows, facts, command)
    args.markdown.parent.mkdir(parents=True, exist_ok=True)
    args.markdown.write_text(page)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(as_json(results, plan, facts, command), indent=1) + "\n")
    print(page)
    print(f"written: {args.markdown} and {args.json}", file=sys.stderr)
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Penstock and its peers: CPU a record and records a second.")
    parser.add_argument("--n", type=int, help="records a run (20000; with --quick 2000)")
    parser.add_argument("--n0", type=int, default=200, help="records of the short run that takes start-up apart (200)")
    parser.add_argument("--rounds", type=int, help="6; five give an interval of 93.75 %% at best; with --quick 2")
    parser.add_argument("--only", default="", help="row names, comma-separated, e.g. penstock,aiohttp,curl")
    parser.add_argument("--bodies", default=",".join(_BODY_NAMES), help="of 1k,20k")
    parser.add_argument("--tls", default="plain,tls", help="of plain,tls")
    parser.add_argument("--quick", action="store_true", help="n=2000, 2 rounds; not written to docs/report")
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--venv", type=Path, default=REPOSITORY / "build" / "peers-venv", help="of the Python peers")
    parser.add_argument("--penstock", help="the penstock program (default: beside this Python)")
    parser.add_argument("--work", type=Path, help="folder for output (default: /dev/shm if 4 GiB are free there)")
    parser.add_argument("--time-limit", type=float, default=5400, metavar="SECONDS", help="of the whole session (5400)")
    parser.add_argument("--run-timeout", type=float, default=300, metavar="SECONDS", help="of one run (300)")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    reports = REPOSITORY / ("build" if args.quick else "docs/report")
    args.markdown = args.markdown or reports / "peers.md"
    args.json = args.json or reports / "peers.json"
    args.venv = args.venv.absolute()
    args.n = args.n or (2_000 if args.quick else 20_000)
    args.rounds = args.rounds or (2 if args.quick else 6)
    for name, allowed in (("bodies", _BODY_NAMES), ("tls", ("plain", "tls"))):
        chosen = [word for word in getattr(args, name).split(",") if word]
        if not chosen or (unknown := [word for word in chosen if word not in allowed]):
            parser.error(f"--{name}: expected some of {', '.join(allowed)}, got {unknown if chosen else 'nothing'}")
        setattr(args, name, chosen)
    if not 0 < args.n0 < min(args.n, 600):
        parser.error(f"--n0: expected 1 to {min(args.n, 600) - 1}, below n of every row, got {args.n0}")
    return args


def _chosen(rows: list[Row], only: str) -> list[Row]:
    names = [name for name in only.split(",") if name]
    known = {row.name for row in rows}
    if unknown := [name for name in names if name not in known]:
        print(f"--only: unknown {', '.join(unknown)}\nhint: the rows are {', '.join(sorted(known))}", file=sys.stderr)
        raise SystemExit(2)
    return [row for row in rows if not names or row.name in names]


def _plan(args: argparse.Namespace, work: Path) -> Plan:
    return Plan(
        cells=[Cell(body, tls == "tls") for body in args.bodies for tls in args.tls],
        records=args.n,
        records_start=args.n0,
        rounds=args.rounds,
        seed=args.seed,
        slow_records_most=600 if args.quick else None,
        run_timeout_s=args.run_timeout,
        time_limit_s=args.time_limit,
        work=work,
    )


def _work_root() -> str | None:
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free >= _SPACE_WANTED_BYTES:
        return str(memory)
    return None


if __name__ == "__main__":
    raise SystemExit(main())
