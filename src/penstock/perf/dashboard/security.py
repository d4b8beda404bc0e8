"""Who may talk to the dashboard: checks of Host, Origin, Sec-Fetch-Site and the token. Pure: values in, a refusal out.

A browser carries requests of any page to loopback, and DNS rebinding makes such a page read the answers. So the name in
Host must be one of ours, a request that another site caused is refused, and what steers or tells needs the token.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from penstock.perf.dashboard.address import Address

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.ASCII)
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
)
"""On every answer. No inline script or style runs, nothing is loaded from or sent elsewhere, nobody frames the page."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not carried out: an HTTP status, what is wrong, and what to do instead."""

    status: int
    error: str
    hint: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request the checks look at. Header values as sent, None when absent; `hosts` every Host header."""

    method: str
    hosts: tuple[str, ...]
    origin: str | None = None
    fetch_site: str | None = None
    fetch_mode: str | None = None
    authorization: str | None = None

    @classmethod
    def of(cls, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Asked:
        """Read it from ASGI headers (lower-case names). Of a repeated header all values stand, joined with commas."""
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        joined = {name: ", ".join(several) for name, several in values.items()}
        return cls(
            method,
            tuple(values.get("host", ())),
            joined.get("origin"),
            joined.get("sec-fetch-site"),
            joined.get("sec-fetch-mode"),
            joined.get("authorization"),
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one server. `names`: host names that are ours, lower case, IPv6 in brackets; empty: any will do.

    `takes_addresses`: any IP address is ours too, for a server that listens on all of them: an attacker can rebind a
    name, not an address. The port in Host is not compared: behind `ssh -L` it is another one, and no page of a stranger
    has `localhost` for its name.
    """

    names: frozenset[str]
    takes_addresses: bool
    token: str = field(repr=False)

    @classmethod
    def of(cls, address: Address, token: str, own_name: str = "") -> Gate:
        """The gate of a server at `address`; `own_name`, the machine's, counts when it is not a loopback address."""
        host = address.host.lower()
        names = {f"[{host}]" if ":" in host else host, *_LOOPBACK_NAMES}
        if not address.is_loopback and own_name:
            names.add(own_name.lower())
        return cls(frozenset(names), not address.is_loopback, token)

    def refuse_stranger(self, asked: Asked) -> Refusal | None:
        """Refuse a request under a wrong name, or one that a page of another site caused. Every request passes here."""
        name = _name(asked.hosts)
        if name is None or not self._is_ours(name):
            got = ", ".join(asked.hosts) or "none"
            return Refusal(421, f"expected a Host header that names this server, got {got[:200]!r}", self._hint_name())
        if asked.origin is not None and asked.origin.lower() != f"http://{asked.hosts[0].strip().lower()}":
            return Refusal(403, f"expected Origin to be this page, got {asked.origin[:200]!r}", _HINT_SITE)
        is_navigation = asked.method == "GET" and asked.fetch_mode == "navigate"
        if asked.fetch_site not in (None, "same-origin", "none") and not is_navigation:
            return Refusal(403, f"expected a request of this page, got Sec-Fetch-Site {asked.fetch_site!r}", _HINT_SITE)
        return None

    def refuse_without_token(self, asked: Asked) -> Refusal | None:
        """Refuse a request that does not carry `Authorization: Bearer TOKEN`. Compares in constant time."""
        scheme, _, given = (asked.authorization or "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token.encode()):
            return None
        got = "another token" if asked.authorization else "none"
        return Refusal(401, f"expected the token of this run, got {got}", _HINT_MISSING)

    def _is_ours(self, name: str) -> bool:
        return not self.names or name in self.names or (self.takes_addresses and _is_address(name))

    def _hint_name(self) -> str:
        return f"open the link that the run has printed, or one of: {', '.join(sorted(self.names))}"


_HINT_SITE = "open the dashboard in a tab of its own, from the link that the run has printed"
_HINT_MISSING = "send `Authorization: Bearer TOKEN`; the token stands in the link that the run has printed"


def _name(hosts: tuple[str, ...]) -> str | None:
    """The host name of the only Host header, lower case and without port; None if there is not exactly one."""
    if len(hosts) != 1:
        return None
    match = _HOST.fullmatch(hosts[0].strip().lower())
    return match[1] if match else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
