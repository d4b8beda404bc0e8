"""Any async callable as the fetch stage: your own client, database or API instead of libcurl."""

from __future__ import annotations

import time
import traceback
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from penstock.model import Failure, Item, Response

Fetched: TypeAlias = Response | Failure | bytes | str
FetchFunction: TypeAlias = Callable[[Item], Awaitable[Fetched]]


class FunctionTransport:
    """Calls `function(item)` for each attempt.

    It may return a `Response`, a `Failure` (retried by the run's policy like any other), or the body as bytes or str.
    What it raises becomes a final failure of kind `fetch`; time-outs (TimeoutError) and broken connections
    (ConnectionError) become `timeout_total` and `reset`, which are retried. Limits of your client are yours to set.
    """

    buffered_bytes = 0

    def __init__(self, function: FetchFunction) -> None:
        self._function = function

    async def fetch(self, item: Item) -> Response | Failure:
        started_s = time.perf_counter()
        try:
            fetched: object = await self._function(item)
        except TimeoutError as error:
            return Failure("timeout_total", f"TimeoutError: {error}")
        except ConnectionError as error:
            return Failure("reset", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - the user's code: whatever it is, it costs this item alone
            return Failure("fetch", traceback.format_exception_only(error)[-1].strip())
        total_s = time.perf_counter() - started_s
        if isinstance(fetched, Response | Failure):
            return fetched
        body = fetched.encode() if isinstance(fetched, str) else fetched
        if isinstance(body, bytes):
            now_us = time.time_ns() // 1000
            return Response(
                item.id, item.url, item.url, 200, body, fetch_time_us=now_us, attempts=item.attempts,
                ttfb_s=total_s, total_s=total_s, row=item.row,
            )  # fmt: skip
        return Failure("fetch", f"expected Response, Failure, bytes or str, got {type(fetched).__name__}")

    def sweep(self, now_s: float) -> None:
        """Nothing to end: the function owns its time-outs."""

    async def aclose(self) -> None:
        """Nothing to close: the function's client is the caller's."""
