"""S39: slow clients are cut, and do not slow others."""

import asyncio
import io
import time
from contextlib import suppress

import pytest

from gateway import config, limits
from gateway.http.documents import serve
from gateway.http.server import HttpRoute
from gateway.pipeline.hand_over import DocumentBytes
from tests.edge_kit import BASE, MULTIPART, mottak, one, partner, raw, report

pytestmark = pytest.mark.quiet

GET = f"GET {BASE}/v1/kommuner HTTP/1.1\r\nHost: x\r\n"


def request(here):
    head = "".join(f"{name}: {value}\r\n" for name, value in here.headers().items())
    return f"{GET}{head}\r\n".encode()


async def p99_s(here, rounds=200):
    octets, times = request(here), []
    for _ in range(rounds):
        begin = time.perf_counter()
        assert (await one(here.port, octets))[9:12] == b"200"
        times.append(time.perf_counter() - begin)
    return sorted(times)[int(rounds * 0.99) - 1]


@pytest.mark.proves("S39")
async def test_500_slow_clients_do_not_move_p99():
    async with partner() as here:
        alone = await p99_s(here)
        slow = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(500)]
        for number, (_, writer) in enumerate(slow):
            writer.write(GET[: number % len(GET)].encode())
        crowded = await p99_s(here)
        for _, writer in slow:
            writer.close()
        assert crowded < max(5 * alone, 0.1), (alone, crowded)


@pytest.mark.proves("S39")
@pytest.mark.parametrize("begun", [b"", b"GET", GET.encode()], ids=["nothing", "a word", "half a head"])
async def test_a_head_that_does_not_end_is_cut(monkeypatch, begun):
    monkeypatch.setattr(limits, "HEAD_S_MAX", 0.3)
    async with partner() as here:
        begin = time.perf_counter()
        assert await raw(here.port, begun) == b""
        assert 0.25 < time.perf_counter() - begin < 3


@pytest.mark.proves("S39")
async def test_a_second_head_that_does_not_end_is_cut_too(monkeypatch):
    monkeypatch.setattr(limits, "HEAD_S_MAX", 0.3)
    async with partner() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request(here))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]))
        writer.write(b"GET /ha")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asyncio.wait_for(reader.readexactly(1), 3)
        writer.close()


@pytest.mark.proves("S39")
async def test_control_an_idle_connection_between_requests_lives_on(monkeypatch):
    monkeypatch.setattr(limits, "HEAD_S_MAX", 0.2)
    async with partner() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for _ in range(2):
            writer.write(request(here))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head[9:12] == b"200"
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]))
            await asyncio.sleep(0.5)  # the pause is what is tried
        writer.close()
        await writer.wait_closed()


def upload_head(here, length):
    head = "".join(f"{name}: {value}\r\n" for name, value in (here.headers() | MULTIPART).items())
    return f"POST {mottak()} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {length}\r\n\r\n".encode()


@pytest.mark.proves("S39")
async def test_a_body_that_pauses_too_long_is_408_and_stores_nothing():
    async with partner(intake_settings=config.Intake(idle_s_max=0.3)) as here:
        body = report()
        answer = await one(here.port, upload_head(here, len(body)) + body[:50])
        assert answer[9:12] == b"408"
        assert b'"code":"too-slow"' in answer
        assert here.intake.stored == {}
        assert (await one(here.port, upload_head(here, len(body)) + body))[9:12] == b"201"


@pytest.mark.proves("S39")
async def test_a_body_below_the_minimum_rate_is_408():
    async with partner(intake_settings=config.Intake(idle_s_max=0.5)) as here:
        body = report(container=None)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(upload_head(here, 100_000))
        answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        for octet in body * 10:  # a drop at a time, never idle
            writer.write(bytes([octet]))
            await asyncio.wait({answer}, timeout=0.02)
            if answer.done():
                break
        assert (await answer)[9:12] == b"408"
        writer.close()


@pytest.mark.proves("S39")
async def test_connections_above_the_bound_are_closed_at_once(monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 3)
    async with partner() as here:
        held = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(3)]
        assert await raw(here.port, request(here), 2) == b""
        for _, writer in held:
            writer.close()
            await writer.wait_closed()


def document_route(size):
    """A document of so many bytes."""

    async def document(request):
        content = DocumentBytes("a.pdf", "application/pdf", size, io.BytesIO(bytes(size)))
        return await serve(request, content, lambda _: None)

    return HttpRoute("GET", "/document", document)


@pytest.mark.proves("S39")
async def test_a_reader_that_takes_nothing_is_cut(monkeypatch):
    monkeypatch.setattr(limits, "STALL_S_MAX", 0.3)
    size = 30_000_000
    async with partner(routes=[document_route(size)]) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
        writer.write(b"GET /document HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(here.lines.wait_for("http.request"), 5)  # the handler has ended without our reading
        received = 0
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                received += len(chunk)
        assert received < size
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        control = await one(here.port, b"GET /document HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n")
        assert control[9:12] == b"206"
