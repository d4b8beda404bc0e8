"""Dead letters as a source: the items of a run that failed, under their old ids, to be tried again.

Rows that were no request in the first place are left where they are: trying them again cannot change them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from penstock.engine.rundir import RunDir
from penstock.engine.snapshot import take_snapshot
from penstock.engine.storeinput import load_input
from penstock.errors import ConfigError
from penstock.model import FAILURE_KINDS, Batch, FailureKind, Item

INPUT_KINDS: tuple[FailureKind, ...] = ("bad_row", "bad_encoding", "bad_url", "bad_scheme", "bad_headers")
RETRYABLE_KINDS: tuple[FailureKind, ...] = tuple(kind for kind in FAILURE_KINDS if kind not in INPUT_KINDS)
_BATCH_ROWS = 1024


class DeadLetterSource:
    """The standing dead letters of `kinds`. Batches have no position: a retry is not resumed by seeking, but by what
    still stands. Raises ConfigError for kinds that cannot change."""

    fingerprint = ""

    def __init__(self, run_dir: RunDir, kinds: tuple[FailureKind, ...]) -> None:
        hopeless = [kind for kind in kinds if kind in INPUT_KINDS]
        if hopeless:
            raise ConfigError(
                f"--kind: expected kinds that another attempt can change, got {', '.join(hopeless)}",
                hint=f"correct the rows in {run_dir.failed_dir} and fetch them as a new input",
            )
        self._snapshot = take_snapshot(run_dir)
        self._kinds = kinds
        self.columns, self.schema = load_input(run_dir)
        self.total = len(self._snapshot.accounts.failed(kinds))

    def estimate_total(self) -> int:
        return self.total

    def read(self, first_id: int = 0, position: str | None = None) -> Iterator[Batch]:
        """Every dead letter once, oldest file first."""
        letters = self._snapshot.dead_letters(self._kinds)
        items = (failed.item for failed in letters if isinstance(failed.item, Item))
        while rows := list(islice(items, _BATCH_ROWS)):
            for item in rows:
                item.attempts = 0
            yield Batch(rows[0].id, "", rows)
