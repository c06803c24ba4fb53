"""The cast of the way over Fiks IO: the platform with its own RabbitMQ, the national portal, the gateway and a case system.

What ``make demo-fiks`` shows and what the crash tests judge is this same cast. The judge reads the portal's own history and
the case system's own file; it knows nothing of the gateway.
"""

import asyncio
import hashlib
import secrets
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import KeyFile, SoftwareKey, read_key
from gateway.demo.cast import Cast, assembled
from gateway.demo.process import GatewayProcess
from gateway.simulators.fiks.broker import Broker
from gateway.simulators.fiks.offices import Bydel
from gateway.simulators.fiks.parcel import Keys, open_parcel
from gateway.simulators.fiks.platform import ISSUER, KS, FiksPlatform, Place
from gateway.simulators.fiks.portal import LEVERT, Followed
from gateway.simulators.fiks.register import Account, Integration
from gateway.simulators.issuer import RegisteredClient
from gateway.simulators.ledger import STORED, read_ledger
from gateway.simulators.sample import Form, Version
from gateway.testing.pki import receive_key
from gateway.testing.site import BYDELSNUMMER, FIKS_ORG_ID, KOMMUNENUMMER, ORGANISATION, Site, free_port

CLIENT: Final = "prove-budstikke"
"""The office's gateway, as the issuer of tokens knows it once it has joined."""
REPORTS_PROTOCOL: Final = "no.ks.fiks.bekymringsmelding.v2"


@dataclass(frozen=True, slots=True)
class FiksCast:
    """The players: those of the HTTPS way, and the platform with its broker. ``office`` is where reports go."""

    cast: Cast
    platform: FiksPlatform
    broker: Broker
    office: Bydel
    receive: SoftwareKey

    async def report(self, form: Form = Form.OFFENTLIG, version: Version = "V2") -> Followed:
        """Somebody reports through the portal."""
        return await self.platform.reporter.report(self.office, form, version)

    async def all_told(self, within_s: float) -> None:
        """Until the portal has heard of every report, or patience is lost; then the judge sees it."""
        try:
            async with asyncio.timeout(within_s):
                for one in self.platform.portal.reports():
                    await self.platform.portal.until(one.bekymringsmelding_id, LEVERT, within_s)
        except TimeoutError:
            return

    async def judged(self) -> "FiksVerdict":
        """Hold the portal's history against the case system's own file."""
        sent = {}
        for one in self.platform.portal.reports():
            sealed = await asyncio.to_thread(one.container.read_bytes)
            opened = await asyncio.to_thread(open_parcel, sealed, self.receive, datetime.now(UTC))
            sent[one.bekymringsmelding_id] = {name: hashlib.sha256(raw).hexdigest() for name, raw in opened.items()}
        stored = [row["documents"] for row in read_ledger(self.cast.sink_ledger) if row["event"] == STORED]
        times = {report: stored.count(documents) for report, documents in sent.items()}
        return FiksVerdict(
            times=times,
            strangers=sum(documents not in sent.values() for documents in stored),
            told={one.bekymringsmelding_id: Counter(row.tilstand for row in one.history) for one in self.reports()},
            afterthoughts={one.bekymringsmelding_id: tuple(one.late) for one in self.reports() if one.late},
        )

    def reports(self) -> list[Followed]:
        """Every report of the portal."""
        return self.platform.portal.reports()


@dataclass(frozen=True, slots=True)
class FiksVerdict:
    """What became of the portal's reports, by their ids.

    ``times``: how often each is in the case system's file, byte for byte. ``strangers``: what is there and was never sent.
    ``told``: the portal's statuses. ``afterthoughts``: receipts that came after the end; the same one again is no harm.
    """

    times: Mapping[str, int]
    strangers: int
    told: Mapping[str, Counter[str]]
    afterthoughts: Mapping[str, tuple[str, ...]]

    @property
    def holds(self) -> bool:
        """Whether each report came once, whole, and the portal knows."""
        once = all(count == 1 for count in self.times.values())
        return once and not self.strangers and all(told[LEVERT] == 1 for told in self.told.values())


@asynccontextmanager
async def fiks_assembled(
    folder: Path,
    *,
    sections: str = "",
    environment: Mapping[str, str] | None = None,
    process: Callable[[Site, Path, Mapping[str, str]], GatewayProcess] = GatewayProcess,
) -> AsyncIterator[FiksCast]:
    """Set everybody up on a fresh folder, the broker started; the gateway is prepared and not started.

    Arguments as of ``cast.assembled``. Raises ConfigError without RabbitMQ.
    """
    rest_port, auth_port = free_port(), free_port()
    tokens = _TOKENS.format(audience=ISSUER, endpoint=f"https://localhost:{rest_port}/token", client=CLIENT)
    async with assembled(folder, sections=sections + tokens, environment=environment, process=process) as cast:
        certificate = cast.site.folder / "keys" / "tls.pem"
        broker = Broker(
            folder / "broker", certificate=certificate, key=certificate, auth_url=f"http://127.0.0.1:{auth_port}/auth"
        )
        await asyncio.to_thread(broker.start)
        try:
            place = Place(
                folder / "fiks",
                certificate=certificate,
                ca=cast.site.ca,
                broker_port=broker.port,
                auth_port=auth_port,
                keys=await asyncio.to_thread(_portal_keys, cast.site),
                rest_port=rest_port,
            )
            async with FiksPlatform(place).serve() as platform:
                yield await _settled(cast, platform, broker)
                await cast.gateway.stop()  # before the platform goes: an orderly end
        finally:
            await asyncio.to_thread(broker.stop)


async def _settled(cast: Cast, platform: FiksPlatform, broker: Broker) -> FiksCast:
    account = await join_platform(cast.site, platform, REPORTS_PROTOCOL)
    office = platform.offices.add(Bydel(KOMMUNENUMMER, "Bergen", BYDELSNUMMER, "Bergenhus", account))
    return FiksCast(cast, platform, broker, office, read_key(KeyFile(cast.site.folder / "keys" / "receive.pem")))


async def join_platform(
    site: Site, platform: FiksPlatform, protocol: str, *, kommunenummer: str = KOMMUNENUMMER
) -> str:
    """Give a site's office an account, an integration and a client at the platform, and tell its gateway of them.

    The gateway is told that the account is for the office of ``kommunenummer``. Returns the account's id.
    """
    keys = site.folder / "keys"
    receive, signing = (facts_of(read_key(KeyFile(keys / name)).certificate) for name in ("receive.pem", "signing.pem"))
    account, integration, password = str(uuid.uuid4()), str(uuid.uuid4()), secrets.token_urlsafe(24)
    scopes, known = frozenset({"ks:fiks"}), frozenset({signing.sha256})
    platform.add_client(RegisteredClient(CLIENT, ORGANISATION, scopes, certificates=known))
    await platform.add_account(
        Account(account, "Bergenhus barnevern", FIKS_ORG_ID, ORGANISATION, receive, KOMMUNENUMMER)
    )
    platform.add_integration(Integration(integration, password, ORGANISATION, frozenset({account})))
    (keys / "fiks-passord").touch(mode=0o600)
    (keys / "fiks-passord").write_text(password)
    (site.folder / "partners").mkdir()
    (site.folder / "partners" / "fiks.toml").write_text(
        _PARTNER.format(
            api=platform.base_url,
            port=platform.amqp_port,
            integration=integration,
            account=account,
            kommunenummer=kommunenummer,
            bydelsnummer=BYDELSNUMMER,
            protocol=protocol,
        )
    )
    return account


def _portal_keys(site: Site) -> Keys:
    """The portal signs and is answered with keys of its own, under the demonstration's root."""
    folder = site.folder / "keys"
    signing = site.pki.organisation(KS, "Prøve KS").write_pem(folder / "portal.pem")
    receive = receive_key("Prøve portal").write_pem(folder / "portal-mottak.pem")
    return Keys(read_key(KeyFile(signing)), read_key(KeyFile(receive)))


_TOKENS: Final = """
[maskinporten.fiks]
audience = "{audience}"
token_endpoint = "{endpoint}"
client_id = "{client}"
key = {{ key = "file:keys/signing.pem" }}
tls_roots = ["ca.pem"]
"""

_PARTNER: Final = """\
[io]
api_url = "{api}"
amqp_host = "localhost"
amqp_port = {port}
tls_roots = ["ca.pem"]
integration_id = "{integration}"
integration_password = "file:keys/fiks-passord"
[[io.accounts]]
id = "{account}"
kommunenummer = "{kommunenummer}"
bydelsnummer = "{bydelsnummer}"
protocols = ["{protocol}"]
"""
