"""`penstock fetch`: reads the flags, runs the job, shows progress and summary, returns the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from penstock.cli.options import run_options, settings_of
from penstock.sources.options import INPUT_FORMATS


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--out", required=True, metavar="OUT", help="Folder for the records; made if missing.")
@click.option("--url-column", metavar="NAME", help="Column with the URLs. [default: url]")
@click.option("--method-column", metavar="NAME", help="Column with the HTTP method, if there. [default: method]")
@click.option("--headers-column", metavar="NAME", help="Column with headers as JSON, if there. [default: headers]")
@click.option("--body-column", metavar="NAME", help="Column with the request body, if there. [default: body]")
@click.option("--input-format", type=click.Choice(INPUT_FORMATS), help="Format of stdin or of files without extension.")
@click.option("--resume", is_flag=True, help="Go on with the run in OUT even if the input looks different.")
@click.option("--overwrite", is_flag=True, help="Remove the run in OUT and start anew.")
@click.option("--dry-run", is_flag=True, help="Check everything, show the first rows, write nothing.")
@run_options
def fetch(**parameters: Any) -> None:
    """Fetch every URL of INPUT, process each answer, and write records to OUT.

    INPUT is a file (.txt .csv .tsv .jsonl .parquet, also .gz .zst), '-' for standard input, or a URL. A run that was
    interrupted or killed goes on where it stopped when the same command is given again.

    Exit status: 0 all written, 1 some items failed, 2 usage, 75 stopped but resumable, 130/143 interrupted.
    """
    from penstock.cli.run import Session, finish, keep_memory_flat
    from penstock.config import build_job
    from penstock.engine.job import run_job
    from penstock.engine.loop import run_blocking

    job = build_job(parameters["inputs"], parameters["out"], settings_of(parameters))
    if parameters["dry_run"]:
        _dry_run(job)
        return
    keep_memory_flat()
    with Session("fetch", job, parameters) as session:
        result = run_blocking(run_job(session.job, watcher=session.watcher, handle_signals=True))
        session.ended(result)
    finish(result, parameters, session.profiling.said)


def _dry_run(job: Any) -> None:
    """Say what would happen, on stdout as JSON: nothing is created and nothing is fetched."""
    from itertools import islice

    from penstock.engine.rundir import RunDir
    from penstock.model import BadRow
    from penstock.process.runner import make_runner
    from penstock.sources.inputs import open_source

    source = open_source(job.inputs, job.source)
    make_runner(job.process)
    first = [entry for batch in islice(source.read(), 1) for entry in batch.items[:5]]
    plan = {
        "inputs": list(job.inputs),
        "columns": list(source.columns),
        "rows": source.total,
        "rows_estimated": None if source.total is not None else source.estimate_total(),
        "first_rows": [
            {"id": entry.id, "error": f"{entry.failure.kind}: {entry.failure.message}"}
            if isinstance(entry, BadRow)
            else {"id": entry.id, "method": entry.method, "url": entry.url}
            for entry in first
        ],
        "out": str(Path(job.out)),
        "out_holds_a_run": RunDir(job.out).is_run(),
        "format": job.shards.format,
        "concurrency": job.engine.concurrency,
        "max_per_host": job.engine.concurrency_per_host,
    }
    click.echo(json.dumps(plan, indent=2))
