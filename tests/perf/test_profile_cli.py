"""`penstock profile` and `fetch --profile` as commands: their words, their files, their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli.profile import profile as profile_command
from penstock.perf.origin.process import OriginProcess
from penstock.perf.profile.model import Frame, Profile

GIVE_UP_S = 100
ENDINGS = ("html", "svg", "folded", "speedscope.json", "json")


def penstock(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", *words]
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=GIVE_UP_S)


@pytest.mark.parametrize("kind", ["cpu", "await", "memory", "loop"])
def test_every_kind_has_its_own_page_of_help(kind: str) -> None:
    done = CliRunner().invoke(profile_command, [kind, "--help"])
    assert done.exit_code == 0
    assert ("--threshold" in done.output) is (kind == "loop")
    assert ("--interval" in done.output) is (kind != "memory")
    assert "PROGRAM [ARGS]..." in done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cpu"], "expected a program to profile"),
        (["cpu", "nothing.py"], "'nothing.py', which does not exist"),
        (["cpu", "--intervall", "5", "x.py"], "got '--intervall', which is no option of `penstock profile`"),
        (["cpu", "--interval", "soon", "x.py"], "expected a time like 5ms"),
        (["cpu", "--interval", "0", "exists.py"], "interval: expected a time from 0.1 ms to 60 s"),
        (["loop", "--threshold", "2h", "exists.py"], "expected a time like 5ms"),
        (["cpu", "-o", "exists.py", "exists.py"], "is a file"),
        (["cpu", "-o", "exists.py/below", "exists.py"], "expected a folder that can be written"),
        (["wall", "exists.py"], "No such command 'wall'"),
    ],
)
def test_a_wrong_word_is_explained_before_anything_runs(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "exists.py").write_text("print('ran')\n")
    done = penstock("profile", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cpu", "await", "loop"])
def test_it_writes_every_form_and_says_the_lines_that_matter(tmp_path: Path, kind: str) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio, sys, time\n"
        "def blocks():\n    until = time.monotonic() + 0.15\n    while time.monotonic() < until: pass\n"
        "async def main():\n    for _ in range(3):\n        blocks()\n        await asyncio.sleep(0.05)\n"
        "asyncio.run(main())\nprint(sys.argv[1:])\n"
    )
    words = ["profile", kind, "-o", "here", "--json", "-", "--interval", "4ms", "app.py", "--json", "mine", "-h"]
    done = penstock(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, document = done.stdout.split("\n", 1)
    assert first == "['--json', 'mine', '-h']"
    profile = Profile.from_json(json.loads(document))
    assert profile.kind == kind
    assert profile.title == "app.py"
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == sorted(f"{kind}.{end}" for end in ENDINGS)
    lines = done.stderr.splitlines()
    assert len(lines) <= 11
    assert lines[0].startswith(f"{kind} of app.py")
    assert f"here/{kind}.html" in lines[-1]
    assert any("app.py:" in line for line in lines)


@pytest.mark.slow
def test_diff_says_what_became_more_and_writes_a_page(tmp_path: Path) -> None:
    kinds = {"before": {"same": 1.0, "other": 1.0}, "after": {"same": 1.0, "other": 3.0}, "loop": {}}
    for name, weights in kinds.items():
        profile = Profile(kind="loop" if name == "loop" else "cpu", unit="seconds")
        for function, weight in weights.items():
            profile.add((Frame("<module>", "app.py", 1), Frame(function, "app.py", 2)), weight)
        (tmp_path / f"{name}.json").write_text(json.dumps(profile.to_json()))
    done = penstock("profile", "diff", "before.json", "after.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "penstock-profile/cpu-diff.html"
    assert "+25.0 points  other  app.py" in done.stderr
    assert (tmp_path / "penstock-profile" / "cpu-diff.html").read_text("utf-8").startswith("<!doctype html>")
    for other, said in (("loop.json", "of the same kind"), ("missing.json", "cannot read it")):
        done = penstock("profile", "diff", "before.json", other, "-o", "x.html", cwd=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
        assert not (tmp_path / "x.html").exists()


@pytest.mark.slow
def test_threshold_decides_what_a_block_is(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio, time\nasync def main():\n    for _ in range(3):\n        time.sleep(0.08)\n"
        "        await asyncio.sleep(0.03)\nasyncio.run(main())\n"
    )
    blocks = {}
    for threshold in ("30ms", "10s"):
        done = penstock("profile", "loop", "--threshold", threshold, "--json", "loop.json", "app.py", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        blocks[threshold] = json.loads((tmp_path / "loop.json").read_text("utf-8"))["numbers"]["blocks"]
    assert blocks == {"30ms": 3, "10s": 0}
    assert (tmp_path / "penstock-profile" / "loop.html").exists()


@pytest.mark.slow
def test_a_program_without_a_loop_gets_a_clear_message_and_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit(6)\n")
    done = penstock("profile", "loop", "app.py", cwd=tmp_path)
    assert done.returncode == 6
    assert "No asyncio event loop ran" in done.stderr


@pytest.mark.slow
def test_a_penstock_command_keeps_its_errors_and_exit_codes(tmp_path: Path) -> None:
    plain = penstock("fetch", "missing.txt", "-o", "out", cwd=tmp_path)
    done = penstock("profile", "cpu", "--", "fetch", "missing.txt", "-o", "out", cwd=tmp_path)
    assert done.returncode == plain.returncode == 2
    assert done.stderr.startswith(plain.stderr)
    assert penstock("profile", "cpu", "penstock", "verify", "--help", cwd=tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cpu", "await", "loop"])
def test_fetch_records_itself_beside_its_output(tmp_path: Path, kind: str) -> None:
    with OriginProcess() as origin:
        (tmp_path / "urls.txt").write_text("".join(f"{origin.url}/page/{n}\n" for n in range(300)))
        words = ["fetch", "urls.txt", "-o", "out", "--allow-private", "all", "--progress", "none", "--profile", kind]
        done = penstock(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "_penstock" / "profiles"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{kind}.{end}" for end in ENDINGS)
    profile = Profile.from_json(json.loads((folder / f"{kind}.json").read_text("utf-8")))
    assert profile.title == "penstock fetch out"
    if kind == "cpu":
        assert any("penstock" in frame.file for stack in profile.stacks for frame in stack)
    assert done.stderr.splitlines()[-1] == f"flamegraph: out/_penstock/profiles/{kind}.html"
    assert penstock("verify", "out", cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_a_fetch_that_cannot_begin_leaves_no_profile(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000.parquet").touch()  # somebody else's
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:1/\n")
    done = penstock("fetch", "urls.txt", "-o", "out", "--profile", "cpu", cwd=tmp_path)
    assert done.returncode == 2
    assert not (tmp_path / "out" / "_penstock").exists()
