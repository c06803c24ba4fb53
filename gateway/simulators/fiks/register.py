"""Accounts and integrations: who there is on the platform, and who may read and send for whom (fiks.md 3 and 6)."""

import hmac
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.crypto.certificate_facts import CertificateFacts, facts_of_der
from gateway.errors import MalformedRequestError, StructureError, UnknownResourceError


@dataclass(slots=True)
class Account:
    """A Fiks IO account. ``certificate`` is what others seal for; without one its catalogue entry answers 404."""

    konto_id: str
    navn: str
    fiks_org_id: str
    organisasjonsnummer: str
    certificate: CertificateFacts | None = None
    kommunenummer: str | None = None
    gyldig_avsender: bool = True
    gyldig_mottaker: bool = True


@dataclass(slots=True)
class Integration:
    """An integration. ``organisasjonsnummer`` is the authorised organisation: tokens must be for it, or act for it."""

    integrasjon_id: str
    passord: str = field(repr=False)
    organisasjonsnummer: str
    kontoer: frozenset[str]

    def has_password(self, passord: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.passord.encode(), passord.encode())


class Register:
    """All accounts and integrations; both can be added and changed while the platform runs."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._integrations: dict[str, Integration] = {}

    def add_account(self, account: Account) -> Account:
        """Add or replace an account."""
        self._accounts[account.konto_id] = account
        return account

    def add_integration(self, integration: Integration) -> Integration:
        """Add an integration or replace it, such as by one with a new password."""
        self._integrations[integration.integrasjon_id] = integration
        return integration

    def account(self, konto_id: str) -> Account:
        """Give an account. Raises UnknownResourceError."""
        found = self.find_account(konto_id)
        if found is None:
            message = "there is no such account"
            raise UnknownResourceError(message)
        return found

    def find_account(self, konto_id: str) -> Account | None:
        """Give an account if there is one."""
        return self._accounts.get(konto_id)

    def find_integration(self, integrasjon_id: str) -> Integration | None:
        """Give an integration if there is one."""
        return self._integrations.get(integrasjon_id)

    def accounts(self) -> Iterable[Account]:
        """Every account."""
        return list(self._accounts.values())


def read_certificate(pem: str) -> CertificateFacts:
    """Read a public key as accounts have it, a PEM certificate. Raises MalformedRequestError."""
    try:
        return facts_of_der(ssl.PEM_cert_to_DER_cert(pem.strip()))
    except (ValueError, StructureError) as fault:
        message = "the public key is not a PEM certificate"
        raise MalformedRequestError(message) from fault
