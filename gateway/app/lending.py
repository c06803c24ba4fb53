"""What an adapter is lent: tokens, secrets, trust in servers, and a trial of what others seal for us."""

import ssl
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp

from gateway import config, limits
from gateway.app.keys import KeyOpener
from gateway.app.maskinporten import Client, Maskinporten
from gateway.app.parts import catalogue_of
from gateway.config import Configuration
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.digipost import DigipostSigner
from gateway.crypto.enveloping import CertificateEnvelopes
from gateway.crypto.keys import SigningKey
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.crypto.published import opens
from gateway.crypto.trust import read_roots
from gateway.egress import client_context
from gateway.errors import ConfigError
from gateway.pipeline.environment import Environment
from gateway.spi import Address, Awaited, Believed, Context, Envelopes, Signer, Stage
from gateway.store import messages, parcels
from gateway.store.parcels import StoredParcel

_REFERENCES_AT_ONCE: Final = 500  # in one question to the store
_OPENED_WITHIN: Final = timedelta(days=180)  # a letter that nobody opened for so long is not asked about any more


class Lender:
    """Lends to each adapter what stands in ``Context``; ``maskinporten`` is shared by all."""

    def __init__(self, configuration: Configuration, env: Environment, session: aiohttp.ClientSession) -> None:
        self._folder = configuration.folder
        self._signing = signing_keys(configuration)
        self._env = env
        self._session = session
        self._types = catalogue_of(configuration)
        self.maskinporten = Maskinporten(clients_of(configuration), session, env.clock, env.log)

    def renew(self, signing: Mapping[str, SigningKey]) -> None:
        """Sign with these from now on. A section that is new is lent after a start only."""
        self._signing = {**self._signing, **signing}

    def context(self, adapter: str) -> Context:
        """What the adapter of this name is lent."""
        return Context(
            clock=self._env.clock,
            session=self._session,
            log=self._env.log.bind(adapter=adapter),
            tokens=self.maskinporten.tokens,
            secret=self._secret,
            tls=partial(_trusting, self._folder),
            opens=self._opens,
            types=self._types.on_channel(adapter),
            awaiting=partial(self._awaiting, adapter),
            signs=self._signs,
            told=partial(self._told, adapter),
            envelopes=self._envelopes,
            unopened=partial(self._unopened, adapter),
        )

    async def _awaiting(self, adapter: str) -> Sequence[Awaited]:
        return _told_of(await self._env.store.read(lambda conn: parcels.awaited(conn, adapter, limits.AWAITED_MAX)))

    async def _unopened(self, adapter: str) -> Sequence[Awaited]:
        since = messages.micros(self._env.clock.now() - _OPENED_WITHIN)
        found = await self._env.store.read(lambda conn: parcels.unopened(conn, adapter, since, limits.AWAITED_MAX))
        return _told_of(found)

    async def _told(self, adapter: str, references: Collection[str]) -> Mapping[str, frozenset[Stage]]:
        asked, found = sorted(references), dict[str, set[str]]()
        for start in range(0, len(asked), _REFERENCES_AT_ONCE):
            some = asked[start : start + _REFERENCES_AT_ONCE]
            found |= await self._env.store.read(partial(parcels.told, adapter=adapter, references=some))
        known = {stage.value for stage in Stage}
        return {name: frozenset(Stage(kind) for kind in kinds if kind in known) for name, kinds in found.items()}

    def _secret(self, reference: str) -> str:
        try:
            return config.read_secret(self._folder, reference).decode().strip()
        except UnicodeDecodeError:
            message = f"{reference}: not UTF-8"
            raise ConfigError(message) from None

    def _signs(self, name: str, believed: Believed) -> Signer:
        if name not in self._signing:
            message = f"signing: nothing is configured under the name {name}"
            raise ConfigError(message)
        roots = read_roots(config.resolve(self._folder, file) for file in believed.roots)
        return DigipostSigner(
            lambda: self._signing[name], TrustPolicy(roots, pins=believed.pins), believed.organisation_number
        )

    def _envelopes(self, certificate: Path) -> Envelopes:
        return CertificateEnvelopes(read_roots([config.resolve(self._folder, certificate)])[0])

    def _opens(self, address: Address, certificate: str) -> bool:
        office = self._env.offices.at(address)
        return office is not None and opens(certificate, office.receive.decryption_keys())


def _told_of(found: Sequence[tuple[StoredParcel, str, int]]) -> Sequence[Awaited]:
    return [
        Awaited(one.key, Address(*one.tenant.split("-")), one.recipient, reference, messages.moment(taken_at))
        for one, reference, taken_at in found
    ]


def signing_keys(configuration: Configuration) -> dict[str, SigningKey]:
    """The key of every section ``[signing.<name>]``. Raises ConfigError naming every fault."""
    opener = KeyOpener(configuration.folder, configuration.settings.pkcs11)
    rings = {name: opener.ring([], section.key) for name, section in configuration.settings.signing.items()}
    if opener.faults:
        raise ConfigError(*opener.faults)
    return {name: ring.signing_key() for name, ring in rings.items()}


def clients_of(configuration: Configuration) -> dict[str, Client]:
    """Every section ``[maskinporten.<name>]`` with its key opened. Raises ConfigError naming every fault."""
    faults: list[str] = []
    clients: dict[str, Client] = {}
    for name, section in configuration.settings.maskinporten.items():
        try:
            clients[name] = _client(configuration, section)
        except ConfigError as error:
            faults.extend(f"maskinporten.{name}: {fault}" for fault in error.faults)
    if faults:
        raise ConfigError(*faults)
    return clients


def _client(configuration: Configuration, section: config.Maskinporten) -> Client:
    opener = KeyOpener(configuration.folder, configuration.settings.pkcs11)
    ring = opener.ring([], section.key)
    if opener.faults:
        raise ConfigError(*opener.faults)
    enclosed = section.chain if section.kid is not None else section.chain or "leaf"
    return Client(
        request=GrantRequest(
            audience=section.audience,
            client_id=section.client_id,
            scope="",
            consumer_org=section.consumer_org,
            on_behalf_of=section.on_behalf_of,
        ),
        signer=GrantSigner(ring.signing_key(), section.kid, enclosed),
        endpoint=section.token_endpoint,
        tls=_trusting(configuration.folder, section.tls_roots) if section.tls_roots else None,
    )


def _trusting(folder: Path, roots: Sequence[Path]) -> ssl.SSLContext:
    return client_context([config.resolve(folder, file) for file in roots])
