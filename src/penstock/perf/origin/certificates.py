"""A certificate authority made on the spot, and one certificate for every name the origin answers to.

trustme makes them (an optional dependency, `penstock[origin]`). The private keys never outlive the process, except
in the directory that the caller names.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from penstock.errors import ConfigError

NAMES = ("localhost", "*.test", "*.localhost", "::1")


def make_tls_context(cert_dir: Path, addresses: list[str]) -> tuple[ssl.SSLContext, Path]:
    """A server context for localhost, `*.test`, `*.localhost` and the addresses; and the path of `ca.pem`.

    `ca.pem` (the certificate to trust) is all that is left in `cert_dir`, which must exist. Raises ConfigError without
    trustme, or when the directory cannot be written.
    """
    try:
        import trustme
    except ImportError:
        raise ConfigError(
            "--tls: expected the trustme library, which is not installed", hint="pip install 'penstock[origin]'"
        ) from None
    authority = trustme.CA()
    certificate = authority.issue_cert(*NAMES, *addresses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    ca_path = cert_dir / "ca.pem"
    try:
        authority.cert_pem.write_to_path(str(ca_path))
    except OSError as error:
        raise ConfigError(f"--cert-dir: expected a writable directory, got {cert_dir}: {error.strerror}") from error
    return context, ca_path
