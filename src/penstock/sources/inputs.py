"""START READING HERE: opens what the user named (files, `-`, literal URLs) as one `Source`.

Everything that can be wrong with the inputs before a run starts is found here, and reported together.
Rows are not read, except a header, or the first rows of JSON Lines for their keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from penstock.errors import ConfigError
from penstock.sources.arrow_schema import find_type_conflicts
from penstock.sources.joined import JoinedSource
from penstock.sources.literal_urls import LiteralUrls
from penstock.sources.open_part import open_path, open_pipe
from penstock.sources.options import SourceOptions
from penstock.sources.part import Part

_LITERAL = re.compile(r"https?://", re.IGNORECASE)
_PROBLEMS_SHOWN = 20


def open_source(inputs: Sequence[str], options: SourceOptions | None = None, *, stdin_fd: int = 0) -> JoinedSource:
    """Open `inputs` as one source with one running id: paths, `-` for standard input, or http(s) URLs, one row each.

    Columns are the union in order of appearance; a value that an input lacks is None. Empty inputs are fine (no rows).
    Blocks until a pipe's header or first row has come. Raises ConfigError naming every problem found.
    """
    options = options or SourceOptions()
    if options.batch_rows < 1:
        raise ConfigError(f"expected batch_rows of at least 1, got {options.batch_rows}")
    if not options.url_column:
        raise ConfigError("expected the name of the URL column, got an empty name")
    if not inputs:
        raise ConfigError("expected at least one input, got none", hint="pass a file, '-' for standard input, or a URL")
    problems: list[str] = []
    parts = _open_parts(inputs, options, stdin_fd, problems)
    for part in parts:
        problems.extend(_column_problems(part, options.url_column))
    problems.extend(find_type_conflicts(parts))
    if problems:
        shown = problems[:_PROBLEMS_SHOWN]
        if len(problems) > len(shown):
            shown.append(f"… and {len(problems) - len(shown):,} more problems")
        raise ConfigError("\n".join(shown))
    columns = tuple(dict.fromkeys(name for part in parts for name in part.columns)) or (options.url_column,)
    return JoinedSource(parts, columns, options)


def _open_parts(inputs: Sequence[str], options: SourceOptions, stdin_fd: int, problems: list[str]) -> list[Part]:
    parts: list[Part] = []
    urls: list[str] = []
    has_stdin = False

    def close_urls() -> None:
        if urls:
            parts.append(LiteralUrls(tuple(urls), (options.url_column,)))
            urls.clear()

    for name in inputs:
        if _LITERAL.match(name):
            urls.append(name)
            continue
        close_urls()
        try:
            if name != "-":
                parts.append(open_path(name, options))
            elif has_stdin:
                raise ConfigError("expected '-' (standard input) once, got it again")
            else:
                has_stdin = True
                parts.append(open_pipe("<stdin>", stdin_fd, options))
        except ConfigError as error:
            problems.append(f"{error}\n  hint: {error.hint}" if error.hint else str(error))
    close_urls()
    return parts


def _column_problems(part: Part, url_column: str) -> list[str]:
    columns = part.columns
    problems = [
        f"{part.name}: expected each column name once, got '{name}' {columns.count(name)} times"
        for name in dict.fromkeys(columns)
        if columns.count(name) > 1
    ]
    if columns and url_column not in columns:
        shown = ", ".join(columns[:50]) + (", …" if len(columns) > 50 else "")
        problem = f"{part.name}: expected a column '{url_column}' with the URLs, got the columns: {shown}"
        nearest = _nearest(url_column, columns)
        problems.append(f"{problem}\n  hint: --url-column '{nearest}'" if nearest is not None else problem)
    return problems


def _nearest(wanted: str, columns: Sequence[str]) -> str | None:
    """The column that was probably meant: alike but for case, spelling, or `url` within it; the only one otherwise."""
    by_folded = {name.strip().casefold(): name for name in reversed(columns)}
    close = get_close_matches(wanted.casefold(), list(by_folded), n=1, cutoff=0.6)
    if close:
        return by_folded[close[0]]
    speaking = [name for name in columns if re.search(r"url|uri|link|href", name, re.IGNORECASE)]
    if speaking:
        return speaking[0]
    return columns[0] if len(columns) == 1 else None
