"""Retrying dead letters: what succeeds leaves the dead letters, whatever dies between."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_kit import KillAt, Killed, MortalDisk, assert_each_once, failed, ids_in_files, open_store, skipped, written

from penstock.engine.rundir import RunDir
from penstock.engine.snapshot import take_snapshot
from penstock.engine.store import COMPACT_STEPS, Store
from penstock.engine.verify import verify
from penstock.errors import Bug, LedgerError
from penstock.model import Item, Outcome
from penstock.sinks.shard import COMMIT_STEPS

DNS, TIMEOUT, SKIPPED = (10, 11, 12, 13, 14), (15, 16), 17


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Ten items written, five dead of `dns` in two files, two of a timeout, one skipped."""
    store = open_store(tmp_path)
    store.write([written(i) for i in range(10)])
    store.write([failed(i) for i in DNS[:3]])
    store.commit()
    store.write([failed(i) for i in DNS[3:]] + [failed(i, "timeout_idle") for i in TIMEOUT] + [skipped(SKIPPED)])
    store.commit((18, "line:18"))
    store.close()
    return tmp_path


ALL = (*range(10), *DNS, *TIMEOUT, SKIPPED)


def retry(store: Store, outcome_of: dict[int, Outcome]) -> None:
    for letter in store.dead_letters(["dns"]):
        if letter.item.id not in store.resume.done:
            store.write([outcome_of[letter.item.id]])
    store.commit()
    store.compact_failed()


def test_a_retry_sees_the_chosen_kinds_as_not_done_and_gets_their_items_back(out: Path) -> None:
    store = open_store(out, retry_kinds=["dns"])
    assert [letter.item.id for letter in store.dead_letters(["dns"])] == list(DNS)
    assert not any(i in store.resume.done for i in DNS)
    assert all(i in store.resume.done for i in (*range(10), *TIMEOUT, SKIPPED))
    item = next(store.dead_letters(["dns"])).item
    assert isinstance(item, Item)
    assert (item.url, item.host, item.row) == ("http://host1/10", "http://host1:80", ("http://host1/10", 20))
    store.close()


def test_what_succeeds_leaves_the_dead_letters_and_what_fails_again_is_counted_once(out: Path) -> None:
    store = open_store(out, retry_kinds=["dns"])
    outcomes = {10: written(10), 11: skipped(11), 12: failed(12, "reset"), 13: written(13), 14: failed(14)}
    retry(store, outcomes)
    counts = store.counts
    store.close()
    assert (counts.written, counts.skipped) == (12, 2)
    assert counts.failed_kinds == {"dns": 1, "reset": 1, "timeout_idle": 2}
    assert_each_once(out, ALL)
    assert verify(RunDir(out)).is_ok
    kinds = {letter.item.id: letter.failure.kind for letter in take_snapshot(RunDir(out)).dead_letters()}
    assert kinds == {12: "reset", 14: "dns", 15: "timeout_idle", 16: "timeout_idle"}


def test_files_whose_letters_all_stand_are_left_alone(out: Path) -> None:
    store = open_store(out, retry_kinds=["dns"])
    before = (out / "failed" / "00001.jsonl").read_bytes()
    store.write([written(10)])
    store.commit()
    assert store.compact_failed() == 1
    assert store.compact_failed() == 0
    store.close()
    assert (out / "failed" / "00001.jsonl").read_bytes() == before
    assert not (out / "failed" / "00000.jsonl").exists()


def test_a_file_whose_letters_are_all_gone_is_removed(out: Path) -> None:
    store = open_store(out, retry_kinds=["dns", "timeout_idle"])
    store.write([written(i) for i in (*DNS, *TIMEOUT)])
    store.commit()
    assert store.compact_failed() == 7
    store.close()
    assert list((out / "failed").iterdir()) == []
    assert_each_once(out, ALL)


def test_a_retry_never_moves_the_checkpoint_of_the_input(out: Path) -> None:
    store = open_store(out, retry_kinds=["dns"])
    store.write([written(10)], (3, "dead letter 3"))
    store.commit((4, "dead letter 4"))
    store.commit((5, "dead letter 5"))
    store.close()
    store = open_store(out)
    assert store.resume.checkpoint == (18, "line:18")
    store.close()


def test_compacting_with_open_rows_is_a_bug(out: Path) -> None:
    store = open_store(out, retry_kinds=["dns"])
    store.write([written(10)])
    with pytest.raises(Bug):
        store.compact_failed()
    store.close()


@pytest.mark.parametrize("step", [*(s for s in COMMIT_STEPS if not s.startswith("skipped")), *COMPACT_STEPS])
def test_killed_at_any_step_of_a_retry_and_retried(out: Path, step: str) -> None:
    outcomes: dict[int, Outcome] = {10: written(10), 11: written(11), 12: failed(12), 13: written(13), 14: failed(14)}
    disk = MortalDisk()
    store = open_store(out, KillAt(disk, step), disk=disk, retry_kinds=["dns"])
    with pytest.raises(Killed):
        retry(store, outcomes)
    store.close()
    assert verify(RunDir(out)).problems == []  # a death is no damage
    store = open_store(out, retry_kinds=["dns"])
    retry(store, {i: written(i) for i in DNS})
    counts = store.counts
    store.close()
    assert (counts.written, counts.failed, counts.skipped) == (15, 2, 1)
    assert_each_once(out, ALL)
    assert verify(RunDir(out)).is_ok


def test_killed_between_success_and_compaction_an_item_is_never_reported_failed(out: Path) -> None:
    disk = MortalDisk()
    store = open_store(out, KillAt(disk, "failed.begin"), disk=disk, retry_kinds=["dns"])
    with pytest.raises(Killed):
        retry(store, {i: written(i) for i in DNS[:4]} | {14: failed(14)})
    store.close()
    assert ids_in_files(out)["failed"][10] == 1  # the file is not tidied up yet
    snapshot = take_snapshot(RunDir(out))
    assert snapshot.accounts.counts().failed_kinds == {"dns": 1, "timeout_idle": 2}
    assert 10 not in [letter.item.id for letter in snapshot.dead_letters()]
    store = open_store(out)
    assert store.compact_failed() == 4
    store.close()
    assert_each_once(out, ALL)


def test_an_altered_dead_letter_file_is_refused_with_the_command_that_mends_it(out: Path) -> None:
    path = out / "failed" / "00000.jsonl"
    path.write_text(path.read_text().replace('"item_id":11', '"item_id":99'))
    store = open_store(out, retry_kinds=["dns"])
    with pytest.raises(LedgerError, match=r"00000\.jsonl: expected the dead letters of its manifest") as caught:
        list(store.dead_letters())
    assert "--repair" in str(caught.value.hint)
    store.close()
