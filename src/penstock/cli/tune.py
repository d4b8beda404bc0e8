"""`penstock tune`: sweeps concurrency and recommends the smallest that is nearly as fast as any. Prints and writes.

It measures nothing itself. The rule: what is asked for is checked, also the files to be written, before any request.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.resultfiles import ResultFiles, result_options, typed_command

if TYPE_CHECKING:
    from penstock.perf.scaling.model import Tuning
    from penstock.perf.scaling.options import SweepOptions
    from penstock.perf.scaling.wanted import Target
    from penstock.perf.workload.model import Workload
    from penstock.telemetry.progress import Mode

_REFUSED, _INTERRUPTED = 1, 130
_TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m)?")
_UNIT_S = {None: 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0}
_STRATEGIES = ("penstock", "asyncio", "uvloop", "threads")
_SPARE_DESCRIPTORS = 64


class _TimeText(click.ParamType[float]):
    name = "TIME"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = _TIME.fullmatch(str(value).strip())
        if match is None or float(match[1]) == 0:
            self.fail(f"expected a time over 0 like 300ms, 0.5 or 2s, got {value!r}", param, ctx)
        return float(match[1]) * _UNIT_S[match[2]]


class _LevelsText(click.ParamType[tuple[int, ...]]):
    name = "N,N,…"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in value.split(",")]
        if not all(word.isdecimal() and int(word) >= 1 for word in words):
            self.fail(f"expected whole numbers from 1 up with commas between, like 1,2,4,8,16,32, got {value!r}")
        return tuple(int(word) for word in words)


@click.command()
@click.argument("target", metavar="[URLS|MODULE:FUNCTION]", required=False)
@click.option(
    "--preset",
    metavar="NAME",
    help="Without a target: slots, an origin that serves 16 at once, or a preset of `penstock compare`. "
    "[default: slots]",
)
@click.option(
    "--strategy",
    type=click.Choice(_STRATEGIES),
    help="How concurrency is made. [default: penstock; threads for a plain function]",
)
@click.option(
    "--client",
    type=click.Choice(["curl", "aiohttp", "httpx", "requests"]),
    default="curl",
    show_default=True,
    help="HTTP client; all but curl (libcurl) need their library.",
)
@click.option("--process", metavar="MODULE:FUNCTION", help="Function to call with each answer, as in `penstock fetch`.")
@click.option("--urls", metavar="FILE", help="Fetch these URLs, as URLS does; with a function: give it these.")
@click.option("--items", metavar="FILE|N", help='Give a function the lines of FILE, or "0" to "N-1". [default: 64]')
@click.option("--cacert", metavar="FILE", help="PEM file of authorities to trust.")
@click.option("--slo", type=_TimeText(), metavar="TIME", help="Longest 95th percentile of an item's time, like 300ms.")
@click.option(
    "--levels", type=_LevelsText(), metavar="N,N,…", help="Measure exactly these (6 or more) instead of finding them."
)
@click.option(
    "--max-concurrency",
    type=click.IntRange(6, 10_000),
    default=256,
    show_default=True,
    metavar="N",
    help="Never more at once. What is tuned is -j, the total; a lower --max-per-host of a fetch binds first when all "
    "goes to few hosts.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    metavar="N",
    help="Never more in all; for URLs.",
)
@click.option(
    "--repeats",
    type=click.IntRange(3, 100),
    default=5,
    show_default=True,
    metavar="N",
    help="Runs at each concurrency.",
)
@click.option(
    "--run-seconds",
    type=_TimeText(),
    default=0.6,
    show_default=True,
    metavar="TIME",
    help="Length of one run, about; up to 4 times that where items are slow.",
)
@click.option(
    "--max-seconds",
    type=_TimeText(),
    default=110.0,
    show_default=True,
    metavar="TIME",
    help="For all of it; what has to be cut for that is told.",
)
@click.option(
    "--timeout", type=_TimeText(), default=30.0, show_default=True, metavar="TIME", help="Longest time for one item."
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Seed of the order. [default: a new one]")
@click.option(
    "--apply",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write `concurrency = N` into this TOML file, for `penstock fetch --config FILE`; comments stay.",
)
@result_options
def tune(**parameters: Any) -> None:
    """Find the concurrency to use: the smallest with 95 % of the most throughput, and p95 within --slo.

    \b
    penstock tune                                # a local server with a known knee
    penstock tune urls.txt --slo 300ms --apply fetch.toml
    penstock tune my_module:fetch_async --items 100

    Measures from 1 up until throughput stops growing, in random order and several times each, and stops at once when
    the server pushes back (429, 503) or fails. Ctrl-C concludes from what there is. Tune only servers you may load.

    Exit 0: recommended · 1: no recommendation, with the reason · 2: usage · 130: interrupted.
    """
    from penstock.perf.compare.api import require_scipy
    from penstock.perf.scaling.wanted import Wanted, find_target

    require_scipy()
    options = _options(parameters)
    files = ResultFiles(parameters["json_file"], parameters["markdown_file"], parameters["html_file"])
    config: Path | None = parameters["config"]
    if config is not None:
        from penstock.perf.scaling.apply import check_applicable

        check_applicable(config)
    limits = {"item_s_max": parameters["timeout"], "ca_file": parameters["cacert"]}
    target = find_target(
        Wanted(
            **{
                name: parameters[name]
                for name in ("target", "urls", "preset", "items", "process", "strategy", "client")
            },
            limits={name: value for name, value in limits.items() if value is not None},
        )
    )
    tuning, is_interrupted = _measure(target, options, parameters["progress"])
    _show(tuning, files)
    if config is not None:
        _apply(tuning, config, is_interrupted=is_interrupted)
    _write(tuning, files)
    if is_interrupted:
        click.echo("penstock tune: interrupted", err=True)
        sys.exit(_INTERRUPTED)
    sys.exit(_REFUSED if tuning.recommended is None else 0)


def _options(parameters: Mapping[str, Any]) -> SweepOptions:
    from penstock.perf.scaling.options import SweepOptions

    levels, seed = parameters["levels"], parameters["seed"]
    wanted = max(parameters["max_concurrency"], *levels) if levels else parameters["max_concurrency"]
    return SweepOptions(
        levels=levels,
        concurrency_max=min(wanted, _descriptors_allow()),
        repeats=parameters["repeats"],
        run_s=parameters["run_seconds"],
        seconds_max=parameters["max_seconds"],
        requests_max=parameters["max_requests"],
        seed=random.SystemRandom().randrange(10_000) if seed is None else seed,
        slo_p95_s=parameters["slo"],
    )


def _descriptors_allow() -> int:
    """Connections that the system's limit of open files leaves room for."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if soft == resource.RLIM_INFINITY else soft
    return 10_000 if most == resource.RLIM_INFINITY else max(6, most - _SPARE_DESCRIPTORS)


def _measure(target: Target, options: SweepOptions, mode: Mode) -> tuple[Tuning, bool]:
    """The tuning, and whether Ctrl-C ended it early. Ctrl-C before anything was measured is an Abort."""
    from penstock.perf.compare.progress import TerminalProgress
    from penstock.perf.scaling.sweep import SweepInterrupted, sweep

    if target.alternative.function is not None or target.is_embedded:
        options = replace(options, requests_max=None)  # there is no server of anybody's to be polite to
    with target.open() as workload, TerminalProgress(mode) as progress:
        progress.say(_announcement(workload, target, options))
        try:
            return sweep(workload, target.alternative, options, say=progress), False
        except SweepInterrupted as interrupted:
            return interrupted.tuning, True


def _announcement(workload: Workload, target: Target, options: SweepOptions) -> str:
    """What may be sent at most, before anything is."""
    most = max(options.levels) if options.levels else options.concurrency_max
    limits = f"at most {most:,} at once, for at most {options.seconds_max:g} s"
    if options.requests_max is not None:
        limits = f"at most {options.requests_max:,} requests, {limits}"
    stops = "push-back" if target.alternative.function is None else "failures"
    return f"tuning {target.alternative.name} on {workload.name}: {workload.about}; {limits}; stops at {stops}"


def _apply(tuning: Tuning, config: Path, *, is_interrupted: bool) -> None:
    from penstock.perf.scaling.apply import apply_recommendation

    if tuning.recommended is None or is_interrupted:
        # Whoever interrupts may have seen that something is wrong; the number is shown, and theirs to write.
        why = "there is no recommendation to write" if tuning.recommended is None else "the sweep was interrupted"
        click.echo(f"{config} is as it was: {why}", err=True)
        return
    applied = apply_recommendation(tuning, config)
    click.echo(applied.told(), err=True)
    if applied.warning:
        click.echo(f"note: {applied.warning}", err=True)


def _show(tuning: Tuning, files: ResultFiles) -> None:
    from penstock.perf.scaling.table import render

    files.show(render(tuning, files.width))


def _write(tuning: Tuning, files: ResultFiles) -> None:
    from penstock.perf.scaling.asjson import to_json
    from penstock.perf.scaling.markdown import tuning_markdown
    from penstock.perf.scaling.page import tuning_html

    command = typed_command(tuning.seed)
    files.write(
        {
            "--json": lambda: json.dumps(to_json(tuning), indent=1) + "\n",
            "--markdown": lambda: tuning_markdown(tuning, command=command),
            "--html": lambda: tuning_html(tuning, command=command),
        }
    )
