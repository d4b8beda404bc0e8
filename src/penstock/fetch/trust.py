"""Which file of certificate authorities to trust: flag, environment, the system's, and certifi as the last resort."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)


def find_ca_file(flag: str | None, environ: Mapping[str, str]) -> str:
    """Path of a PEM bundle. The pycurl wheel carries its own OpenSSL, whose built-in path need not exist here."""
    if flag:
        return flag
    for name in _VARIABLES:
        if environ.get(name):
            return environ[name]
    for path in (ssl.get_default_verify_paths().cafile, *_SYSTEM_FILES):
        if path and os.path.exists(path):
            return path
    import certifi

    return certifi.where()
