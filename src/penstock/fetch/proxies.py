"""Which proxy, if any, each scheme goes through, and at which addresses the proxies themselves live.

Precedence: `--proxy`, then http_proxy / https_proxy, then all_proxy (either case). NO_PROXY is left to libcurl.
A proxy's own address was named by the user, so it may be dialled even when it is private: this file says which it is.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from penstock.errors import ConfigError

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True)
class Proxies:
    """Proxy URLs by scheme (empty: direct), the NO_PROXY list, and the (address, port) pairs where proxies answer."""

    http: str = ""
    https: str = ""
    no_proxy: str = ""
    endpoints: frozenset[tuple[str, int]] = frozenset()

    def for_url(self, url: str) -> str:
        return self.https if url[:6].lower() == "https:" else self.http


def find_proxies(flag: str | None, environ: Mapping[str, str]) -> Proxies:
    """Read flag and environment, and look the proxies' names up once. Raises ConfigError for a malformed proxy URL."""

    def setting(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    common = setting("all_proxy")
    http = flag if flag is not None else setting("http_proxy") or common
    https = flag if flag is not None else setting("https_proxy") or common
    endpoints = frozenset(pair for url in {http, https} if url for pair in _endpoints(url))
    return Proxies(http, https, "" if flag is not None else setting("no_proxy"), endpoints)


def _endpoints(url: str) -> list[tuple[str, int]]:
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        default_port = _DEFAULT_PORTS[parts.scheme.lower()]
        host, port = parts.hostname, parts.port or default_port
    except (ValueError, KeyError):
        host, port = None, 0
    if not host:
        shown = url.rpartition("@")[2]
        raise ConfigError(
            f"proxy: expected SCHEME://HOST:PORT with http, https, socks4, socks4a, socks5 or socks5h, got {shown!r}",
            hint="set --proxy, or the HTTP_PROXY / HTTPS_PROXY / ALL_PROXY variable, to such a URL or to nothing",
        )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []  # each request will fail with kind `proxy`; its message names the host
    return [(str(info[4][0]), port) for info in found]
