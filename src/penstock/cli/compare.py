"""`penstock compare`: which strategy or function is fastest on one workload, as a table, JSON, Markdown and HTML."""

from __future__ import annotations

import json
import random
import sys
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from penstock.cli.resultfiles import ResultFiles, result_options, typed_command

if TYPE_CHECKING:
    from penstock.perf.compare.model import Comparison
    from penstock.perf.compare.options import CompareOptions
    from penstock.perf.compare.wanted import Wanted

_REFUSED, _INTERRUPTED = 1, 130
_ITEM = click.IntRange(min=1)


class _Rate(click.ParamType["float | str"]):
    name = "RATE"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        text = str(value).strip().removesuffix("/s")
        if text in {"auto", "none"}:
            return text
        try:
            return float(text)
        except ValueError:
            self.fail(f"expected auto, none or items per second such as 200/s, got {value!r}", param, ctx)


@click.command()
@click.argument("functions", nargs=-1, metavar="[FUNCTION]...")
@click.option(
    "--preset",
    "presets",
    multiple=True,
    metavar="NAME",
    help="A workload on a local server: io-20ms, io-200ms, cpu-5ms, mixed, small, large, tls, or all. Repeatable.",
)
@click.option("--urls", metavar="FILE", help="Fetch these URLs: any input that `penstock fetch` takes.")
@click.option("--items", metavar="FILE|N", help='Give functions the lines of FILE, or "0" to "N-1". [default: 64]')
@click.option("--process", metavar="MODULE:FUNCTION", help="What makes an item's output of each response.")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="NAME",
    help="Only these: sync, threads, processes, asyncio, uvloop, penstock. Repeatable. [default: all that fit]",
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME",
    help="Beside libcurl, fetch with aiohttp, httpx or requests, too. Repeatable.",
)
@click.option("-j", "--concurrency", type=_ITEM, metavar="N", help="Items at once, where a strategy has that.")
@click.option("--processes", type=_ITEM, metavar="N", help="Workers of the process pool.")
@click.option(
    "--runs", type=_ITEM, default=5, show_default=True, metavar="N", help="Rounds of all alternatives, least."
)
@click.option(
    "--runs-max", type=_ITEM, metavar="N", help="Rounds at most, when verdicts are not clear yet. [default: 12]"
)
@click.option("--run-seconds", type=click.FloatRange(0.01, 600), metavar="S", help="Length of one run.")
@click.option(
    "--rate",
    type=_Rate(),
    default="auto",
    show_default=True,
    metavar="auto|none|N/s",
    help="Items per second of the open loop, in which latency counts from the intended start.",
)
@click.option("--seed", type=int, metavar="N", help="Of the order of runs. [default: drawn, and told]")
@click.option("--max-seconds", type=click.FloatRange(1), metavar="S", help="For each workload; then fewer rounds.")
@click.option("--timeout", type=click.FloatRange(0.1), metavar="S", help="An item may take so long. [default: 30]")
@result_options
def compare(**parameters: Any) -> None:
    """Compare ways to do the same work: sync, threads, processes, asyncio, uvloop, Penstock, or functions of yours.

    \b
    penstock compare                                   # a local server that answers after 20 ms
    penstock compare --preset all --html compare.html
    penstock compare --urls urls.txt --client aiohttp
    penstock compare pages.py:fetch_sync pages.py:fetch_async --urls urls.txt

    FUNCTION is module:function or file.py:function, and takes one item. Runs of all alternatives alternate in random
    order; outputs must be equal. Exit code 1: refused, because outputs differ or something failed.
    """
    from penstock.perf.compare.api import require_scipy, rounds_for
    from penstock.perf.compare.options import CompareOptions
    from penstock.perf.compare.wanted import Wanted, limits_of

    require_scipy()
    wanted = Wanted(
        functions=parameters["functions"],
        presets=parameters["presets"],
        urls=parameters["urls"],
        items=parameters["items"],
        process=parameters["process"],
        strategies=parameters["strategies"],
        clients=parameters["clients"],
        limits=limits_of(
            concurrency=parameters["concurrency"],
            processes=parameters["processes"],
            run_s=parameters["run_seconds"],
            item_s_max=parameters["timeout"],
        ),
    )
    seed = parameters["seed"]
    options = CompareOptions(
        rounds_min=parameters["runs"],
        rounds_max=rounds_for(parameters["runs"], parameters["runs_max"]),
        rate=parameters["rate"],
        seed=random.SystemRandom().randrange(10_000) if seed is None else seed,
        seconds_max=parameters["max_seconds"],
    )
    files = ResultFiles(parameters["json_file"], parameters["markdown_file"], parameters["html_file"])
    _leave(*_measure(wanted, options, files, parameters["progress"]))


def _measure(
    wanted: Wanted, options: CompareOptions, files: ResultFiles, mode: Literal["auto", "rich", "plain", "none"]
) -> tuple[list[Comparison], bool]:
    """Compare on each workload, show each result when it is there, write the files. Also: was it interrupted?"""
    from penstock.perf.compare.options import CompareInterrupted
    from penstock.perf.compare.progress import TerminalProgress
    from penstock.perf.compare.session import compare_workload
    from penstock.perf.compare.wanted import DEFAULT_PRESET, targets

    comparisons: list[Comparison] = []
    found = targets(wanted)
    if not (wanted.functions or wanted.presets or wanted.urls) and mode != "none":
        click.echo(f"no workload named: comparing on --preset {DEFAULT_PRESET}; others: --help", err=True)
    try:
        for target in found:
            with target.open() as workload, TerminalProgress(mode) as progress:
                comparisons.append(compare_workload(workload, target.alternatives, options, say=progress))
            _show(comparisons, files)
    except KeyboardInterrupt as interrupted:
        if isinstance(interrupted, CompareInterrupted) and interrupted.comparison is not None:
            comparisons.append(interrupted.comparison)
            _show(comparisons, files)
        _write(comparisons, files, options.seed)
        return comparisons, True
    _write(comparisons, files, options.seed)
    return comparisons, False


def _leave(comparisons: list[Comparison], is_interrupted: bool) -> NoReturn:
    if is_interrupted:
        click.echo("penstock compare: interrupted", err=True)
        sys.exit(_INTERRUPTED)
    sys.exit(_REFUSED if any(comparison.refusal is not None for comparison in comparisons) else 0)


def _show(comparisons: list[Comparison], files: ResultFiles) -> None:
    """The newest comparison as a table."""
    from penstock.perf.compare.table import render

    lines = render(comparisons[-1], files.width)
    if len(comparisons) > 1:
        lines = [[], [("─" * min(files.width, 80), "dim")], [], *lines]
    files.show(lines)


def _write(comparisons: list[Comparison], files: ResultFiles, seed: int) -> None:
    from penstock.perf.compare.asjson import to_json
    from penstock.perf.compare.markdown import compare_markdown
    from penstock.perf.compare.page import compare_html

    if not comparisons:
        return
    command = typed_command(seed)
    files.write(
        {
            "--json": lambda: json.dumps(to_json(comparisons), indent=1) + "\n",
            "--markdown": lambda: compare_markdown(comparisons, command=command),
            "--html": lambda: compare_html(comparisons, command=command),
        }
    )
