"""What a fetch may be told: timeouts, limits, headers, proxies, trust. Plain values, validated by `config`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.version import __version__

DEFAULT_USER_AGENT = f"penstock/{__version__}"


@dataclass(frozen=True)
class FetchOptions:
    """Options of the libcurl transport. Times in seconds, sizes in bytes of decoded body.

    `first_byte_timeout_s` counts from the request being sent, `idle_timeout_s` between two reads of the answer,
    `total_timeout_s` is one whole attempt, redirects included. `speed_limit_bytes_per_s` over `speed_time_s` cuts a
    drip that never idles. `cookies` is a Netscape cookie file or `name=value` pairs; naming either turns cookies on for
    the run (one jar). `resolve` holds `HOST:PORT:ADDR` entries. Proxies default to the environment, see `proxies`.
    """

    connect_timeout_s: float = 10.0
    first_byte_timeout_s: float = 30.0
    idle_timeout_s: float = 20.0
    total_timeout_s: float = 120.0
    speed_limit_bytes_per_s: int = 1024
    speed_time_s: int = 30
    body_bytes_max: int = 64 << 20
    redirects_max: int = 10
    headers: tuple[tuple[str, str], ...] = ()
    user_agent: str = DEFAULT_USER_AGENT
    proxy: str | None = None
    netrc: str | None = None
    cookies: str | None = None
    insecure: bool = False
    ca_file: str | None = None
    resolve: tuple[str, ...] = ()
    http_version: str = "auto"
