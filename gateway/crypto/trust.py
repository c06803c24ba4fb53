"""Trust anchors from files."""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from gateway.errors import ConfigError

Certificate = x509.Certificate
"""For those who pass certificates on without looking into them."""


def read_roots(files: Iterable[Path]) -> tuple[x509.Certificate, ...]:
    """Every certificate in these PEM files. Raises ConfigError naming each file that cannot be used."""
    faults: list[str] = []
    roots: list[x509.Certificate] = []
    for file in files:
        try:
            roots.extend(x509.load_pem_x509_certificates(file.read_bytes()))
        except (OSError, ValueError):
            faults.append(f"{file.name}: no PEM certificates can be read from it")
    if faults:
        raise ConfigError(*faults)
    return tuple(roots)
