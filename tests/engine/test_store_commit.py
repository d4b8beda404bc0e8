"""What the store promises while all goes well: acknowledgement, rotation, resume, one run at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from store_kit import assert_each_once, failed, ids_in_files, mixed, open_store, skipped, written

from penstock.engine.rundir import RunDir
from penstock.engine.store import STEPS, Store
from penstock.engine.storeoptions import ShardOptions
from penstock.engine.verify import verify
from penstock.errors import Bug, ConfigError
from penstock.sinks.disk import Disk


def test_nothing_is_acknowledged_before_its_shard_is_in_the_ledger(tmp_path: Path) -> None:
    steps: list[str] = []
    store = open_store(tmp_path, steps.append)
    assert store.write([written(1), failed(2), skipped(3)]).ids == []
    assert store.has_open_rows
    ack = store.commit()
    assert sorted(ack.ids) == [1, 2, 3]
    assert (ack.written, ack.failed, ack.skipped) == (1, 1, 1)
    assert not store.has_open_rows
    order = [step for step in steps if step.endswith((".linked", ".ledger_committed"))]
    assert order == [f"{s}.{step}" for s in ("data", "failed", "skipped") for step in ("linked", "ledger_committed")]
    store.close()


def test_each_stream_is_committed_when_it_is_full_and_only_it(tmp_path: Path) -> None:
    store = open_store(tmp_path, rows_max=4)
    assert store.write([failed(100), *(written(i) for i in range(3))]).ids == []
    assert store.write([written(3)]).ids == [0, 1, 2, 3]
    assert store.write([failed(i) for i in (101, 102, 103)]).ids == [100, 101, 102, 103]
    assert store.commit().ids == []
    store.close()
    assert_each_once(tmp_path, [0, 1, 2, 3, 100, 101, 102, 103])


def test_a_shard_is_committed_when_its_bodies_reach_bytes_max(tmp_path: Path) -> None:
    store = open_store(tmp_path, rows_max=1000, bytes_max=1000)
    assert store.write([written(0, body=b"x" * 999)]).ids == []
    assert store.write([written(1, body=b"x")]).ids == [0, 1]
    store.close()


def test_a_batch_far_larger_than_the_shard_limits_is_cut(tmp_path: Path) -> None:
    store = open_store(tmp_path, rows_max=8192)
    ack = store.write([written(i, body=b"") for i in range(20_000)])
    assert len(ack.ids) == 16_384
    store.close()


def test_uncommitted_rows_leave_no_trace_after_close(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(1), failed(2), skipped(3)])
    store.close()
    store.close()
    assert_each_once(tmp_path, [])
    assert list((tmp_path / "_penstock" / "tmp").iterdir()) == []


def test_resume_knows_what_is_done_and_where_to_read_on(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.resume.checkpoint is None
    store.write(mixed(range(25)))
    store.commit((20, "byte:400"))
    store.write([written(30)])
    store.close()
    store = open_store(tmp_path)
    resume = store.resume
    assert resume.checkpoint == (20, "byte:400")
    assert list(resume.done) == list(range(25))
    assert 30 not in resume.done
    assert resume.low_water == resume.end_id == 25
    assert resume.written + resume.failed + resume.skipped == 25
    assert store.recovered.epoch == 2
    store.close()


def test_a_checkpoint_alone_can_be_committed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(0)])
    store.commit()
    store.commit((1, "byte:20"))
    store.close()
    store = open_store(tmp_path)
    assert store.resume.checkpoint == (1, "byte:20")
    store.close()


def test_low_water_is_the_first_gap(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(i) for i in (0, 1, 2, 5, 6)])
    store.commit()
    store.close()
    store = open_store(tmp_path)
    assert (store.resume.low_water, store.resume.end_id) == (3, 7)
    store.close()


def test_an_item_that_ends_twice_is_a_bug_and_is_not_written_twice(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(1)])
    store.commit()
    with pytest.raises(Bug, match="ended twice"):
        store.write([failed(1)])
    store.close()
    assert_each_once(tmp_path, [1])


def test_shard_numbers_go_on_after_a_resume_and_a_taken_name_is_never_overwritten(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([written(0)])
    store.commit()
    (tmp_path / "00001.parquet").write_bytes(b"somebody else's")
    store.write([written(1)])
    store.commit()
    store.close()
    assert (tmp_path / "00001.parquet").read_bytes() == b"somebody else's"
    assert pq.read_table(tmp_path / "00002.parquet").column("item_id").to_pylist() == [1]


def test_a_name_taken_between_the_look_and_the_link_is_left_to_its_owner(tmp_path: Path) -> None:
    """The first commit wins: `link` decides, not the look before it."""

    def intrude(step: str) -> None:
        if step == "data.manifest_dir_fsynced" and not (tmp_path / "00000.parquet").exists():
            (tmp_path / "00000.parquet").write_bytes(b"first")

    store = open_store(tmp_path, intrude)
    store.write([written(1)])
    assert store.commit().ids == [1]
    store.close()
    assert (tmp_path / "00000.parquet").read_bytes() == b"first"
    assert len(list((tmp_path / "_penstock" / "manifests").iterdir())) == 1
    store = open_store(tmp_path)
    assert store.recovered.quarantined == ["00000.parquet"]
    assert list(store.resume.done) == [1]
    store.close()


def test_without_hard_links_a_rename_commits(tmp_path: Path) -> None:
    class NoLinks(Disk):
        def link(self, source: Path, target: Path) -> None:
            raise PermissionError(1, "Operation not permitted")

    store = open_store(tmp_path, disk=NoLinks("process"))
    store.write(mixed(range(25)))
    store.commit()
    store.close()
    assert_each_once(tmp_path, range(25))
    assert verify(RunDir(tmp_path)).is_ok


def test_a_second_run_is_refused_and_told_who_holds_the_output(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ConfigError, match=f"process {os.getpid()} "):
        open_store(tmp_path)
    store.write([written(1)])
    store.commit()
    store.close()
    open_store(tmp_path).close()


@pytest.mark.slow
def test_a_second_process_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    script = (
        "import sys; from penstock.engine.rundir import RunDir; from penstock.errors import ConfigError\n"
        "try: RunDir(sys.argv[1]).lock()\n"
        "except ConfigError as error: sys.exit(f'refused: {error}')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert f"refused: another run is writing to {tmp_path}: process {os.getpid()}" in done.stderr
    store.close()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs a safe fork")
def test_a_forked_worker_that_outlives_the_run_does_not_keep_the_lock(tmp_path: Path) -> None:
    """flock belongs to the open file, which a fork shares: an orphaned pool worker would block every resume."""
    script = (
        "import os, sys, time; from penstock.engine.rundir import RunDir\n"
        "lock = RunDir(sys.argv[1]).lock()\n"
        "if os.fork() == 0:\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
        "os._exit(0) if sys.stdin.readline() else None\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        child = int(parent.stdout.readline())
        try:
            parent.stdin.write("die\n")
            parent.stdin.flush()
            parent.wait(timeout=30)
            os.kill(child, 0)
            RunDir(tmp_path).lock().release()
        finally:
            os.kill(child, 9)


def test_a_folder_with_somebody_elses_shards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "00000.parquet").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="expected an empty folder"):
        open_store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["00000.parquet"]


def test_other_columns_on_the_same_output_are_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with pytest.raises(ConfigError, match="expected the columns it was started with"):
        Store.open(RunDir(tmp_path), ShardOptions(), ["url"])
    open_store(tmp_path).close()


def test_an_output_path_that_is_a_file_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigError, match="expected a folder"):
        open_store(tmp_path / "out")


def test_erase_removes_what_penstock_wrote_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(mixed(range(25)))
    store.commit()
    store.close()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "failed" / "notes.txt").write_text("mine too")
    run_dir = RunDir(tmp_path)
    lock = run_dir.lock()
    run_dir.erase()
    lock.release()
    assert not run_dir.is_run()
    assert_each_once(tmp_path, [])
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"notes.txt", "failed/notes.txt", "_penstock/lock"}


def test_process_durability_syncs_nothing_and_power_syncs_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    store = open_store(tmp_path / "process", durability="process")
    store.write([written(1)])
    store.commit()
    store.close()
    assert synced == []
    store = open_store(tmp_path / "power", durability="power")
    before = len(synced)
    store.write([written(1)])
    store.commit()
    assert len(synced) - before == 4  # shard, manifest, both directories; SQLite syncs for itself
    store.close()


def test_the_steps_reported_are_the_documented_ones(tmp_path: Path) -> None:
    steps: list[str] = []
    store = open_store(tmp_path, steps.append)
    store.write([written(1), failed(2), skipped(3)])
    store.commit()
    store.close()
    assert set(steps) <= set(STEPS)


def test_manifests_name_ids_as_ranges_not_one_by_one(tmp_path: Path) -> None:
    store = open_store(tmp_path, rows_max=5000)
    store.write([written(i, body=b"") for i in range(5000)])
    store.close()
    (manifest,) = (tmp_path / "_penstock" / "manifests").iterdir()
    assert json.loads(manifest.read_text())["ids"] == [[0, 4999]]
    assert manifest.stat().st_size < 1000


def test_the_streams_share_nothing_but_the_ledger(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(mixed(range(40)))
    store.commit()
    counts = store.counts
    store.close()
    found = ids_in_files(tmp_path)
    assert (len(found["data"]), len(found["failed"]), len(found["skipped"])) == (
        counts.written,
        counts.failed,
        counts.skipped,
    )
    assert counts.failed_kinds == {"dns": counts.failed}


def test_what_this_run_committed_is_told_apart_from_earlier_runs(tmp_path: Path) -> None:
    for expected in (2, 1):
        store = open_store(tmp_path, rows_max=100)
        acks = []
        for i in range(expected):
            store.write([written(expected * 10 + i), failed(expected * 100 + i)])
            acks.append(store.commit())
        assert sum(ack.shards for ack in acks) == expected
        assert all(ack.bytes_durable > 0 for ack in acks)
        store.close()
