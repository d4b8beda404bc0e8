"""The flags that `fetch` and `retry` share, and how a config file joins in. Declares; `penstock.config` validates.

Precedence: flag, then PENSTOCK_FETCH_… (or PENSTOCK_RETRY_…) variable, then the config file's key of the same name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from penstock.errors import ConfigError

_FREE_PORT = "127.0.0.1:0"
F = TypeVar("F", bound=Callable[..., Any])


class _Lines(click.types.StringParamType):
    """Text with spaces: several in one environment variable stand on a line each."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [line for line in rv.splitlines() if line.strip()]


_FETCH = (
    click.option(
        "-j",
        "--concurrency",
        metavar="auto|N",
        default="auto",
        show_default=True,
        help="Fetches at once in all; auto: 64.",
    ),
    click.option(
        "--max-per-host",
        metavar="auto|N",
        default="auto",
        show_default=True,
        help="Fetches at once on one host; auto: 16, or -j if that is given.",
    ),
    click.option("--rate", metavar="N/s", help="Most fetches started per second (or N/m, N/h), in all."),
    click.option("--rate-per-host", metavar="N/s", help="The same for each host."),
    click.option("--timeout", metavar="TIME", help="One whole attempt. [default: 120s]"),
    click.option("--connect-timeout", metavar="TIME", help="Name lookup, connection and TLS. [default: 10s]"),
    click.option(
        "--first-byte-timeout", metavar="TIME", help="From the request to the first byte of the answer. [default: 30s]"
    ),
    click.option("--read-timeout", metavar="TIME", help="Longest silence inside an answer. [default: 20s]"),
    click.option("--speed-limit", metavar="SIZE", help="Slower than this many bytes per second … [default: 1024]"),
    click.option("--speed-time", metavar="TIME", help="… for this long ends the attempt. [default: 30s]"),
    click.option("--retries", type=int, metavar="N", help="Attempts after the first. [default: 3]"),
    click.option("--retry-on-http-error", metavar="CODES", help="Further HTTP statuses to try again, e.g. 403,420."),
    click.option("--max-filesize", metavar="SIZE", help="Largest decoded body. [default: 64M]"),
    click.option(
        "-H",
        "--header",
        type=_Lines(),
        multiple=True,
        metavar="'NAME: VALUE'",
        help="Send this header. Repeatable; in the variable one a line.",
    ),
    click.option("-A", "--user-agent", metavar="TEXT", help="User-Agent to send."),
    click.option("--proxy", metavar="URL", help="http, https, socks4(a) or socks5(h) proxy for every request."),
    click.option("--netrc", metavar="FILE", help="User names and passwords by host."),
    click.option("--cookie", metavar="FILE|N=V", help="Netscape cookie file or 'name=value'; turns cookies on."),
    click.option("-k", "--insecure", is_flag=True, help="Do not check TLS certificates."),
    click.option("--cacert", metavar="FILE", help="PEM file of authorities to trust."),
    click.option("--max-redirs", type=int, metavar="N", help="Redirects to follow, 0 for none. [default: 10]"),
    click.option(
        "--http",
        type=click.Choice(["auto", "1.1", "2"]),
        default="auto",
        show_default=True,
        help="HTTP version; auto: 2 over TLS if offered.",
    ),
    click.option(
        "--allow-private",
        multiple=True,
        metavar="CIDR|all",
        help="Allow private, loopback or link-local addresses. Repeatable.",
    ),
    click.option(
        "--resolve", multiple=True, metavar="HOST:PORT:ADDR", help="Use this address for the name. Repeatable."
    ),
)
_PROCESS = (
    click.option(
        "--process", metavar="MODULE:FUNCTION", help="Function to call with each answer; also path/to/file.py:function."
    ),
    click.option(
        "--process-mode",
        type=click.Choice(["auto", "inline", "thread", "process"]),
        default="auto",
        show_default=True,
        help="Where it runs; auto measures and picks.",
    ),
    click.option("--process-workers", type=int, metavar="N", help="Threads or processes. [default: cores]"),
    click.option("--process-timeout", metavar="TIME", help="Longest time for one answer; over it that item fails."),
)
_OUTPUT = (
    click.option(
        "--format",
        type=click.Choice(["parquet", "jsonl", "jsonl.zst"]),
        help="Format of the records. [default: parquet]",
    ),
    click.option("--body/--no-body", default=True, show_default=True, help="Write the body column."),
    click.option(
        "--durability",
        type=click.Choice(["power", "process"]),
        help="power: fsync, survives power loss; process: survives SIGKILL. [default: power]",
    ),
    click.option("--shard-rows", type=int, metavar="N", help="Rows after which a file is finished. [default: 8192]"),
    click.option(
        "--shard-bytes", metavar="SIZE", help="Bytes of bodies after which a file is finished. [default: 256M]"
    ),
    click.option("--shard-seconds", metavar="TIME", help="Age at which a file is finished. [default: 30s]"),
    click.option("--memory", metavar="SIZE", help="Bytes of bodies held in memory. [default: 256M]"),
    click.option(
        "--window",
        type=int,
        metavar="N",
        help="Items between read and durable. [default: the larger of 4 x -j and 2 x --shard-rows]",
    ),
    click.option(
        "--drain-timeout", metavar="TIME", help="Grace for what is in flight when told to stop. [default: 25s]"
    ),
    click.option("--seed", type=int, metavar="N", help="Seed of the retry jitter."),
    click.option(
        "--telemetry/--no-telemetry", default=True, show_default=True, help="Keep the time series; judge what limits."
    ),
    click.option(
        "--probe",
        type=click.Choice(["auto", "early", "off"]),
        default="auto",
        show_default=True,
        help="Lower -j for moments to learn what it is worth; auto: at most 5 % of the time, early: after 5 s.",
    ),
)
_SHOW = (
    click.option(
        "--stats",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the run's statistics there as JSON too.",
    ),
    click.option(
        "--progress",
        type=click.Choice(["auto", "rich", "plain", "none"]),
        default="auto",
        show_default=True,
        help="Live view; plain: a line every 5 s.",
    ),
    click.option(
        "--dashboard",
        is_flag=False,
        flag_value=_FREE_PORT,
        metavar="[HOST:PORT]",
        callback=lambda _ctx, _param, where: _read_dashboard(where),
        help="Serve a live page with controls there; alone: on a free port of this machine.",
    ),
    click.option(
        "--metrics",
        is_flag=False,
        flag_value="127.0.0.1:9464",
        metavar="[HOST:PORT]",
        help="Serve /metrics for Prometheus there; alone: on 127.0.0.1:9464.",
    ),
    click.option(
        "--metrics-hosts",
        type=click.IntRange(0, 100),
        default=0,
        show_default=True,
        metavar="N",
        help="Busiest hosts with metrics of their own.",
    ),
    click.option("--otel", is_flag=True, help="Send OpenTelemetry traces and metrics to what OTEL_* names."),
    click.option(
        "--otel-ratio",
        type=click.FloatRange(0, 1),
        default=0.01,
        show_default=True,
        metavar="SHARE",
        help="Share of the items whose attempts are traced.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="What stderr holds: text for people, or a JSON object a line for programs.",
    ),
    click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=lambda ctx, _, path: _load_config(ctx, path),
        help="TOML file; keys are the long flags.",
    ),
    click.option(
        "--profile",
        type=click.Choice(["cpu", "await", "memory", "loop"]),
        help="Record where CPU time, waiting, memory or the event loop goes; flamegraphs in OUT/_penstock/profiles.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no summary; errors only."),
    click.option("-v", "--verbose", is_flag=True, help="A table of hosts in the live view."),
)

NOT_SETTINGS = frozenset(
    ("inputs", "out", "stats", "progress", "dashboard", "metrics", "metrics_hosts", "otel", "otel_ratio")
).union(("profile", "log_format", "quiet", "verbose", "dry_run", "kind"))


def run_options(function: F) -> F:
    """All flags of a run, in the order of the help page."""
    for option in reversed((*_FETCH, *_PROCESS, *_OUTPUT, *_SHOW)):
        function = option(function)
    return function


def _read_dashboard(where: str | None) -> str | None:
    """`--dashboard` takes the next word for its value, so that one is looked at before anything else is found wrong."""
    from penstock.perf.dashboard.address import parse_address

    if where is None or where.lower() == "false":
        return None
    return _FREE_PORT if where.lower() == "true" else str(parse_address(where))


def settings_of(parameters: dict[str, Any]) -> Any:
    """The settings for `config.build_job`: what was given, without what concerns the command line only."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in parameters.items()
        if name not in NOT_SETTINGS and value is not None and value != ()
    }


def _load_config(ctx: click.Context, path: Path | None) -> None:
    if path is None:
        return
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--config: expected a file that exists, got {str(path)!r}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"--config {path}: expected TOML, got: {error}") from None
    settings = {key.replace("-", "_"): value for key, value in content.items()}
    known = {parameter.name for parameter in ctx.command.params}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigError(
            f"{path}: expected long flag names of `penstock {ctx.info_name}`, got {', '.join(unknown)}",
            hint=f"see `penstock {ctx.info_name} --help`",
        )
    problems = []
    for parameter in ctx.command.params:
        name = parameter.name
        if name is None or name not in settings:
            continue
        if isinstance(settings[name], list) is not (parameter.multiple or parameter.nargs != 1):
            # One value where several may stand, or a list where the flag takes words with commas between.
            value = settings[name]
            settings[name] = ",".join(map(str, value)) if isinstance(value, list) else [value]
        try:
            parameter.type_cast_value(ctx, settings[name])
        except click.BadParameter as error:
            problems.append(f"{path}: {name.replace('_', '-')}: {error.message}")
    if problems:
        raise ConfigError("\n".join(problems), hint=f"see `penstock {ctx.info_name} --help`")
    ctx.default_map = {**(ctx.default_map or {}), **settings}
