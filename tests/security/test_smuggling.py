"""S36 behind the proxies that we document: the files an operator copies, run by the proxies they are for.

A request that a proxy did not see is one that came past its rules: ``/smuggled`` is a path that each of them refuses,
so it is served only if proxy and gateway disagree on where a request ends.
"""

import asyncio
import hashlib
import os
import shutil
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from gateway.http.connection import Listening
from gateway.http.server import HttpRoute, Listener, application
from gateway.http.tls import server_context
from gateway.testing.pki import Pki, certificate_pem
from gateway.testing.site import free_port
from tests.conftest import ROOT
from tests.edge_kit import BASE, Lines, StillClock, raw, recording_log
from tests.security.test_http import SMUGGLED, SMUGGLING, post

OPEN = f"{BASE}/v2/open"
STARTED_S = 10
PROXIES = ("nginx", "haproxy")
COMMANDS = {
    "nginx": lambda program, file: [program, "-e", "stderr", "-c", file, "-g", "daemon off;"],
    "haproxy": lambda program, file: [program, "-db", "-f", file],
}
UPGRADES = {
    "a body behind an upgrade to websocket": (b"Connection: Upgrade", b"Upgrade: websocket"),
    "a body behind an upgrade to HTTP/2": (
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: A",
    ),
}
CORPUS = SMUGGLING | {
    name: post(*lines, b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED) for name, lines in UPGRADES.items()
}


def program(name):
    """Where the proxy is. Without it the test is skipped; in CI that is a failure."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None and os.environ.get("CI"):
        pytest.fail(f"CI must prove the promises behind {name}, and it is not installed here")
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


class Behind:
    """What the gateway's edge saw of what came through."""

    def __init__(self):
        self.reached = 0
        self.smuggled = 0

    def routes(self):
        return [HttpRoute("POST", OPEN, self.take), HttpRoute("GET", OPEN, self.echo), self.rule]

    @property
    def rule(self):
        return HttpRoute("GET", "/smuggled", self.smuggle)

    async def take(self, request):
        """Reads the whole body and keeps the connection: the reading in which a wrong end would show."""
        self.reached += 1
        await request.read()
        return web.Response(text="taken")

    async def echo(self, request):
        return web.Response(text=request.query["number"])

    async def smuggle(self, _):
        self.smuggled += 1
        return web.Response(text="smuggled")


async def fingerprint(request):
    """Who the gateway's own TLS says is calling."""
    certificate = request.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return web.Response(text=hashlib.sha256(certificate or b"").hexdigest())


@dataclass
class Site:
    """A certificate each for proxy, gateway and a case system, all of one issuer."""

    folder: Path
    pki: Pki
    roots: Path

    def caller(self, files=None):
        context = ssl.create_default_context(cafile=self.roots)
        if files:
            context.load_cert_chain(files)
        return context


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder, pki = tmp_path_factory.mktemp("proxy"), Pki()
    roots = folder / "gateway-ca.pem"
    roots.write_bytes(certificate_pem(pki.root.certificate))
    for name in ("tls.pem", "gateway.pem"):
        pki.tls_server().write_pem(folder / name)
    return Site(folder, pki, roots)


def written(name, site, addresses):
    """The documented file with this machine's addresses and folders, nothing else changed."""
    found = next((ROOT / "config" / "proxy").glob(f"{name}.*"))
    text = found.read_text("utf-8")
    changes = addresses | {"/etc/budstikke/proxy": str(site.folder)}
    if name == "nginx":
        temporary = "".join(
            f"{kind}_temp_path {site.folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        changes |= {
            "/run/nginx.pid": f"{site.folder}/pid",
            "/var/log/nginx/error.log": "stderr",
            "http {": f"http {{{temporary}",
        }
    if os.geteuid() != 0:  # only root can become somebody else
        changes |= {"user www-data;": "", "user haproxy": "", "group haproxy": ""}
    for old, new in changes.items():
        if old in text:
            text = text.replace(old, new)
        else:
            assert old.startswith(("user", "group", "bind", "listen")), f"{found.name} says nothing of {old}"
    file = site.folder / found.name
    file.write_text(text, "utf-8")
    return file


@dataclass
class Proxy:
    """A running proxy: where partners call, where case systems call."""

    partner: int
    case_system: int


@asynccontextmanager
async def proxy(name, site, gateway_partner, gateway_case_system):
    """The proxy before these two listeners, answering."""
    made = Proxy(free_port(), free_port())
    places = {
        "listen 443": made.partner,
        "listen 444": made.case_system,
        "bind :443": made.partner,
        "bind :444": made.case_system,
    }
    addresses = {old: f"{old.split()[0]} 127.0.0.1:{port}" for old, port in places.items()}
    addresses |= {":8443": f":{gateway_partner}", ":8444": f":{gateway_case_system}"}
    command = COMMANDS[name](program(name), written(name, site, addresses))
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        await answering(process, made.partner, made.case_system)
        yield made
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def answering(process, *ports):
    async with asyncio.timeout(STARTED_S):
        for port in ports:
            while True:
                assert process.returncode is None, (await process.stderr.read()).decode()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                break


@asynccontextmanager
async def edges(site, *apps):
    """A listener of ours for each application, over TLS that asks for a client's certificate."""
    tls = server_context(site.folder / "gateway.pem", site.folder / "gateway.pem", site.roots)
    async with AsyncExitStack() as stack:
        yield [(await stack.enter_async_context(Listening(app, "127.0.0.1", 0, tls))).port for app in apps]


def application_of(routes):
    return application(routes, Listener(clock=StillClock(), log=recording_log(Lines())))


def get(path, tail="Connection: close\r\n"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{tail}\r\n".encode()


@pytest.mark.proves("S36")
@pytest.mark.parametrize("name", PROXIES)
async def test_corpus_behind_each_proxy_we_document(name, site):
    seen, tls = Behind(), site.caller()
    async with (
        edges(site, application_of(seen.routes()), application_of([])) as (partner, case_system),
        proxy(name, site, partner, case_system) as before,
    ):
        attacks = [octets.replace(b"POST / ", f"POST {OPEN} ".encode(), 1) for octets in CORPUS.values()]
        assert all(OPEN.encode() in octets for octets in attacks)
        await asyncio.gather(*(raw(before.partner, octets, 1.5, tls) for octets in attacks))
        assert seen.smuggled == 0
        assert seen.reached > 0  # some passed the proxy as whole requests: the gateway was asked too
        for number in range(20):  # and nobody is given another's answer
            answer = await raw(before.partner, get(f"{OPEN}?number={number}"), tls=tls)
            assert answer.endswith(b"\r\n\r\n%d" % number)
        assert b" 404 " in (await raw(before.partner, get("/smuggled"), tls=tls))[:20]  # the proxy's rule
        for framing, body in (
            (b"Content-Length: 3", b"abc"),
            (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
        ):
            whole = post(framing, b"Connection: close", body=body).replace(b"POST / ", f"POST {OPEN} ".encode())
            assert b" 200 " in (await raw(before.partner, whole, tls=tls))[:20]
        assert seen.smuggled == 0
        await raw(partner, get("/smuggled"), 1, tls)
        assert seen.smuggled == 1  # the control: where no proxy stands before it, it is served


@pytest.mark.proves("S36")
@pytest.mark.parametrize("name", PROXIES)
async def test_a_case_system_s_certificate_reaches_the_gateway_through_each_proxy(name, site):
    """Passed on unread: the tricks meet the gateway alone, as they do directly, and mutual TLS is end to end (S11)."""
    client = site.pki.tls_client()
    files = client.write_pem(site.folder / f"{name}-client.pem")
    expected = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate_pem(client.certificate).decode())).hexdigest()
    app = application_of([HttpRoute("GET", "/who", fingerprint)])
    async with (
        edges(site, application_of([]), app) as (partner, case_system),
        proxy(name, site, partner, case_system) as before,
    ):
        assert (await raw(before.case_system, get("/who"), tls=site.caller(files))).endswith(expected.encode())
        nobody = hashlib.sha256(b"").hexdigest()
        assert (await raw(before.case_system, get("/who"), tls=site.caller())).endswith(nobody.encode())
