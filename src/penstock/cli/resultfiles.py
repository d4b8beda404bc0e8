"""Where a measured result goes: a table for people, and the files asked for with --json, --markdown and --html.

Shared by `compare` and `tune`; what stands in the files is made elsewhere. The rule: whether a file can be written is
tried before minutes of measuring, not after.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import click

from penstock.errors import ConfigError
from penstock.telemetry.styled import Line


def result_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where results and progress go, last in the command's help."""
    told = "What is being measured, on standard error; plain: a line every 2 s."
    modes = click.Choice(["auto", "rich", "plain", "none"])
    files = {
        "json": "Write all numbers as JSON; '-' for standard output.",
        "markdown": "Write a Markdown page; '-' for standard output.",
        "html": "Write a page with charts, which needs no network.",
    }
    command = click.option("--progress", type=modes, default="auto", show_default=True, help=told)(command)
    for name, text in reversed(files.items()):
        command = click.option(f"--{name}", f"{name}_file", metavar="FILE", help=text)(command)
    return command


class ResultFiles:
    """Each file is a path, `-` for standard output, or None. Raises ConfigError for two on standard output, and for a
    path that cannot be written; a file that is there stays as it is until `write`."""

    def __init__(self, json_file: str | None, markdown_file: str | None, html_file: str | None) -> None:
        self._files = {"--json": json_file, "--markdown": markdown_file, "--html": html_file}
        to_stdout = [option for option, file in self._files.items() if file == "-"]
        if len(to_stdout) > 1:
            raise ConfigError(f"{' and '.join(to_stdout)}: expected one on standard output, got {len(to_stdout)}")
        # The table is data, unless another form of it has that place.
        self._stream = sys.stderr if to_stdout else sys.stdout
        for option, file in self._files.items():
            if file not in {None, "-"}:
                _check_writable(option, Path(str(file)))

    @property
    def width(self) -> int:
        """Columns of the terminal the table goes to; 120 for a file or a pipe, unless COLUMNS says otherwise."""
        return _width(self._stream)

    def show(self, lines: Sequence[Line]) -> None:
        from penstock.telemetry.terminal import write_lines

        write_lines(lines, self._stream, os.environ)

    def write(self, texts: Mapping[str, Callable[[], str]]) -> None:
        """`texts`: option → what makes the file's text; only those that were asked for are made. Raises ConfigError."""
        for option, file in self._files.items():
            if file is None:
                continue
            text = texts[option]()
            if file == "-":
                sys.stdout.write(text)
                sys.stdout.flush()
                continue
            try:
                Path(file).write_text(text, "utf-8")
            except OSError as error:
                raise ConfigError(f"{option}: expected room to write {file!r}: {error.strerror}") from None
            click.echo(file, err=True)


def typed_command(seed: int) -> str:
    """What to type to see a result again: the words of this command, with the seed that was drawn.

    Empty when the command was not started from a shell (another program called it).
    """
    words = sys.argv[1:]
    context = click.get_current_context(silent=True)
    if context is None or context.info_name not in words:
        return ""
    if not any(word == "--seed" or word.startswith("--seed=") for word in words):
        words = [*words, "--seed", str(seed)]
    return shlex.join(["penstock", *words])


def _width(stream: TextIO) -> int:
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # not a terminal; no descriptor
        columns = 0
    told = os.environ.get("COLUMNS", "")
    return int(told) if told.isdecimal() and int(told) > 0 else columns or 120


def _check_writable(option: str, path: Path) -> None:
    try:
        is_new = not path.exists()
        with path.open("a", encoding="utf-8"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        raise ConfigError(
            f"{option}: expected a file that can be written, got {str(path)!r}: {error.strerror}"
        ) from None
