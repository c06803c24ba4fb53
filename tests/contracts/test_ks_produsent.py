"""Sending reports to KS's producer API keeps every promise of a road over HTTP."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from adapters.fiks.produsent_client import ADAPTER
from adapters.fiks.produsent_client_settings import KsProdusentSettings
from gateway.egress import client_context
from gateway.spi import Adapter, AdapterSpec, Address, Context, PrintPart, ReportOffice
from gateway.testing.contract import HttpAdapterContract
from gateway.testing.partner import MARKER, FakePartner

INTEGRATION = "0f1f6f0e-4e4a-4b8c-9f0a-0a4f5d1f2b3c"
ORGANISATION = "5c6d7e8f-0011-4222-8333-944455566677"
PDF = b"pdf" * 1000


class FakeKs(FakePartner):
    """The upload, as the official server takes it: parts by name and in their order, a length told beforehand."""

    def routes(self):
        return [web.post("/bekymringsmelding/api/v2/mottak/fagsystem/{fra}/0301/07/offentlig", self.upload)]

    async def upload(self, request: web.Request) -> web.Response:
        assert request.content_length is not None
        assert request.match_info["fra"] == ORGANISATION
        parts = [
            (part.name, part.filename, part.headers["Content-Type"], bytes(await part.read()))
            async for part in await request.multipart()
        ]
        octets = "application/octet-stream"
        assert parts[0] == ("bekymringsmelding", "bekymringsmelding.pdf", octets, PDF)
        assert parts[1][:3] == ("asice", "asice.zip", octets)
        self.take(str(uuid.uuid4()), parts[1][3])
        return web.json_response({"uuid": str(uuid.uuid4()).upper(), "mottaker": MARKER}, status=201)


class Tokens:
    async def token(self) -> str:
        return "token"

    def refused(self, token: str) -> None:
        raise AssertionError


@asynccontextmanager
async def sending(settings: KsProdusentSettings, context: Context) -> AsyncIterator[Adapter]:
    """The receipts have tests of their own: here nobody knows of any parcel before this one."""
    async with ADAPTER.open(settings, context) as adapter:
        yield replace(adapter, inbound=None)


async def pdf():
    yield PDF


class TestKsProdusent(HttpAdapterContract):
    spec = AdapterSpec(name=ADAPTER.name, settings=KsProdusentSettings, open=sending)
    partner_type = FakeKs

    def settings(self, partner):
        sender = {
            "kommunenummer": "4601",
            "fiks_org_id": ORGANISATION,
            "integration_id": INTEGRATION,
            "integration_password": "file:password",
        }
        return KsProdusentSettings(api_url=partner.url, senders=(sender,))

    def parcel(self, content=None):
        copy = PrintPart(ReportOffice(Address("0301", "07"), "V2"), len(PDF), pdf)
        own = {"recipient": "0301-07", "office": Address("4601", "02"), "channel_type": "offentlig", "print_part": copy}
        return replace(super().parcel(content), **own)

    async def _context(self, stack, said):
        lent = {"tokens": lambda _name, _scope: Tokens(), "secret": lambda _: "password", "tls": client_context}
        return replace(await super()._context(stack, said), **lent)

    @pytest.mark.parametrize(
        ("other", "code"),
        [
            ({"print_part": None}, "no-report"),
            ({"channel_type": "privat.v9"}, "no-report"),
            ({"office": Address("0301", "01")}, "sender-unknown"),
            ({"office": None}, "sender-unknown"),
        ],
    )
    async def test_what_is_no_report_of_ours_is_refused_before_anybody_is_called(self, other, code):
        async with self.opened() as opened:
            outcome = await self.send(opened, replace(self.parcel(), **other))
            assert outcome.code == code
            assert opened.partner.requests == 0
