"""The libcurl transport: one attempt at one item, on a pooled easy handle. Decides no retry, limits no rate.

The rule: a handle goes back to the pool only with every per-item option undone; in doubt it is closed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pycurl

from penstock.errors import ConfigError
from penstock.fetch.classify import failure_of_error, failure_of_status, redact
from penstock.fetch.decode import accepted_codings
from penstock.fetch.driver import CurlDriver
from penstock.fetch.handle import Handle, Meter
from penstock.fetch.options import FetchOptions
from penstock.fetch.proxies import find_proxies
from penstock.fetch.trust import find_ca_file
from penstock.model import Failure, Item, Response

_BUFFER_BYTES = 128 << 10
_HTTP_VERSIONS = {
    "auto": pycurl.CURL_HTTP_VERSION_2TLS,
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2_0,
}
# pycurl has no names for these (curl/curl.h).
_FOLLOW_AS_THE_CODE_SAYS = 2  # CURLFOLLOW_OBEYCODE, libcurl 8.13: a method of ours is not kept where it must become GET
_KEEP_METHOD_ON_301_AND_302 = 3  # CURL_REDIR_POST_301 | CURL_REDIR_POST_302


class CurlTransport:
    """Fetches with libcurl on the running loop.

    `refusal(address)` says why an IP address may not be dialled, or None; it is asked for every socket that is opened,
    so redirects and DNS rebinding are covered. `columns` are the source's column names, passed on to each response.
    Cost: about 8 µs of CPU per request above the driver's (benchmarks/micro/transport.py).
    """

    def __init__(
        self,
        options: FetchOptions,
        *,
        refusal: Callable[[str], str | None],
        columns: tuple[str, ...] = (),
        connections_max: int = 256,
    ) -> None:
        self._options = options
        self._refusal = refusal
        self._columns = columns
        self._driver = CurlDriver(asyncio.get_running_loop(), connections_max=connections_max)
        self._proxies = find_proxies(options.proxy, os.environ)
        self._ca_file = "" if options.insecure else find_ca_file(options.ca_file, os.environ)
        self._jar = _new_jar() if options.cookies is not None else None
        self._idle: list[Handle] = []
        self._busy: set[Handle] = set()
        self._default_headers = header_lines(options.headers)
        self.meter = Meter()

    @property
    def buffered_bytes(self) -> int:
        """Body bytes received so far by the transfers that are still running."""
        return self.meter.buffered_bytes

    async def fetch(self, item: Item) -> Response | Failure:
        handle = self._idle.pop() if self._idle else self._new_handle()
        try:
            self._prepare(handle, item)
        except (pycurl.error, UnicodeError, ValueError) as error:
            handle.curl.close()
            return Failure("bad_url", redact(f"libcurl cannot use this request: {error}"), is_unsent=True)
        handle.done = self._driver.loop.create_future()
        self._busy.add(handle)
        self._driver.start(handle)
        try:
            code, message = await handle.done
            self._busy.discard(handle)
            result = self._response(handle, item) if code == 0 else await self._failure(handle, code, message)
        except BaseException:
            self._driver.abort(handle)
            self._busy.discard(handle)
            handle.forget_body()
            handle.curl.close()
            raise
        handle.forget_body()
        if handle.is_customised:
            self._undo(handle)
        self._idle.append(handle)
        return result

    def sweep(self, now_s: float) -> None:
        """End the transfers that wait too long for a first byte or between bytes. Call about once a second, `now_s`
        from one monotonic clock; costs a look at each running transfer."""
        for handle in list(self._busy):
            kind = handle.overdue(now_s, self._options)
            if kind is not None and not handle.done.done():
                self._driver.abort(handle)
                handle.abort_kind = kind
                handle.done.set_result((pycurl.E_OPERATION_TIMEDOUT, "no progress"))

    async def aclose(self) -> None:
        self._driver.close()
        for handle in self._idle:
            handle.curl.close()
        self._idle.clear()

    def _new_handle(self) -> Handle:
        options, curl = self._options, pycurl.Curl()
        handle = Handle(curl, self.meter, options.body_bytes_max)
        opt = curl.setopt
        opt(pycurl.NOSIGNAL, 1)
        opt(pycurl.BUFFERSIZE, _BUFFER_BYTES)
        opt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        opt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        opt(pycurl.FOLLOWLOCATION, _FOLLOW_AS_THE_CODE_SAYS if options.redirects_max else 0)
        opt(pycurl.MAXREDIRS, options.redirects_max)
        opt(pycurl.HTTP_VERSION, _HTTP_VERSIONS[options.http_version])
        # No PIPEWAIT: waiting for a connection that may turn out to multiplex, everything for a server that speaks
        # HTTP/1.1 would wait for the end of its first answer, however long that takes.
        opt(pycurl.ACCEPT_ENCODING, accepted_codings())
        opt(pycurl.HTTP_CONTENT_DECODING, 0)  # `decode` does it
        opt(pycurl.USERAGENT, options.user_agent)
        opt(pycurl.CONNECTTIMEOUT_MS, max(1, int(options.connect_timeout_s * 1000)))
        opt(pycurl.TIMEOUT_MS, max(1, int(options.total_timeout_s * 1000)))
        opt(pycurl.PROXY, "")
        if self._proxies.no_proxy:
            opt(pycurl.NOPROXY, self._proxies.no_proxy)
        if options.insecure:
            opt(pycurl.SSL_VERIFYPEER, 0)
            opt(pycurl.SSL_VERIFYHOST, 0)
        else:
            opt(pycurl.CAINFO, self._ca_file)
        if options.netrc is not None:
            opt(pycurl.NETRC, pycurl.NETRC_OPTIONAL)
            opt(pycurl.NETRC_FILE, options.netrc)
        if self._jar is not None and options.cookies is not None:
            opt(pycurl.SHARE, self._jar)
            if "=" in options.cookies:
                opt(pycurl.COOKIEFILE, "")
                opt(pycurl.COOKIE, options.cookies)
            else:
                opt(pycurl.COOKIEFILE, options.cookies)
        if options.resolve:
            opt(pycurl.RESOLVE, list(options.resolve))
            handle.is_customised = True  # the entries stay in the shared DNS cache: needed once a handle
        if self._default_headers:
            opt(pycurl.HTTPHEADER, self._default_headers)
        opt(pycurl.OPENSOCKETFUNCTION, self._opener(handle))
        opt(pycurl.WRITEFUNCTION, handle.write)
        opt(pycurl.HEADERFUNCTION, handle.header_lines.append)
        return handle

    def _opener(self, handle: Handle) -> Callable[[int, Any], Any]:
        refusal, endpoints = self._refusal, self._proxies.endpoints

        def open_socket(purpose: int, address: Any) -> Any:
            host, port = address.addr[0], address.addr[1]
            reason = None if (host, port) in endpoints else refusal(host)
            if reason is not None:
                handle.refused = reason
                return pycurl.SOCKET_BAD
            return _BorrowedSocket(socket.socket(address.family, address.socktype, address.protocol))

        return open_socket

    def _prepare(self, handle: Handle, item: Item) -> None:
        curl = handle.curl
        handle.reset(self._driver.loop.time())
        curl.setopt(pycurl.URL, item.url)
        if self._proxies.http or self._proxies.https:
            curl.setopt(pycurl.PROXY, self._proxies.for_url(item.url))
        if item.method == "GET" and item.body is None and not item.headers:
            return
        handle.is_customised = True
        if item.method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        elif item.method == "POST":
            curl.setopt(pycurl.POSTFIELDS, item.body or b"")
        elif item.body is not None:
            curl.setopt(pycurl.POSTFIELDS, item.body)
            curl.setopt(pycurl.CUSTOMREQUEST, item.method)
            curl.setopt(pycurl.POSTREDIR, _KEEP_METHOD_ON_301_AND_302)  # RFC 9110 §15.4.2: only POST may become GET
        elif item.method != "GET":
            curl.setopt(pycurl.CUSTOMREQUEST, item.method)
        if item.headers:
            own = {name.lower() for name, _ in item.headers}
            merged = [line for line in self._default_headers if line.split(":")[0].strip(" ;").lower() not in own]
            curl.setopt(pycurl.HTTPHEADER, merged + header_lines(item.headers))

    def _undo(self, handle: Handle) -> None:
        curl = handle.curl
        handle.is_customised = False
        curl.unsetopt(pycurl.CUSTOMREQUEST)
        curl.setopt(pycurl.POSTREDIR, 0)
        curl.setopt(pycurl.POSTFIELDS, b"")  # lets go of the body
        curl.setopt(pycurl.HTTPGET, 1)
        if self._default_headers:
            curl.setopt(pycurl.HTTPHEADER, self._default_headers)
        else:
            curl.unsetopt(pycurl.HTTPHEADER)
        if self._options.resolve:
            curl.unsetopt(pycurl.RESOLVE)

    def _response(self, handle: Handle, item: Item) -> Response | Failure:
        info = handle.curl.getinfo
        status = info(pycurl.RESPONSE_CODE)
        if not 200 <= status < 300:
            retry_after_s = float(info(pycurl.RETRY_AFTER)) or None
            return failure_of_status(status, retry_after_s)
        if handle.decoder is not None and not handle.decoder.is_complete:
            return Failure("truncated", "the body ends before its Content-Encoding does")
        url = item.url
        if info(pycurl.REDIRECT_COUNT):
            url = info(pycurl.EFFECTIVE_URL)
        if "@" in url:
            url = redact(url)
        dns_s = connect_s = tls_s = 0.0
        if info(pycurl.NUM_CONNECTS):
            dns_us, connect_us, tls_us = (
                info(pycurl.NAMELOOKUP_TIME_T),
                info(pycurl.CONNECT_TIME_T),
                info(pycurl.APPCONNECT_TIME_T),
            )
            dns_s, connect_s = dns_us / 1e6, max(0, connect_us - dns_us) / 1e6
            tls_s = max(0, tls_us - connect_us) / 1e6
        chunks = handle.chunks
        return Response(
            item.id,
            item.url if "@" not in item.url else redact(item.url),
            url,
            status,
            chunks[0] if len(chunks) == 1 else b"".join(chunks),
            info(pycurl.CONTENT_TYPE) or "",
            time.time_ns() // 1000,
            item.attempts,
            dns_s,
            connect_s,
            tls_s,
            max(0, info(pycurl.STARTTRANSFER_TIME_T) - info(pycurl.POSTTRANSFER_TIME_T)) / 1e6,
            info(pycurl.TOTAL_TIME_T) / 1e6,
            False,
            handle.header_lines.copy(),
            self._columns,
            item.row,
        )

    async def _failure(self, handle: Handle, code: int, message: str) -> Failure:
        info, options = handle.curl.getinfo, self._options
        has_sent = info(pycurl.REQUEST_SIZE) > 0
        if handle.refused is not None and code == pycurl.E_COULDNT_CONNECT:
            return Failure("address_refused", handle.refused, is_unsent=not has_sent)
        is_too_large = handle.received_bytes > handle.body_bytes_max
        if is_too_large and not 200 <= info(pycurl.RESPONSE_CODE) < 300:
            return failure_of_status(info(pycurl.RESPONSE_CODE), float(info(pycurl.RETRY_AFTER)) or None)
        if is_too_large:
            limit = handle.body_bytes_max
            return Failure("too_large", f"decoded body is over --max-filesize, expected at most {limit:,} bytes")
        if handle.decode_problem is not None:
            return Failure("decode", handle.decode_problem)
        match handle.abort_kind:
            case "timeout_first_byte":
                waited = f"no answer within {options.first_byte_timeout_s:g} s of the request"
                return Failure("timeout_first_byte", waited)
            case "timeout_idle":
                return Failure("timeout_idle", f"no data for {options.idle_timeout_s:g} s inside the answer")
            case "timeout_speed":
                limit = options.speed_limit_bytes_per_s
                return Failure("timeout_speed", f"under {limit:,} bytes/s for {options.speed_time_s} s")
        failure = failure_of_error(code, message, has_sent=has_sent, is_proxied=bool(info(pycurl.USED_PROXY)))
        if failure.kind == "dns" and await self._is_dns_temporary(info(pycurl.EFFECTIVE_URL)):
            failure.kind = "dns_temporary"
        return failure

    async def _is_dns_temporary(self, url: str) -> bool:
        """libcurl does not pass on why a lookup failed: ask the resolver once more, outside the loop."""
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self._driver.loop.getaddrinfo(urlsplit(url).hostname, None)
        except TimeoutError:
            return True
        except socket.gaierror as error:
            return error.errno == socket.EAI_AGAIN
        except (OSError, ValueError):
            return False
        return True  # it answers now


class _BorrowedSocket:
    """A socket for as long as pycurl looks at it: it duplicates the descriptor and drops the object, which would warn
    that nobody closed it."""

    __slots__ = ("_socket",)

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def fileno(self) -> int:
        return self._socket.fileno()

    def __del__(self) -> None:
        self._socket.close()


def header_lines(headers: tuple[tuple[str, str], ...]) -> list[str]:
    """Header lines as libcurl wants them; an empty value is written `Name;` there (curl's CURLOPT_HTTPHEADER)."""
    return [f"{name}: {value}" if value.strip() else f"{name};" for name, value in headers]


def check_features() -> None:
    """Raise ConfigError when the installed libcurl is too old for this transport."""
    version_number = pycurl.version_info()[2]
    if version_number < 0x080D00:
        raise ConfigError(
            f"libcurl: expected 8.13 or newer, got {pycurl.version_info()[1]}",
            hint="reinstall pycurl from its wheel, which carries a recent one: pip install --force-reinstall pycurl",
        )


def _new_jar() -> pycurl.CurlShare:
    jar = pycurl.CurlShare()
    jar.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_COOKIE)
    return jar
