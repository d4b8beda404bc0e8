"""The reference says everything that the program has, and nothing that it has not; links lead somewhere."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from penstock.model import FAILURE_KINDS, FailureKind
from penstock.policy.retry import RETRY_KINDS, RETRY_STATUSES
from penstock.sinks.layout import FETCHED_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"`[^`\n]*`")


def table_rows(page: Path, heading: str) -> dict[str, list[str]]:
    """The first table under `## heading`: first cell without backquotes → the other cells."""
    section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in rows[2:]}


# --- failure kinds


def test_every_failure_kind_is_documented_and_no_other() -> None:
    assert list(table_rows(REFERENCE / "failure-kinds.md", "The kinds")) == list(FAILURE_KINDS)


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_the_reference_says_truly_whether_a_kind_is_retried(kind: FailureKind) -> None:
    meaning, retried, remedy = table_rows(REFERENCE / "failure-kinds.md", "The kinds")[kind]
    assert meaning
    assert remedy
    assert retried == (statuses_retried(kind) or ("yes" if kind in RETRY_KINDS else "no"))


def statuses_retried(kind: FailureKind) -> str:
    """For a kind that stands for several HTTP statuses: those that are retried."""
    if not re.fullmatch(r"http_\dxx", kind):
        return "yes" if kind == "http_429" and 429 in RETRY_STATUSES else ""
    return ", ".join(str(status) for status in sorted(RETRY_STATUSES - {429}) if str(status)[0] == kind[5])


# --- output


def test_every_output_column_is_documented_in_order_and_no_other() -> None:
    assert list(table_rows(REFERENCE / "output-format.md", "Columns")) == list(FETCHED_COLUMNS)


def test_the_reference_gives_the_true_type_of_every_output_column() -> None:
    from penstock.sinks.parquet import fetched_types

    rows = table_rows(REFERENCE / "output-format.md", "Columns")
    assert {name: cells[0] for name, cells in rows.items()} == {
        name: str(kind) for name, kind in fetched_types().items()
    }


# --- command line


def commands() -> Iterator[tuple[str, click.Command]]:
    reference = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
    yield from reference["commands"]()


def test_every_flag_of_every_command_is_in_the_reference() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    missing = []
    for path, command in commands():
        section = page.partition(f"\n## `{path}`\n")[2].partition("\n## ")[0]
        options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
        flags = [flag for option in options for flag in (*option.opts, *option.secondary_opts)]
        words = set(re.findall(r"(?<![\w-])--?[A-Za-z0-9][\w-]*", section))
        missing += [f"{path} {flag}" for flag in flags if flag not in words]
        if not section:
            missing.append(path)
    assert not missing, "run `make docs`"


def test_the_reference_names_no_flag_that_does_not_exist() -> None:
    options = [param for _, command in commands() for param in command.params if isinstance(param, click.Option)]
    flags = {flag for option in options for flag in (*option.opts, *option.secondary_opts)}
    named = {
        (page.name, word.split()[0])
        for page in REFERENCE.glob("*.md")
        for word in re.findall(r"`(--[a-z][^`]*)`", page.read_text(encoding="utf-8"))
    }
    assert not {(page, flag) for page, flag in named if flag not in flags}


def test_every_flag_and_command_has_a_help_text() -> None:
    silent = []
    for path, command in commands():
        if not command.help:
            silent.append(path)
        options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
        silent += [f"{path} {option.opts[0]}" for option in options if not option.help]
    assert not silent


def test_the_generated_reference_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


# --- links


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    dead = []
    for link in LINK.findall(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue  # another site; not ours to check
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert not dead


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub gives to a page's headings: lower case, punctuation away, blanks to hyphens."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#{1,6} +(.+?)\s*#*$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
