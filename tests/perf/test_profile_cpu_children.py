"""Child processes sample themselves: pool workers, multiprocessing's, other Pythons and forks, killed or not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import Bug
from penstock.perf.origin.process import OriginProcess
from penstock.perf.profile.child import label_of
from penstock.perf.profile.journal import Journal, read_journal
from penstock.perf.profile.model import Profile
from penstock.perf.profile.stacks import Stacks

GIVE_UP_S = 100
BURN = """
import time
def burn(cpu_s=0.3):
    until = time.thread_time() + cpu_s
    while time.thread_time() < until: sum(range(500))
"""


def profiled(folder: Path, script: str, *words: str) -> tuple[subprocess.CompletedProcess[str], Profile]:
    (folder / "script.py").write_text(script)
    command = [sys.executable, "-m", "penstock", "profile", "cpu", "-o", "prof", *(words or ["script.py"])]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=GIVE_UP_S)
    return done, Profile.from_json(json.loads((folder / "prof" / "cpu.json").read_text("utf-8")))


def by_root(profile: Profile) -> dict[str, float]:
    """Seconds in the function `burn`, by the name of the stack's root."""
    found: dict[str, float] = {}
    for stack, weight in profile.stacks.items():
        if any(frame.name == "burn" for frame in stack):
            found[stack[0].name] = found.get(stack[0].name, 0.0) + weight
    return found


# --- the journal


def test_a_journal_is_read_as_it_was_written_up_to_an_incomplete_line(tmp_path: Path) -> None:
    stacks = Stacks()
    path = tmp_path / "1.samples"
    journal = Journal(path, "worker", stacks)
    raws = [stacks.take(sys._getframe()), stacks.take(sys._getframe(1))]
    for number in range(100):
        journal.add("[thread x]" if number % 4 == 0 else "", raws[number % 2], 0.001)
    journal.write()
    label, profile = read_journal(path)
    assert label == "worker"
    assert profile.samples == 100
    assert profile.total == pytest.approx(0.1)
    assert {stack[0].name for stack in profile.stacks} >= {"[thread x]"}
    assert len(profile.stacks) == 3
    with path.open("a") as file:
        file.write("0 0.9")  # killed before the end of the line
    assert read_journal(path)[1].samples == 100


def test_a_journal_with_many_stacks_stays_small_in_memory_and_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.perf.profile.journal._STACKS_MAX", 2)
    stacks = Stacks()
    journal = Journal(tmp_path / "1.samples", "worker", stacks)
    raw = stacks.take(sys._getframe())
    raws = [raw[2 * depth :] for depth in range(5)]
    for number in range(50):
        journal.add("", raws[number % 5], 0.01)
    journal.write()
    assert len(journal._numbers) <= 2
    profile = read_journal(tmp_path / "1.samples")[1]
    assert sorted(round(weight, 6) for weight in profile.stacks.values()) == [0.1] * 5


def test_a_second_program_in_the_same_process_starts_its_stacks_anew(tmp_path: Path) -> None:
    stacks = Stacks()
    raw = stacks.take(sys._getframe())
    for offset in (0, 2):
        journal = Journal(tmp_path / "1.samples", "worker", stacks)
        journal.add("", raw[offset:], 0.5)
        journal.write()
    assert sorted(read_journal(tmp_path / "1.samples")[1].stacks.values()) == [0.5, 0.5]


def test_a_damaged_journal_is_a_bug_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "1.samples"
    path.write_text('{"format": 1, "label": "x", "pid": 1}\n7 0.5\n')
    with pytest.raises(Bug, match=r"got '7 0\.5"):
        read_journal(path)


def test_a_folder_that_is_gone_costs_the_child_nothing(tmp_path: Path) -> None:
    stacks = Stacks()
    journal = Journal(tmp_path / "gone" / "1.samples", "worker", stacks)
    journal.add("", stacks.take(sys._getframe()), 0.1)
    journal.write()
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        (["python", "-c", "from penstock.process.worker import main"], "pool worker"),
        (["python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()"], "multiprocessing worker"),
        (["python", "-c", "print(1)"], "python -c"),
        (["python", "-u", "path/to/tool.py", "--flag"], "tool.py"),
        (["python", "-m", "pip", "install"], "-m pip install"),
        (["python"], "python"),
    ],
)
def test_children_of_one_kind_have_one_label(arguments: list[str], label: str) -> None:
    assert label_of(arguments) == label


# --- real children


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_are_included_and_work_as_before(tmp_path: Path, method: str) -> None:
    done, profile = profiled(
        tmp_path,
        f"{BURN}\nimport multiprocessing, os\n"
        "def work(n):\n    burn()\n    return n * n\n"
        "if __name__ == '__main__':\n"
        "    burn(0.2)\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    with context.Pool(2) as pool: print(pool.map(work, [1, 2, 3]))\n"  # leaving terminates the workers
        "    process = context.Process(target=burn); process.start(); process.join(); print(process.exitcode)\n",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[1, 4, 9]\n0\n"
    shares = by_root(profile)
    children = sum(seconds for root, seconds in shares.items() if root.startswith("[process "))
    assert children == pytest.approx(1.2, rel=0.2)
    assert sum(shares.values()) - children == pytest.approx(0.2, rel=0.25)
    assert profile.numbers["child_processes"] >= 2


@pytest.mark.slow
def test_a_child_that_kills_itself_loses_almost_nothing(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(f"{BURN}burn(0.6)\nimport os\nos.kill(os.getpid(), 9)\n")
    done, profile = profiled(
        tmp_path, "import subprocess, sys\nprint(subprocess.run([sys.executable, 'child.py']).returncode)\n"
    )
    assert done.stdout == "-9\n"
    assert by_root(profile)["[process child.py]"] == pytest.approx(0.6, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("has_posix_timers", [True, False])
def test_children_that_become_other_programs_run_undisturbed(tmp_path: Path, has_posix_timers: bool) -> None:
    """A timer that survived exec would kill the next program: `exec` after fork, preexec_fn, uvloop's own fork."""
    worker = f"{BURN}burn(0.3)\nprint('alive', flush=True)\n"
    (tmp_path / "burns.py").write_text(worker)
    script = f"""
import asyncio, os, subprocess, sys, uvloop
from penstock.perf.profile import cputimer
from penstock.perf.profile.recorder import RecorderOptions, make_recorder
if not {has_posix_timers}:
    cputimer._HAS_POSIX_TIMERS = False
{BURN}
recorder = make_recorder("cpu", RecorderOptions())
recorder.start()
command = [sys.executable, "-I", "burns.py"]
burn(0.1)
pid = os.fork()
if pid == 0:
    burn(0.1)
    os.execv(sys.executable, command)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
print(subprocess.run(command, preexec_fn=lambda: burn(0.1)).returncode, flush=True)
async def main():
    process = await asyncio.create_subprocess_exec(*command)
    print(await process.wait(), flush=True)
asyncio.run(main())
uvloop.run(main())
print(recorder.stop().total > 0.05)
"""
    (tmp_path / "starts.py").write_text(script)
    command = [sys.executable, "starts.py"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=GIVE_UP_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["alive", "0"] * 4 + ["True"]


@pytest.mark.slow
def test_an_environments_own_sitecustomize_still_runs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("print('customized', flush=True)\n")
    script = (
        "import os, subprocess, sys\n"
        f"os.environ['PYTHONPATH'] += os.pathsep + {str(tmp_path / 'site')!r}\n"
        "code = 'import sys; print(sys.modules[\"sitecustomize\"].__file__)'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)\n"
    )
    done, _ = profiled(tmp_path, script)
    assert done.stdout.splitlines() == ["customized", str(tmp_path / "site" / "sitecustomize.py")]


@pytest.mark.slow
def test_the_process_pool_of_a_fetch_is_in_its_profile(tmp_path: Path) -> None:
    (tmp_path / "pages.py").write_text(f"{BURN}\ndef parse(response):\n    burn(0.02)\n    return {{'n': 1}}\n")
    with OriginProcess() as origin:
        (tmp_path / "urls.txt").write_text("".join(f"{origin.url}/page/{n}\n" for n in range(60)))
        words = ["--", "fetch", "urls.txt", "-o", "out", "--process", "pages.py:parse", "--process-mode", "process"]
        words += ["--process-workers", "2", "--allow-private", "all", "--progress", "none"]
        done, profile = profiled(tmp_path, "", *words)
    assert done.returncode == 0, done.stderr
    assert by_root(profile)["[process pool worker]"] == pytest.approx(60 * 0.02, rel=0.2)
    assert any("pool worker" in note for note in profile.notes)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("penstock-profile-")]
