"""The accounting identity of a run, from stats.json and the ledger, and whether it holds.

Pure. The rule: a difference is told with both numbers, and never hides the rest of the report.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.engine.accounts import Counts
from penstock.perf.report.lookup import count, found, text


@dataclass(frozen=True, slots=True)
class Accounting:
    """Items of the whole run, all epochs. `admitted` and `pending` are None when nobody counted them (an output
    without a ledger's checkpoint). `problems`: sentences, empty when everything agrees. `basis`: where it is from."""

    admitted: int | None
    written: int
    failed: int
    skipped: int
    pending: int | None
    basis: str
    problems: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        return not self.problems

    @property
    def durable(self) -> int:
        """Items with a durable outcome."""
        return self.written + self.failed + self.skipped


def from_stats(stats: object, ledger: Counts | None) -> Accounting | None:
    """What the run said at its end, checked: the sum, its own check, and the ledger (None: cannot be read).

    None when stats.json does not hold the five numbers.
    """
    names = ("admitted", "written", "failed", "skipped", "pending")
    values = [count(stats, "items", name) for name in names]
    if any(value is None for value in values):
        return None
    admitted, written, failed, skipped, pending = (value or 0 for value in values)
    problems = []
    if admitted != written + failed + skipped + pending:
        problems.append(f"admitted {admitted:,}, but the parts add up to {written + failed + skipped + pending:,}.")
    if min(admitted, written, failed, skipped, pending) < 0:
        problems.append("A number of items is negative.")
    if found(stats, "accounting", "is_right") is False:
        problems.append(text(stats, "accounting", "problem") or "The run found its own accounting wrong.")
    if ledger is not None:
        problems += _differences(ledger, written, failed, skipped)
    basis = "counted by the run" + (", compared with the ledger" if ledger is not None else "")
    return Accounting(admitted, written, failed, skipped, pending, basis, tuple(problems))


def from_ledger(ledger: Counts, admitted: int) -> Accounting:
    """What is durable, for a run that has not said its end. `admitted`: the items known to have been taken in; 0 when
    nothing tells."""
    durable = ledger.written + ledger.failed + ledger.skipped
    if admitted < durable:
        return Accounting(None, ledger.written, ledger.failed, ledger.skipped, None, "from the ledger")
    pending = admitted - durable
    return Accounting(admitted, ledger.written, ledger.failed, ledger.skipped, pending, "from the ledger")


def _differences(ledger: Counts, written: int, failed: int, skipped: int) -> list[str]:
    pairs = (
        ("written", written, ledger.written),
        ("failed", failed, ledger.failed),
        ("skipped", skipped, ledger.skipped),
    )
    return [
        f"The run counted {said:,} {name}, the ledger holds {holds:,}: something changed the output since."
        for name, said, holds in pairs
        if said != holds
    ]
