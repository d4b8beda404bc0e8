"""libcurl, one easy handle that blocks: the same library, options and decoding as Penstock's transport, without a loop.

The rule: what `fetch/curl.py` sets on a handle is set here as well, so that comparing strategies does not compare
clients. Left out: the check of each address that is dialled, cookies, netrc, and the limits on slow answers.
"""

from __future__ import annotations

import os
import time

import pycurl

from penstock.fetch.classify import failure_of_error, failure_of_status, redact
from penstock.fetch.curl import check_features
from penstock.fetch.decode import accepted_codings
from penstock.fetch.handle import Handle, Meter
from penstock.fetch.options import FetchOptions
from penstock.fetch.proxies import find_proxies
from penstock.fetch.trust import find_ca_file
from penstock.model import Failure, Response
from penstock.perf.strategy.clients.options import fetch_options
from penstock.perf.workload.model import Workload
from penstock.sources.urls import UrlError, parse_url

BUFFER_BYTES = 128 << 10
FOLLOW_AS_THE_CODE_SAYS = 2  # CURLFOLLOW_OBEYCODE, for which pycurl has no name


class CurlClient:
    """Keeps its connections between calls. Raises ConfigError when the installed libcurl is too old."""

    def __init__(self, workload: Workload) -> None:
        check_features()
        options = fetch_options(workload)
        self._proxies = find_proxies(options.proxy, os.environ)
        self._handle = _new_handle(options, self._proxies.no_proxy)

    def get(self, number: int, url: str) -> Response | Failure:
        handle = self._handle
        curl = handle.curl
        handle.reset(0.0)
        try:
            wire_url, _host = parse_url(url)
            curl.setopt(pycurl.URL, wire_url)
            if self._proxies.http or self._proxies.https:
                curl.setopt(pycurl.PROXY, self._proxies.for_url(wire_url))
            curl.perform()
            result = _response(handle, number, wire_url, url)
        except UrlError as error:
            result = Failure(error.kind, str(error), is_unsent=True)
        except pycurl.error as error:
            result = _failure(handle, error)
        except (UnicodeError, ValueError) as error:
            result = Failure("bad_url", redact(f"libcurl cannot use this request: {error}"), is_unsent=True)
        handle.forget_body()
        return result

    def close(self) -> None:
        self._handle.curl.close()


def _new_handle(options: FetchOptions, no_proxy: str) -> Handle:
    curl = pycurl.Curl()
    handle = Handle(curl, Meter(), options.body_bytes_max)
    opt = curl.setopt
    opt(pycurl.NOSIGNAL, 1)  # threads
    opt(pycurl.BUFFERSIZE, BUFFER_BYTES)
    opt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    opt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    opt(pycurl.FOLLOWLOCATION, FOLLOW_AS_THE_CODE_SAYS if options.redirects_max else 0)
    opt(pycurl.MAXREDIRS, options.redirects_max)
    opt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
    opt(pycurl.ACCEPT_ENCODING, accepted_codings())
    opt(pycurl.HTTP_CONTENT_DECODING, 0)
    opt(pycurl.USERAGENT, options.user_agent)
    opt(pycurl.CONNECTTIMEOUT_MS, max(1, int(options.connect_timeout_s * 1000)))
    opt(pycurl.TIMEOUT_MS, max(1, int(options.total_timeout_s * 1000)))
    opt(pycurl.PROXY, "")
    if no_proxy:
        opt(pycurl.NOPROXY, no_proxy)
    opt(pycurl.CAINFO, find_ca_file(options.ca_file, os.environ))
    opt(pycurl.WRITEFUNCTION, handle.write)
    opt(pycurl.HEADERFUNCTION, handle.header_lines.append)
    return handle


def _response(handle: Handle, number: int, url: str, given_url: str) -> Response | Failure:
    info = handle.curl.getinfo
    status = info(pycurl.RESPONSE_CODE)
    if not 200 <= status < 300:
        return failure_of_status(status, float(info(pycurl.RETRY_AFTER)) or None)
    if handle.decoder is not None and not handle.decoder.is_complete:
        return Failure("truncated", "the body ends before its Content-Encoding does")
    dns_s = connect_s = tls_s = 0.0
    if info(pycurl.NUM_CONNECTS):
        dns_s, connected_s = info(pycurl.NAMELOOKUP_TIME_T) / 1e6, info(pycurl.CONNECT_TIME_T) / 1e6
        connect_s = max(0.0, connected_s - dns_s)
        tls_s = max(0.0, info(pycurl.APPCONNECT_TIME_T) / 1e6 - connected_s)
    chunks = handle.chunks
    return Response(
        number,
        redact(url),
        redact(info(pycurl.EFFECTIVE_URL) if info(pycurl.REDIRECT_COUNT) else url),
        status,
        chunks[0] if len(chunks) == 1 else b"".join(chunks),
        info(pycurl.CONTENT_TYPE) or "",
        time.time_ns() // 1000,
        dns_s=dns_s,
        connect_s=connect_s,
        tls_s=tls_s,
        ttfb_s=max(0, info(pycurl.STARTTRANSFER_TIME_T) - info(pycurl.POSTTRANSFER_TIME_T)) / 1e6,
        total_s=info(pycurl.TOTAL_TIME_T) / 1e6,
        raw_headers=handle.header_lines.copy(),
        columns=("url",),
        row=(given_url,),
    )


def _failure(handle: Handle, error: pycurl.error) -> Failure:
    info = handle.curl.getinfo
    if handle.decode_problem is not None:
        return Failure("decode", handle.decode_problem)
    if handle.received_bytes > handle.body_bytes_max:
        limit = handle.body_bytes_max
        return Failure("too_large", f"decoded body is over the limit, expected at most {limit:,} bytes")
    code, message = error.args
    has_sent = info(pycurl.REQUEST_SIZE) > 0
    return failure_of_error(code, message, has_sent=has_sent, is_proxied=bool(info(pycurl.USED_PROXY)))
