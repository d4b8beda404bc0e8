"""httpx as a blocking client: one Client, connections kept, nothing retried. HTTP/1.1, its default."""

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
    """A `BlockingClient`. httpx has no limit for a whole call; `item_s_max` holds for each wait of it."""

    def __init__(self, workload: Workload) -> None:
        self._client = httpx.Client(
            verify=ssl.create_default_context(cafile=find_ca_file(workload.ca_file, os.environ)),
            timeout=workload.item_s_max,
            headers={"User-Agent": DEFAULT_USER_AGENT},
            follow_redirects=True,
        )

    def get(self, number: int, url: str) -> Response | Failure:
        began_s = perf_counter()
        try:
            with self._client.stream("GET", url) as answer:
                answered_s = perf_counter()
                body = answer.read()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return httpx_failure(error)
        return httpx_response(number, url, answer, body, began_s, answered_s)

    def close(self) -> None:
        self._client.close()
