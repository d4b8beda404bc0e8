"""Any async iterable as a source: what has arrived is passed on at once, nothing waits for a full batch.

One task for the whole input drives the iterable (so that its timeouts and cancel scopes see one task all along) and
stops when a batch is in hand and not taken. The rule: cancelling whoever waits for a batch loses no element.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from penstock.errors import ConfigError, SourceError
from penstock.model import Batch
from penstock.sources.elements import Element, ElementReader, failed_input, first_columns, start_index
from penstock.sources.options import SourceOptions

if TYPE_CHECKING:
    import pyarrow


class AsyncIterableSource:
    """Like `IterableSource`, for an async iterable or a callable that returns a fresh one; read with `aread`.

    Without `columns` they are the URL column alone, unless `aopen` is awaited first: it takes the first element's keys.
    """

    def __init__(
        self,
        elements: AsyncIterable[Element] | Callable[[], AsyncIterable[Element]],
        columns: Sequence[str] | None = None,
        options: SourceOptions | None = None,
    ) -> None:
        if not callable(elements) and not isinstance(elements, AsyncIterable):
            raise ConfigError(f"expected an async iterable or a callable, got {type(elements).__name__}")
        self._elements = elements
        self._options = options or SourceOptions()
        self._prepared: _Pump | None = None
        self._is_consumed = False
        self._has_columns = columns is not None
        self._reader = ElementReader(tuple(columns) if columns else (self._options.url_column,), self._options)

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
        return None

    def estimate_total(self) -> int | None:
        return None

    @property
    def fingerprint(self) -> str:
        return ""

    async def aopen(self) -> None:
        """Wait for the first element, so that `columns` are its keys. Does nothing when they were given.

        Raises ConfigError when the first element is a dict without the URL column.
        """
        if self._has_columns:
            return
        pump = self._prepared = self._begin()
        await pump.wait()
        if pump.buffer:
            self._reader = ElementReader(first_columns(pump.buffer[0], self._options), self._options)
        self._has_columns = True

    def aread(self, first_id: int = 0, position: str | None = None) -> AsyncBatches:
        """Batches of 1 to `batch_rows` elements; call `aclose` when leaving before the end."""
        index = start_index(first_id, position)
        pump, self._prepared = self._prepared or self._begin(), None
        return AsyncBatches(pump, self._reader, first_id, index)

    async def aclose(self) -> None:
        """Stop what `aopen` started, when it was never read."""
        if self._prepared is not None:
            await self._prepared.aclose()

    def _begin(self) -> _Pump:
        elements = self._elements() if callable(self._elements) else self._elements
        iterator = aiter(elements)
        if iterator is self._elements:
            if self._is_consumed:
                raise SourceError(
                    "an async iterator can be read only once", hint="pass a callable that returns a new one"
                )
            self._is_consumed = True
        return _Pump(iterator, self._options.batch_rows)


class AsyncBatches(AsyncIterator[Batch]):
    """The batches of one reading. A cancelled `__anext__` may be called again and goes on where it was."""

    def __init__(self, pump: _Pump, reader: ElementReader, first_id: int, start: int) -> None:
        self._pump = pump
        self._reader = reader
        self._next_id = first_id
        self._index = 0
        self._start = start

    def __aiter__(self) -> AsyncBatches:
        return self

    async def __anext__(self) -> Batch:
        while True:
            await self._pump.wait()
            elements = self._pump.take(self._index)
            if not elements:
                raise StopAsyncIteration
            first, self._index = self._index, self._index + len(elements)
            if self._index <= self._start:
                continue
            first, elements = max(first, self._start), elements[max(0, self._start - first) :]
            batch = self._reader.read(elements, self._next_id, first)
            self._next_id = batch.end_id
            return batch

    async def aclose(self) -> None:
        """Stop the iterable: it sees `CancelledError` where it waits. What it gave and nobody took is dropped."""
        await self._pump.aclose()


class _Pump:
    """Moves elements into `buffer`, at most `rows_max`, in a task of its own."""

    def __init__(self, iterator: AsyncIterator[Element], rows_max: int) -> None:
        self.buffer: list[Element] = []
        self._iterator = iterator
        self._rows_max = rows_max
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._is_ended = False

    async def wait(self) -> None:
        """Return once something is in the buffer, or nothing more will come."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="penstock input")
        while not self.buffer and not self._is_ended:
            self._arrived.clear()
            await self._arrived.wait()

    def take(self, index: int) -> list[Element]:
        """All that is in the buffer; empty at the end. Raises SourceError when the iterable raised, after its last."""
        elements, self.buffer = self.buffer, []
        self._room.set()
        if not elements and self._failure is not None:
            raise failed_input(self._failure, index) from self._failure
        return elements

    async def aclose(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
            if isinstance(self._failure, asyncio.CancelledError):
                self._failure = None  # it was asked for
        self._is_ended = True
        self.buffer = []
        self._arrived.set()
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()

    async def _run(self) -> None:
        try:
            async for element in self._iterator:
                self.buffer.append(element)
                self._arrived.set()
                if len(self.buffer) >= self._rows_max:
                    self._room.clear()
                    await self._room.wait()
        except asyncio.CancelledError as error:
            self._failure = error  # whoever waits must wake, also when the iterable cancelled itself
            raise
        except Exception as error:  # noqa: BLE001 - the user's code; it is raised again by `take`
            self._failure = error
        finally:
            self._is_ended = True
            self._arrived.set()
