"""Sending over Fiks IO keeps every promise of a road over HTTP."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import web

from adapters.fiks.api import FiksApi
from adapters.fiks.send import FiksSender
from adapters.fiks.settings import FiksAccount, FiksIo, FiksSettings
from gateway.egress import client_context
from gateway.spi import Adapter, AdapterSpec, Address, Context
from gateway.testing.contract import HttpAdapterContract
from gateway.testing.partner import MARKER, FakePartner

INTEGRATION = "0f1f6f0e-4e4a-4b8c-9f0a-0a4f5d1f2b3c"
ACCOUNT = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e001"
REGISTER = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e002"
REPORTING = "no.ssb.barnevern.fagsystem.v1"


class FakeFiksIo(FakePartner):
    """The send API."""

    def routes(self):
        return [web.post("/fiks-io/api/v1/send", self.send)]

    async def send(self, request: web.Request) -> web.Response:
        parts = await request.multipart()
        metadata = await (await parts.next()).json()
        content = await (await parts.next()).read()
        self.take(metadata["headere"]["klientMeldingId"], bytes(content))
        return web.json_response(metadata | {"meldingId": str(uuid.uuid4()), "avsenderNavn": MARKER}, status=202)


class Tokens:
    async def token(self) -> str:
        return "token"

    def refused(self, token: str) -> None:
        raise AssertionError


@asynccontextmanager
async def sender(settings: FiksSettings, context: Context) -> AsyncIterator[Adapter]:
    """Without the roads that fetch: they need a broker."""
    assert settings.io is not None
    yield Adapter(outbound=FiksSender(settings.io, context, FiksApi(settings.io, context)))


class TestFiksIo(HttpAdapterContract):
    spec = AdapterSpec(name="fiks", settings=FiksSettings, open=sender)
    partner_type = FakeFiksIo

    def settings(self, partner):
        account = FiksAccount(id=ACCOUNT, kommunenummer="4601", protocols=(REPORTING,))
        return FiksSettings(
            io=FiksIo(
                api_url=partner.url,
                amqp_host="localhost",
                integration_id=INTEGRATION,
                integration_password="file:password",
                accounts=(account,),
            )
        )

    def parcel(self, content=None):
        own = {"recipient": REGISTER, "office": Address("4601", "00"), "channel_type": f"{REPORTING}.innrapportering"}
        return replace(super().parcel(content), **own)

    async def _context(self, stack, said):
        lent = {"tokens": lambda _name, _scope: Tokens(), "secret": lambda _: "password", "tls": client_context}
        return replace(await super()._context(stack, said), **lent)
