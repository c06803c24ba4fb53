"""KS's Java client on the same messages: receive, decrypt and verify, counted per second of its CPU.

It does less than the gateway does: it stores nothing durably and answers nobody. What it opens goes to a file that is
deleted at once.
"""

import asyncio
import secrets
import time
import uuid
from pathlib import Path
from typing import Final

from bench.fiks_road import Phase
from bench.process import cpu_s
from gateway.crypto.certificate_facts import facts_of
from gateway.demo.fiks_cast import CLIENT, FiksCast
from gateway.simulators.fiks.dispatch import Outgoing
from gateway.simulators.fiks.platform import ISSUER
from gateway.simulators.fiks.register import Account, Integration
from gateway.testing.site import FIKS_ORG_ID, KOMMUNENUMMER, ORGANISATION
from tests.interop.fiks.kit import Peer, peer, trusting

_TYPE: Final = "no.ks.fiks.bekymringsmelding.offentlig.v2"
_WITHIN_S: Final = 60
_NAME: Final = "bench"
# The kit starts Java machines for tests, which live for seconds. This one may compile as Java machines do by default.
_SERVER: Final = "-XX:TieredStopAtLevel=4"


async def measure_java(here: FiksCast, folder: Path, containers: list[bytes], warm_up: int) -> Phase:
    """Send them to an account with the office's key, and let the client open them; the first ones only warm it up."""
    account = await add_java(here)
    with peer("FiksIo", folder, *trusting(folder, here.cast.site.ca), _SERVER) as java:
        await asyncio.to_thread(java, "connect", name=_NAME, **settings_of(here, account))
        await asyncio.to_thread(java, "subscribe", name=_NAME)
        await _through(here, java, account, containers[:warm_up])
        begin, used = time.perf_counter(), cpu_s(java.pid)
        await _through(here, java, account, containers[warm_up:])
        return Phase(len(containers) - warm_up, cpu_s(java.pid) - used, time.perf_counter() - begin)


async def add_java(here: FiksCast) -> Integration:
    """An account of its own for the client, with the office's key, and an integration that may use it."""
    konto_id = str(uuid.uuid4())
    facts = facts_of(here.receive.certificate)
    await here.platform.add_account(Account(konto_id, "Java", FIKS_ORG_ID, ORGANISATION, facts, KOMMUNENUMMER))
    made = Integration(str(uuid.uuid4()), secrets.token_urlsafe(24), ORGANISATION, frozenset({konto_id}))
    return here.platform.add_integration(made)


def settings_of(here: FiksCast, account: Integration) -> dict[str, object]:
    """What the peer's order ``connect`` wants to know."""
    keys, platform = here.cast.site.folder / "keys", here.platform
    return {
        "kontoId": next(iter(account.kontoer)),
        "key": keys / "receive.pem",
        "signer": keys / "signing.pem",
        "integrasjonId": account.integrasjon_id,
        "integrasjonPassord": account.passord,
        "klientId": CLIENT,
        "audience": ISSUER,
        "tokenEndpoint": platform.token_endpoint,
        "api": platform.base_url,
        "amqp": f"amqps://localhost:{platform.amqp_port}",
    }


async def _through(here: FiksCast, java: Peer, account: Integration, containers: list[bytes]) -> None:
    konto_id = next(iter(account.kontoer))
    for container in containers:
        await here.platform.send(Outgoing(here.platform.portal.konto_id, konto_id, _TYPE), container)
    for _ in containers:
        got = await asyncio.to_thread(java, "next", name=_NAME, within_s=_WITHIN_S)
        if len(got["files"]) != 2:  # JSON and PDF
            message = "the Java client did not open a message"
            raise RuntimeError(message)
        await asyncio.to_thread(java, "ack", name=_NAME, meldingId=got["meldingId"])
