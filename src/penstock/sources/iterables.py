"""Any Python iterable as a source. A slow generator's elements are passed on promptly, a fast one's in full batches.

The wait between elements decides the batch size, so this file is handed a clock; everything else is plain iteration.
A generator that is waited for much of the time is better written async: see `async_iterables`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from penstock.errors import ConfigError, SourceError
from penstock.model import Batch
from penstock.sources.elements import Element, ElementReader, failed_input, first_columns, start_index
from penstock.sources.options import SourceOptions

if TYPE_CHECKING:
    import pyarrow

# A batch is closed once its first element has waited this long.
_PROMPT_S = 0.01


class IterableSource:
    """A `Source` over an iterable of elements, or over a callable that returns a fresh one.

    `columns` are what dicts may hold; by default the first element's keys (of a list: all elements' keys), for which
    the first element is taken at once. A list, tuple or callable can be read again, also from a position; an iterator
    once: after a restart, pass one that begins anew, and what lies before the position is skipped. `now_s` is a clock.
    """

    def __init__(
        self,
        elements: Iterable[Element] | Callable[[], Iterable[Element]],
        columns: Sequence[str] | None = None,
        options: SourceOptions | None = None,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(elements, str | bytes):
            raise ConfigError("expected an iterable of URLs, got one text", hint="pass [url]")
        if not callable(elements) and not isinstance(elements, Iterable):
            raise ConfigError(f"expected an iterable or a callable, got {type(elements).__name__}")
        self._elements = elements
        self._options = options or SourceOptions()
        self._now_s = now_s
        self._prepared: Iterator[Element] | None = None
        self._is_consumed = False
        self._reader = ElementReader(tuple(columns) if columns else self._find_columns(), self._options)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._reader.columns

    @property
    def schema(self) -> pyarrow.Schema | None:
        """Strings when there is only the URL, else None."""
        if len(self.columns) > 1:
            return None
        import pyarrow as pa

        return pa.schema([pa.field(self.columns[0], pa.string())])

    @property
    def total(self) -> int | None:
        """The length of a list or tuple, else None."""
        return len(self._elements) if isinstance(self._elements, list | tuple) else None

    def estimate_total(self) -> int | None:
        return self.total

    @property
    def fingerprint(self) -> str:
        """Of a list or tuple of texts, its content (0.2 µs each); else empty."""
        elements = self._elements
        if not isinstance(elements, list | tuple) or not all(isinstance(element, str) for element in elements):
            return ""
        import xxhash

        state = xxhash.xxh3_128()
        for element in elements:
            state.update(f"{len(element)}:{element}".encode("utf-8", "surrogatepass"))
        return f"1-{state.hexdigest()}"

    def read(self, first_id: int = 0, position: str | None = None) -> Generator[Batch, None, None]:
        """Yield batches. Raises SourceError when the iterable raises, after what it had given was yielded."""
        index = start_index(first_id, position)
        next_id = first_id
        for elements in self._cut(index):
            yield self._reader.read(elements, next_id, index)
            index += len(elements)
            next_id += len(elements)

    def _find_columns(self) -> tuple[str, ...]:
        if isinstance(self._elements, list | tuple):
            names = dict.fromkeys(chain.from_iterable(first_columns(each, self._options) for each in self._elements))
            return tuple(names) or (self._options.url_column,)
        iterator = self._begin()
        try:
            first = list(islice(iterator, 1))
        except Exception as error:
            raise failed_input(error, 0) from error
        self._prepared = chain(first, iterator)
        return first_columns(first[0] if first else "", self._options)

    def _begin(self) -> Iterator[Element]:
        if self._prepared is not None:
            iterator, self._prepared = self._prepared, None
            return iterator
        elements = self._elements
        if callable(elements):
            return iter(elements())
        iterator = iter(elements)
        if iterator is elements:
            if self._is_consumed:
                raise SourceError(
                    "an iterator can be read only once", hint="pass a list, or a callable that returns a new iterator"
                )
            self._is_consumed = True
        return iterator

    def _cut(self, index: int) -> Iterator[Sequence[Element]]:
        rows_max = self._options.batch_rows
        if isinstance(self._elements, list | tuple):
            for start in range(index, len(self._elements), rows_max):
                yield self._elements[start : start + rows_max]
            return
        iterator = self._begin()
        try:
            next(islice(iterator, index, index), None)  # skips `index` elements
        except Exception as error:
            raise failed_input(error, index) from error
        yield from self._cut_iterator(iterator, index)

    def _cut_iterator(self, iterator: Iterator[Element], index: int) -> Iterator[Sequence[Element]]:
        """Batches of 1, 2, 4 … while elements come quickly, of 1 as soon as one was waited for."""
        size = 1
        while True:
            batch: list[Element] = []
            failure: Exception | None = None
            started_s = self._now_s()
            is_slow = False
            try:
                for element in iterator:
                    batch.append(element)
                    is_slow = self._now_s() - started_s >= _PROMPT_S
                    if is_slow or len(batch) >= size:
                        break
            except Exception as error:  # noqa: BLE001 - the user's code; raised again once the batch is out
                failure = error
            if batch:
                index += len(batch)
                yield batch
            if failure is not None:
                raise failed_input(failure, index) from failure
            if not batch:
                return
            size = 1 if is_slow else min(size * 2, self._options.batch_rows)
