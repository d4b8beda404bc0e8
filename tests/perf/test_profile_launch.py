"""A program under `penstock profile` is the program that `python` runs: same names, same output, same ending."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.perf.profile.model import Profile
from penstock.perf.profile.program import Program, find_program

GIVE_UP_S = 60
WORK = "total = 0\nfor number in range(1_500_000):\n    total += number * number\n"


def python(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=GIVE_UP_S)


def profiled(*words: str, cwd: Path, kind: str = "cpu") -> subprocess.CompletedProcess[str]:
    return python("-m", "penstock", "profile", kind, "-o", "prof", *words, cwd=cwd)


def profile_in(folder: Path, kind: str = "cpu") -> Profile:
    return Profile.from_json(json.loads((folder / "prof" / f"{kind}.json").read_text("utf-8")))


def names_in(profile: Profile) -> set[str]:
    return {frame.name for stack in profile.stacks for frame in stack}


# --- what is meant by the words


def test_words_name_a_command_a_module_or_a_script(tmp_path: Path) -> None:
    script = tmp_path / "fetch.py"
    script.touch()
    commands = ["fetch", "retry"]
    assert find_program(["fetch", "-o", "x"], commands) == Program("command", "fetch", ("-o", "x"))
    assert find_program(["penstock", "fetch", "a"], commands) == Program("command", "fetch", ("a",))
    assert find_program(["-m", "pkg.mod", "-m", "b"], commands) == Program("module", "pkg.mod", ("-m", "b"))
    assert find_program([str(script), "-x"], commands) == Program("script", str(script), ("-x",))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "got nothing"),
        (["-m"], "expected the name of a module"),
        (["--thresold", "1"], "'--thresold'"),
        (["no/such/script.py"], "does not exist"),
    ],
)
def test_words_that_name_nothing_are_explained(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_program(words, ["fetch"])


# --- what the program sees

PROBE = """
import os, sys, json
main = sys.modules["__main__"]
print(json.dumps({
    "name": __name__, "file": __file__, "argv": sys.argv, "folder": sys.path[0], "is_main": main.__dict__ is globals(),
    "package": __package__, "spec": __spec__ and __spec__.name, "doc": __doc__, "cached": globals().get("__cached__"),
    "builtins": __builtins__.__name__, "names": sorted(name for name in globals() if name.startswith("__")),
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["script", "subfolder", "module", "package", "folder", "zip"])
def test_a_program_sees_what_it_sees_under_python(tmp_path: Path, form: str) -> None:
    (tmp_path / "pkg").mkdir()
    for place in ("probe.py", "pkg/probe.py", "pkg/__main__.py"):
        (tmp_path / place).write_text(PROBE)
    (tmp_path / "pkg" / "__init__.py").touch()
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", PROBE)
    words = {
        "script": ["probe.py"],
        "subfolder": ["./pkg/probe.py"],
        "module": ["-m", "pkg.probe"],
        "package": ["-m", "pkg"],
        "folder": ["pkg"],
        "zip": ["app.zip"],
    }[form]
    words += ["-o", "mine", "--flag", "-m", "--", "x"]
    expected = json.loads(python(*words, cwd=tmp_path).stdout)
    seen = json.loads(profiled(*words, cwd=tmp_path).stdout)
    assert seen == expected


@pytest.mark.slow
def test_what_a_script_pickles_and_spawns_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(
        "import multiprocessing, pickle\n"
        "class Thing: pass\n"
        "def square(n): return n * n\n"
        "if __name__ == '__main__':\n"
        "    print(type(pickle.loads(pickle.dumps(Thing()))) is Thing)\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(square, [1, 2, 3]))\n"
    )
    done = profiled("pool.py", cwd=tmp_path)
    assert done.stdout == "True\n[1, 4, 9]\n", done.stderr


# --- how the program ends

ENDINGS = {
    "sys.exit(7)": 7,
    "sys.exit('sorry')": 1,
    "sys.exit()": 0,
    "raise ValueError('oh no')": 1,
    "def f():\n    1 / 0\nf()": 1,
    "raise KeyboardInterrupt": 130,
    "os._exit(9)": 9,
    "x = (": 1,
    "sys.excepthook = lambda *_: print('hooked')\nraise OSError": 1,
    "import atexit; atexit.register(lambda: print('at exit'))": 0,
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_as_under_python_and_leaves_its_profile(tmp_path: Path, ending: str) -> None:
    (tmp_path / "ends.py").write_text(f"import os, sys\n{WORK}print(total, flush=True)\n{ending}\n")
    plain, done = python("ends.py", cwd=tmp_path), profiled("ends.py", cwd=tmp_path)
    assert done.returncode == ENDINGS[ending]
    assert plain.returncode == (-signal.SIGINT if "Keyboard" in ending else ENDINGS[ending])
    assert done.stdout == plain.stdout
    assert done.stderr.startswith(plain.stderr)
    profile = profile_in(tmp_path)
    assert "prof/cpu.html" in done.stderr
    if ending != "x = (":
        assert "<module>" in names_in(profile)
        assert profile.total > 0
    assert ("The program ended with os._exit." in profile.notes) is ("_exit" in ending)


@pytest.mark.slow
def test_threads_that_outlive_the_main_script_are_in_the_profile(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import threading\ndef late():\n    sum(number * number for number in range(1_500_000))\n"
        "threading.Thread(target=late).start()\n"
    )
    done = profiled("late.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "late" in names_in(profile_in(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_and_the_profile_is_written(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "runs.py").write_text(f"import time\n{WORK}print('ready', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "penstock", "profile", "cpu", "-o", "prof", "runs.py"]
    before = signal.signal(number, lambda *_: None)  # a background job ignores SIGINT, and so would its children
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(number, before)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=GIVE_UP_S)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGTERM)
    assert ("KeyboardInterrupt" in said) is (number == signal.SIGINT)
    assert profile_in(tmp_path).total > 0


@pytest.mark.slow
def test_exec_is_not_stopped_and_the_profile_until_then_is_kept(tmp_path: Path) -> None:
    after = (
        "import signal, sys; print('after', [n for n in signal.valid_signals() if signal.getsignal(n) not in (0, 1)])"
    )
    (tmp_path / "execs.py").write_text(f"import os, sys\n{WORK}os.execlp(sys.executable, 'python', '-c', {after!r})\n")
    done = profiled("execs.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("after")
    assert any("replaced itself by" in note for note in profile_in(tmp_path).notes)


@pytest.mark.slow
def test_a_failed_exec_raises_in_the_program(tmp_path: Path) -> None:
    (tmp_path / "execs.py").write_text(
        "import os\ntry:\n    os.execv('/no/such', ['x'])\nexcept OSError:\n    print('no')\n"
    )
    assert profiled("execs.py", cwd=tmp_path).stdout == "no\n"


@pytest.mark.slow
def test_a_program_that_ends_at_once_is_said_to_be_too_short(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text("print('done')\n")
    done = profiled("short.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "Too short for a CPU profile" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cpu", "loop", "await"])
def test_a_child_that_forked_and_runs_on_writes_no_second_profile(tmp_path: Path, kind: str) -> None:
    (tmp_path / "forks.py").write_text(
        f"import os, sys\npid = os.fork()\n{WORK}"
        "if pid:\n    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\nsys.exit(0 if pid else 4)\n"
    )
    done = profiled("forks.py", cwd=tmp_path, kind=kind)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
    assert done.stderr.count(f"{kind} of forks.py") == 1


@pytest.mark.slow
def test_a_profile_that_cannot_be_written_does_not_change_the_programs_ending(tmp_path: Path) -> None:
    (tmp_path / "rude.py").write_text(
        "import shutil, sys\nshutil.rmtree('prof')\nopen('prof', 'w').close()\nsys.exit(5)\n"
    )
    done = profiled("rude.py", cwd=tmp_path)
    assert done.returncode == 5
    assert "penstock: the profile could not be written" in done.stderr


@pytest.mark.slow
def test_the_folder_is_the_one_at_the_start_wherever_the_program_goes(tmp_path: Path) -> None:
    (tmp_path / "goes.py").write_text("import os\nos.chdir('/')\n")
    assert profiled("goes.py", cwd=tmp_path).returncode == 0
    assert (tmp_path / "prof" / "cpu.folded").exists()
    assert not os.path.exists("/prof")
