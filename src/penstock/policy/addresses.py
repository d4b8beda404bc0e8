"""May this address be dialled: private, local and special addresses are refused unless the user allowed them.

Decides on the address that is about to be connected to, so it holds after a redirect and after DNS rebinding too;
it resolves no names. The table is the IANA special-purpose registries (RFC 6890 and successors), kept here because
`ipaddress` changed its own between patch releases of Python. The rule: what cannot be read is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from penstock.errors import ConfigError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_V4: Final = tuple(
    (ipaddress.IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified (this network, RFC 791)"),
        ("10.0.0.0/8", "private (RFC 1918)"),
        ("100.64.0.0/10", "shared behind a carrier's NAT (RFC 6598)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.169.254/32", "link-local, the cloud metadata service"),
        ("169.254.0.0/16", "link-local (RFC 3927)"),
        ("172.16.0.0/12", "private (RFC 1918)"),
        ("192.0.0.0/24", "reserved for protocols (RFC 6890)"),
        ("192.0.2.0/24", "for documentation (RFC 5737)"),
        ("192.88.99.0/24", "a 6to4 relay (deprecated, RFC 7526)"),
        ("192.168.0.0/16", "private (RFC 1918)"),
        ("198.18.0.0/15", "for benchmarking (RFC 2544)"),
        ("198.51.100.0/24", "for documentation (RFC 5737)"),
        ("203.0.113.0/24", "for documentation (RFC 5737)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("255.255.255.255/32", "broadcast (RFC 919)"),
        ("240.0.0.0/4", "reserved (RFC 1112)"),
    )
)
# First match wins. What is in none and outside 2000::/3 is not assigned for use on the internet.
_V6: Final = tuple(
    (ipaddress.IPv6Network(network), what)
    for network, what in (
        ("::/128", "unspecified (RFC 4291)"),
        ("::1/128", "loopback (RFC 4291)"),
        ("64:ff9b:1::/48", "a local translation to IPv4 (RFC 8215)"),
        ("100::/64", "discard-only (RFC 6666)"),
        ("2001::/32", "a Teredo tunnel (RFC 4380)"),
        ("2001::/23", "reserved for protocols (RFC 2928)"),
        ("2001:db8::/32", "for documentation (RFC 3849)"),
        ("3fff::/20", "for documentation (RFC 9637)"),
        ("fc00::/7", "private (unique-local, RFC 4193)"),
        ("fe80::/10", "link-local (RFC 4291)"),
        ("fec0::/10", "site-local (deprecated, RFC 3879)"),
        ("ff00::/8", "multicast (RFC 4291)"),
    )
)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291 §2.5.5.2
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_6TO4: Final = ipaddress.IPv6Network("2002::/16")  # RFC 3056


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which special addresses may be dialled: those inside `allowed`; all of them with `is_all_allowed`.

    The default allows the public internet only. Public addresses are never refused.
    """

    allowed: tuple[Network, ...] = ()
    is_all_allowed: bool = False

    @classmethod
    def parse(cls, values: Iterable[str]) -> AddressPolicy:
        """Read the values of `--allow-private`: each a CIDR, an address, `all`, or several with commas between.

        Raises ConfigError that lists every value that could not be read.
        """
        allowed: list[Network] = []
        wrong: list[str] = []
        is_all_allowed = False
        for word in (word.strip() for value in values for word in value.split(",")):
            if word.lower() == "all":
                is_all_allowed = True
                continue
            try:
                allowed.append(ipaddress.ip_network(word))
            except ValueError:
                wrong.append(_what_is_wrong(word))
        if wrong:
            raise ConfigError(
                "--allow-private: " + "; ".join(wrong),
                hint="give a network as --allow-private 10.0.0.0/8, one address as 127.0.0.1, or all",
            )
        return cls(tuple(allowed), is_all_allowed)

    def refusal(self, ip_text: str) -> str | None:
        """Why the address must not be dialled, naming the flag that would allow it; None when it may be.

        An IPv6 address that carries an IPv4 address to be reached through it (mapped, NAT64, 6to4) is judged by that.
        A scope (`fe80::1%eth0`) is refused unless the address is allowed. Cost: a few µs, once per connection.
        """
        if self.is_all_allowed:
            return None
        text, _, scope = ip_text.partition("%")
        try:
            address: Address = ipaddress.ip_address(text)
        except ValueError:
            return f"expected an IP address, got {ip_text!r}: refused, as it cannot be judged (--allow-private all)"
        embedded = _embedded_v4(address)
        if self._allows(address) or (embedded is not None and self._allows(embedded)):
            return None
        what = _what_special(address if embedded is None else embedded)
        if what is None:
            if not scope:
                return None
            what = "scoped to one link (RFC 4007)"
        carried = "" if embedded is None else f" carries {embedded}, which"
        judged = address if embedded is None else embedded
        return (
            f"{ip_text}{carried} is {what}: refused by default. "
            f"hint: allow it with --allow-private {judged}/{judged.max_prefixlen}, or the CIDR of its network"
        )

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allowed)  # False across versions


def _embedded_v4(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that dialling this IPv6 address would reach. Teredo is refused as a whole, so it is not here."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    bits = int(address)
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(bits & 0xFFFF_FFFF)
    if address in _6TO4:
        return ipaddress.IPv4Address(bits >> 80 & 0xFFFF_FFFF)
    return None


def _what_special(address: Address) -> str | None:
    """What kind of special address it is; None for a public one."""
    for network, what in _V4 if isinstance(address, ipaddress.IPv4Address) else _V6:
        if address in network:
            return what
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return "reserved (not assigned, RFC 4291)"
    return None


def _what_is_wrong(word: str) -> str:
    if not word:
        return "expected a CIDR or all, got nothing"
    try:
        meant = ipaddress.ip_network(word, strict=False)
    except ValueError:
        return f"expected a CIDR or all, got {word!r}"
    return f"expected a network, got {word!r}, which has bits set to the right of the prefix (did you mean {meant}?)"
