"""TLS for our listeners (security.md 7): 1.2 or newer, AEAD suites with forward secrecy, no renegotiation.

A client certificate is asked for only where ``client_roots`` is given, and is never demanded here: a case system may
come with a token instead. That it is the registered one is checked in ``authentication`` by its fingerprint (S11).
"""

import ssl
from pathlib import Path

from gateway.egress import TLS_SUITES
from gateway.errors import ConfigError


def server_context(certificate: Path, key: Path, client_roots: Path | None = None) -> ssl.SSLContext:
    """The context of one listener. Raises ConfigError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(TLS_SUITES)
    reload_certificate(context, certificate, key)
    if client_roots is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(client_roots)
        except (OSError, ssl.SSLError) as error:
            message = f"listen: the client roots {client_roots.name} cannot be used"
            raise ConfigError(message) from error
    return context


def pinned_context(certificate: Path) -> ssl.SSLContext:
    """For asking ourselves: believes the certificate in this file and whatever it signed, nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def reload_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Use a renewed certificate from the next connection on, without a restart. Raises ConfigError."""
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        message = f"listen: the certificate {certificate.name} or its key cannot be used"
        raise ConfigError(message) from error


def _no_password() -> str:
    """An encrypted key must not make the start ask on a terminal."""
    return ""
