"""What a user names, turned into a workload: URLs in any input that `penstock fetch` takes, or items of their own.

It reads files and standard input, up to a bounded number of items. The rule: what cannot be compared is refused here,
with the row it stands in, before anything is started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import IO, TypedDict, Unpack

from penstock.errors import ConfigError, SourceError
from penstock.model import BadRow, Item
from penstock.perf.workload.alternatives import code_alternatives, fetch_alternatives
from penstock.perf.workload.model import Workload
from penstock.perf.workload.work import output_function

__all__ = ["ITEMS_MAX", "Limits", "code_alternatives", "code_workload", "fetch_alternatives", "url_workload"]

ITEMS_MAX = 10_000
_ITEMS_DEFAULT = 64
_LINE_BYTES_MAX = 64 * 1024
_SHOWN = 5


class Limits(TypedDict, total=False):
    """Fields of `Workload` that a user may set; what is missing stays at its default."""

    concurrency: int
    processes: int
    run_s: float
    item_s_max: float
    ca_file: str | None


def url_workload(
    source: str | Sequence[str],
    *,
    process: str | None = None,
    name: str | None = None,
    url_column: str = "url",
    input_format: str | None = None,
    items_max: int = ITEMS_MAX,
    **limits: Unpack[Limits],
) -> Workload:
    """The URLs of `source`: a file, `-`, a URL, or several of them, read as `penstock fetch` reads them.

    The first `items_max` rows count; the rest is not read. `process` names the process function (see `work`). Raises
    ConfigError for what `penstock fetch` refuses, for bad rows, for requests that are more than GET of a URL, for no
    row at all, and for limits out of range.
    """
    names = [source] if isinstance(source, str) else list(source)
    _check_limits(limits, items_max)
    urls, is_cut = _read_urls(names, url_column, input_format, items_max)
    called = name or _called(names)
    if not urls:
        raise ConfigError(f"{called}: expected at least one URL, got none", hint="a file of URLs, one a line, will do")
    count = _count(len(urls), "URL", is_cut=is_cut)
    about = f"{count} of {called}" if not _is_literal(names) else count
    workload = Workload(
        called, f"{about}, given to {process}" if process else about, tuple(urls), process=process, **limits
    )
    output_function(workload)  # for its messages
    return workload


def code_workload(
    items: int | str | Sequence[str] | None = None,
    *,
    name: str | None = None,
    items_max: int = ITEMS_MAX,
    **limits: Unpack[Limits],
) -> Workload:
    """Items for functions of the user's: N (also as text) gives "0" to "N-1", a file (or `-`) its lines, a sequence
    of texts itself; None: 64 of them.

    Blank lines do not count, and nothing after `items_max` lines is read. Raises ConfigError for a file that is
    missing, unreadable, not UTF-8 or empty, and for numbers and limits out of range.
    """
    _check_limits(limits, items_max)
    if isinstance(items, str) and not items.strip().isdecimal():
        lines, is_cut = _read_lines(items, items_max)
        count = _count(len(lines), "line", is_cut=is_cut)
        return Workload(name or _called([items]), f"{count} of {_called([items])}", tuple(lines), **limits)
    if items is None or isinstance(items, int | str):
        number = _ITEMS_DEFAULT if items is None else int(items)
        if not 1 <= number <= items_max:
            raise ConfigError(f"items: expected 1 to {items_max:,}, got {number:,}", hint="as many as differ will do")
        last = f' to "{number - 1}"' if number > 1 else ""
        return Workload(name or "code", f'items "0"{last}', tuple(map(str, range(number))), **limits)
    wrong = next((item for item in items if not isinstance(item, str)), None)
    if wrong is not None:
        raise ConfigError(f"items: expected texts, got {type(wrong).__qualname__}", hint="str(item), or its JSON")
    if not 1 <= len(items) <= items_max:
        raise ConfigError(f"items: expected 1 to {items_max:,} of them, got {len(items):,}")
    return Workload(name or "code", _count(len(items), "item", is_cut=False), tuple(items), **limits)


def _check_limits(limits: Limits, items_max: int) -> None:
    problems = [] if items_max >= 1 else [f"items_max: expected at least 1, got {items_max}"]
    lowest = {"concurrency": (1, 10_000), "processes": (1, 256), "run_s": (0.01, 600.0), "item_s_max": (0.1, 3600.0)}
    for field, (low, high) in lowest.items():
        value = limits.get(field)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            problems.append(f"{field}: expected {low:g} to {high:g}, got {value!r}")
    ca_file = limits.get("ca_file")
    if ca_file is not None and not os.path.isfile(ca_file):
        problems.append(f"ca_file: expected a PEM file, got {ca_file!r}, which is none")
    if problems:
        raise ConfigError("\n".join(problems))


def _read_urls(
    names: Sequence[str], url_column: str, input_format: str | None, items_max: int
) -> tuple[list[str], bool]:
    from penstock.sources.inputs import open_source
    from penstock.sources.options import INPUT_FORMATS, SourceOptions

    known = next((known for known in INPUT_FORMATS if known == input_format), None)
    if known is None and input_format is not None:
        raise ConfigError(f"input format: expected one of {', '.join(INPUT_FORMATS)}, got {input_format!r}")
    options = SourceOptions(url_column=url_column, input_format=known, batch_rows=min(1024, items_max + 1))
    urls: list[str] = []
    problems: list[str] = []
    is_cut = False
    with closing(open_source(names, options).read()) as batches:
        try:
            for batch in batches:
                room = items_max - len(urls) - len(problems)
                for item in batch.items[:room]:
                    problem = _problem(item)
                    if problem is None:
                        urls.append(item.url)
                    else:
                        problems.append(problem)
                if len(batch.items) > room:
                    is_cut = True
                    break
        except SourceError as error:
            raise ConfigError(str(error), hint=error.hint) from error
    if problems:
        shown = problems[:_SHOWN]
        if len(problems) > len(shown):
            shown.append(f"… and {len(problems) - len(shown):,} more of {len(problems) + len(urls):,} rows")
        raise ConfigError(
            f"{_called(names)}: expected rows with a URL to GET, got:\n" + "\n".join(f"  {line}" for line in shown),
            hint="take these rows out: every item must end well for alternatives to be compared",
        )
    return urls, is_cut


def _problem(item: Item | BadRow) -> str | None:
    from penstock.telemetry.format import printable

    if isinstance(item, BadRow):
        return f"row {item.id + 1}: {printable(item.failure.message, 200)}"
    if item.method != "GET":
        return f"row {item.id + 1}: method {item.method}"
    if item.headers or item.body is not None:
        return f"row {item.id + 1}: {'headers' if item.headers else 'a body'} for the request"
    return None


def _read_lines(path: str, items_max: int) -> tuple[list[str], bool]:
    called = _called([path])
    lines: list[str] = []
    try:
        with _opened(path) as file:
            while raw := file.readline(_LINE_BYTES_MAX + 1):
                if len(raw) > _LINE_BYTES_MAX:
                    raise ConfigError(f"{called}: expected lines of at most {_LINE_BYTES_MAX} bytes, got a longer one")
                line = raw.decode("utf-8-sig" if not lines else "utf-8").rstrip("\r\n")
                if line.strip():
                    if len(lines) == items_max:
                        return lines, True
                    lines.append(line)
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{called}: expected UTF-8 text with an item on each line, got byte 0x{error.object[error.start]:02x} "
            f"after {len(lines)} items"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"items: expected a number, or a file of lines, got {path!r}: {error.strerror}",
            hint="--items 64, or --items FILE with an item on each line",
        ) from error
    if not lines:
        raise ConfigError(f"{called}: expected at least one line that is not blank, got none")
    return lines, False


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
    else:
        with open(path, "rb") as file:
            yield file


def _count(number: int, what: str, *, is_cut: bool) -> str:
    text = f"{number:,} {what}{'' if number == 1 else 's'}"
    return f"the first {text}" if is_cut else text


def _called(names: Sequence[str]) -> str:
    from penstock.telemetry.format import printable

    if _is_literal(names):
        return "urls"
    first = "<stdin>" if names[0] == "-" else printable(os.path.basename(names[0]) or names[0], 60)
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"


def _is_literal(names: Sequence[str]) -> bool:
    return all(name[:8].lower().startswith(("http://", "https://")) for name in names)
