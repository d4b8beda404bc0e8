"""The names of the output's columns: the input's, then Penstock's, then the process function's; no two alike.

Names only, no types, no values. Rules, in order:
1. Penstock's own names never change.
2. An input column named `url` that holds the request's URL *is* the `url` column and stands where the input had it.
3. Any other input column that has one of Penstock's names is written as `input_<name>`.
4. A key of the process function that is taken already is written as `process_<name>`.
Where the new name is taken too, the prefix is repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

FETCHED_COLUMNS: tuple[str, ...] = (
    "item_id",
    "url",
    "final_url",
    "fetch_time",
    "fetch_status",
    "content_mime_type",
    "content_charset",
    "content_digest",
    "content_length",
    "content_truncated",
    "attempts",
    "dns_s",
    "connect_s",
    "tls_s",
    "ttfb_s",
    "total_s",
    "body",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """`input`: output names of the input's columns, in their order; `fetched`: Penstock's, without a repeated `url`."""

    input: tuple[str, ...]
    fetched: tuple[str, ...]
    taken: frozenset[str] = field(repr=False)

    def added(self, keys: Iterable[str]) -> dict[str, str]:
        """Output names for the keys of the process function, in the order given."""
        taken = set(self.taken)
        names: dict[str, str] = {}
        for key in keys:
            names[key] = free_name(key, "process_", taken)
            taken.add(names[key])
        return names


def make_layout(columns: Sequence[str], *, url_column: str | None = "url", include_body: bool = True) -> Layout:
    """Lay the output out for an input with these columns. `url_column` is the one that requests are made from."""
    own = [name for name in FETCHED_COLUMNS if include_body or name != "body"]
    is_url_input = url_column == "url" and "url" in columns
    fetched = tuple(name for name in own if not (is_url_input and name == "url"))
    taken = set(fetched)
    names: list[str] = []
    for column in columns:
        name = free_name(column, "input_", taken)
        taken.add(name)
        names.append(name)
    return Layout(input=tuple(names), fetched=fetched, taken=frozenset(taken))


def free_name(name: str, prefix: str, taken: Collection[str]) -> str:
    """`name`, with `prefix` put before it until it is not in `taken`."""
    while name in taken:
        name = prefix + name
    return name
