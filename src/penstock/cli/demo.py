"""`penstock demo`: the whole program on a local origin, killed and resumed, with a proof at the end."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    metavar="DIR",
    help="Folder for list, records and the origin's log; replaced.",
)
@click.option(
    "--pages", type=click.IntRange(min=100), default=20_000, show_default=True, metavar="N", help="Pages to fetch."
)
@click.option("--seed", type=int, default=2026, show_default=True, metavar="N", help="Chooses which requests fail.")
@click.option(
    "--kill/--no-kill",
    "is_killed",
    default=True,
    show_default=True,
    help="SIGKILL the run in the middle and resume it.",
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "none"]),
    default="auto",
    show_default=True,
    help="Live view of the runs.",
)
@click.option("--json", "as_json", is_flag=True, help="The proof as JSON on standard output.")
def demo(out: Path, pages: int, seed: int, is_killed: bool, progress: str, as_json: bool) -> None:
    """Fetch 20,000 pages from a local origin with faults, SIGKILL the run in the middle, resume it, and check
    against the origin's log that every page is there exactly once. Needs no network; takes about a minute.
    """
    from penstock.perf.demo import DemoOptions, proof_as_json, run_demo

    options = DemoOptions(out.absolute(), pages, seed, is_killed, progress)
    proof = run_demo(options, lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(proof_as_json(proof))
    else:
        click.echo(f"look at the records: penstock status {out}/pages", err=True)
    sys.exit(0 if proof.holds else 3)
