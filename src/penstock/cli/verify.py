"""`penstock verify`: checks every shard, the ledger and the accounting of a run, and mends what can be mended."""

from __future__ import annotations

import dataclasses
import json
import sys

import click


@click.command()
@click.argument("out", metavar="OUT")
@click.option("--repair", is_flag=True, help="Set damaged shards aside and put their items back on the list.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def verify(out: str, repair: bool, as_json: bool) -> None:
    """Read every shard of the run in OUT and check checksums, ledger, duplicates and the accounting equation.

    Exit status: 0 everything is in order, 1 something is wrong (still wrong after --repair), 2 not a run.
    """
    from penstock.engine.rundir import RunDir
    from penstock.engine.verify import verify as check
    from penstock.telemetry.format import bytes_text, count_text

    report = check(RunDir(out), repair=repair)
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(report), "is_ok": report.is_ok}, indent=2))
    else:
        counts = report.counts
        click.echo(
            f"{out}: {count_text(report.shards)} shards, {count_text(report.rows)} records,"
            f" {bytes_text(report.bytes)} read\n"
            f"admitted {count_text(report.admitted)} = written {count_text(counts.written)}"
            f" + failed {count_text(counts.failed)} + skipped {count_text(counts.skipped)}"
            f" + pending {count_text(report.pending)}{'' if report.is_balanced else '   DOES NOT ADD UP'}"
        )
        for problem in report.repaired:
            click.echo(f"repaired  {problem.kind}  {problem.where}: {problem.text}")
        for problem in report.problems:
            click.echo(f"wrong  {problem.kind}  {problem.where}: {problem.text}")
        if report.problems and not repair:
            click.echo(f"hint: penstock verify {out} --repair")
        elif report.repaired and report.pending:
            click.echo("hint: give the fetch command again to fetch what was put back on the list")
        click.echo("everything is in order" if report.is_ok else "something is wrong")
    sys.exit(0 if report.is_ok else 1)
