"""`penstock report`: what a run did and what limited it, as an HTML page and as Markdown. Takes no lock."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("out", metavar="OUT")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the page to FILE and the Markdown beside it, as FILE with .md. [default: OUT/_penstock/report.html]",
)
@click.option("--open", "is_opened", is_flag=True, help="Open the page in the web browser.")
def report(out: str, output: str | None, is_opened: bool) -> None:
    """Write a report of the run in OUT: accounting, what limited it, charts, percentiles, hosts, failures, profiles.

    One HTML file that needs no network, and the same as Markdown. Works while the run is going on, and for runs that
    were interrupted or killed.
    """
    from penstock.perf.report.write import write_report

    written = write_report(out, Path(output) if output else None)
    click.echo(written.page)
    click.echo(written.markdown)
    click.echo(f"verdict: {written.verdict}")
    for trouble in written.troubles:
        click.echo(f"penstock: {trouble}", err=True)
    if is_opened:
        click.launch(str(written.page))
