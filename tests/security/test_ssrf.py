"""S53, S54, S55: calls to addresses that others chose, and answers that never end."""

import asyncio
import dataclasses
import gzip
import socket
import time
from base64 import b64encode
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from gateway import egress
from gateway.app.calls import fetch
from gateway.egress import egress_session, is_public, public_socket
from gateway.errors import MalformedRequestError, PartnerUnavailableError
from gateway.pipeline import webhooks
from gateway.pipeline.hand_over import CaseSystemClient

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
MARK = "INTERNAL-PAGE-7f31"

INSIDE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0",  # noqa: S104  nothing is bound to it
    "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.51.100.1",
    "203.0.113.1", "198.18.0.1", "192.0.0.1", "192.88.99.1", "::1", "::", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "::a00:1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1",
    "2002:7f00:1::", "2002:a00:1::", "2001:db8::1", "2001:0:7f00:1::", "100::1", "5f00::1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::"]

OTHER_SPELLINGS = ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "LOCALHOST", "localhost."]


class Outside:
    """Stands where packets would leave: counts who was called, and reaches nobody."""

    def __init__(self, monkeypatch):
        self.called = []
        self.names = {}
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "sock_connect", self.connect)
        monkeypatch.setattr(loop, "getaddrinfo", self.resolve)

    async def connect(self, _sock, address):
        self.called.append(address[0])
        raise OSError("unreachable")

    async def resolve(self, host, port, **_):
        found = self.names.get(host)
        if found is None:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        address = found.pop(0)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        where = (address, port, 0, 0) if family is socket.AF_INET6 else (address, port)
        return [(family, socket.SOCK_STREAM, 6, "", where)]


@pytest.fixture
def outside(monkeypatch):
    return lambda: Outside(monkeypatch)


@pytest.fixture
async def strict(env):
    """The same gateway, calling out as production does."""
    async with egress_session(public_socket) as session:
        settings = env.settings.model_copy(update={"mode": "production"})
        yield dataclasses.replace(env, egress=session, settings=settings)


@pytest.fixture
def client(site):
    return CaseSystemClient("fagsystem-1", (site.tenant,))


def spelt(address):
    return f"https://[{address}]/bell" if ":" in address else f"https://{address}/bell"


async def refused(env, client, url):
    with pytest.raises(MalformedRequestError) as caught:
        await webhooks.put(env, client, url, SECRET)
    assert MARK not in caught.value.detail
    return caught.value.instance_code


@pytest.mark.proves("S53")
def test_addresses_of_the_inside_are_known_in_every_wrapping():
    assert [address for address in INSIDE if is_public(address)] == []
    assert [address for address in OUTSIDE if not is_public(address)] == []


@pytest.mark.proves("S53")
async def test_address_corpus_and_rebinding(strict, client, outside):
    net = outside()
    for address in [one for one in INSIDE if "%" not in one] + OTHER_SPELLINGS:
        net.names["localhost"] = net.names["LOCALHOST"] = net.names["localhost."] = ["127.0.0.1"]
        assert await refused(strict, client, spelt(address)) in {"webhook-unproven", "bad-request"}, address
        assert net.called == [], address
    # The name was public when somebody looked, and is not when it counts.
    net.names["bell.example"] = ["1.1.1.1", "169.254.169.254", "::1"]
    await refused(strict, client, "https://bell.example/")
    assert net.called == ["1.1.1.1"]  # the control: a public address is called
    for _ in range(2):
        await refused(strict, client, "https://bell.example/")
    assert net.called == ["1.1.1.1"]


@pytest.mark.proves("S53")
async def test_only_the_port_of_https_is_called(strict, client, outside):
    net = outside()
    for port in (22, 25, 80, 444, 8443, 65535):
        await refused(strict, client, f"https://1.1.1.1:{port}/bell")
    assert net.called == []
    await refused(strict, client, "https://1.1.1.1:443/bell")
    assert net.called == ["1.1.1.1"]


ODD = [
    "https://[", "https://]", "https://[::1", "https://a:b/", "https://a:99999/", "https://a:-1/", "https://", "https:///x",
    "https://user@1.1.1.1/", "https://user:pass@1.1.1.1/", "https://@1.1.1.1/", "https://1.1.1.1\\@127.0.0.1/",
    "https://a b/", "https://a\n/", "https://a\x00/", "https://a\u202e/", "https://\u2460.\u2460/", "https://a..b/", "https://.a/",
    "https://" + "a" * 64 + ".no/", "https://" + "a" * 1100, "http://1.1.1.1/", "http://127.0.0.1:80@1.1.1.1/", "ftp://1.1.1.1/",
    "file:///etc/passwd", "gopher://1.1.1.1/", "//1.1.1.1/", "https:1.1.1.1", "javascript:x", "", "https://xn--a/", "https://%31/",
    "https://[v1.a]/", "https://[::ffff:127.0.0.1%25lo]/", "https://1.1.1.1:0/",
]  # fmt: skip


@pytest.mark.proves("S53")
@pytest.mark.parametrize("url", ODD, ids=ascii)
async def test_what_is_no_address_is_a_refusal_and_never_a_fault(strict, client, outside, url):
    net = outside()
    net.names = {host: ["127.0.0.1"] * 4 for host in ("a", "a..b", ".a", "a" * 64 + ".no", "xn--a", "%31", "1", "")}
    await refused(strict, client, url)
    assert net.called == []


# --- answers --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def answering(handler):
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    place = web.TCPSite(runner, "127.0.0.1", 0)
    await place.start()
    try:
        yield f"http://127.0.0.1:{place._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


@pytest.mark.proves("S54")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_to_metadata_address(env, client, status):
    seen = []

    async def handler(request):
        seen.append(request.path)
        if request.path == "/bell":
            return web.Response(status=status, headers={"Location": "/latest/meta-data"})
        return web.Response(text=MARK)

    async with answering(handler) as base:
        assert await refused(env, client, f"{base}/bell") == "webhook-unproven"
        assert seen == ["/bell"]
        await webhooks.put(env, client, f"{base}/latest/meta-data", SECRET)


@pytest.mark.proves("S54")
async def test_proxy_variables_are_ignored(env, client, monkeypatch):
    proxied = []

    async def proxy(request):
        proxied.append(request.path)
        return web.Response(text=MARK)

    async def bell(_request):
        return web.Response(status=204)

    async with answering(proxy) as wrong, answering(bell) as right:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, wrong)
        monkeypatch.delenv("no_proxy", raising=False)
        await webhooks.put(env, client, f"{right}/bell", SECRET)
        async with aiohttp.ClientSession(trust_env=True) as session, session.get(f"{right}/bell") as answer:
            assert await answer.text() == MARK  # the control: whoever follows the variables is led astray
    assert len(proxied) == 1


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(MARK.encode() * 4096)
    except ConnectionError:
        return response


async def inflating(_request):
    return web.Response(body=gzip.compress(bytes(64 << 20)), headers={"Content-Encoding": "gzip"})


async def huge_head(_request):
    return web.Response(headers={f"X-{number}": "a" * 8000 for number in range(200)})


async def silent(_request):
    await asyncio.sleep(30)


@pytest.mark.proves("S55")
async def test_endless_and_inflating_answers(env, client, monkeypatch):
    for handler in (endless, inflating):  # their bodies are never read
        async with answering(handler) as base:
            started = time.monotonic()
            await webhooks.put(env, client, f"{base}/bell", SECRET)
            assert time.monotonic() - started < 5
    async with answering(huge_head) as base:
        assert await refused(env, client, f"{base}/bell") == "webhook-unproven"
    monkeypatch.setattr(egress, "_TOTAL_S", 0.3)
    async with egress_session(egress.plain_socket) as session, answering(silent) as base:
        assert await refused(dataclasses.replace(env, egress=session), client, f"{base}/bell") == "webhook-unproven"


@pytest.mark.proves("S54")
@pytest.mark.proves("S55")
async def test_a_document_from_our_own_configuration_is_bounded_too():
    async def small(_request):
        return web.Response(body=b"{}")

    async def moved(_request):
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for handler in (endless, moved, huge_head):
            async with answering(handler) as base:
                with pytest.raises(PartnerUnavailableError):
                    await fetch(session, f"{base}/jwks")
        async with answering(small) as base:
            assert await fetch(session, f"{base}/jwks") == b"{}"  # the control
