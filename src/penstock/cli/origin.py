"""`penstock origin`: a local server that does what it is told: latency, capacity, limits and every kind of fault."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.errors import ConfigError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to bind.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0, the default, takes a free one.")
@click.option(
    "--hosts", type=click.IntRange(0, 253), default=0, metavar="N", help="Bind 127.0.0.2 to 127.0.0.(N+1) too."
)
@click.option("--scenario", type=click.Path(path_type=Path), metavar="FILE", help="Rules, as .toml or .json.")
@click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="Append one JSON line per request.")
@click.option("--tls", is_flag=True, help="HTTPS with a certificate made now.")
@click.option(
    "--cert-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where ca.pem goes; default: temporary."
)
@click.option("--seed", type=int, help="Seed of bodies, latencies and faults; default: the scenario's, or 0.")
@click.option(
    "--max-seconds",
    type=click.FloatRange(0.1, 86400),
    default=300.0,
    show_default=True,
    help="End an answer (hang, stall, infinite) after this time.",
)
@click.option("--ready-file", type=click.Path(path_type=Path), metavar="FILE", help="Write this file once it serves.")
@click.option("--json", "prints_json", is_flag=True, help="Say as JSON where it listens.")
def origin(  # click passes every option by name
    host: str,
    port: int,
    hosts: int,
    scenario: Path | None,
    log: Path | None,
    tls: bool,
    cert_dir: Path | None,
    seed: int | None,
    max_seconds: float,
    ready_file: Path | None,
    prints_json: bool,
) -> None:
    """Run a local HTTP server with scripted latency, limits and faults.

    Prints `listening on URL` and serves until SIGINT or SIGTERM. What a request does is told by its path and query,
    as in /page/7?latency=lognormal:0.02,0.5&fail=2:503, or by a scenario file.
    """
    from penstock.perf.origin.run import OriginOptions, run_origin
    from penstock.perf.origin.scenario import Scenario, load_scenario

    try:
        run_origin(
            OriginOptions(
                host=host,
                port=port,
                hosts=hosts,
                scenario=Scenario() if scenario is None else load_scenario(scenario),
                log=log,
                is_tls=tls,
                cert_dir=cert_dir,
                seed=seed,
                answer_s_max=max_seconds,
                ready_file=ready_file,
                prints_json=prints_json,
            )
        )
    except ConfigError as error:
        click.echo(f"penstock origin: {error}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        raise SystemExit(2) from error
