"""The simulators as programs of their own: what ``budstikke simulate`` runs. Each tells its doings by lines.

Settings are read as the gateway's are: unknown keys refused, units in names, secrets as references.
"""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from pydantic import Field

from gateway.config import SecretReference, Section, read_secret, resolve
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import KeyFile, SoftwareKey, read_key
from gateway.crypto.trust import read_roots
from gateway.errors import PartnerError
from gateway.simulators.case_system import CaseSystem, CaseSystemFault, CaseSystemSettings
from gateway.simulators.feil import Feil
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.ledger import Ledger
from gateway.simulators.produsent import Integration, Produsent
from gateway.simulators.sample import Form, Office, make_report
from gateway.simulators.serving import serving
from gateway.simulators.token_source import TokenRequest, TokenSource
from gateway.simulators.webhook import WebhookReceiver
from gateway.testing.sha1 import sha1_signer

Tell = Callable[..., object]
"""Called with a line for people, and by name with what stands in it for programs."""


def told_to_end() -> asyncio.Event:
    """Set when the process is told to end (SIGINT, SIGTERM)."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


class ClientOfIssuer(Section):
    """Who may ask the issuer for tokens; ``certificate`` is a PEM file, the one its grants are signed with first."""

    client_id: str
    organisasjonsnummer: str = Field(pattern=r"^\d{9}$")
    scopes: frozenset[str]
    certificate: Path

    def registered(self, folder: Path) -> RegisteredClient:
        """As the issuer knows it. Raises ConfigError."""
        certificate = facts_of(read_roots([resolve(folder, self.certificate)])[0])
        return RegisteredClient(self.client_id, self.organisasjonsnummer, self.scopes, frozenset({certificate.sha256}))


class IssuerProgram(Section):
    """``budstikke simulate issuer``."""

    name: str
    host: str = "127.0.0.1"
    port: int = 0
    clients: tuple[ClientOfIssuer, ...]


class Login(Section):
    """How a program gets its tokens: its key file, and where the issuer answers."""

    token_endpoint: str
    audience: str
    client_id: str
    scope: str
    resource: str | None = None
    key: Path


class ProdusentProgram(Section):
    """``budstikke simulate produsent``. Sends ``count`` reports and follows each until it is delivered."""

    base_url: str
    fiks_org_id: str
    integrasjon_id: str
    integrasjon_passord: SecretReference
    login: Login
    roots: Path | None = None
    kommunenummer: str
    kommunenavn: str
    bydelsnummer: str | None = None
    form: Form = Form.OFFENTLIG
    count: int = Field(default=1, ge=1)
    feil: Feil | None = None
    ledger: Path = Path("produsent.jsonl")
    reference: Path | None = None
    follow_s: float = 60.0


class CaseSystemProgram(Section):
    """``budstikke simulate case-system``. Runs until it is stopped; with ``bell_url`` it asks to be rung there."""

    base_url: str
    login: Login
    roots: Path | None = None
    store: Path = Path("fagsystem")
    fault: CaseSystemFault | None = None
    poll_s: float = 1.0
    bell_url: str | None = None
    bell_port: int = 0
    bell_secret: SecretReference | None = None


Program = IssuerProgram | ProdusentProgram | CaseSystemProgram


async def main(program: Program, folder: Path, tell: Tell) -> bool:
    """Run a simulator; relative paths count from ``folder``. Returns whether it did what it was for.

    Raises ConfigError, PartnerError.
    """
    match program:
        case IssuerProgram():
            await run_issuer(program, folder, tell)
        case CaseSystemProgram():
            await run_case_system(program, folder, tell)
        case ProdusentProgram():
            return await run_produsent(program, folder, tell)
    return True


async def run_issuer(program: IssuerProgram, folder: Path, tell: Tell) -> None:
    """Answer for ever. Raises ConfigError."""
    clients = [client.registered(folder) for client in program.clients]
    async with TokenIssuer(program.name, clients).serve(program.host, program.port) as base:
        tell(f"tokens at {base}/token, keys at {base}/jwks", token_endpoint=f"{base}/token", jwks_uri=f"{base}/jwks")
        await asyncio.Event().wait()


async def run_produsent(program: ProdusentProgram, folder: Path, tell: Tell) -> bool:
    """Send and follow; whether every report was accepted and delivered. Raises ConfigError, PartnerError."""
    ledger = Ledger(resolve(folder, program.ledger))
    async with _session(program.roots, folder) as session:
        produsent = _produsent(program, folder, session, ledger)
        accepted = [answer.uuid for answer in await produsent.resume()]
        for uuid in accepted:
            tell(f"sent again what an earlier run left open: {uuid or 'refused'}", uuid=uuid)
        receiver = await produsent.receiver(program.kommunenummer, program.bydelsnummer)
        office = Office(program.kommunenummer, program.kommunenavn, receiver.bydelsnummer, receiver.bydelsnavn)
        first = 1 + sum(row["event"] == "sending" for row in ledger.rows())
        for number in range(first, first + program.count):
            reference = resolve(folder, program.reference) if program.reference else None
            report = make_report(program.form, receiver.version, office, number=number, reference=reference)
            answer = await produsent.send(report, receiver, program.feil)
            told = {"number": number, "status": answer.status, "uuid": answer.uuid, "code": answer.code}
            tell(f"report {number} from {report.source}: {answer.status} {answer.uuid or answer.code or ''}", **told)
            accepted.append(answer.uuid)
        delivered = [await _followed(produsent, uuid, program.follow_s, tell) for uuid in accepted if uuid]
    ledger.close()
    return len(delivered) == len(accepted) and all(delivered)


async def run_case_system(program: CaseSystemProgram, folder: Path, tell: Tell) -> None:
    """Work until stopped. Raises ConfigError, PartnerError."""
    async with _session(program.roots, folder) as session:
        tokens, _ = _tokens(session, program.login, folder)
        settings = CaseSystemSettings(program.base_url, poll_s=program.poll_s)
        system = CaseSystem(session, settings, resolve(folder, program.store), tokens.token, forget=tokens.forget)
        system.fault = program.fault
        async with _bell(program, folder, system):
            tell(f"storing in {program.store}" + (f", with the fault {program.fault}" if program.fault else ""))
            await system.run_until(lambda: False)


@asynccontextmanager
async def _bell(program: CaseSystemProgram, folder: Path, system: CaseSystem) -> AsyncIterator[None]:
    if program.bell_url is None or program.bell_secret is None:
        yield
        return
    secret = read_secret(folder, program.bell_secret).decode()
    receiver = WebhookReceiver(secret, system.bell.set)
    async with serving(receiver.routes(), port=program.bell_port):
        await system.register_bell(program.bell_url, secret)
        yield


async def _followed(produsent: Produsent, uuid: str, within_s: float, tell: Tell) -> bool:
    try:
        statuses = await produsent.follow(uuid, within_s=within_s)
    except PartnerError as error:
        tell(f"{uuid}: {error}", uuid=uuid)
        return False
    tell(f"{uuid}: {' > '.join(statuses)}", uuid=uuid, status=statuses[-1])
    return True


def _produsent(program: ProdusentProgram, folder: Path, session: aiohttp.ClientSession, ledger: Ledger) -> Produsent:
    password = read_secret(folder, program.integrasjon_passord).decode()
    integration = Integration(program.base_url, program.fiks_org_id, program.integrasjon_id, password)
    tokens, key = _tokens(session, program.login, folder)
    sign_sha1 = sha1_signer(resolve(folder, program.login.key).read_bytes()) if program.feil else None
    return Produsent(session, integration, tokens, key, ledger, sign_sha1=sign_sha1)


def _tokens(session: aiohttp.ClientSession, login: Login, folder: Path) -> tuple[TokenSource, SoftwareKey]:
    key = read_key(KeyFile(resolve(folder, login.key)))
    request = TokenRequest(login.token_endpoint, login.audience, login.client_id, login.scope, login.resource)
    return TokenSource(session, request, key), key


def _session(roots: Path | None, folder: Path) -> aiohttp.ClientSession:
    """Trusts the system's roots, or only those of a file."""
    trusted = ssl.create_default_context(cafile=resolve(folder, roots)) if roots else True
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))
