"""A pipeline of your own parts: items from a function, a fetch stage that is not HTTP, results into SQLite.

Here the "server" is a function that sometimes fails; retries, limits and accounting are Penstock's. Run it: it prints
the sum of the squares below 200, computed by a stage that breaks every 7th time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence

import penstock
from penstock.model import Ack, Failed, Outcome, Written
from penstock.sources.iterables import IterableSource


def items() -> Iterator[penstock.Item]:
    """Anything that yields items serves as a source; `host` is what limits are counted by."""
    for number in range(200):
        yield penstock.Item(number, url=f"square:{number}", host="calculator")


async def square(item: penstock.Item) -> bytes:
    """Any async function serves as the fetch stage. A ConnectionError is tried again."""
    await asyncio.sleep(0.001)
    number = int(item.url.removeprefix("square:"))
    if number % 7 == 0 and item.attempts == 1:
        raise ConnectionError("try again")
    return str(number * number).encode()


class SqliteSink:
    """Rows into one table, a transaction per batch: what `write` returns as acknowledged is durable."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE squares (id INTEGER PRIMARY KEY, square INTEGER)")

    async def write(self, outcomes: Sequence[Outcome], checkpoint: tuple[int, str] | None = None) -> Ack:
        rows = [(done.item.id, int(done.response.body)) for done in outcomes if isinstance(done, Written)]
        with self._database:
            self._database.executemany("INSERT INTO squares VALUES (?, ?)", rows)
        failed = sum(isinstance(done, Failed) for done in outcomes)
        return Ack([done.item.id for done in outcomes], written=len(rows), failed=failed)

    async def commit(self, checkpoint: tuple[int, str] | None = None) -> Ack:
        return Ack()


async def main() -> None:
    database = sqlite3.connect(":memory:")
    pipeline = penstock.Pipeline(
        IterableSource(items),
        penstock.FunctionTransport(square),
        SqliteSink(database),
        options=penstock.EngineOptions(concurrency=16, concurrency_per_host=16),
    )
    result = await pipeline.run()
    (total,) = database.execute("SELECT sum(square) FROM squares").fetchone()
    counters = result.counters
    print(f"{result.state}: {counters.written} squares, {counters.attempts} attempts, sum {total}")
    database.close()


if __name__ == "__main__":
    asyncio.run(main())
