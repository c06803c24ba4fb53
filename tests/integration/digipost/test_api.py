"""Calls go to the configured address alone, and an answer costs no more than its bounds (S54, S55)."""

import gzip
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway import limits
from gateway.simulators.digipost.faults import DigipostFault
from gateway.simulators.serving import serving
from gateway.spi import Taken, TryLater, Uncertain
from tests.digipost_kit import digipost, letter, primary


async def test_a_link_to_another_address_is_not_followed(keys):
    async with digipost(keys) as here, serving([web.route("*", "/{tail:.*}", _reached)]) as elsewhere:
        here.server.base = elsewhere
        assert await here.road.outbound.send(letter()) == TryLater("answer-not-believed")
        assert here.server.requests == ["GET /"]


@pytest.mark.parametrize("path", ["/a?b=c", "/a%0aX", "/a b", "/a\u00e6"])
async def test_a_link_whose_signature_could_be_read_in_two_ways_is_not_followed(keys, path, monkeypatch):
    async with digipost(keys) as here:
        monkeypatch.setattr(
            "gateway.simulators.digipost.server._LINKS", {"identify_recipient": path, "create_message": "/messages"}
        )
        outcome = await here.road.outbound.send(letter())
        assert isinstance(outcome, TryLater)
        assert here.server.requests == ["GET /"]


async def test_a_redirect_is_an_answer_and_is_not_followed(keys):
    seen = []

    async def redirect(request):
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with at(keys, redirect) as road:
        assert isinstance(await road.outbound.send(letter()), TryLater)
    assert seen == ["/"]


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_without_end_is_not_read_to_its_end(keys, packed):
    given = []

    async def endless(request):
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"} if packed else {})
        await response.prepare(request)
        piece = gzip.compress(bytes(limits.MIB)) if packed else b" " * limits.MIB
        while len(given) < 64:
            await response.write(piece)
            given.append(len(piece))
        return response

    async with at(keys, endless) as road:
        assert isinstance(await road.outbound.send(letter()), TryLater)
    assert packed or len(given) < 64


async def test_a_bomb_that_digipost_itself_would_sign_is_not_unpacked(keys, monkeypatch):
    async with digipost(keys) as here:
        await here.road.outbound.send(letter())
        bomb = gzip.compress(bytes(50 * limits.MIB))
        monkeypatch.setattr("gateway.simulators.digipost.server.gzip.compress", lambda _body, mtime: bomb)
        ask = here.road.outbound._identified

        async def armed(attempt):
            found = await ask(attempt)
            here.server.faults.arm(DigipostFault.GZIP)
            return found

        here.road.outbound._identified = armed
        sent = letter()
        assert await here.road.outbound.send(sent) == Uncertain("answer-not-believed")
        assert await here.road.outbound.status(sent) == Taken(primary(sent), final=True)


async def _reached(_):
    raise AssertionError


@asynccontextmanager
async def at(keys, handler):
    """Our road to a server that does what the handler does."""
    async with serving([web.route("*", "/{tail:.*}", handler)]) as base, digipost(keys, api_url=base) as here:
        yield here.road
