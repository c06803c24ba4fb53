"""Large payloads from Dokumentlager: they come whole, or may come later, or are gone; nothing else is taken for them."""

import asyncio

import pytest
from aiohttp import web

from gateway.errors import TooLargeError
from gateway.spi import PartnerUnavailableError, UnknownResourceError
from tests.fiks_rest_kit import DOCUMENT, small_fiks, whole

NEDLASTING = "/dokumentlager/nedlasting"


@pytest.fixture
async def fiks():
    async with small_fiks() as running:
        yield running


def document(content, *, said=None, chunked=False, cut=False):
    async def answer(request):
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(content) if said is None else said
        await response.prepare(request)
        await response.write(content)
        if cut:
            request.transport.abort()
        return response

    return answer


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_document_comes_whole(fiks, chunked):
    content = bytes(range(256)) * 1000
    fiks.server.paths[f"{NEDLASTING}/{DOCUMENT}"] = document(content, chunked=chunked)
    assert await whole(fiks) == content
    assert fiks.server.asked[0].headers["Authorization"] == "Bearer token-0"


BROKEN = {
    "cut": document(b"x" * 1000, said=2000, cut=True),
    "cut in chunks": document(b"x" * 1000, chunked=True, cut=True),
    "empty": document(b""),
    "away": (503, {}),
    "busy": (429, {}),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_document_that_did_not_come_whole_may_come_later(fiks, broken):
    fiks.server.once = [BROKEN[broken]]
    with pytest.raises(PartnerUnavailableError):
        await whole(fiks)


async def test_a_document_whose_end_nobody_can_know_is_none(fiks):
    async def until_closed(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalvt")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(until_closed, "127.0.0.1", 0)
    async with server, small_fiks() as here:
        host, port = server.sockets[0].getsockname()
        object.__setattr__(here.api._io, "api_url", f"http://{host}:{port}")
        with pytest.raises(PartnerUnavailableError):
            await whole(here)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_document_that_is_gone_is_gone(fiks, status):
    fiks.server.once = [(status, {})]
    with pytest.raises(UnknownResourceError):
        await whole(fiks)


async def test_a_document_larger_than_allowed_is_not_read_to_its_end():
    async with small_fiks(dokumentlager_bytes_max=100_000) as strict:
        strict.server.once = [document(b"x" * 100_001), document(b"x" * 100_000)]
        with pytest.raises(TooLargeError):
            await whole(strict)
        assert len(await whole(strict)) == 100_000


@pytest.mark.parametrize("name", ["", "../../katalog", "x"])
async def test_only_an_id_is_asked_for(fiks, name):
    with pytest.raises(UnknownResourceError):
        await whole(fiks, name)
    assert fiks.server.asked == []
