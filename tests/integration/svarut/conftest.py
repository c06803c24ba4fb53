"""An office whose only road to people is SvarUt: the real engine, a real store, and what the gateway really lends."""

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import pytest

from adapters.svarut import ADAPTER
from gateway.app import environment
from gateway.app.lending import Lender
from gateway.domain.guards import GUARDS
from gateway.domain.routing import Road
from gateway.pipeline.roads import Roads
from gateway.pipeline.traffic import prepare
from gateway.spi import Adapter, Context
from gateway.testing.pki import certificate_pem
from tests import svarut_kit
from tests.integration.digipost import office as digipost
from tests.integration.digipost.conftest import client, configuration, pdfs, site
from tests.integration.outbound.kit import KIND

__all__ = ["client", "configuration", "pdfs", "site"]


@dataclass
class SvarUtOffice(digipost.Office):
    """A running office; ``context``: what its road was lent."""

    context: Context


@asynccontextmanager
async def opened(configuration, bare, client, folder, pdfs):
    async with AsyncExitStack() as stack:
        server = svarut_kit.simulator()
        base = await stack.enter_async_context(server.serve())
        session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        roads = Roads({KIND: (Road.parse("svarut:fodselsnummer"),)}, tuple(GUARDS), bare.roads.bases)
        env = replace(bare, roads=roads, types=digipost.LetterTypes(bare.types), pdfs=pdfs)
        rounds = digipost.Rounds(env.clock)
        kit = svarut_kit.lent((env.clock, session, env.log), base, svarut_kit.Office())
        own = Lender(configuration, env, session).context("svarut")
        context = replace(own, tokens=kit.tokens, secret=kit.secret, tls=kit.tls, clock=rounds)
        certificate = folder / "svarut.pem"
        certificate.write_bytes(certificate_pem(svarut_kit.own_key().certificate))
        settings = svarut_kit.settings_for(base, certificate=certificate, opened_every_s=0.001)
        adapter = await stack.enter_async_context(ADAPTER.open(settings, context))
        await prepare(env, "svarut")
        registers = digipost.Registers(env.clock)
        env.roads.open("svarut", adapter)
        env.roads.open("registre", Adapter(contacts=registers, population=registers))
        yield SvarUtOffice(env, server, adapter, client, rounds, registers, context)


@pytest.fixture
async def bergen(configuration, client, pdfs, tmp_path):
    async with (
        environment(configuration) as bare,
        opened(configuration, bare, client, tmp_path, pdfs) as here,
    ):
        yield here
