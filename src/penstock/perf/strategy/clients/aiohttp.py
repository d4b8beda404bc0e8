"""aiohttp as a client: one ClientSession, connections kept, nothing retried. Its defaults otherwise."""

from __future__ import annotations

import asyncio
import os
import ssl
from time import perf_counter

from penstock.errors import ConfigError
from penstock.fetch.options import DEFAULT_USER_AGENT
from penstock.fetch.trust import find_ca_file
from penstock.model import Failure, Response
from penstock.perf.strategy.clients.answers import failure_of, response_of
from penstock.perf.workload.model import Workload

try:
    import aiohttp
except ImportError as error:
    raise ConfigError(
        "client aiohttp: expected the package aiohttp, but it is not installed", hint="pip install aiohttp"
    ) from error

_TLS_CLOSE_S = 0.25


class AiohttpClient:
    """An `AsyncClient`. Proxies come from the environment, as with the other clients."""

    def __init__(self, workload: Workload) -> None:
        self._is_tls = any(item.startswith("https:") for item in workload.items)
        trusted = ssl.create_default_context(cafile=find_ca_file(workload.ca_file, os.environ))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trusted),
            timeout=aiohttp.ClientTimeout(total=workload.item_s_max),
            headers={"User-Agent": DEFAULT_USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )

    async def get(self, number: int, url: str) -> Response | Failure:
        began_s = perf_counter()
        try:
            async with self._session.get(url) as answer:
                answered_s = perf_counter()
                body = await answer.read()
        except TimeoutError as error:
            return failure_of("timeout_total", error)
        except aiohttp.ClientProxyConnectionError as error:
            return failure_of("proxy", error)
        except aiohttp.ClientConnectorError as error:
            return failure_of("connect", error)
        except aiohttp.TooManyRedirects as error:
            return failure_of("redirects", error)
        except aiohttp.InvalidURL as error:
            return failure_of("bad_url", error)
        except aiohttp.ClientPayloadError as error:
            return failure_of("truncated", error)
        except (aiohttp.ClientError, OSError) as error:
            return failure_of("reset", error)
        return response_of(
            number,
            url,
            final_url=str(answer.url),
            status=answer.status,
            body=body,
            headers=answer.raw_headers,
            ttfb_s=answered_s - began_s,
            total_s=perf_counter() - began_s,
        )

    async def aclose(self) -> None:
        await self._session.close()
        # As aiohttp's documentation has it ("Graceful Shutdown"): sockets close in later turns of the loop, and what is
        # left of a TLS connection would call into a closed one.
        await asyncio.sleep(_TLS_CLOSE_S if self._is_tls else 0)
