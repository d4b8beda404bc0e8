"""Every dependency is pinned, the same everywhere, and accounted for in docs/design/0002-dependencies.md."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[\w.]+)(?: ; (?P<marker>.+))?")


def pins(group: str) -> set[tuple[str, str]]:
    """(name, version) of every line of a requirements file. Any other kind of line fails."""
    found = set()
    for line in (ROOT / "requirements" / f"{group}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        match = PIN.fullmatch(line)
        assert match, f"requirements/{group}.txt: expected name==version with an optional marker, got: {line}"
        found.add((match["name"], match["version"]))
    return found


MODULES = {"prometheus-client": "prometheus_client", "opentelemetry-api": "opentelemetry"}
PROGRAMS = {"py-spy"}  # run, not imported


def declared(*groups: str) -> set[str]:
    """Names in pyproject.toml: the package's own and its extras', and those of the dependency groups given."""
    lines = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        lines += extra
    for group in groups:
        lines += [line for line in PROJECT["dependency-groups"][group] if isinstance(line, str)]
    return {re.split(r"[\s<>=!~;\[]", line, maxsplit=1)[0].lower() for line in lines}


@pytest.mark.parametrize(("group", "groups"), [("run", ()), ("test", ("test",)), ("check", ("test", "check"))])
def test_what_is_declared_is_pinned(group: str, groups: tuple[str, ...]) -> None:
    missing = declared(*groups) - {name for name, _ in pins(group)}
    assert not missing, "run `make lock`"


def test_the_three_files_agree_on_every_version() -> None:
    assert pins("run") <= pins("test") <= pins("check"), "run `make lock`"


def test_every_declared_dependency_is_accounted_for() -> None:
    page = (ROOT / "docs" / "design" / "0002-dependencies.md").read_text(encoding="utf-8")
    accounted = set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, flags=re.MULTILINE))
    assert accounted == declared("test", "check") | {"hatchling", "editables"}


def test_every_dependency_is_imported_by_the_package_or_an_example() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", code, flags=re.MULTILINE))
    modules = {MODULES.get(name, name) for name in declared() - PROGRAMS}
    assert modules <= imported, "a dependency that nothing imports: remove it from pyproject.toml, then `make lock`"
