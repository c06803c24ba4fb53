"""S44: every answer has the security headers, whatever its route and status."""

import pytest

from gateway.errors import StoreError, StoreFullError
from gateway.http.server import HttpRoute
from tests.edge_kit import BASE, FIKS_ORG_ID, MULTIPART, mottak, one, partner, report

EXPECTED = {
    b"X-Content-Type-Options: nosniff",
    b"Referrer-Policy: no-referrer",
    b"Cache-Control: no-store",
    b"Strict-Transport-Security: max-age=31536000",
    b"Cross-Origin-Resource-Policy: same-origin",
}


def octets(here, method, path, body=b"", extra="", **changes):
    values = here.headers(**changes) | (MULTIPART if method == "POST" else {})
    head = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    text = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}{extra}Content-Length: {len(body)}\r\n\r\n"
    return text.encode() + body


@pytest.mark.proves("S44")
async def test_all_routes_all_statuses():
    async def fail(_):
        raise RuntimeError

    base = f"{BASE}/v2"
    async with partner(routes=[HttpRoute("GET", "/fail", fail)]) as here:
        tries = [
            (200, octets(here, "GET", f"{base}/kommuner")),
            (200, octets(here, "GET", f"{base}/kommuner/fylker")),
            (200, octets(here, "GET", f"{base}/kommuner/fylker/46/kommuner")),
            (200, octets(here, "GET", f"{base}/kommuner/0301")),
            (200, octets(here, "GET", f"{base}/kommuner/0301/bydeler")),
            (200, octets(here, "GET", f"{base}/kommuner/0301/bydeler/02")),
            (200, octets(here, "GET", f"{base}/mottak/fagsystem/0301/02/krypteringsnokler")),
            (201, octets(here, "POST", mottak(), report())),
            (201, octets(here, "POST", mottak("privat"), report())),
            (404, octets(here, "GET", f"{base}/mottak/fagsystem/{FIKS_ORG_ID}/bekymringsmelding/x/status")),
            (400, octets(here, "POST", mottak(), b"")),
            (400, b"nonsense\r\n\r\n"),
            (401, octets(here, "GET", f"{base}/kommuner", IntegrasjonPassord="x")),
            (403, octets(here, "POST", mottak(sender="x"), report())),
            (404, octets(here, "GET", "/")),
            (405, octets(here, "DELETE", f"{base}/kommuner")),
            (413, octets(here, "POST", mottak()).replace(b"Content-Length: 0", b"Content-Length: 99999999")),
            (415, octets(here, "POST", mottak(), report(), "Content-Encoding: gzip\r\n")),
            (417, octets(here, "GET", f"{base}/kommuner", extra="Expect: x\r\n")),
            (500, octets(here, "GET", "/fail")),
        ]
        answers = [(expected, await one(here.port, request)) for expected, request in tries]
        for fault, expected in ((StoreError(), 503), (StoreFullError(), 507)):
            here.intake.fault = fault
            answers.append((expected, await one(here.port, octets(here, "POST", mottak(), report()))))
        for expected, answer in answers:
            head, _, _ = answer.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            assert int(lines[0][9:12]) == expected, answer
            assert set(lines) >= EXPECTED, (expected, lines)
            names = {line.partition(b":")[0].lower() for line in lines[1:]}
            assert not names & {b"server", b"x-powered-by", b"access-control-allow-origin", b"etag"}, expected
        tried = {line["route"] for line in here.lines if line["event"] == "http.request"}
        assert {route for route in tried if "/v2/" in route} == {
            route.replace("/v1/", "/v2/") for route in await routes_of(here)
        }


async def routes_of(here):
    """All templates of one version, from the facade itself: a new route without a line above fails."""
    from adapters.fiks.produsent import ProdusentFacade
    from adapters.fiks.settings import FiksSettings
    from gateway.spi import Context

    facade = ProdusentFacade(FiksSettings(), Context(clock=here.clock, session=None, log=None))
    return {route.path for route in facade.routes(here.intake) if "/v1/" in route.path}


@pytest.mark.proves("S44")
async def test_only_what_is_marked_may_be_cached_and_only_when_it_succeeds():
    from aiohttp import web

    async def catalogue(_):
        return web.json_response({})

    async def broken(_):
        raise StoreError

    routes = [HttpRoute("GET", "/a", catalogue, cacheable=True), HttpRoute("GET", "/b", broken, cacheable=True)]
    async with partner(routes=routes) as here:
        marked = await one(here.port, octets(here, "GET", "/a"))
        assert b"Cache-Control: max-age=3600\r\n" in marked  # the control
        assert b"Cache-Control: no-store\r\n" in await one(here.port, octets(here, "GET", "/b"))
