"""A part made of URLs that stand on the command line itself."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.sources.rows import RowBlock

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, slots=True)
class LiteralUrls:
    """Each of `urls` is one row with one column. Position: {"row": index}."""

    urls: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        return "argument"

    @property
    def total(self) -> int | None:
        return len(self.urls)

    def arrow_types(self) -> Mapping[str, pyarrow.DataType] | None:
        import pyarrow as pa

        return dict.fromkeys(self.columns, pa.string())

    def estimate_total(self) -> int | None:
        return len(self.urls)

    def digest(self) -> str:
        import xxhash

        return xxhash.xxh3_128_hexdigest("\n".join(self.urls).encode("utf-8", "surrogatepass"))

    def read(self, position: Mapping[str, int] | None, rows_max: int) -> Generator[RowBlock, None, None]:
        start = 0 if position is None else position["row"]
        for first in range(start, len(self.urls), rows_max):
            chosen = self.urls[first : first + rows_max]
            yield RowBlock(
                {"row": first}, [(url,) for url in chosen], "argument ", range(first + 1, first + len(chosen) + 1)
            )
