"""httpx as an asynchronous client: one AsyncClient, connections kept, nothing retried. HTTP/1.1, its default."""

from __future__ import annotations

import os
import ssl
from time import perf_counter

from penstock.errors import ConfigError
from penstock.fetch.options import DEFAULT_USER_AGENT
from penstock.fetch.trust import find_ca_file
from penstock.model import Failure, Response
from penstock.perf.workload.model import Workload

try:
    import httpx

    from penstock.perf.strategy.clients.httpx_answers import httpx_failure, httpx_response
except ImportError as error:
    raise ConfigError(
        "client httpx: expected the package httpx, but it is not installed", hint="pip install httpx"
    ) from error


class HttpxClient:
    """An `AsyncClient`. httpx has no limit for a whole call; `item_s_max` holds for each wait of it."""

    def __init__(self, workload: Workload) -> None:
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=find_ca_file(workload.ca_file, os.environ)),
            timeout=workload.item_s_max,
            # Its defaults, 100 connections of which 20 are kept, would open new ones all the time.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            headers={"User-Agent": DEFAULT_USER_AGENT},
            follow_redirects=True,
        )

    async def get(self, number: int, url: str) -> Response | Failure:
        began_s = perf_counter()
        try:
            async with self._client.stream("GET", url) as answer:
                answered_s = perf_counter()
                body = await answer.aread()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return httpx_failure(error)
        return httpx_response(number, url, answer, body, began_s, answered_s)

    async def aclose(self) -> None:
        await self._client.aclose()
