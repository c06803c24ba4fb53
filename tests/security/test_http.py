"""S31, S36, S37, S38, S40, S41: what reaches the application, and what a stranger gets to see."""

import asyncio
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import config
from gateway.http.connection import require_c_parser
from gateway.http.server import HttpRoute
from tests.edge_kit import BASE, MULTIPART, mottak, one, partner, raw, report

GET = f"GET {BASE}/v1/kommuner HTTP/1.1\r\n"


def lines(headers):
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def upload(here, body=b"", extra="", **changes):
    """A whole POST of a report as octets."""
    head = f"POST {mottak()} HTTP/1.1\r\nHost: x\r\n{lines(here.headers(**changes) | MULTIPART)}{extra}"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.proves("S31")
async def test_gzip_body_is_415():
    async with partner() as here:
        for coding in ("gzip", "deflate", "br", "identity"):
            answer = await one(here.port, upload(here, gzip.compress(report()), f"Content-Encoding: {coding}\r\n"))
            assert answer.startswith(b"HTTP/1.1 415 ")
        assert here.intake.stored == {}
        control = upload(here, report(), "Connection: close\r\n")
        assert (await one(here.port, control)).startswith(b"HTTP/1.1 201 ")  # the control


CHUNKED = b"0\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def post(*header_lines, body):
    return b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(line + b"\r\n" for line in header_lines) + b"\r\n" + body


SMUGGLING = {
    "length and chunked": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED + SMUGGLED),
    "chunked and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKED + SMUGGLED),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
    "list of lengths": post(b"Content-Length: 0, %d" % len(SMUGGLED), body=SMUGGLED),
    "length with a plus": post(b"Content-Length: +0", body=SMUGGLED),
    "length in hexadecimal": post(b"Content-Length: 0x0", body=SMUGGLED),
    "negative length": post(b"Content-Length: -1", body=SMUGGLED),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKED + SMUGGLED),
    "chunked not last": post(b"Transfer-Encoding: chunked, identity", body=CHUNKED + SMUGGLED),
    "chunked with a vertical tab": post(b"Transfer-Encoding:\x0bchunked", body=CHUNKED + SMUGGLED),
    "blank before the colon": post(b"Content-Length : 0", body=SMUGGLED),
    "folded header": post(b"X-A: b", b" Content-Length: 0", body=SMUGGLED),
    "bare line feed ends the head": b"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + SMUGGLED,
    "bare carriage return": post(b"X-A: b\rContent-Length: 0", body=SMUGGLED),
    "bare line feed in a chunk size": post(b"Transfer-Encoding: chunked", body=b"0\n\n" + SMUGGLED),
    "chunk size with 0x": post(b"Transfer-Encoding: chunked", body=b"0x0\r\n\r\n" + SMUGGLED),
    "chunk extension with a bare line feed": post(b"Transfer-Encoding: chunked", body=b"0;a\nb\r\n\r\n" + SMUGGLED),
    "huge chunk size": post(b"Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\n" + SMUGGLED),
    "NUL in a header": post(b"X-A: \x00", body=SMUGGLED),
    "no colon": post(b"X-A", body=SMUGGLED),
}


@pytest.mark.proves("S36")
async def test_corpus_direct():
    """Each is refused as a whole, or its tail is read as a body: never as a second request of its own."""
    served = []

    async def smuggled(request):
        served.append(request.path)
        raise AssertionError

    async with partner(routes=[HttpRoute("GET", "/smuggled", smuggled)]) as here:
        for name, octets in SMUGGLING.items():
            answer = await raw(here.port, octets, 1.5)
            assert answer.count(b"HTTP/1.") == 1, (name, answer)
            assert answer[8:13] in {b" 400 ", b" 404 "}, (name, answer)
            assert served == [], name
        await raw(here.port, SMUGGLED, 1)
        assert served == ["/smuggled"]  # the control: as a request of its own it is served


@pytest.mark.proves("S36")
async def test_a_body_behind_an_upgrade_is_not_a_request():
    served = []

    async def smuggled(request):
        served.append(request.path)
        raise AssertionError

    upgrade = (b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: %d" % len(SMUGGLED))
    async with partner(routes=[HttpRoute("GET", "/smuggled", smuggled)]) as here:
        answer = await raw(here.port, post(*upgrade, body=SMUGGLED), 1.5)
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert served == []


@pytest.mark.proves("S37")
async def test_methods_hosts_and_parser():
    async with partner(hosts=frozenset({"mottak.example"})) as here:
        headers = lines(here.headers())
        for method in ("TRACE", "OPTIONS", "CONNECT", "HEAD", "PATCH", "PROPFIND", "DELETE", "POST"):
            octets = f"{method} {BASE}/v1/kommuner HTTP/1.1\r\nHost: mottak.example\r\n{headers}\r\n".encode()
            answer = await one(here.port, octets)
            assert answer[8:13] in {b" 405 ", b" 400 "}, (method, answer)
        for host in ("evil.example", "mottak.example.evil", "", "mottak.example, evil.example"):
            assert b" 421 " in (await one(here.port, f"{GET}Host: {host}\r\n{headers}\r\n".encode()))[:20], host
        for form in ("*", "evil.example:443"):
            octets = f"OPTIONS {form} HTTP/1.1\r\nHost: mottak.example\r\nExpect: 100-continue\r\n\r\n".encode()
            assert (await one(here.port, octets))[8:13] == b" 400 "
        two = f"{GET}Host: mottak.example\r\nHost: evil.example\r\n{headers}\r\n".encode()
        assert (await one(here.port, two))[8:13] in {b" 400 ", b" 421 "}
        absolute = f"GET http://evil.example{BASE}/v1/kommuner HTTP/1.1\r\nHost: mottak.example\r\n{headers}\r\n"
        assert (await one(here.port, absolute.encode())).startswith(b"HTTP/1.1 400 ")
        for host in ("mottak.example", "MOTTAK.example:443"):
            control = f"{GET}Host: {host}\r\nConnection: close\r\n{headers}\r\n".encode()
            assert (await one(here.port, control)).startswith(b"HTTP/1.1 200 "), host  # the control


@pytest.mark.proves("S37")
def test_the_start_fails_without_the_c_parser():
    require_c_parser()
    program = "from gateway.http.connection import require_c_parser; require_c_parser()"
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"AIOHTTP_NO_EXTENSIONS": "1", "PYTHONPATH": str(root)}
    outcome = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, cwd=root
    )
    assert outcome.returncode != 0
    assert "C parser" in outcome.stderr


@pytest.mark.proves("S38")
async def test_no_100_for_strangers():
    small = config.Intake(body_bytes_max=100_000)
    expect = "Expect: 100-continue\r\n"
    async with partner(intake_settings=small) as here:
        refused = {
            "unknown path": f"POST /nowhere HTTP/1.1\r\nHost: x\r\n{expect}Content-Length: 5\r\n\r\n".encode(),
            "wrong method": f"PUT {mottak()} HTTP/1.1\r\nHost: x\r\n{expect}Content-Length: 5\r\n\r\n".encode(),
            "wrong password": upload(here, b"", expect, IntegrasjonPassord="wrong"),
            "no token": upload(here, b"", expect, Authorization=...),
            "foreign fiksOrgId": upload(here, b"", expect).replace(b"5a1d6d39", b"00000000", 1),
            "unknown office": upload(here, b"", expect).replace(b"0301/02", b"9999/02", 1),
            "too large": upload(here, b"", expect).replace(b"Content-Length: 0", b"Content-Length: 100001"),
            "wrong media type": upload(here, b"", expect).replace(b"multipart/form-data", b"text/plain"),
            "another expectation": upload(here, b"", "Expect: magic\r\n"),
        }
        for name, octets in refused.items():
            answer = await one(here.port, octets.replace(b"Content-Length: 0", b"Content-Length: 500"))
            assert answer.startswith(b"HTTP/1.1 4"), (name, answer)
            assert b" 100 " not in answer, name
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        whole = upload(here, report(), expect)
        head, _, body = whole.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")  # the control: our own sender is asked and served
        writer.close()
        await writer.wait_closed()


@pytest.mark.proves("S40")
async def test_malformed_request_echoes_nothing():
    async with partner() as here:
        for octets in (
            b"MARKER\r\n\r\n",
            b"GET /MARKER HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nMARKER\x00: 1\r\n\r\n",
            b"GET /" + b"MARKER" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-MARKER: 1\r\n" * 500 + b"\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: MARKER\r\n\r\n",
            b"\x16\x03\x01MARKER\r\n\r\n",
        ):
            answer = await one(here.port, octets)
            assert b" 400 " in answer[:13], (octets[:40], answer)
            assert not any(word in answer for word in (b"MARKER", b"aiohttp", b"Python", b"Server:", b"Traceback"))
            assert b"X-Content-Type-Options: nosniff" in answer
        control = await one(here.port, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"nothing at this address" in control  # the control: what is well-formed is answered as what it is


@pytest.mark.proves("S41")
@pytest.mark.parametrize("debug", [False, True])
async def test_no_traceback_in_any_mode(debug):
    async def fail(_):
        message = "MARKER"
        raise RuntimeError(message)

    async with partner(routes=[HttpRoute("GET", "/fail", fail)]) as here:
        asyncio.get_running_loop().set_debug(debug)
        answer = await one(
            here.port, b"GET /fail HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert not any(word in answer for word in (b"MARKER", b"RuntimeError", b"Traceback"))
        assert b'"code":"internal"' in answer
        assert "http.failed" in {line["event"] for line in here.lines}


async def test_the_access_line_holds_the_template_and_never_the_path():
    async with partner() as here:
        await one(here.port, f"GET {BASE}/v1/kommuner/0301 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await one(here.port, b"BREW /MARKER?MARKER HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = [line for line in here.lines if line["event"] == "http.request"]
        assert [(line["method"], line["route"], line["status"]) for line in seen][:1] == [
            ("GET", f"{BASE}/v1/kommuner/{{kommunenummer}}", 401)
        ]
        assert "MARKER" not in repr(here.lines)
        assert "0301" not in repr(here.lines)
