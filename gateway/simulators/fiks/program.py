"""``budstikke simulate fiks``: the whole platform from a settings file, its broker included unless one is given."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from pydantic import Field

from gateway.config import SecretReference, Section, read_secret, resolve
from gateway.crypto.certificate_facts import CertificateFacts, facts_of
from gateway.crypto.keys import KeyFile, read_key
from gateway.crypto.trust import read_roots
from gateway.simulators.fiks.answers import refusals
from gateway.simulators.fiks.broker import Broker
from gateway.simulators.fiks.control import ControlApi, Desk
from gateway.simulators.fiks.offices import Bydel, Version
from gateway.simulators.fiks.parcel import Keys
from gateway.simulators.fiks.platform import ISSUER, KS, FiksPlatform, Place
from gateway.simulators.fiks.protocol_account import ssb
from gateway.simulators.fiks.register import Account, Integration
from gateway.simulators.programs import ClientOfIssuer, Tell, told_to_end
from gateway.simulators.serving import serving
from gateway.testing.pki import Pki, certificate_pem, receive_key
from gateway.testing.sha1 import sha1_signer
from gateway.testing.site import free_port

_UUID: Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_ORGANISATION: Final = r"^\d{9}$"
SSB: Final = "971526920"
_RUN: Final = "run"


class AccountOfFiks(Section):
    """An account. ``certificate`` is a PEM file, what others seal for; without it the catalogue has no key."""

    konto_id: str = Field(pattern=_UUID)
    navn: str
    fiks_org_id: str = Field(pattern=_UUID)
    organisasjonsnummer: str = Field(pattern=_ORGANISATION)
    kommunenummer: str | None = None
    certificate: Path | None = None


class IntegrationOfFiks(Section):
    """An integration and the accounts that it has rights to."""

    integrasjon_id: str = Field(pattern=_UUID)
    passord: SecretReference
    organisasjonsnummer: str = Field(pattern=_ORGANISATION)
    kontoer: frozenset[str]


class OfficeOfFiks(Section):
    """A child-welfare office and the account that its reports go to."""

    kommunenummer: str = Field(pattern=r"^\d{4}$")
    kommunenavn: str
    bydelsnummer: str = Field(pattern=r"^\d{2}$")
    bydelsnavn: str
    konto_id: str = Field(pattern=_UUID)
    standard_mottaker: bool = True
    stottet_versjon: Version = "V2"


class GivenBroker(Section):
    """A RabbitMQ that runs already, with TLS; it must ask at ``auth_port`` who may log in (``rabbitmq_auth_backend_http``)."""

    port: int
    auth_port: int
    ca: Path


class FiksProgram(Section):
    """``budstikke simulate fiks``. Runs until it is stopped. Messages end with it; certificates in ``folder`` are kept.

    The operator's desk at ``control_port`` reports, switches faults and lists what became of everything.
    """

    folder: Path = Path("fiks")
    rest_port: int = 0
    amqp_port: int = 0
    control_port: int = 0
    portal_konto_id: str | None = Field(default=None, pattern=_UUID)
    broker: GivenBroker | None = None
    clients: tuple[ClientOfIssuer, ...] = ()
    accounts: tuple[AccountOfFiks, ...] = ()
    integrations: tuple[IntegrationOfFiks, ...] = ()
    offices: tuple[OfficeOfFiks, ...] = ()


async def run_fiks(program: FiksProgram, folder: Path, tell: Tell) -> None:
    """Run until the process is told to end. Raises ConfigError, PartnerUnavailableError."""
    stopped = told_to_end()  # the broker must not stay behind
    for library in ("aio_pika", "aiormq"):  # a broker that is away is told in our words, call by call
        logging.getLogger(library).setLevel(logging.CRITICAL)
    own = resolve(folder, program.folder)
    # Messages of an earlier run: nobody knows any more whose they were.
    await asyncio.to_thread(shutil.rmtree, own / _RUN, ignore_errors=True)
    keys = await asyncio.to_thread(_keys, own)
    async with _broker(program, folder, own) as (broker, broker_port, auth_port, trust):
        place = Place(
            own / _RUN,
            certificate=own / "tls.pem",
            ca=trust,
            broker_port=broker_port,
            auth_port=auth_port,
            keys=keys,
            rest_port=program.rest_port,
            amqp_port=program.amqp_port,
            portal_konto_id=program.portal_konto_id,
        )
        async with FiksPlatform(place).serve() as platform:
            await _settle(platform, program, folder)
            partner = await platform.open_account(ssb(), keys, "Statistisk sentralbyrå", SSB)
            if broker is not None:
                known = [account.konto_id for account in platform.register.accounts()]
                await asyncio.to_thread(broker.await_queues, known)
            places = _places(platform) | {"ca": str(own / "ca.pem"), "ssb": partner.konto_id}
            desk = _desk(platform, places, broker)
            async with serving(ControlApi(desk).routes(), port=program.control_port, middlewares=[refusals]) as control:
                for name, where in (places | {"control": f"{control}/styring"}).items():
                    tell(f"{name}: {where}")
                await stopped.wait()


def _desk(platform: FiksPlatform, places: dict[str, str], broker: Broker | None) -> Desk:
    return Desk(
        places,
        platform.faults,
        platform.front,
        platform.offices,
        platform.portal,
        platform.reporter,
        platform.mail,
        broker,
    )


def _places(platform: FiksPlatform) -> dict[str, str]:
    return {
        "rest": platform.base_url,
        "token": f"{platform.token_endpoint}, audience {ISSUER}",
        "amqps": f"localhost:{platform.amqp_port}",
        "portal": platform.portal.konto_id,
    }


@asynccontextmanager
async def _broker(program: FiksProgram, folder: Path, own: Path) -> AsyncIterator[tuple[Broker | None, int, int, Path]]:
    """The broker if it is ours, its port, where it asks who may log in, and what it is trusted by."""
    if program.broker is not None:
        yield None, program.broker.port, program.broker.auth_port, resolve(folder, program.broker.ca)
        return
    auth_port = free_port()
    auth_url = f"http://127.0.0.1:{auth_port}/auth"
    broker = Broker(own / _RUN / "broker", certificate=own / "tls.pem", key=own / "tls.pem", auth_url=auth_url)
    await asyncio.to_thread(broker.start)
    try:
        yield broker, broker.port, auth_port, own / "ca.pem"
    finally:
        await asyncio.to_thread(broker.stop)


async def _settle(platform: FiksPlatform, program: FiksProgram, folder: Path) -> None:
    for client in program.clients:
        platform.add_client(client.registered(folder))
    for one in program.accounts:
        named = _certificate(resolve(folder, one.certificate)) if one.certificate else None
        await platform.add_account(
            Account(one.konto_id, one.navn, one.fiks_org_id, one.organisasjonsnummer, named, one.kommunenummer)
        )
    for integration in program.integrations:
        passord = read_secret(folder, integration.passord).decode()
        platform.add_integration(
            Integration(
                integration.integrasjon_id, passord, integration.organisasjonsnummer, frozenset(integration.kontoer)
            )
        )
    for office in program.offices:
        platform.offices.add(Bydel(**office.model_dump()))


def _certificate(file: Path) -> CertificateFacts:
    return facts_of(read_roots([file])[0])


def _keys(folder: Path) -> Keys:
    """What the platform shows, signs with and is sealed for; made once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / "portal-mottak.pem").exists():
        pki = Pki()
        (folder / "ca.pem").write_bytes(certificate_pem(pki.root.certificate))
        pki.tls_server().write_pem(folder / "tls.pem")
        pki.organisation(KS, "Prove KS").write_pem(folder / "portal.pem")
        receive_key("Prove portal").write_pem(folder / "portal-mottak.pem")
    signing, receive = (read_key(KeyFile(folder / name)) for name in ("portal.pem", "portal-mottak.pem"))
    return Keys(signing, receive, sha1_signer((folder / "portal.pem").read_bytes()))
