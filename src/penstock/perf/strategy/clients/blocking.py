"""Makes the client of a strategy that blocks. The rule: a library is imported only when it is asked for."""

from __future__ import annotations

from typing import assert_never

from penstock.errors import ConfigError
from penstock.perf.strategy.model import BlockingClient
from penstock.perf.workload.model import Client, Workload


def blocking_client(name: Client, workload: Workload) -> BlockingClient:
    """The client of one thread for `workload`'s items. It trusts `workload.ca_file` beside nothing else if that is
    given, and gives up on an item after `workload.item_s_max`. Raises ConfigError for a library that is missing or has
    no blocking form.
    """
    match name:
        case "curl":
            from penstock.perf.strategy.clients.curl_blocking import CurlClient

            return CurlClient(workload)
        case "requests":
            from penstock.perf.strategy.clients.requests import RequestsClient

            return RequestsClient(workload)
        case "httpx":
            from penstock.perf.strategy.clients.httpx_blocking import HttpxClient

            return HttpxClient(workload)
        case "aiohttp":
            raise ConfigError(
                "client aiohttp: expected one that blocks, got one that needs an event loop",
                hint="compare it under asyncio or uvloop, or choose --client requests or httpx",
            )
        case _:
            assert_never(name)
