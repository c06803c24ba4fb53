"""Trust anchors from files."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.config import THROW_AWAY
from gateway.crypto.certificate_facts import UNREADABLE
from gateway.errors import ConfigError

_TEST: Final = re.compile(r"\btest", re.IGNORECASE)

Certificate = x509.Certificate
"""For those who pass certificates on without looking into them."""


def read_roots(files: Iterable[Path]) -> tuple[x509.Certificate, ...]:
    """Every certificate in these PEM files. Raises ConfigError naming each file that cannot be used."""
    faults: list[str] = []
    roots: list[x509.Certificate] = []
    for file in files:
        try:
            roots.extend(x509.load_pem_x509_certificates(file.read_bytes()))
        except (OSError, *UNREADABLE):
            faults.append(f"{file.name}: no PEM certificates can be read from it")
    if faults:
        raise ConfigError(*faults)
    return tuple(roots)


def is_throw_away(certificate: x509.Certificate) -> bool:
    """Whether our own tools made it, or an issuer of theirs did, for trying out."""
    names = (certificate.subject, certificate.issuer)
    units = [unit.value for name in names for unit in name.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    return THROW_AWAY in units


def names_a_test(certificate: x509.Certificate) -> bool:
    """Whether its issuer calls it a test: the Norwegian issuers' test roots all do."""
    return _TEST.search(certificate.subject.rfc4514_string()) is not None
