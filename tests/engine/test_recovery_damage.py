"""Outputs damaged between two runs: opened again they are mended or refused, never trusted, never a crash loop."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from store_kit import (
    KillAt,
    Killed,
    MortalDisk,
    assert_each_once,
    finish,
    ids_in_files,
    mixed,
    open_store,
    written,
)

from penstock.engine.ledger import Ledger
from penstock.engine.recovery import RECOVERY_STEPS, describe
from penstock.engine.rundir import RunDir
from penstock.engine.verify import verify
from penstock.errors import LedgerError
from penstock.sinks.disk import Disk
from penstock.sinks.manifest import parse_manifest

IDS = range(60)


def make_output(out: Path) -> None:
    """Six data shards or so, dead letters, skipped ids; everything committed."""
    store = open_store(out)
    for start in range(0, 60, 12):
        store.write(mixed(range(start, start + 12)))
        store.commit((start, f"line:{start}"))
    store.close()


def kill_at(out: Path, step: str, ids: range) -> None:
    disk = MortalDisk()
    store = open_store(out, KillAt(disk, step), disk=disk)
    try:
        store.write(mixed(i for i in ids if i not in store.resume.done))
        store.commit()
        pytest.fail(f"{step} was never reached")
    except Killed:
        pass
    finally:
        store.close()


def internal(out: Path, name: str) -> Path:
    return out / "_penstock" / name


def test_a_deleted_ledger_is_rebuilt_and_the_input_read_from_its_start(tmp_path: Path) -> None:
    make_output(tmp_path)
    for path in internal(tmp_path, "").glob("ledger.sqlite*"):
        path.unlink()
    store = open_store(tmp_path)
    assert list(store.resume.done) == list(IDS)
    assert store.resume.checkpoint is None
    assert store.recovered.is_ledger_rebuilt
    assert store.recovered.epoch == 2
    assert "rebuilt" in describe(store.recovered)
    store.close()
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)
    assert verify(RunDir(tmp_path)).is_ok


@pytest.mark.parametrize("damage", ["zeros", "noise", "text", "cut", "empty", "altered_row"])
def test_a_damaged_ledger_is_set_aside_and_rebuilt(tmp_path: Path, damage: str) -> None:
    make_output(tmp_path)
    path = internal(tmp_path, "ledger.sqlite")
    content = bytearray(path.read_bytes())
    match damage:
        case "zeros":
            content[4096:] = bytes(len(content) - 4096)
        case "noise":
            content[4096:] = bytes(range(256)) * ((len(content) - 4096) // 256)
        case "text":
            content[:] = b"not a database, " * 1000
        case "cut":
            del content[len(content) // 2 :]
        case "empty":
            content.clear()
        case "altered_row":
            connection = sqlite3.connect(path)
            connection.execute("UPDATE shard SET manifest = replace(manifest, '[[', '[[ 9')")
            connection.commit()
            connection.close()
    if damage != "altered_row":
        path.write_bytes(content)
    store = open_store(tmp_path)
    assert list(store.resume.done) == list(IDS)
    assert store.recovered.epoch >= 2
    store.close()
    set_aside = list(internal(tmp_path, "quarantine").glob("*ledger.sqlite*"))
    assert bool(set_aside) == (damage != "empty")
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)
    assert verify(RunDir(tmp_path)).is_ok


def test_an_unreadable_tail_of_the_write_ahead_log_only_makes_the_ledger_older(tmp_path: Path) -> None:
    """SQLite stops at the last sound frame; the shards after it are adopted."""
    store = open_store(tmp_path)
    store.write([written(i) for i in range(10)])
    store.write([written(i) for i in range(10, 20)])
    saved = tmp_path / "saved"
    saved.mkdir()
    for path in internal(tmp_path, "").glob("ledger.sqlite*"):
        shutil.copy(path, saved)
    store.close()
    for path in internal(tmp_path, "").glob("ledger.sqlite*"):
        path.unlink()
    wal = (saved / "ledger.sqlite-wal").read_bytes()
    internal(tmp_path, "ledger.sqlite").write_bytes((saved / "ledger.sqlite").read_bytes())
    internal(tmp_path, "ledger.sqlite-wal").write_bytes(wal[:-4096] + bytes(4096))
    store = open_store(tmp_path)
    assert store.recovered.adopted == ["00001.parquet"]
    assert list(store.resume.done) == list(range(20))
    store.close()


def test_a_ledger_older_than_the_shards_adopts_them(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(mixed(range(20)))
    store.commit((10, "line:10"))
    store.close()
    shutil.copy(internal(tmp_path, "ledger.sqlite"), tmp_path / "old")
    finish(tmp_path, IDS)
    shutil.move(tmp_path / "old", internal(tmp_path, "ledger.sqlite"))
    store = open_store(tmp_path)
    assert list(store.resume.done) == list(IDS)
    assert store.resume.checkpoint == (10, "line:10")
    assert store.recovered.epoch == 3
    store.close()
    assert_each_once(tmp_path, IDS)


def test_a_shard_with_a_wrong_byte_that_is_not_recorded_is_quarantined_and_done_again(tmp_path: Path) -> None:
    make_output(tmp_path)
    for path in internal(tmp_path, "").glob("ledger.sqlite*"):
        path.unlink()
    flip_a_byte(tmp_path / "00002.parquet")
    store = open_store(tmp_path)
    assert store.recovered.quarantined == ["00002.parquet"]
    assert 0 < len(store.resume.done) < len(IDS)
    store.close()
    assert internal(tmp_path, "quarantine/00002.parquet").exists()
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)


def test_a_quarantine_drops_the_checkpoint_for_good(tmp_path: Path) -> None:
    """Its items lie below; a death right after the quarantine must not bring the old position back."""
    make_output(tmp_path)
    kill_at(tmp_path, "data.linked", range(60, 80))
    flip_a_byte(max(tmp_path.glob("*.parquet")))
    for _ in range(2):
        store = open_store(tmp_path)
        assert store.resume.checkpoint is None
        store.close()


def test_an_adopted_shard_is_synced_before_it_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, or after `process` mode its content, may be in memory only: recorded so, a power cut would lose it."""

    class Watched(Disk):
        def fsync(self, descriptor: int) -> None:
            order.append(f"fsync {os.fstat(descriptor).st_ino}")

        def fsync_dir(self, path: Path) -> None:
            order.append(f"fsync_dir {path}")

    order: list[str] = []
    record = Ledger.record

    def watched_record(self: Ledger, *arguments: Any) -> None:
        order.append("record")
        record(self, *arguments)

    kill_at(tmp_path, "data.linked", range(10))
    monkeypatch.setattr(Ledger, "record", watched_record)
    store = open_store(tmp_path, disk=Watched())
    inode = (tmp_path / "00000.parquet").stat().st_ino
    assert store.recovered.adopted == ["00000.parquet"]
    store.close()
    before = order[: order.index("record")]
    assert f"fsync {inode}" in before
    assert before[-1] == f"fsync_dir {tmp_path}"


def test_a_recorded_shard_of_another_size_is_quarantined_and_the_input_read_from_its_start(tmp_path: Path) -> None:
    make_output(tmp_path)
    path = tmp_path / "00001.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    store = open_store(tmp_path)
    assert store.recovered.quarantined == ["00001.parquet"]
    assert store.resume.checkpoint is None
    store.close()
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)
    assert verify(RunDir(tmp_path)).is_ok


def test_a_recorded_shard_that_is_gone_is_refused_until_repaired(tmp_path: Path) -> None:
    make_output(tmp_path)
    (tmp_path / "00001.parquet").unlink()
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"1 shards that are gone: 00001\.parquet") as caught:
            open_store(tmp_path)
        assert f"verify {tmp_path} --repair" in str(caught.value.hint)
    report = verify(RunDir(tmp_path), repair=True)
    assert [problem.kind for problem in report.repaired] == ["shard_missing"]
    assert report.problems == []
    assert report.pending > 0
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)


def test_a_shard_without_any_record_is_quarantined(tmp_path: Path) -> None:
    make_output(tmp_path)
    shutil.copy(tmp_path / "00001.parquet", tmp_path / "00077.parquet")
    store = open_store(tmp_path)
    assert store.recovered.quarantined == ["00077.parquet"]
    assert list(store.resume.done) == list(IDS)
    store.close()
    assert_each_once(tmp_path, IDS)


def test_a_lost_manifest_is_written_again_from_the_ledger(tmp_path: Path) -> None:
    make_output(tmp_path)
    first = internal(tmp_path, "manifests/data-00000-0001.json")
    good = first.read_text()
    first.unlink()
    store = open_store(tmp_path)
    assert list(store.resume.done) == list(IDS)
    store.close()
    assert first.read_text() == good


def test_a_shard_whose_manifest_and_ledger_row_are_both_lost_is_done_again(tmp_path: Path) -> None:
    make_output(tmp_path)
    for path in internal(tmp_path, "").glob("ledger.sqlite*"):
        path.unlink()
    manifest = internal(tmp_path, "manifests/data-00001-0001.json")
    lost = [i for first, last in parse_manifest(manifest.read_text()).ids for i in range(first, last + 1)]
    manifest.write_text("{torn")
    store = open_store(tmp_path)
    assert sorted(set(IDS) - set(store.resume.done)) == lost
    store.close()
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)


def test_stale_manifests_and_temp_files_are_deleted(tmp_path: Path) -> None:
    make_output(tmp_path)
    kill_at(tmp_path, "data.manifest_dir_fsynced", range(60, 80))
    assert len(list(internal(tmp_path, "tmp").iterdir())) > 0
    before = len(list(internal(tmp_path, "manifests").iterdir()))
    open_store(tmp_path).close()
    assert list(internal(tmp_path, "tmp").iterdir()) == []
    assert len(list(internal(tmp_path, "manifests").iterdir())) == before - 1
    finish(tmp_path, range(80))
    assert_each_once(tmp_path, range(80))


def damage_everything(out: Path) -> None:
    """One of each: every step of recovery has something to do, except where the ledger must be sound or must not be."""
    make_output(out)
    kill_at(out, "data.linked", range(60, 80))
    (out / "_penstock/manifests/data-00090-0001.json").write_text(
        (out / "_penstock/manifests/data-00000-0001.json").read_text().replace("00000", "00090")
    )
    (out / "_penstock/tmp/data-0001-000001.part").write_bytes(b"left over")
    (out / "_penstock/manifests/data-00003-0001.json").unlink()
    shutil.copy(out / "00001.parquet", out / "00077.parquet")
    path = out / "00002.parquet"
    path.write_bytes(path.read_bytes() + b"!")


@pytest.mark.parametrize("step", RECOVERY_STEPS)
def test_killed_at_any_step_of_a_recovery_and_opened_again(tmp_path: Path, step: str) -> None:
    damage_everything(tmp_path)
    if step == "recovery.ledger_set_aside":
        internal(tmp_path, "ledger.sqlite").write_bytes(b"rubbish" * 1000)
        internal(tmp_path, "ledger.sqlite-wal").unlink(missing_ok=True)
    disk = MortalDisk()
    with pytest.raises(Killed):
        open_store(tmp_path, KillAt(disk, step), disk=disk)
    open_store(tmp_path).close()
    finish(tmp_path, range(80))
    assert_each_once(tmp_path, range(80))
    report = verify(RunDir(tmp_path))
    assert report.problems == []
    assert report.is_ok


def test_recovery_says_what_it_did(tmp_path: Path) -> None:
    damage_everything(tmp_path)
    store = open_store(tmp_path)
    text = describe(store.recovered)
    assert "1 finished shards adopted" in text
    assert "2 damaged shards quarantined" in text
    store.close()
    store = open_store(tmp_path)
    assert describe(store.recovered) == ""
    store.close()


def test_opening_a_sound_output_reads_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole checksums are `verify`'s work: a resume of a large output must start at once."""
    make_output(tmp_path)
    read: list[str] = []
    monkeypatch.setattr("penstock.engine.recovery.file_checksum", lambda path: read.append(path.name))
    open_store(tmp_path).close()
    assert read == []


def test_run_json_is_replaced_whole(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    assert run_dir.read_run() == {}
    run_dir.write_run({"state": "running", "items_total": 5})
    assert run_dir.read_run() == {"state": "running", "items_total": 5}
    run_dir.run_path.write_text("{torn")
    with pytest.raises(LedgerError, match="expected a JSON object"):
        run_dir.read_run()


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_the_second_opinion_agrees_with_the_manifests(tmp_path: Path) -> None:
    """The test kit reads files only; if it and the manifests disagreed, one of them would be wrong."""
    make_output(tmp_path)
    found = ids_in_files(tmp_path)
    for path in internal(tmp_path, "manifests").iterdir():
        manifest = json.loads(path.read_text())
        ids = {i for first, last in manifest["ids"] for i in range(first, last + 1)}
        assert ids <= set(found[manifest["stream"]])
