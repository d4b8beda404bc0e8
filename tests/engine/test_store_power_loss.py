"""Power cuts at every operation, unsynced writes lost, torn or reordered; and proof that the test can see."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from power_loss import RecordingDisk, lay_out
from store_kit import failed, finish, ids_in_files, mixed, open_store, written

from penstock.engine.rundir import RunDir
from penstock.engine.verify import verify
from penstock.errors import PenstockError

IDS = range(24)


def record_a_run(
    out: Path, skips: frozenset[str] = frozenset(), *, has_links: bool = True, has_retry: bool = False
) -> RecordingDisk:
    disk = RecordingDisk(out, skips, has_links=has_links)
    store = open_store(out, disk=disk, durability="power", rows_max=8)
    for start in range(0, 24, 6):
        disk.acknowledged |= set(store.write(mixed(range(start, start + 6))).ids)
        if start == 12:
            disk.acknowledged |= set(store.commit((start, f"line:{start}")).ids)
    disk.acknowledged |= set(store.commit().ids)
    disk.remember()
    store.close()
    if has_retry:
        store = open_store(out, disk=disk, durability="power", rows_max=8, retry_kinds=["dns"])
        store.write([written(i) if i % 2 else failed(i) for i in IDS if i not in store.resume.done])
        store.commit()
        store.compact_failed()
        disk.remember()
        store.close()
    return disk


def faults_after_a_power_cut(folder: Path, acknowledged: frozenset[int]) -> list[str]:
    """What is wrong with an output after it was opened again; empty is right."""
    try:
        store = open_store(folder, rows_max=8)
    except PenstockError as error:
        return [f"refused: {error}"]
    done = set(store.resume.done)
    store.close()
    faults = []
    if acknowledged - done:
        faults.append(f"acknowledged and lost: {sorted(acknowledged - done)}")
    finish(folder, IDS, rows_max=8)
    store = open_store(folder)
    store.compact_failed()
    store.close()
    found = ids_in_files(folder)
    total = found["data"] + found["failed"] + found["skipped"]
    if sorted(total.elements()) != list(IDS):
        faults.append(f"lost {sorted(set(IDS) - set(total))}, twice {[i for i, n in total.items() if n > 1]}")
    report = verify(RunDir(folder))
    return faults + [f"{problem.kind}: {problem.where}" for problem in report.problems]


def cut_everywhere(disk: RecordingDisk, out: Path, room: Path, samples: int, stride: int = 1) -> tuple[int, list[str]]:
    rng = random.Random(5)
    tried, faults = 0, []
    for moment in disk.moments[::stride]:
        for files in moment.aftermaths(rng, samples):
            # Without its ledger an output is rebuilt from manifests: tried at one moment in five.
            for ledger in (moment.ledger, {}) if tried % 5 == 0 else (moment.ledger,):
                folder = room / str(tried)
                lay_out(folder, out, files, ledger)
                faults += faults_after_a_power_cut(folder, moment.acknowledged)
                tried += 1
    return tried, faults


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("has_links", [True, False])
def test_no_power_cut_loses_or_repeats_anything(tmp_path: Path, has_links: bool) -> None:
    out = tmp_path / "out"
    disk = record_a_run(out, has_links=has_links)
    assert disk.acknowledged == set(IDS)
    tried, faults = cut_everywhere(disk, out, tmp_path / "cuts", samples=1)
    assert faults == []
    assert tried > 200


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_power_cut_during_a_retry_loses_or_repeats_anything(tmp_path: Path) -> None:
    out = tmp_path / "out"
    disk = record_a_run(out, has_retry=True)
    disk.moments = disk.moments[-90:]  # the retry and its compaction
    tried, faults = cut_everywhere(disk, out, tmp_path / "cuts", samples=1)
    assert faults == []
    assert tried > 50


@pytest.mark.slow
@pytest.mark.parametrize("skipped", ["fsync", "fsync_dir"])
def test_the_simulation_notices_when_a_sync_is_left_out(tmp_path: Path, skipped: str) -> None:
    out = tmp_path / "out"
    disk = record_a_run(out, frozenset({skipped}))
    _, faults = cut_everywhere(disk, out, tmp_path / "cuts", samples=0, stride=12)
    assert faults
