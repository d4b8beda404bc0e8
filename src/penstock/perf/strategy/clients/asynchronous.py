"""Makes the client of an asynchronous strategy. The rule: a library is imported only when it is asked for."""

from __future__ import annotations

from typing import assert_never

from penstock.errors import ConfigError
from penstock.perf.strategy.model import AsyncClient
from penstock.perf.workload.model import Client, Workload


def async_client(name: Client, workload: Workload) -> AsyncClient:
    """The client for `workload`'s items, on the running loop. It trusts `workload.ca_file` beside nothing else if that
    is given, gives up on an item after `workload.item_s_max`, and has no limit of connections of its own: there are
    never more than items in flight. Raises ConfigError for a library that is missing or has no asynchronous form.
    """
    match name:
        case "curl":
            from penstock.perf.strategy.clients.curl_async import CurlClient

            return CurlClient(workload)
        case "aiohttp":
            from penstock.perf.strategy.clients.aiohttp import AiohttpClient

            return AiohttpClient(workload)
        case "httpx":
            from penstock.perf.strategy.clients.httpx_async import HttpxClient

            return HttpxClient(workload)
        case "requests":
            raise ConfigError(
                "client requests: expected one that works on an event loop, got one that blocks",
                hint="compare it under sync, threads or processes, or choose --client aiohttp or httpx",
            )
        case _:
            assert_never(name)
