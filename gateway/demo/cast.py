"""Everybody on one machine: issuer, gateway, sender and case system, each with a ledger of its own.

What ``make demo`` shows and what the crash tests judge is this same cast; only its log and its faults differ.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import KeyFile, SoftwareKey, read_key
from gateway.demo.process import GatewayProcess
from gateway.simulators.case_system import CaseSystem, CaseSystemSettings
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.ledger import Ledger
from gateway.simulators.produsent import Integration, Produsent
from gateway.simulators.token_source import TokenRequest, TokenSource
from gateway.testing.site import ORGANISATION, SCOPE_FAGSYSTEM, SENDER_ORGANISATION, Site, free_port, make_site

SENDER_FIKS_ORG_ID: Final = "0f1e2d3c-4b5a-4968-8776-655443322110"
PRODUSENT: Final = "prove-produsent"
FAGSYSTEM: Final = "prove-fagsystem"
_INSTALLED: Final = Path(__file__).resolve().parent / "config"
DEFAULTS: Final = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).resolve().parents[2] / "config"


@dataclass(frozen=True, slots=True)
class Cast:
    """The players. ``sender_ledger`` and ``sink_ledger`` are what a run is judged by."""

    site: Site
    gateway: GatewayProcess
    produsent: Produsent
    case_system: CaseSystem
    session: aiohttp.ClientSession
    case_tokens: TokenSource
    sender_ledger: Path
    sink_ledger: Path


@asynccontextmanager
async def assembled(
    folder: Path,
    *,
    lines: str = "",
    sections: str = "",
    adapters: tuple[str, ...] = ("fiks",),
    environment: Mapping[str, str] | None = None,
    process: Callable[[Site, Path, Mapping[str, str]], GatewayProcess] = GatewayProcess,
) -> AsyncIterator[Cast]:
    """Set everybody up on a fresh folder; the gateway is prepared but not started.

    ``environment`` names a store that is made already; without it a fresh SQLite file is made. ``process`` makes the
    gateway's process; ``lines`` and ``sections`` are configuration (``make_site``).
    """
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    site = make_site(
        folder / "gateway",
        defaults=DEFAULTS,
        issuer=f"{base}/",
        jwks_uri=f"{base}/jwks",
        adapters=adapters,
        lines=lines,
        sections=sections,
    )
    gateway = process(site, folder / "gateway.log", environment or {})
    key = read_key(KeyFile(site.sender_pem))
    issuer = TokenIssuer(f"{base}/", _registered(key))
    if environment is None:
        await gateway.command("migrate", "--create")
    credentials = await _register(gateway, site)
    trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=site.ca))
    try:
        async with issuer.serve(port=port), aiohttp.ClientSession(connector=trust) as session:
            tokens = _tokens(session, f"{base}/", FAGSYSTEM, SCOPE_FAGSYSTEM, key)
            yield Cast(
                site=site,
                gateway=gateway,
                produsent=_produsent(session, folder, site, key, f"{base}/", credentials),
                case_system=_case_system(session, folder, site, tokens),
                session=session,
                case_tokens=tokens,
                sender_ledger=folder / "produsent.jsonl",
                sink_ledger=folder / "fagsystem" / "case-system.jsonl",
            )
    finally:
        await gateway.stop()


def _registered(key: SoftwareKey) -> list[RegisteredClient]:
    known = frozenset({facts_of(key.certificate).sha256})
    return [
        RegisteredClient(PRODUSENT, SENDER_ORGANISATION, frozenset({"ks:fiks"}), certificates=known),
        RegisteredClient(FAGSYSTEM, ORGANISATION, frozenset({SCOPE_FAGSYSTEM}), certificates=known),
    ]


async def _register(gateway: GatewayProcess, site: Site) -> tuple[str, str]:
    """Both clients, by the command line as an operator would; gives the sender's id and password."""
    person = ("--person", "demo")
    added = await gateway.command(
        *(
            "clients",
            "add-produsent",
            "--organisation",
            SENDER_ORGANISATION,
            "--fiks-org-id",
            SENDER_FIKS_ORG_ID,
            *person,
        )
    )
    await gateway.command(
        *("clients", "add-fagsystem", FAGSYSTEM, "--organisation", ORGANISATION, "--tenant", site.tenant, *person)
    )
    return added["integrasjonId"], added["integrasjonPassord"]


def _tokens(session: aiohttp.ClientSession, issuer: str, client: str, scope: str, key: SoftwareKey) -> TokenSource:
    return TokenSource(session, TokenRequest(f"{issuer}token", issuer, client, scope), key)


def _produsent(
    session: aiohttp.ClientSession,
    folder: Path,
    site: Site,
    key: SoftwareKey,
    issuer: str,
    credentials: tuple[str, str],
) -> Produsent:
    integration = Integration(
        base_url=f"{site.partner_url}/bekymringsmelding/api",
        fiks_org_id=SENDER_FIKS_ORG_ID,
        integrasjon_id=credentials[0],
        integrasjon_passord=credentials[1],
    )
    tokens = _tokens(session, issuer, PRODUSENT, "ks:fiks", key)
    return Produsent(session, integration, tokens, key, Ledger(folder / "produsent.jsonl"))


def _case_system(session: aiohttp.ClientSession, folder: Path, site: Site, tokens: TokenSource) -> CaseSystem:
    settings = CaseSystemSettings(f"{site.case_system_url}/api/v1", poll_s=0.2)
    return CaseSystem(session, settings, folder / "fagsystem", tokens.token, forget=tokens.forget)
