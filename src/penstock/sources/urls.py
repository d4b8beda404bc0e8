"""Checks one URL and splits it into what goes on the wire and the politeness key. Pure: nothing is resolved or sent.

Hot path: 0.63 µs for an ordinary URL, 5 µs for one that needs encoding (timeit, CPython 3.11, 2-core virtual machine).
The rule: userinfo (`user:password@`) may reach the wire URL, never the host key and never a message.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NoReturn
from urllib.parse import quote

from penstock.model import FailureKind

URL_CHARS_MAX = 65_536

# RFC 3986 characters; "%" passes as it stands, also when no two hex digits follow (as in curl and browsers).
_ORDINARY = re.compile(r"(https?://[a-z0-9.\-]+(?::[0-9]+)?)([/?][A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*)?(?:#[!-~]*)?")
_PATH_SAFE = "-._~:/?[]@!$&'()*+,;=%"
_USERINFO_SAFE = "-._~:!$&'()*+,;=%"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LABEL = re.compile(r"[a-z0-9_\-]{1,63}")
_TRIMMED = " \t\r\n\v\f\ufeff"
_DEFAULT_PORT = {"http": 80, "https": 443}


class UrlError(ValueError):
    """Why a text is no URL to fetch. Becomes a `Failure`; never leaves this package."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind


def parse_url(url: str) -> tuple[str, str]:
    """Return `(wire_url, host_key)`: the URL to request, and `scheme://host:port` in lower case.

    Spaces around are dropped; inner spaces, non-ASCII and characters outside RFC 3986 are percent-encoded as UTF-8 in
    path and query; a non-ASCII host becomes its IDNA form; the fragment and a default port are dropped; an empty path
    becomes `/`. Dot segments and percent signs are left alone.
    Raises UrlError (`bad_url`, `bad_scheme`, `bad_encoding`).
    """
    ordinary = _ORDINARY.fullmatch(url)
    if ordinary is None or len(url) > URL_CHARS_MAX:
        return _parse_unusual(url)
    origin, rest = ordinary.groups()
    wire_origin, host_key = _check_origin(origin)
    if rest is None:
        return wire_origin + "/", host_key
    if rest[0] == "?":
        return f"{wire_origin}/{rest}", host_key
    return wire_origin + rest, host_key


def _parse_unusual(url: str) -> tuple[str, str]:
    text = url.strip(_TRIMMED)
    if not text:
        raise UrlError("bad_url", "expected a URL, got an empty value")
    if len(text) > URL_CHARS_MAX:
        raise UrlError("bad_url", f"expected a URL of at most {URL_CHARS_MAX:,} characters, got {len(text):,}")
    if control := _CONTROL.search(text):
        raise UrlError(
            "bad_url", f"control character U+{ord(control[0]):04X} at character {control.start() + 1} of the URL"
        )
    if _SURROGATE.search(text):
        raise UrlError("bad_encoding", "the URL holds a lone surrogate, which has no UTF-8 form")
    scheme, after = _split_scheme(text)
    after = after.partition("#")[0]
    cut = min((at for at in map(after.find, "/?") if at >= 0), default=len(after))
    userinfo, at_sign, host = after[:cut].rpartition("@")
    try:
        wire_origin, host_key = _check_origin(f"{scheme}://{host}")
    except UrlError:
        if "@" not in after:
            raise
        # What looks like the host may be a piece of an unencoded password: quote nothing.
        raise UrlError("bad_url", "the host or port after the user name is malformed") from None
    if at_sign:
        wire_origin = f"{scheme}://{quote(userinfo, safe=_USERINFO_SAFE)}@{wire_origin[len(scheme) + 3 :]}"
    rest = quote(after[cut:], safe=_PATH_SAFE)
    return f"{wire_origin}{rest}" if rest.startswith("/") else f"{wire_origin}/{rest}", host_key


def _split_scheme(text: str) -> tuple[str, str]:
    found = _SCHEME.match(text)
    after = text[found.end() :] if found else ""
    if found is None or (not after.startswith("//") and (after[:1].isdigit() or "@" in after)):
        raise UrlError("bad_url", "expected a URL that begins with http:// or https://, got no scheme")
    scheme = found[1].lower()
    if scheme not in _DEFAULT_PORT:
        raise UrlError("bad_scheme", f"expected the scheme http or https, got '{scheme[:32]}'")
    if not after.startswith("//"):
        raise UrlError("bad_url", f"expected '//' and a host after '{scheme}:'")
    return scheme, after[2:]


# A bounded memo of a pure function: lists name few hosts many times, and a hit costs 60 ns against 2 µs.
@lru_cache(maxsize=4096)
def _check_origin(origin: str) -> tuple[str, str]:
    """Check `scheme://host[:port]` (scheme in lower case, no userinfo); return its wire form and the host key."""
    scheme, _, authority = origin.partition("://")
    if authority.startswith("["):
        host, port_text = _split_ipv6(authority)
        wire_host = key_host = f"[{host}]"
    else:
        host, _, port_text = authority.partition(":")
        wire_host = _check_host(host)
        key_host = wire_host.rstrip(".")
    port = _check_port(port_text, _DEFAULT_PORT[scheme])
    suffix = "" if port == _DEFAULT_PORT[scheme] else f":{port}"
    return f"{scheme}://{wire_host}{suffix}", f"{scheme}://{key_host}:{port}"


def _split_ipv6(authority: str) -> tuple[str, str]:
    from ipaddress import IPv6Address

    address, bracket, port = authority[1:].partition("]")
    if not bracket or (port and not port.startswith(":")):
        raise UrlError("bad_url", "expected [IPv6 address] or [IPv6 address]:port as the host")
    if "%" in address:
        raise UrlError("bad_url", "an IPv6 address with a zone (%25eth0) is not supported")
    try:
        return str(IPv6Address(address)), port[1:]
    except ValueError:
        raise UrlError("bad_url", f"'{_shorten(address)}' is not an IPv6 address") from None


def _check_host(host: str) -> str:
    name = host.lower() if host.isascii() else _encode_idna(host)
    labels = name.removesuffix(".").split(".")
    if not name or name == ".":
        raise UrlError("bad_url", "the URL has no host")
    if len(name) > 254 or not all(map(_LABEL.fullmatch, labels)):
        _refuse_host(host)
    return name


def _encode_idna(host: str) -> str:
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        _refuse_host(host)


def _refuse_host(host: str) -> NoReturn:
    raise UrlError("bad_url", f"'{_shorten(host)}' is not a host name")


def _check_port(text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) < 65_536):
        raise UrlError("bad_url", "expected a port from 1 to 65535 after the host")
    return int(text)


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"
