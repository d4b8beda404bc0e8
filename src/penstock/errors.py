"""Every exception Penstock raises on purpose, in one tree.

PenstockError
├── ConfigError    the user's: a flag, a file, a column, a function; reported before anything starts (exit 2)
├── SourceError    the input stopped being readable in the middle of a run
├── FetchError     a transport cannot work at all (not: one request failed, which is a `Failure`)
├── ProcessError   the process stage cannot work at all (not: one item's function raised)
├── SinkError      the output cannot be written; the run stops and stays resumable (exit 75)
├── LedgerError    the ledger and the shards disagree in a way that only `verify --repair` may mend
└── Bug            ours; please report (exit 3)

What goes wrong with one item is a `model.Failure`, a value, never an exception from here.
"""

from __future__ import annotations


class PenstockError(Exception):
    """Base of the tree. `str()` is the message; `hint`, if any, is the next command or change to make."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(PenstockError):
    """The request cannot be carried out as written. Says what was expected, what came, and where."""


class SourceError(PenstockError):
    """The input became unreadable during the run. What was admitted before stays valid and resumable."""


class FetchError(PenstockError):
    """A transport cannot be used at all (for example: libcurl lacks a feature that was asked for)."""


class ProcessError(PenstockError):
    """The process stage cannot be used at all (for example: its workers cannot be started)."""


class SinkError(PenstockError):
    """The output cannot be written (disk full, read-only, failed fsync). Nothing partial was committed."""


class LedgerError(PenstockError):
    """Ledger and shards disagree: a recorded shard is gone, or the format is of another version."""


class Bug(PenstockError):
    """An invariant of Penstock itself does not hold."""
