"""Reading `HOST:PORT` of --dashboard. Pure; resolves nothing and binds nothing."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from penstock.errors import ConfigError

DEFAULT_HOST = "127.0.0.1"
_FORM = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):)?(?P<port>\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a name or an IP address (IPv6 without brackets), and a port, 0 for any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect. A name other than localhost may lead anywhere: False."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_any(self) -> bool:
        """Whether it stands for every address of the machine: 0.0.0.0 or ::."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, flag: str = "--dashboard") -> Address:
    """Read `HOST:PORT`, `[IPv6]:PORT` or `PORT` (on 127.0.0.1). Raises ConfigError, naming `flag`."""
    match = _FORM.fullmatch(text.strip())
    port = int(match["port"]) if match else -1
    if match is None or not 0 <= port <= 65_535:
        raise ConfigError(
            f"{flag}: expected HOST:PORT or PORT, got {text!r}",
            hint=f"{flag} alone takes a free port on loopback, but takes the next word for its value: give it last, or "
            f"write {flag}=127.0.0.1:8787",
        )
    return Address((match["host"] or DEFAULT_HOST).strip("[]"), port)
