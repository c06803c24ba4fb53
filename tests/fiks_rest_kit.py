"""The REST half of Fiks IO as a small honest server, with an answer to give for once, and what it was asked."""

import hashlib
import io
import ssl
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web

from adapters.fiks.api import FiksApi
from adapters.fiks.catalogue import FiksCatalogue
from adapters.fiks.dokumentlager import Dokumentlager
from adapters.fiks.health import Health
from adapters.fiks.send import FiksSender
from adapters.fiks.settings import FiksAccount, FiksIo
from gateway.egress import client_context
from gateway.observability import logging
from gateway.simulators.serving import serving
from gateway.spi import Address, Answered, Context, Fate, Parcel
from gateway.testing.clock import HandClock

INTEGRATION = "0f1f6f0e-4e4a-4b8c-9f0a-0a4f5d1f2b3c"
REPORTS_ACCOUNT = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e001"
REGISTER_ACCOUNT = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e002"
OTHER_OFFICE_ACCOUNT = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e003"
PORTAL = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e004"
MELDING = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e005"
DOCUMENT = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e009"
REPORTS = "no.ks.fiks.bekymringsmelding.v2"
REPORT = "no.ks.fiks.bekymringsmelding.offentlig.v2"
REGISTER = "no.ssb.barnevern.fagsystem.v1"
OFFICE = Address("4601", "02")
SEND = "/fiks-io/api/v1/send"


@dataclass
class Asked:
    """One request as it came. ``parts``: headers and octets of each; ``peer``: the caller's port."""

    method: str
    path: str
    headers: dict[str, str]
    peer: int
    parts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def metadata(self) -> dict[str, Any]:
        import json

        return json.loads(self.parts[0][1])


class SmallFiks:
    """Answers 202 to what is sent, and to each path what is laid there: a status with JSON, or a handler."""

    def __init__(self):
        self.asked = []
        self.once = []
        self.paths = {}

    async def answer(self, request):
        asked = Asked(
            request.method, request.path, dict(request.headers), request.transport.get_extra_info("peername")[1]
        )
        self.asked.append(asked)
        if request.content_type == "multipart/form-data":
            async for part in await request.multipart():
                asked.parts.append((dict(part.headers), bytes(await part.read())))
        given = self.once.pop(0) if self.once else self.paths.get(request.path, (202, {"meldingId": MELDING}))
        if callable(given):
            return await given(request)
        status, body, *headers = given
        return web.json_response(body, status=status, headers=dict(*headers))


class Tokens:
    """Tokens with numbers; those that were not taken are remembered."""

    def __init__(self):
        self.number = 0
        self.thrown = []

    async def token(self):
        return f"token-{self.number}"

    def refused(self, token):
        self.thrown.append(token)
        self.number += 1


@asynccontextmanager
async def small_fiks(session_s=5.0, **settings):
    """The server and our adapter's REST parts, put together by hand."""
    server, tokens, log, clock, health = SmallFiks(), Tokens(), io.StringIO(), HandClock(), Health()
    passwords = {"file:password": "passord-1"}
    timeout = aiohttp.ClientTimeout(total=session_s, connect=2)
    async with (
        serving([web.route("*", "/{tail:.*}", server.answer)], body_bytes_max=2**30) as base,
        aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
    ):
        context = Context(
            clock=clock,
            session=session,
            log=logging.to(log),
            tokens=lambda _name, _scope: tokens,
            secret=lambda reference: passwords[reference],
            tls=client_context,
        )
        fiks_io = FiksIo(
            api_url=base,
            amqp_host="localhost",
            integration_id=INTEGRATION.upper(),
            integration_password="file:password",
            accounts=(
                account(OTHER_OFFICE_ACCOUNT, "00", REPORTS, REGISTER),
                account(REGISTER_ACCOUNT, "02", REGISTER),
                account(REPORTS_ACCOUNT, "02", REPORTS),
            ),
            **settings,
        )
        api = FiksApi(fiks_io, context)
        yield SimpleNamespace(
            server=server,
            tokens=tokens,
            log=log,
            clock=clock,
            health=health,
            passwords=passwords,
            api=api,
            sender=FiksSender(fiks_io, context, api),
            catalogue=FiksCatalogue(fiks_io, api, clock, health),
            dokumentlager=Dokumentlager(fiks_io, api),
        )


def account(identifier, bydelsnummer, *protocols):
    return FiksAccount(id=identifier, kommunenummer="4601", bydelsnummer=bydelsnummer, protocols=protocols)


def parcel(content=b"forseglet", **changes):
    """A submission to the register."""

    async def pieces():
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    made = Parcel(
        key=str(uuid.uuid4()),
        message_type="bvr.innrapportering.v1",
        recipient=PORTAL,
        size_bytes=len(content),
        content=pieces,
        office=OFFICE,
        channel_type=f"{REGISTER}.innrapportering",
    )
    return replace(made, **changes)


def receipt(fate=Fate.RECEIVED, content=b"", answered=None, **headers):
    """What our office says of a report that came from the portal."""
    known = {"account": REPORTS_ACCOUNT, "klientKorrelasjonsId": "samtale-1"} | headers
    return parcel(content, channel_type="", answers=answered or Answered(MELDING, REPORT, known, fate))


def fingerprint(pem):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


async def whole(fiks, document=DOCUMENT):
    """A document as Dokumentlager gives it."""
    return b"".join([piece async for piece in fiks.dokumentlager.blob({"dokumentlager-id": document})])
