"""requests as a blocking client: one Session, connections kept, nothing retried. Its defaults otherwise."""

from __future__ import annotations

import os
from time import perf_counter

from penstock.errors import ConfigError
from penstock.fetch.options import DEFAULT_USER_AGENT
from penstock.fetch.trust import find_ca_file
from penstock.model import Failure, Response
from penstock.perf.strategy.clients.answers import failure_of, response_of
from penstock.perf.workload.model import Workload

try:
    import requests
    from requests.exceptions import ChunkedEncodingError, ContentDecodingError, InvalidURL, ProxyError, SSLError
except ImportError as error:
    raise ConfigError(
        "client requests: expected the package requests, but it is not installed", hint="pip install requests"
    ) from error


class RequestsClient:
    """A `BlockingClient`. requests has no limit for a whole call; `item_s_max` holds for each wait of it."""

    def __init__(self, workload: Workload) -> None:
        self._session = requests.Session()
        self._session.headers["User-Agent"] = DEFAULT_USER_AGENT
        self._timeout_s = workload.item_s_max
        # Given with each call: a bundle that the environment names would win over the session's.
        self._ca_file = find_ca_file(workload.ca_file, os.environ)

    def get(self, number: int, url: str) -> Response | Failure:
        began_s = perf_counter()
        try:
            answer = self._session.get(url, timeout=self._timeout_s, verify=self._ca_file)
        except requests.Timeout as error:
            return failure_of("timeout_total", error)
        except SSLError as error:
            return failure_of("tls", error)
        except ProxyError as error:
            return failure_of("proxy", error)
        except requests.ConnectionError as error:
            return failure_of("connect", error)
        except requests.TooManyRedirects as error:
            return failure_of("redirects", error)
        except ChunkedEncodingError as error:
            return failure_of("truncated", error)
        except ContentDecodingError as error:
            return failure_of("decode", error)
        except (requests.URLRequired, InvalidURL, ValueError) as error:
            return failure_of("bad_url", error)
        except requests.RequestException as error:
            return failure_of("reset", error)
        return response_of(
            number,
            url,
            final_url=answer.url,
            status=answer.status_code,
            body=answer.content,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()],
            ttfb_s=answer.elapsed.total_seconds(),
            total_s=perf_counter() - began_s,
        )

    def close(self) -> None:
        self._session.close()
