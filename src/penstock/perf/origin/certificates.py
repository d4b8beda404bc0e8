"""A certificate authority made on the spot, and a certificate for every name that a client asks for.

Clients refuse `*.test` (a wildcard needs two labels after it), so names under `.test` and `.localhost` get their own
certificate when they first come up in the handshake. trustme makes them (an optional dependency, `penstock[origin]`).
The private keys never leave the process.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Protocol

from penstock.errors import ConfigError

NAMES_MAX = 10_000
_SUFFIXES = (".test", ".localhost")


def make_tls_context(cert_dir: Path, addresses: list[str]) -> tuple[ssl.SSLContext, Path]:
    """A server context for localhost, the addresses and any name under `.test`; and the path of `ca.pem`.

    `ca.pem` (the certificate to trust) is all that is written to `cert_dir`, which must exist. Raises ConfigError
    without trustme, or when the directory cannot be written.
    """
    try:
        import trustme
    except ImportError:
        raise ConfigError(
            "--tls: expected the trustme library, which is not installed", hint="pip install 'penstock[origin]'"
        ) from None
    authority = trustme.CA()
    context = _make_context(authority, "localhost", "::1", *addresses)
    context.sni_callback = _NameContexts(authority).choose
    ca_path = cert_dir / "ca.pem"
    try:
        authority.cert_pem.write_to_path(str(ca_path))
    except OSError as error:
        raise ConfigError(f"--cert-dir: expected a writable directory, got {cert_dir}: {error.strerror}") from error
    return context, ca_path


class _Certificate(Protocol):
    def configure_cert(self, context: ssl.SSLContext) -> None: ...


class _Authority(Protocol):
    def issue_cert(self, *names: str) -> _Certificate: ...


class _NameContexts:
    """The contexts of the names that came up, made at about 2 ms each, at most NAMES_MAX of them."""

    def __init__(self, authority: _Authority) -> None:
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}

    def choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _default: ssl.SSLContext) -> None:
        """Give the connection the certificate for the name it asks for. Called by the ssl module in the handshake."""
        if name is None or not name.endswith(_SUFFIXES):
            return
        context = self._contexts.get(name)
        if context is None:
            if len(self._contexts) >= NAMES_MAX:
                return
            context = self._contexts[name] = _make_context(self._authority, name)
        connection.context = context


def _make_context(authority: _Authority, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    return context
