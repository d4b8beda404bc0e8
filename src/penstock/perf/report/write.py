"""Writes the report's two files, each whole or not at all. What is in them is the business of `page` and `markdown`.

The rule: the run's own files are not touched, so it may be going on.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError
from penstock.perf.report.markdown import markdown
from penstock.perf.report.page import page
from penstock.perf.report.read import read_report


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where the two files are, the verdict in one line, and what is missing from them, in sentences."""

    page: Path
    markdown: Path
    verdict: str
    troubles: tuple[str, ...]


def write_report(out: Path | str, path: Path | None = None) -> WrittenReport:
    """Report on the run in `out`. `path`: the HTML file, default `OUT/_penstock/report.html`; `.md` goes beside it.

    Raises ConfigError when `out` holds no run or `path` cannot be written.
    """
    report = read_report(out)
    html_path = path or Path(out) / "_penstock" / "report.html"
    text_path = html_path.with_suffix(".md")
    if text_path == html_path:
        raise ConfigError(
            f"{html_path}: expected the name of the HTML page, got one that ends in .md",
            hint=f"-o {html_path.with_suffix('.html')}; the Markdown is written beside it",
        )
    _replace(html_path, page(report))
    _replace(text_path, markdown(report))
    verdict = report.verdict.line if report.verdict else "none: it is made at the end of a run"
    return WrittenReport(html_path, text_path, verdict, report.troubles)


def _replace(path: Path, content: str) -> None:
    """Write beside it, then rename over it: a reader sees the old file or the new one."""
    temp = ""
    try:
        descriptor, temp = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(content)
        os.chmod(temp, 0o644)
        os.replace(temp, path)
    except OSError as error:
        if temp:
            Path(temp).unlink(missing_ok=True)
        raise ConfigError(
            f"{path}: expected a file that can be written, got: {error.strerror or error}",
            hint="choose another place with -o FILE.html",
        ) from error
