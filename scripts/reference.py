"""Writes docs/reference/cli.md from the commands' own help; with `--check`, fails when the page is out of date.

Nothing is explained here: what the page says is said in `src/penstock/cli/`.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
WIDTH = 100
OPENING = """\
<!-- Written by scripts/reference.py (`make docs`) from the commands' own help. Do not edit. -->

# Command line

A flag wins over its `PENSTOCK_*` environment variable, which wins over the configuration file.
Data goes to standard output, talk to standard error.

| exit code | meaning |
|---|---|
| 0 | all written |
| 1 | finished; some items failed and stand in the dead letters |
| 2 | the command cannot be carried out as written; nothing was started |
| 3 | a bug of Penstock |
| 75 | stopped (disk full, drain deadline), nothing lost; the same command goes on |
| 130, 143 | interrupted, after a clean drain; the same command goes on |
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    options = parser.parse_args()
    page = render()
    if not options.check:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
        return 0
    found = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if found == page:
        return 0
    sys.stdout.writelines(difflib.unified_diff(found.splitlines(True), page.splitlines(True), PAGE.name, "generated"))
    sys.stderr.write(f"error: expected {PAGE} to be what the commands say\nhint: make docs\n")
    return 1


def render() -> str:
    """The whole page."""
    parts = [OPENING]
    for context in _contexts():
        context.terminal_width = WIDTH
        text = "\n".join(line.rstrip() for line in context.command.get_help(context).splitlines())
        parts.append(f"## `{context.command_path}`\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, click.Command]]:
    """`("penstock", group)`, then every visible command as `("penstock fetch", command)`, groups before their own."""
    return ((context.command_path, context.command) for context in _contexts())


def _contexts() -> Iterator[click.Context]:
    cli = importlib.import_module("penstock.cli.main").cli
    return _walk(click.Context(cli, info_name="penstock", **cli.context_settings))


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            child = context.command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _walk(click.Context(child, info_name=name, parent=context, **child.context_settings))


if __name__ == "__main__":
    sys.exit(main())
