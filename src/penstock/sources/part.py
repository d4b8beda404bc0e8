"""What one input is to the source that joins them: named columns and blocks of rows, read again from a position."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Protocol

from penstock.sources.rows import RowBlock

if TYPE_CHECKING:
    import pyarrow


class Part(Protocol):
    """One file, pipe, or run of literal URLs."""

    @property
    def name(self) -> str:
        """What messages call it: the path as given, or `<stdin>`."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """In order; empty when the part is empty and names none."""
        ...

    def arrow_types(self) -> Mapping[str, pyarrow.DataType] | None:
        """The type of each column where certain, else None."""
        ...

    @property
    def total(self) -> int | None:
        """The number of rows where known without reading them."""
        ...

    def estimate_total(self) -> int | None:
        """About how many rows, at the cost of at most 64 MiB of reading; None where unknowable."""
        ...

    def digest(self) -> str:
        """Changes when the content changes; empty when unknowable."""
        ...

    def read(self, position: Mapping[str, int] | None, rows_max: int) -> Generator[RowBlock, None, None]:
        """Yield blocks of 1 to `rows_max` rows from `position` (of an earlier block) or the start."""
        ...
