"""API clients: registered, rotated, revoked by a named person; looked up anew at every request (requirement S08)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway.crashpoints import Point
from gateway.crypto.secrets import PasswordDigest, new_password
from gateway.domain.identifiers import TenantId, is_organisation_number
from gateway.errors import ConflictError, MalformedRequestError, UnknownResourceError
from gateway.spi import Clock
from gateway.store import clients
from gateway.store.database import Store
from gateway.store.messages import micros

PRODUSENT: Final = "produsent"
FAGSYSTEM: Final = "fagsystem"
RIGHTS: Final = frozenset({"bekymringsmelding.send"})
_OVERLAP: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class StoredClient:
    """One client as the edge asks for it (``http.clients.ClientRecord``)."""

    id: str
    kind: str
    active: bool
    organisation_numbers: frozenset[str]
    fiks_org_id: str | None
    rights: frozenset[str]
    tenants: frozenset[str]
    digests: tuple[PasswordDigest, ...]

    def verify_password(self, password: bytes) -> bool:
        """Constant time for each valid password."""
        answers = [digest.matches(password) for digest in self.digests]  # all of them, or time would tell which
        return any(answers)


class Clients:
    """The register of clients (``http.clients.ClientDirectory``)."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def find(self, client_id: str) -> StoredClient | None:
        """The client of this id, revoked or not."""
        return await self._store.read(lambda conn: self._stored(conn, clients.find(conn, client_id)))

    async def find_by_certificate(self, sha256: str) -> StoredClient | None:
        """The client that registered this certificate."""
        return await self._store.read(lambda conn: self._stored(conn, clients.find_by_certificate(conn, sha256)))

    def _stored(self, conn: Connection, row: Row[Any] | None) -> StoredClient | None:
        if row is None:
            return None
        now = micros(self._clock.now())
        passwords = clients.passwords(conn, row.id, now) if row.kind == PRODUSENT else []
        return StoredClient(
            id=row.id,
            kind=row.kind,
            active=row.revoked_at is None,
            organisation_numbers=frozenset(row.organisations.split()),
            fiks_org_id=row.fiks_org_id,
            rights=frozenset(row.rights.split()),
            tenants=frozenset(clients.tenants(conn, row.id) if row.kind == FAGSYSTEM else ()),
            digests=tuple(PasswordDigest(salt, digest) for salt, digest in passwords),
        )

    async def add_produsent(self, *, fiks_org_id: str, organisations: Sequence[str], actor: str) -> tuple[str, str]:
        """Register a producer; returns its integration id and its password, which is shown this once."""
        _require_organisations(organisations)
        client_id = str(uuid.uuid4())
        values = self._values(client_id, PRODUSENT, organisations) | {
            "fiks_org_id": fiks_org_id.lower(),
            "rights": " ".join(sorted(RIGHTS)),
        }
        password = new_password()

        def work(conn: Connection) -> None:
            clients.add(conn, values, [], actor=actor)
            self._set(conn, client_id, password, actor)

        await self._store.write(work, Point.ADMIN)
        return client_id, password

    async def add_fagsystem(
        self,
        client_id: str,
        *,
        organisations: Sequence[str],
        tenants: Sequence[str],
        certificate: str | None,
        actor: str,
    ) -> None:
        """Register a case system under the client id that its tokens carry. Raises ConflictError when it is there."""
        _require_organisations(organisations)
        if not tenants or any(TenantId.parse(tenant) is None for tenant in tenants):
            detail = "a case system needs at least one tenant, written as kommunenummer-bydelsnummer"
            raise MalformedRequestError(detail)
        values = self._values(client_id, FAGSYSTEM, organisations) | {"certificate": certificate, "rights": ""}

        def work(conn: Connection) -> bool:
            if clients.find(conn, client_id) is not None:
                return False
            clients.add(conn, values, tenants, actor=actor)
            return True

        if not await self._store.write(work, Point.ADMIN):
            detail = "a client with this id is registered already"
            raise ConflictError(detail, code="client-exists")

    async def rotate(self, client_id: str, *, actor: str) -> str:
        """A new password, shown this once; the old one stays valid for 24 hours. Raises UnknownResourceError."""
        password = new_password()
        if not await self._store.write(lambda conn: self._set(conn, client_id, password, actor), Point.ADMIN):
            raise UnknownResourceError(_NO_SUCH)
        return password

    async def revoke(self, client_id: str, *, actor: str) -> None:
        """Shut it out from its next request on. Raises UnknownResourceError."""
        at = micros(self._clock.now())
        if not await self._store.write(lambda conn: clients.revoke(conn, client_id, at=at, actor=actor), Point.ADMIN):
            raise UnknownResourceError(_NO_SUCH)

    async def every(self) -> list[StoredClient]:
        """All clients, the oldest first."""

        def work(conn: Connection) -> list[StoredClient]:
            found = [self._stored(conn, row) for row in clients.every(conn)]
            return [client for client in found if client is not None]

        return await self._store.read(work)

    def _values(self, client_id: str, kind: str, organisations: Sequence[str]) -> dict[str, Any]:
        return {
            "id": client_id,
            "kind": kind,
            "organisations": " ".join(sorted(set(organisations))),
            "created_at": micros(self._clock.now()),
        }

    def _set(self, conn: Connection, client_id: str, password: str, actor: str) -> bool:
        now = self._clock.now()
        made = PasswordDigest.of(password.encode())
        return clients.set_password(
            conn,
            client_id,
            made.salt,
            made.digest,
            at=micros(now),
            old_until=micros(now + _OVERLAP),
            actor=actor,
        )


_NO_SUCH: Final = "no client has this id"


def _require_organisations(organisations: Sequence[str]) -> None:
    if not organisations or not all(is_organisation_number(number) for number in organisations):
        detail = "at least one organisation number, each with nine digits and a right control digit"
        raise MalformedRequestError(detail)
