"""Whom the gateway needs for letters: Digipost and both registers of people, honest servers that it calls over HTTP.

Configuration and keys are prepared first, as files; who serves them, and in which process, is for the caller to say.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import KeyFile, SigningKey, SoftwareKey, read_key
from gateway.simulators.digipost.program import DIGIPOST
from gateway.simulators.digipost.server import DigipostServer
from gateway.simulators.digipost.signing import Broker
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.registers.freg import SCOPE, FregServer
from gateway.simulators.registers.krr import CONTACT_SCOPE, MAIL_SCOPE, KrrServer
from gateway.simulators.registers.people import Registered
from gateway.simulators.registers.server import ISSUER
from gateway.testing.site import BYDELSNUMMER, KOMMUNENUMMER, ORGANISATION, Site, free_port

ADAPTER: Final = "digipost"
ROAD: Final = f"{ADAPTER}:fodselsnummer"
_BROKER, _SENDER = 9999, 7777
_CLIENT: Final = "prove-budstikke"


@dataclass(frozen=True, slots=True)
class LetterPartners:
    """Where they listen."""

    digipost: int = field(default_factory=free_port)
    krr: int = field(default_factory=free_port)
    freg: int = field(default_factory=free_port)

    @property
    def adapters(self) -> tuple[str, ...]:
        """The adapters that call them."""
        return (ADAPTER, "krr", "freg")

    def sections(self) -> str:
        """The tables of ``gateway.toml`` with which the gateway signs and logs in."""
        logins = "".join(
            _LOGIN.format(name=name, audience=ISSUER, port=port, client=_CLIENT)
            for name, port in (("krr", self.krr), ("freg", self.freg))
        )
        return _SIGNING + logins

    def tell_gateway(self, site: Site, message_type: str, settings: str) -> None:
        """Write Digipost's key, the partners' files, and the road of this type. ``settings``: lines of ``digipost.toml``."""
        own = site.pki.organisation(DIGIPOST, "Prøve Digipost").write_pem(site.folder / "keys" / "digipost.pem")
        pin = facts_of(read_key(KeyFile(own)).certificate).sha256.hex()
        told = _DIGIPOST.format(
            pin=pin,
            settings=settings,
            broker=_BROKER,
            sender=_SENDER,
            kommunenummer=KOMMUNENUMMER,
            bydelsnummer=BYDELSNUMMER,
        )
        (site.folder / "partners").mkdir()
        for name, port, lines in (
            (ADAPTER, self.digipost, told),
            ("krr", self.krr, ""),
            ("freg", self.freg, "ungraded_when_absent = true\n"),
        ):
            api = f'api_url = "http://127.0.0.1:{port}"\n'
            (site.folder / "partners" / f"{name}.toml").write_text(api + lines)
        with (site.folder / "routes.toml").open("a", encoding="utf-8") as routes:
            routes.write(f'"{message_type}.v1" = ["{ROAD}"]\n')

    @asynccontextmanager
    async def serve(
        self, digipost: DigipostServer, known: Iterable[Registered], site_folder: Path
    ) -> AsyncIterator[None]:
        """Let all three answer; both registers know the same people."""
        krr, freg = KrrServer(_issuer(site_folder)), FregServer(_issuer(site_folder))
        for person in known:
            krr.add(person)
            freg.add(person)
        async with digipost.serve(port=self.digipost), krr.serve(port=self.krr), freg.serve(port=self.freg):
            yield


def digipost_with_account(
    site_folder: Path, kind: Callable[[SigningKey], DigipostServer] = DigipostServer
) -> DigipostServer:
    """A Digipost where the gateway of this site has its account; it knows nobody yet."""
    server = kind(read_key(KeyFile(site_folder / "keys" / "digipost.pem")))
    server.register(Broker(_BROKER, facts_of(_signing(site_folder).certificate), frozenset({_SENDER})))
    return server


def _issuer(site_folder: Path) -> TokenIssuer:
    """Who lets our gateway ask a register."""
    known = frozenset({facts_of(_signing(site_folder).certificate).sha256})
    scopes = frozenset({SCOPE, CONTACT_SCOPE, MAIL_SCOPE})
    return TokenIssuer(ISSUER, [RegisteredClient(_CLIENT, ORGANISATION, scopes, certificates=known)])


def _signing(site_folder: Path) -> SoftwareKey:
    return read_key(KeyFile(site_folder / "keys" / "signing.pem"))


_SIGNING: Final = """
[signing.digipost]
key = { key = "file:keys/signing.pem" }
"""

_LOGIN: Final = """\
[maskinporten.{name}]
audience = "{audience}"
token_endpoint = "http://127.0.0.1:{port}/token"
client_id = "{client}"
key = {{ key = "file:keys/signing.pem" }}
"""

_DIGIPOST: Final = """\
broker_id = {broker}
pins = ["{pin}"]
{settings}
[[senders]]
kommunenummer = "{kommunenummer}"
bydelsnummer = "{bydelsnummer}"
sender_id = {sender}
"""
