"""pytest: profiles of tests, by option, by marker, or by a fixture inside a test. Off, it costs nothing.

    pytest --penstock-profile await                 every test, its call only
    @pytest.mark.penstock_profile("cpu", "loop")    this test, always
    def test_x(penstock_profile): with penstock_profile("await") as p: …

Files go to --penstock-profile-dir, a folder for each test. The rule: a test that cannot be profiled runs all the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from penstock.perf.profile.model import Kind
    from penstock.perf.profile.session import Profiling

DEFAULT_FOLDER = "penstock-profile"
_written = pytest.StashKey[list[Path]]()
_refused = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("penstock", "profiles (penstock)")
    group.addoption(
        "--penstock-profile",
        metavar="KIND[,KIND]",
        help="Profile the call of each test: cpu, await, memory, loop.",
    )
    group.addoption(
        "--penstock-profile-dir",
        metavar="DIR",
        help=f"Where profiles are written, one folder for each test (default: {DEFAULT_FOLDER}).",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "penstock_profile(*kinds): profile this test's call (cpu, await, memory, loop)")
    config.stash[_written] = []
    config.stash[_refused] = []
    _profiling(_kinds(config.getoption("--penstock-profile")), "")


@pytest.fixture
def penstock_profile(request: pytest.FixtureRequest) -> Iterator[Callable[..., Profiling]]:
    """`with penstock_profile("await") as p:` profiles a part of a test; see `penstock.perf.profile.profile`.

    After the test the files are written too, where --penstock-profile-dir is given.
    """
    used: list[Profiling] = []

    def make(*kinds: Kind) -> Profiling:
        made = _profiling(kinds or ("cpu",), request.node.name)
        assert made is not None
        used.append(made)
        return made

    yield make
    if request.config.getoption("--penstock-profile-dir"):
        for number, made in enumerate(used, start=1):
            _write(request.node, made, "" if len(used) == 1 else f"part-{number}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    from_mark = [kind for mark in item.iter_markers("penstock_profile") for kind in mark.args or ("cpu",)]
    from_option = _kinds(item.config.getoption("--penstock-profile"))
    profiling = _profiling(tuple(dict.fromkeys([*from_mark, *from_option])), item.name)
    if profiling is None:
        return (yield)

    from penstock.perf.profile.recorder import CannotProfile

    try:
        profiling.__enter__()
    except CannotProfile as error:
        item.config.stash[_refused].append(f"{item.nodeid}: {error} hint: {error.hint}")
        return (yield)
    try:
        return (yield)
    finally:
        profiling.__exit__(None, None, None)
        _write(item, profiling, "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    written, refused = config.stash[_written], config.stash[_refused]
    if not written and not refused:
        return
    terminalreporter.section("penstock profiles")
    for path in written:
        terminalreporter.line(str(path))
    for text in refused:
        terminalreporter.line(f"not profiled: {text}")


def _kinds(option: str | None) -> tuple[Kind, ...]:
    names = [name.strip() for name in option.split(",")] if option else []
    return cast("tuple[Kind, ...]", tuple(names))  # `profile` refuses what is none


def _profiling(kinds: tuple[Kind, ...], title: str) -> Profiling | None:
    """A recording of these kinds, None without any. Raises UsageError, which pytest shows without a traceback."""
    if not kinds:
        return None
    from penstock.errors import ConfigError
    from penstock.perf.profile.session import profile

    try:
        return profile(*kinds, title=title)
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from error


def _write(item: pytest.Item, profiling: Profiling, part: str) -> None:
    if not profiling.profiles:
        return
    option = item.config.getoption("--penstock-profile-dir")
    folder = Path(option) if option else item.config.rootpath / DEFAULT_FOLDER
    folder = (
        folder.joinpath(*_folder_names(item.nodeid), part) if part else folder.joinpath(*_folder_names(item.nodeid))
    )
    for path in profiling.write(folder):
        if path.suffix == ".html":
            item.user_properties.append((f"penstock_profile_{path.stem}", str(path)))
            item.config.stash[_written].append(path)


def _folder_names(node_id: str) -> list[str]:
    """`tests/test_a.py::TestB::test_c[1/2]` as names of folders: tests, test_a.py, TestB.test_c[1_2]-5f3a."""
    file, _, test = node_id.partition("::")
    name = test.replace("::", ".")
    safe = re.sub(r"[^\w.\[\]=,+-]+", "_", name)[:100]
    if safe != name:
        safe += "-" + hashlib.blake2b(node_id.encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()
    return [*(part for part in file.split("/") if part not in {"", ".", ".."}), safe]
