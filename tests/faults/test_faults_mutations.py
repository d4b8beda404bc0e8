"""The tests are tested: the engine is broken on purpose, in a copy, and the tests that guard the promise must fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PIPELINE = "tests/engine/test_engine_pipeline.py"


@dataclass(frozen=True)
class Mutation:
    """`old` in `file` (below src/penstock) becomes `new`; then at least one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = [
    Mutation(
        "no fsync of the data",
        "sinks/shard.py",
        "        self._disk.fsync(self._require())\n",
        "        self._require()\n",
        ("tests/engine/test_store_power_loss.py",),
    ),
    Mutation(
        "acknowledge what was only handed to the sink",
        "engine/writer.py",
        "        self.acknowledge(ack)\n\n    async def _commit",
        "        self.acknowledge(Ack([o.item.id for o in batch], written=len(batch)))\n\n    async def _commit",
        (PIPELINE,),
    ),
    Mutation(
        "drop the item on a timeout",
        "engine/attempts.py",
        "        state.counters.attempt_failed(item.host, failure)\n",
        "        state.counters.attempt_failed(item.host, failure)\n"
        '        if failure.kind == "timeout_total":\n            state.unfinished -= 1\n            return\n',
        (f"{PIPELINE}::test_an_item_that_fails_every_attempt_ends_as_a_dead_letter_with_its_kind",),
    ),
    Mutation(
        "keep the permit when an attempt fails",
        "engine/attempts.py",
        "            dispatcher.release(item.host)\n            if isinstance",
        "            if isinstance(result, Response):\n                dispatcher.release(item.host)\n"
        "            if isinstance",
        (PIPELINE,),
    ),
    Mutation(
        "resume from the newest batch",
        "engine/lowwater.py",
        "        if self._first_ids:\n",
        "        if False:\n",
        (PIPELINE,),
    ),
    Mutation(
        "no early commit when credits run out",
        "engine/pipeline.py",
        "                writer.hurry()\n",
        "                pass\n",
        (PIPELINE,),
    ),
    Mutation(
        "take an id twice",
        "engine/store.py",
        "        if len(ids) != len(outcomes) or ids.intersect(self._taken):\n",
        "        if False:\n",
        ("tests/engine/test_store_commit.py",),
    ),
    Mutation(
        "Retry-After pauses nobody",
        "engine/attempts.py",
        "        if decision.pause_host_s is not None:\n",
        "        if False:\n",
        (PIPELINE,),
    ),
]


def run_tests(tests: tuple[str, ...], source: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += [f"--basetemp={tmp_path / 'inner'}", *(str(ROOT / test) for test in tests)]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=300)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_a_broken_engine_fails_the_suite(mutation: Mutation, tmp_path: Path) -> None:
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    file = source / "penstock" / mutation.file
    text = file.read_text("utf-8")
    assert text.count(mutation.old) == 1, "the mutation no longer fits the code: bring it up to date"
    file.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    result = run_tests(mutation.tests, source, tmp_path)
    assert result.returncode == 1, f"survived: {mutation.name}\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
    assert "failed" in result.stdout
