"""The pytest plugin in real pytest runs: the option, the marker, the fixture, and tests that cannot be profiled."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no timer signals")]

PLUGIN = "penstock.perf.profile.pytest_plugin"
TESTS = """
import asyncio
import time
import pytest

async def work():
    until_s = time.perf_counter() + 0.05
    while time.perf_counter() < until_s:
        await asyncio.sleep(0)

def test_plain():
    asyncio.run(work())

@pytest.mark.penstock_profile("await")
def test_marked():
    asyncio.run(work())

class TestMore:
    @pytest.mark.parametrize("what", ["a/b"])
    def test_fails(self, what):
        asyncio.run(work())
        assert what == "c"
"""


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    registered = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
    return pytester.runpytest_subprocess(*([] if registered else ["-p", PLUGIN]), *arguments)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder).parent) for path in folder.rglob("*.html"))


def test_without_option_and_marker_nothing_is_profiled(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_one(): pass")
    result = run(pytester)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*penstock profiles*")
    assert not (pytester.path / "penstock-profile").exists()


def test_the_option_profiles_every_test_into_its_own_folder(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TESTS)
    result = run(pytester, "--penstock-profile", "await,loop", "--penstock-profile-dir", "out", "--strict-markers")
    result.assert_outcomes(passed=2, failed=1)
    folders = files(pytester.path / "out")
    assert folders == sorted(2 * ["test_it.py/test_marked", "test_it.py/test_plain", folders[0]])
    assert folders[0].startswith("test_it.py/TestMore.test_fails[a_b]-")
    names = {path.name for path in (pytester.path / "out" / "test_it.py" / "test_plain").iterdir()}
    assert names >= {"await.html", "await.folded", "await.speedscope.json", "await.json", "loop.html"}
    result.stdout.fnmatch_lines(["*penstock profiles*", "*test_plain*await.html"])


def test_the_marker_profiles_that_test_only(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TESTS)
    result = run(pytester, "--strict-markers")
    result.assert_outcomes(passed=2, failed=1)
    assert files(pytester.path / "penstock-profile") == ["test_it.py/test_marked"]


def test_the_fixture_profiles_a_part_of_a_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=TESTS
        + """
def test_part(penstock_profile):
    with penstock_profile("await") as p:
        asyncio.run(work())
    assert p.profile.numbers["running_s"] + p.profile.numbers["runnable_s"] > 0
    with penstock_profile("await"):
        pass
"""
    )
    run(pytester, "-k", "part").assert_outcomes(passed=1, deselected=3)
    assert not (pytester.path / "penstock-profile").exists()
    run(pytester, "-k", "part", "--penstock-profile-dir", "out").assert_outcomes(passed=1, deselected=3)
    assert files(pytester.path / "out") == ["test_it.py/test_part/part-1", "test_it.py/test_part/part-2"]


def test_a_test_that_cannot_be_profiled_runs_and_is_named(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import sys
sys.modules["memray"] = None
"""
    )
    pytester.makepyfile(test_it="def test_one(): pass")
    result = run(pytester, "--penstock-profile", "memory")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["not profiled: test_it.py::test_one: *memray*pip install*"])


def test_an_unknown_kind_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_one(): pass")
    result = run(pytester, "--penstock-profile", "flames")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*expected some of cpu, await, memory, loop*"])


def test_pytest_timeout_and_the_profile_do_not_take_each_others_timer(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_timeout")
    if sys.platform != "linux":
        pytest.skip("elsewhere there is one timer, and who has it keeps it")
    pytester.makepyfile(
        test_it="""
import asyncio
import pytest

@pytest.mark.penstock_profile("await")
@pytest.mark.timeout(0.3, method="signal")
def test_hangs():
    asyncio.run(asyncio.sleep(60))
"""
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Timeout*0.3*"])
    assert files(pytester.path / "penstock-profile") == ["test_it.py/test_hangs"]
