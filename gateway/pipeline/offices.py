"""The child-welfare offices served here: who they are, and the keys that open what is sent to them."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from gateway.crypto.at_rest import KeyEncryptionKey
from gateway.crypto.keys import KeyRing
from gateway.crypto.trust import Certificate
from gateway.domain.identifiers import TenantId
from gateway.errors import ConfigError, DecryptionError
from gateway.spi import Address


@dataclass(frozen=True, slots=True)
class Office:
    """One office: a district, or a whole municipality under number 00. It is the tenant of its messages."""

    tenant: TenantId
    kommunenavn: str
    bydelsnavn: str
    organisation_number: str
    fiks_org_id: str
    standard_receiver: bool
    version: str
    receive: KeyRing
    print_part: KeyRing
    kek: KeyEncryptionKey
    earlier_keks: tuple[KeyEncryptionKey, ...] = ()

    def kek_of(self, key_id: str) -> KeyEncryptionKey:
        """The key that wrapped something stored. Raises DecryptionError when it is not configured any more."""
        for kek in (self.kek, *self.earlier_keks):
            if kek.key_id == key_id:
                return kek
        text = f"the key-encryption key {key_id} is not configured"
        raise DecryptionError(text)

    def certificates(self) -> list[tuple[str, Certificate]]:
        """Every certificate in use, with what for: ``receive``, ``print``, ``signing``."""
        found = [("receive", key.certificate) for key in self.receive.decryption_keys()]
        found += [("print", key.certificate) for key in self.print_part.decryption_keys()]
        with suppress(ConfigError):  # an office that signs nothing has no such key
            found.append(("signing", self.receive.signing_key().chain[0]))
        return found


class Offices:
    """All offices, by address. Their keys can be renewed while they are in use."""

    def __init__(self, offices: Iterable[Office]) -> None:
        self._by_tenant = {str(office.tenant): office for office in offices}

    def require_same(self, fresh: "Offices") -> None:
        """Raises ConfigError where offices differ, or a key-encryption key is gone that is in use now."""
        mine, theirs = ({str(each.tenant): _key_ids(each) for each in offices.all()} for offices in (self, fresh))
        if mine.keys() != theirs.keys() or any(self.of(name).kek.key_id not in ids for name, ids in theirs.items()):
            message = "tenants: other offices need a restart; a key-encryption key in use must stay, as an earlier one"
            raise ConfigError(message)

    def renew(self, fresh: "Offices") -> None:
        """Open and publish with other keys from now on; the offices are the same."""
        self._by_tenant = {str(office.tenant): office for office in fresh.all()}

    def at(self, address: Address) -> Office | None:
        """The office an address names."""
        return self._by_tenant.get(f"{address.kommunenummer}-{address.bydelsnummer}")

    def of(self, tenant: str) -> Office:
        """The office of a stored message."""
        return self._by_tenant[tenant]

    def all(self) -> tuple[Office, ...]:
        """Every office, in the order of the configuration."""
        return tuple(self._by_tenant.values())

    def in_municipality(self, kommunenummer: str) -> tuple[Office, ...]:
        """The offices of one municipality."""
        return tuple(office for office in self.all() if office.tenant.kommunenummer == kommunenummer)


def _key_ids(office: Office) -> set[str]:
    return {kek.key_id for kek in (office.kek, *office.earlier_keks)}
