"""`penstock retry`: tries the dead letters of a run again, under their old ids."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.options import run_options, settings_of


@click.command()
@click.argument("out", metavar="OUT")
@click.option("--kind", metavar="KIND,...", help="Only these kinds; 'timeout' stands for all timeout_*.")
@run_options
def retry(**parameters: Any) -> None:
    """Try the failed items of the run in OUT again.

    Each ends as written, skipped or failed anew; its old dead letter is then gone. Rows that were no request at all
    stay where they are. Settings are not remembered from the first run: give --process and the like again.

    Exit status: as of `penstock fetch`; 1 while any dead letter is left, of whatever kind.
    """
    from penstock.cli.run import Session, finish, keep_memory_flat
    from penstock.config import build_job
    from penstock.engine.job import run_retry
    from penstock.engine.loop import run_blocking
    from penstock.engine.rundir import RunDir
    from penstock.errors import ConfigError
    from penstock.model import FAILURE_KINDS, kinds_matching

    words = [word.strip() for word in (parameters["kind"] or "").split(",") if word.strip()]
    unknown = [word for word in words if not kinds_matching(word)]
    if unknown:
        raise ConfigError(
            f"--kind: expected failure kinds, got {', '.join(unknown)}",
            hint=f"the kinds are {', '.join(FAILURE_KINDS)}",
        )
    settings = settings_of(parameters)
    run_dir = RunDir(parameters["out"])
    if run_dir.is_run():
        settings.setdefault("format", run_dir.read_run().get("output_format") or "parquet")
    job = build_job((), parameters["out"], settings)
    kinds = tuple(kind for word in words for kind in kinds_matching(word))
    keep_memory_flat()
    with Session("retry", job, parameters) as session:
        result = run_blocking(run_retry(session.job, kinds, watcher=session.watcher, handle_signals=True))
        session.ended(result)
    finish(result, parameters, session.profiling.said)
