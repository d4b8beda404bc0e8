"""What `verify` finds, and that its repair leaves an output that a run can finish."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from store_kit import assert_each_once, failed, finish, mixed, open_store, written

from penstock.engine.ledger import Ledger
from penstock.engine.rundir import RunDir
from penstock.engine.snapshot import take_snapshot
from penstock.engine.verify import verify
from penstock.errors import ConfigError
from penstock.sinks.manifest import parse_manifest

IDS = range(60)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    finish(tmp_path, IDS)
    return tmp_path


def kinds(out: Path) -> list[str]:
    return [problem.kind for problem in verify(RunDir(out)).problems]


def test_a_sound_output_has_no_problems_and_balanced_sums(out: Path) -> None:
    report = verify(RunDir(out))
    assert report.is_ok
    assert report.problems == []
    assert report.admitted == 60
    assert report.counts.total == 60
    assert report.rows == report.counts.written
    assert report.bytes > 0


@pytest.mark.parametrize("data_format", ["jsonl", "jsonl.zst"])
def test_other_formats_are_verified_too(tmp_path: Path, data_format: str) -> None:
    finish(tmp_path, IDS, format=data_format)
    assert verify(RunDir(tmp_path)).is_ok
    path = next(tmp_path.glob(f"*.{data_format}"))
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    assert kinds(tmp_path) == ["shard_damaged"]


def test_an_unfinished_run_has_pending_items_and_no_problem(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(i) for i in (0, 1, 5)])
    store.commit((0, "start"))
    store.close()
    report = verify(RunDir(tmp_path))
    assert (report.admitted, report.pending, report.is_ok) == (6, 3, True)


def test_items_below_the_checkpoint_that_are_in_no_shard_are_lost_and_repair_reads_them_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(i) for i in (0, 1, 5)])
    store.commit((4, "line:4"))
    store.close()
    assert kinds(tmp_path) == ["ids_lost"]
    report = verify(RunDir(tmp_path), repair=True)
    assert [problem.kind for problem in report.repaired] == ["ids_lost"]
    assert report.is_ok
    store = open_store(tmp_path)
    assert store.resume.checkpoint is None
    store.close()


def test_a_run_that_says_it_is_complete_may_miss_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(i) for i in range(5)])
    store.commit()
    store.close()
    run_dir = RunDir(tmp_path)
    run_dir.write_run({"state": "complete", "items_total": 7})
    assert kinds(tmp_path) == ["ids_lost"]
    report = verify(run_dir, repair=True)
    assert (report.admitted, report.pending, report.is_ok) == (7, 2, True)
    assert run_dir.read_run()["state"] == "incomplete"


def test_a_total_below_an_id_that_exists_is_no_claim_about_the_whole_input(tmp_path: Path) -> None:
    """A retry of an interrupted run ends complete, and has seen its dead letters only."""
    store = open_store(tmp_path)
    store.write([written(i) for i in (0, 1, 5)])
    store.commit()
    store.close()
    RunDir(tmp_path).write_run({"state": "complete", "items_total": 3})
    report = verify(RunDir(tmp_path))
    assert (report.admitted, report.pending, report.is_ok) == (6, 3, True)


@pytest.mark.parametrize("position", [4, 0.5, -4])
def test_one_flipped_byte_anywhere_is_found_and_repaired(out: Path, position: float) -> None:
    path = sorted(out.glob("*.parquet"))[1]
    content = bytearray(path.read_bytes())
    content[int(position * len(content)) if isinstance(position, float) else position] ^= 1
    path.write_bytes(content)
    assert kinds(out) == ["shard_damaged"]
    report = verify(RunDir(out), repair=True)
    assert report.problems == []
    assert 0 < report.pending <= 60
    finish(out, IDS)
    assert_each_once(out, IDS)
    assert verify(RunDir(out)).is_ok


def test_a_damaged_dead_letter_file_and_a_damaged_skip_list_are_found(out: Path) -> None:
    for path in (out / "failed" / "00000.jsonl", out / "_penstock" / "skipped" / "00000.json"):
        path.write_text(path.read_text().replace("1", "2"))
    assert kinds(out) == ["shard_damaged", "shard_damaged"]
    assert verify(RunDir(out), repair=True).problems == []
    finish(out, IDS)
    assert_each_once(out, IDS)


def test_a_shard_that_holds_other_ids_than_its_manifest_is_found_although_its_checksum_is_right(out: Path) -> None:
    """A bug in the writer would look like this; a checksum cannot see it."""
    names = sorted(path.name for path in out.glob("*.parquet"))[:1]
    connection = sqlite3.connect(out / "_penstock" / "ledger.sqlite")
    (text,) = connection.execute("SELECT manifest FROM shard WHERE name = ?", names).fetchone()
    connection.close()
    manifest = parse_manifest(text)
    forged = json.loads(text)
    ledger = Ledger.open(out / "_penstock" / "ledger.sqlite", "process")
    from dataclasses import replace

    ledger.record([replace(manifest, ids=[[1000, 1000 + manifest.items - 1]])], None, ledger.epoch())
    ledger.close()
    assert forged["ids"] != [[1000, 1000 + manifest.items - 1]]
    (problem,) = verify(RunDir(out)).problems
    assert problem.kind == "shard_damaged"
    assert "other ids" in problem.text


def test_an_id_in_two_data_shards_is_found_and_the_newer_shard_leaves(out: Path) -> None:
    duplicate_shard(out)
    report = verify(RunDir(out))
    assert [problem.kind for problem in report.problems] == ["ids_twice"]
    assert not report.is_balanced
    assert verify(RunDir(out), repair=True).is_ok
    finish(out, IDS)
    assert_each_once(out, IDS)


def duplicate_shard(out: Path) -> None:
    from dataclasses import replace

    manifest = parse_manifest((out / "_penstock/manifests/data-00000-0001.json").read_text())
    twin = replace(manifest, name="00090.parquet", number=90)
    shutil.copy(out / manifest.name, out / twin.name)
    (out / "_penstock/manifests" / twin.file_name).write_text(twin.to_json())
    ledger = Ledger.open(out / "_penstock" / "ledger.sqlite", "process")
    ledger.record([twin], None, ledger.epoch())
    ledger.close()


def test_a_dead_letter_of_an_item_that_was_written_before_is_found(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(1)])
    store.commit()
    store._taken.clear()  # break the store's own defence
    store.write([failed(1)])
    store.commit()
    store.close()
    assert kinds(tmp_path) == ["ids_twice"]


def test_an_unrecorded_but_sound_shard_is_a_note_and_is_adopted_by_the_next_run(out: Path) -> None:
    ledger = Ledger.open(out / "_penstock" / "ledger.sqlite", "process")
    ledger.forget(["00002.parquet"], keep_checkpoint=True)
    ledger.close()
    report = verify(RunDir(out))
    assert report.is_ok
    assert report.notes == ["00002.parquet is finished but not recorded yet; the next run adopts it"]
    assert report.pending > 0
    finish(out, IDS)
    assert_each_once(out, IDS)
    assert verify(RunDir(out)).pending == 0


def test_a_shard_that_nobody_knows_is_quarantined_by_the_repair(out: Path) -> None:
    shutil.copy(out / "00001.parquet", out / "00077.parquet")
    assert kinds(out) == ["shard_unrecorded"]
    assert verify(RunDir(out), repair=True).is_ok
    assert_each_once(out, IDS)


def test_a_missing_ledger_and_missing_manifests_are_named(out: Path) -> None:
    (out / "_penstock/manifests/data-00001-0001.json").unlink()
    assert kinds(out) == ["manifest_missing"]
    assert verify(RunDir(out), repair=True).is_ok
    for path in (out / "_penstock").glob("ledger.sqlite*"):
        path.unlink()
    report = verify(RunDir(out))
    assert report.problems[0].kind == "ledger"
    assert report.counts.total == 60
    assert verify(RunDir(out), repair=True).is_ok
    assert_each_once(out, IDS)


def test_a_torn_manifest_is_named_and_mended(out: Path) -> None:
    path = out / "_penstock/manifests/data-00001-0001.json"
    path.write_text(path.read_text()[:-5])
    assert kinds(out) == ["manifest_damaged", "manifest_missing"]
    assert verify(RunDir(out), repair=True).is_ok


def test_no_run_here_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected the output folder of a run"):
        verify(RunDir(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_verify_is_refused_while_a_run_writes(out: Path) -> None:
    store = open_store(out)
    with pytest.raises(ConfigError, match="another run"):
        verify(RunDir(out))
    store.close()


def test_a_snapshot_can_be_taken_while_a_run_writes(out: Path) -> None:
    store = open_store(out)
    store.write([written(100)])
    assert take_snapshot(RunDir(out)).accounts.counts().total == 60
    store.commit((60, "line:60"))
    snapshot = take_snapshot(RunDir(out))
    assert snapshot.accounts.counts().total == 61
    assert (snapshot.checkpoint, snapshot.epoch, snapshot.ledger_trouble) == ((60, "line:60"), 2, "")
    assert {letter.item.id for letter in snapshot.dead_letters()} == {i for i in IDS if i % 7 == 3}
    store.close()


def test_a_snapshot_without_a_ledger_uses_the_manifests(out: Path) -> None:
    for path in (out / "_penstock").glob("ledger.sqlite*"):
        path.unlink()
    snapshot = take_snapshot(RunDir(out))
    assert snapshot.accounts.counts().total == 60
    assert "missing" in snapshot.ledger_trouble


def test_items_without_records_are_accounted_for(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(1, []), written(2, [{"a": 1}, {"a": 2}]), written(3, [])])
    ack = store.commit()
    store.close()
    assert (sorted(ack.ids), ack.written) == ([1, 2, 3], 3)
    report = verify(RunDir(tmp_path))
    assert report.problems == []
    assert (report.counts.written, report.rows) == (3, 2)


def test_a_shard_of_items_without_any_record_is_a_readable_empty_file(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(1, []), written(2, [])])
    store.commit()
    store.close()
    assert verify(RunDir(tmp_path)).problems == []
    store = open_store(tmp_path)
    assert list(store.resume.done) == [1, 2]
    store.close()


def test_mixed_outcomes_balance_over_several_runs(tmp_path: Path) -> None:
    for end in (13, 29, 60):
        store = open_store(tmp_path)
        store.write(mixed(i for i in range(end) if i not in store.resume.done))
        store.commit()
        store.close()
        report = verify(RunDir(tmp_path))
        assert report.is_ok
        assert report.admitted == end
