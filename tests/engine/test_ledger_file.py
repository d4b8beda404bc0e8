"""The ledger file by itself: what is recorded is there, what is newer is refused, what is older is fenced off."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.engine.ledger import Ledger, LedgerDamagedError
from penstock.errors import LedgerError, SinkError
from penstock.sinks.manifest import Manifest

SHARD = Manifest(
    stream="data", name="00000.parquet", number=0, epoch=1, items=2, rows=2, bytes=9, xxh3_64="0" * 16, ids=[[0, 1]]
)
LETTERS = replace(SHARD, stream="failed", name="failed/00000.jsonl", ids=[[2, 2]], items=1, kinds={"dns": [[2, 2]]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(path, "process")
    ledger.begin_epoch(1)
    yield ledger
    ledger.close()


def test_what_is_recorded_comes_back_after_reopening(ledger: Ledger, path: Path) -> None:
    ledger.record([LETTERS, SHARD], (7, "byte:99"), epoch=1)
    ledger.close()
    ledger = Ledger.open(path, "power")
    assert ledger.shards() == [SHARD, LETTERS]
    assert ledger.shards("failed") == [LETTERS]
    assert ledger.shards("data") == [SHARD]
    assert (ledger.checkpoint(), ledger.epoch()) == ((7, "byte:99"), 1)
    ledger.close()


def test_shard_and_checkpoint_are_one_transaction(ledger: Ledger) -> None:
    with pytest.raises(AttributeError):
        ledger.record([SHARD, None], (7, "x"), epoch=1)  # type: ignore[list-item]  # fails at the second of two
    assert ledger.shards() == []
    assert ledger.checkpoint() is None


def test_forgetting_a_shard_forgets_the_checkpoint_unless_its_items_live_on(ledger: Ledger) -> None:
    ledger.record([SHARD, LETTERS], (7, "x"), epoch=1)
    ledger.forget([LETTERS.name], keep_checkpoint=True)
    assert (ledger.shards(), ledger.checkpoint()) == ([SHARD], (7, "x"))
    ledger.forget([SHARD.name])
    assert (ledger.shards(), ledger.checkpoint()) == ([], None)


def test_a_run_that_was_overtaken_can_record_nothing_more(ledger: Ledger, path: Path) -> None:
    newer = Ledger.open(path, "process")
    newer.begin_epoch(2)
    newer.close()
    with pytest.raises(SinkError, match="ours is epoch 1, now 2"):
        ledger.record([SHARD], None, epoch=1)
    assert ledger.shards() == []


def test_power_durability_syncs_every_transaction(path: Path) -> None:
    for durability, level in (("power", 2), ("process", 0)):
        ledger = Ledger.open(path, durability)  # type: ignore[arg-type]  # one of its two values
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        ledger.close()


def test_a_ledger_of_a_newer_penstock_is_refused_not_rebuilt(ledger: Ledger, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match="expected ledger format 1, got 99") as caught:
        Ledger.open(path, "process")
    assert not isinstance(caught.value, LedgerDamagedError)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = 'ten' WHERE key = 'epoch'",
        "UPDATE meta SET value = '[1]' WHERE key = 'checkpoint'",
        "UPDATE shard SET manifest = replace(manifest, '\"items\":2', '\"items\":3')",
        "DROP TABLE shard",
    ],
)
def test_altered_rows_are_noticed(ledger: Ledger, path: Path, statement: str) -> None:
    ledger.record([SHARD], (7, "x"), epoch=1)
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(LedgerDamagedError):
        (ledger.epoch(), ledger.checkpoint(), ledger.shards())
