"""Penstock's own libcurl transport as a client: what asyncio, uvloop and penstock fetch with by default.

The same handles, options and driver as in a run of `penstock fetch`. The rule: every address that the user lists may be
dialled, private ones too, since measuring them was asked for.
"""

from __future__ import annotations

import asyncio

from penstock.fetch.curl import CurlTransport, check_features
from penstock.model import Failure, Item, Response
from penstock.perf.strategy.clients.options import fetch_options
from penstock.perf.workload.model import Workload
from penstock.policy.addresses import AddressPolicy
from penstock.sources.urls import UrlError, parse_url

_CONNECTIONS_KEPT = 8192  # more than are ever in flight, so that none is closed for room
_SWEEP_S = 1.0


def curl_transport(workload: Workload) -> CurlTransport:
    """The transport for `workload`'s items, on the running loop. Raises ConfigError for a libcurl that is too old."""
    check_features()
    allowed = AddressPolicy(is_all_allowed=True)
    return CurlTransport(
        fetch_options(workload), refusal=allowed.refusal, columns=("url",), connections_max=_CONNECTIONS_KEPT
    )


class CurlClient:
    """An `AsyncClient`. Once a second, while the loop turns, it ends transfers that make no progress."""

    def __init__(self, workload: Workload) -> None:
        self._transport = curl_transport(workload)
        self._loop = asyncio.get_running_loop()
        self._sweep_due_s = 0.0
        self._arm()

    async def get(self, number: int, url: str) -> Response | Failure:
        try:
            wire_url, host = parse_url(url)
        except UrlError as error:
            return Failure(error.kind, str(error))
        return await self._transport.fetch(Item(number, wire_url, host, row=(url,), attempts=1))

    async def aclose(self) -> None:
        self._timer.cancel()
        await self._transport.aclose()

    def _arm(self) -> None:
        self._sweep_due_s = self._loop.time() + _SWEEP_S
        self._timer = self._loop.call_at(self._sweep_due_s, self._sweep)

    def _sweep(self) -> None:
        now_s = self._loop.time()
        # The loop stood still between two runs, or was blocked: no transfer is overdue because nobody looked.
        if now_s - self._sweep_due_s < _SWEEP_S:
            self._transport.sweep(now_s)
        self._arm()
