"""The house rules that a machine can check, on every file that is or would be committed."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "penstock").rglob("*.py"))
SOURCE_IDS = [str(path.relative_to(ROOT / "src")) for path in SOURCES]

LINES_MAX = 400
FUNCTION_LINES_MAX = 60
OPENING_LINES_MAX = 6
# Tables, trees and lists in a module's docstring are its specification, not its opening.
NOT_PROSE = re.compile(r"\s*$|\s+\S|[|│├└+=-]|\d+[.)] |[*•] ")
NAMES_THAT_SAY_NOTHING = {"util", "utils", "common", "helper", "helpers", "misc"}

# In pieces, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "cra" + "tes.io",
    "proxy.go" + "lang.org",
    "ana" + "conda.org",
    "ruby" + "gems.org",
]
NAMES_AN_INDEX = re.compile(r"--(?:extra-)?index" + r"-url|--find" + r"-links|--trusted" + r"-host")
OF_ONE_MACHINE = re.compile(
    "|".join(
        [
            r"(?<![\w/.:>})\]-])/(?:wo" + r"rk|ro" + r"ot|home/\w+|Users/\w+)(?![\w-])",
            r"\.py" + r"env\b",
            r"\.\./sha" + r"red\b",
            r"/opt/py" + "pi",
        ]
    )
)


@cache
def committed_files() -> tuple[Path, ...]:
    """What git tracks or would track; outside a git checkout (an unpacked archive), every file but build products."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        paths = [ROOT / name for name in names if name]
    else:
        ignored = {".venv", "__pycache__", "build", "dist", ".git"}
        paths = [path for path in ROOT.rglob("*") if not any(part in ignored for part in path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in paths if path.is_file()))


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # binary
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=SOURCE_IDS)
def test_a_source_file_holds_one_idea(path: Path) -> None:
    count = len(path.read_text(encoding="utf-8").splitlines())
    assert count <= LINES_MAX, f"{count} lines: past {LINES_MAX} a file holds two ideas; split it"


@pytest.mark.parametrize("path", SOURCES, ids=SOURCE_IDS)
def test_a_source_file_opens_with_a_few_lines_on_what_it_does(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "no docstring: open with 1 to 6 lines on what it does, what it does not, and the one rule to keep"
    prose = [line for line in docstring.splitlines() if not NOT_PROSE.match(line)]
    assert len(prose) <= OPENING_LINES_MAX, (
        f"{len(prose)} lines of prose, at most {OPENING_LINES_MAX} (tables are free)"
    )


@pytest.mark.parametrize("path", SOURCES, ids=SOURCE_IDS)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    too_long = [f"{node.name}: {length(node)} lines" for node in functions(tree) if length(node) > FUNCTION_LINES_MAX]
    assert not too_long, f"at most {FUNCTION_LINES_MAX} lines, decorators and docstring apart"


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring and the decorators (a command's options are decorators)."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_every_file_name_says_what_is_inside() -> None:
    names = [path.relative_to(ROOT) for path in committed_files() if path.suffix == ".py"]
    named = [str(path) for path in names if NAMES_THAT_SAY_NOTHING & {Path(part).stem for part in path.parts}]
    assert not named, "name a module after its one idea"


def test_no_committed_file_names_a_package_registry() -> None:
    assert not lines_with(re.compile("|".join(map(re.escape, REGISTRY_HOSTS))))
    assert not lines_with(NAMES_AN_INDEX), "which index to use is the machine's setting, not the project's"


def test_no_committed_file_knows_the_machine_it_was_written_on() -> None:
    assert not lines_with(OF_ONE_MACHINE)


def test_text_files_end_with_a_line_break_and_hold_no_tabs_for_indentation() -> None:
    wrong = []
    for path in committed_files():
        if path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".txt"} and "data" not in path.parts:
            text = path.read_bytes()
            if (text and not text.endswith(b"\n")) or b"\r\n" in text or b"\n\t" in text:
                wrong.append(str(path.relative_to(ROOT)))
    assert not wrong


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("open('/wo" + "rk/main/x')", True),
        ("cd /ro" + "ot", True),
        ("see ../sha" + "red/DESIGN.md", True),
        ("http://127.0.0.1/ro" + "ot/page", False),
        ("framewo" + "rk/ro" + "ot", False),
    ],
)
def test_paths_of_a_machine_are_told_from_other_paths(line: str, is_found: bool) -> None:
    assert bool(OF_ONE_MACHINE.search(line)) == is_found
