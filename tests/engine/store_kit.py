"""What the store's tests share: outcomes to write, a second opinion on what an output holds, and ways to die."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.engine.rundir import RunDir
from penstock.engine.store import Store
from penstock.engine.storeoptions import ShardOptions
from penstock.model import Failed, Failure, FailureKind, Item, Outcome, Response, Skipped, Written
from penstock.sinks.disk import Disk, Durability

COLUMNS = ("url", "n")
SCHEMA = pa.schema([("url", pa.string()), ("n", pa.int64())])


def item(item_id: int) -> Item:
    url = f"http://host{item_id % 3}/{item_id}"
    return Item(item_id, url, f"http://host{item_id % 3}:80", row=(url, item_id * 2), attempts=1)


def written(item_id: int, records: list[dict[str, object]] | None = None, body: bytes | None = None) -> Written:
    it = item(item_id)
    body = b"body of %d" % item_id if body is None else body
    answer = Response(item_id, it.url, it.url + "?final", 200, body, "text/html; charset=UTF-8", 1_750_000_000_000_000)
    return Written(it, answer, [{}] if records is None else records)


def failed(item_id: int, kind: FailureKind = "dns") -> Failed:
    return Failed(item(item_id), Failure(kind, "no such name"))


def skipped(item_id: int) -> Skipped:
    return Skipped(item(item_id))


def mixed(ids: Iterable[int]) -> list[Outcome]:
    """Mostly written, some failed, some skipped; the same id always ends the same way."""
    return [failed(i) if i % 7 == 3 else skipped(i) if i % 11 == 5 else written(i) for i in ids]


def open_store(
    out: Path,
    on_step: Callable[[str], None] | None = None,
    *,
    disk: Disk | None = None,
    retry_kinds: Iterable[FailureKind] = (),
    **options: object,
) -> Store:
    # `process` durability takes the same steps and is ten times faster here; what needs `power` asks for it.
    shard_options = ShardOptions(**{"rows_max": 10, "durability": "process", **options})  # type: ignore[arg-type]  # shorthand
    return Store.open(
        RunDir(out), shard_options, COLUMNS, SCHEMA, on_step, disk=disk, retry_kinds=frozenset(retry_kinds)
    )


def ids_in_files(out: Path) -> dict[str, Counter[int]]:
    """How often each id stands in which stream, read from the files alone: no manifest, no ledger."""
    found: dict[str, Counter[int]] = {"data": Counter(), "failed": Counter(), "skipped": Counter()}
    for path in out.glob("*.parquet"):
        found["data"].update(pq.read_table(path, columns=["item_id"]).column(0).to_pylist())
    for path in out.glob("*.jsonl"):
        found["data"].update(json.loads(line)["item_id"] for line in path.read_text().splitlines())
    for path in (out / "failed").glob("*.jsonl"):
        found["failed"].update(json.loads(line)["penstock"]["item_id"] for line in path.read_text().splitlines())
    for path in (out / "_penstock" / "skipped").glob("*.json"):
        for first, last in json.loads(path.read_text())["ids"]:
            found["skipped"].update(range(first, last + 1))
    return found


def assert_each_once(out: Path, ids: Iterable[int]) -> None:
    """Every id of `ids` stands in exactly one place, once, and no other id anywhere."""
    found = ids_in_files(out)
    total = found["data"] + found["failed"] + found["skipped"]
    assert {i: n for i, n in total.items() if n > 1} == {}
    assert sorted(total) == sorted(ids)


class Killed(BaseException):
    """The process is dead: no `except Exception` may see it."""


class MortalDisk(Disk):
    """Real files until `is_dead`; from then on nothing it is asked to do happens, as after SIGKILL."""

    is_dead = False

    def __init__(self, durability: Durability = "process") -> None:
        super().__init__(durability)

    def kill(self) -> None:
        self.is_dead = True
        raise Killed

    def _check(self) -> None:
        if self.is_dead:
            raise OSError("dead")

    def create(self, path: Path) -> int:
        self._check()
        return super().create(path)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        self._check()
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._check()
        super().fsync(descriptor)

    def fsync_dir(self, path: Path) -> None:
        self._check()
        super().fsync_dir(path)

    def link(self, source: Path, target: Path) -> None:
        self._check()
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._check()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._check()
        super().unlink(path)


class KillAt:
    """An `on_step` that kills at the `occurrence`-th report of `step`, or at the `count`-th report of any."""

    def __init__(
        self, disk: MortalDisk, step: str | None = None, occurrence: int = 1, count: int | None = None
    ) -> None:
        self._disk, self._step, self._left, self._count = disk, step, occurrence, count
        self.seen: list[str] = []

    def __call__(self, step: str) -> None:
        self.seen.append(step)
        if self._count is not None and len(self.seen) == self._count:
            self._disk.kill()
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                self._disk.kill()


def finish(out: Path, ids: Iterable[int], **options: object) -> None:
    """Resume like the engine does: everything that is not done is done, then committed."""
    store = open_store(out, **options)
    try:
        todo = [i for i in ids if i not in store.resume.done]
        for start in range(0, len(todo), 12):
            store.write(mixed(todo[start : start + 12]))
        store.commit()
    finally:
        store.close()
