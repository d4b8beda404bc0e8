"""`penstock profile KIND PROGRAM`: records a program, writes the flamegraph's files, says what matters on stderr."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.errors import ConfigError

if TYPE_CHECKING:
    from penstock.perf.profile.model import Kind, Profile

DEFAULT_FOLDER = "penstock-profile"
_CHANGES_SHOWN = 9
_TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(us|µs|ms|s)?")
_UNIT_S = {None: 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_PROGRAM = """
PROGRAM is a SCRIPT (a path), -m MODULE, or a penstock command; what follows it are its own arguments. It runs in this
process as `python` would run it; its output and its exit status are its own.
"""
_ABOUT: dict[Kind, tuple[str, str]] = {
    "cpu": (
        "Which functions the CPU's time goes to, in all threads and child processes.",
        "Samples each 5 ms of CPU, by a signal; Python child processes and process pools sample themselves.",
    ),
    "await": (
        "What asyncio tasks wait for: running, runnable or waiting, by chain of awaits.",
        "Weights are task-seconds: 100 tasks that sleep for a second are 100. Runnable: ready, but the loop is busy.",
    ),
    "memory": (
        "Who allocated the memory at its peak, and what was never freed.",
        "Needs memray: pip install 'penstock[memory]'. Slows the program down several times.",
    ),
    "loop": (
        "How late the event loop runs, and which line blocked it.",
        "Every callback that held an asyncio or uvloop loop for longer than --threshold is shown with its line.",
    ),
}


class _TimeText(click.ParamType[float]):
    name = "TIME"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = _TIME.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"expected a time like 5ms, 0.01 or 1s, got {value!r}", param, ctx)
        return float(match[1]) * _UNIT_S[match[2]]


@click.group()
def profile() -> None:
    """Record where a program's CPU time, waiting, memory or event loop goes, as flamegraphs.

    \b
    penstock profile loop my_script.py --its-own-flags
    penstock profile await -m my_package.server
    penstock profile cpu -- fetch urls.txt -o out

    Writes KIND.html (a flamegraph to click through), KIND.svg, KIND.folded, KIND.speedscope.json and KIND.json.
    `penstock profile diff` compares two KIND.json.
    """


def _record(
    kind: Kind,
    out: Path,
    json_file: str | None,
    interval: float | None,
    words: tuple[str, ...],
    threshold: float = 0.05,
) -> None:
    from penstock.cli.main import cli, main
    from penstock.perf.profile.launch import launch
    from penstock.perf.profile.program import find_program
    from penstock.perf.profile.recorder import RecorderOptions, make_recorder

    program = find_program(words, [name for name in cli.list_commands(click.Context(cli)) if name != "profile"])
    out = out.absolute()  # now: the program may change its folder
    json_file = json_file if json_file in {None, "-"} else str(Path(json_file).absolute())
    _check_writable(out)
    options = RecorderOptions(interval_s=interval, threshold_s=threshold, title=program.title)
    launch(program, make_recorder(kind, options), lambda result: _finished(result, out, json_file), main)


def _check_writable(out: Path) -> None:
    """Before the program runs for an hour. Raises ConfigError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".penstock-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"-o: expected a folder that can be written, got {str(out)!r}: {error}") from None


def _finished(result: Profile, out: Path, json_file: str | None) -> None:
    from penstock.perf.profile.draw.output import write_profile
    from penstock.perf.profile.draw.top import ten_lines

    for line in ten_lines(result, shutil.get_terminal_size((120, 24)).columns):
        click.echo(line, err=True)
    paths = write_profile(result, out)
    click.echo(" ".join(_shown(path) for path in paths), err=True)
    if json_file is not None:
        text = json.dumps(result.to_json()) + "\n"
        if json_file == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            Path(json_file).write_text(text, "utf-8")


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _make_command(kind: Kind) -> click.Command:
    first, more = _ABOUT[kind]
    options: list[click.Parameter] = [
        click.Option(
            ["-o", "--out"],
            type=click.Path(file_okay=False, path_type=Path),
            default=DEFAULT_FOLDER,
            show_default=True,
            metavar="DIR",
            help="Folder for the files; those of an earlier profile of this kind are replaced.",
        ),
        click.Option(
            ["--json", "json_file"],
            metavar="FILE",
            help="Write the profile as JSON there too; '-' for standard output.",
        ),
    ]
    if kind != "memory":
        options.append(
            click.Option(
                ["--interval"],
                type=_TimeText(),
                metavar="TIME",
                help=f"Time between two looks. [default: {_DEFAULT[kind]}]",
            )
        )
    if kind == "loop":
        options.append(
            click.Option(
                ["--threshold"],
                type=_TimeText(),
                metavar="TIME",
                default="50ms",
                show_default=True,
                help="The shortest block to show.",
            )
        )
    options.append(click.Argument(["words"], nargs=-1, type=click.UNPROCESSED, metavar="PROGRAM [ARGS]..."))

    def callback(
        out: Path,
        json_file: str | None,
        words: tuple[str, ...],
        interval: float | None = None,
        threshold: float = 0.05,
    ) -> None:
        _record(kind, out, json_file, interval, words, threshold)

    return click.Command(
        kind,
        params=options,
        callback=callback,
        help=f"{first}\n\n{more}\n{_PROGRAM}",
        short_help=first,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )


@profile.command()
@click.argument("before", type=click.Path(path_type=Path), metavar="BEFORE.json")
@click.argument("after", type=click.Path(path_type=Path), metavar="AFTER.json")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The page. [default: penstock-profile/KIND-diff.html]",
)
def diff(before: Path, after: Path, out: Path | None) -> None:
    """Compare two profiles of one kind: what became more, what less.

    BEFORE.json and AFTER.json are two KIND.json. Shares of the whole are compared, so one run may be the longer one.
    """
    from penstock.perf.profile.draw.diff import changes, read_profile, write_diff
    from penstock.perf.profile.draw.groups import file_label

    first, second = read_profile(before), read_profile(after)
    ordered = changes(first, second)  # raises when they are not of one kind, before a folder is made
    if out is None:
        out = Path(DEFAULT_FOLDER) / f"{second.kind}-diff.html"
    _check_writable(out.absolute().parent)
    write_diff(before, after, out)
    for change in ordered[:_CHANGES_SHOWN]:
        points = 100 * (change.share - change.share_before)
        place = f"  {file_label(change.file)}" if change.file else ""
        if abs(points) >= 0.05:
            click.echo(f"{points:+7.1f} points  {change.name}{place}", err=True)
    click.echo(str(out), err=True)


_DEFAULT: dict[Kind, str] = {"cpu": "5ms of CPU", "await": "10ms", "loop": "10ms, or a fifth of the threshold"}
for _kind in _ABOUT:
    profile.add_command(_make_command(_kind))
