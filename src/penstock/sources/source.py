"""What a source is: batches of rows, read lazily, that can be re-read from a recorded position.

A source never decides what to do with a bad row: it yields a `BadRow` and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from penstock.model import Batch

if TYPE_CHECKING:
    import pyarrow


class Source(Protocol):
    """Rows of input. Blocking: the engine calls `next()` on the iterator in a thread."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The input's column names, in order; what `Item.row` holds. Known once the source is opened."""
        ...

    @property
    def schema(self) -> pyarrow.Schema | None:
        """Arrow types of `columns` where certain (Parquet: its own; plain text: string); else None."""
        ...

    @property
    def total(self) -> int | None:
        """How many rows there are, where that is known without reading them all; else None."""
        ...

    def estimate_total(self) -> int | None:
        """About how many rows there are, cheaply; None when nobody can say."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes when the input changes: a resume on another input is refused. Empty when unknowable (stdin)."""
        ...

    def read(self, first_id: int = 0, position: str | None = None) -> Iterator[Batch]:
        """Yield batches from `position` (of an earlier `Batch`, whose `first_id` it was), or from the start.

        Raises SourceError when the input stops being readable.
        """
        ...
