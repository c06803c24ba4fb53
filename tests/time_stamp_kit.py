"""A time-stamp authority on this machine: HTTPS of our own, stamps by ``openssl ts -reply``, and ways to go wrong."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from itertools import count
from pathlib import Path

from aiohttp import web

from gateway import config, limits
from gateway.crypto.ber import INTEGER, SEQUENCE, integer, parse, tlv
from gateway.testing.pki import Credential, Make, Pki, certificate_pem
from tests import crypto_kit as kit

POLICY = "0.4.0.2023.1.1"
OTHER_POLICY = "1.2.578.1.9"
REPLY = "application/timestamp-reply"
SETTINGS = f"""
[tsa]
default_tsa = stamps
[stamps]
serial = serial
signer_digest = sha256
default_policy = {POLICY}
other_policies = {OTHER_POLICY}
digests = sha256
accuracy = secs:1, millisecs:500, microsecs:100
ordering = yes
tsa_name = yes
[rejects]
serial = serial
signer_digest = sha256
default_policy = {POLICY}
digests = sha512
"""


@lru_cache
def authority() -> Credential:
    return kit.pki().time_stamp_authority()


@lru_cache
def foreign() -> Credential:
    return Pki(Make(elliptic=True)).time_stamp_authority(Make(elliptic=True))


@lru_cache
def expired() -> Credential:
    return kit.pki().time_stamp_authority(Make(not_after=kit.NOW - timedelta(hours=1)))


@dataclass
class Stamper:
    """``openssl`` in a folder of its own."""

    folder: Path
    numbers: Callable[[], int] = field(default_factory=lambda: partial(next, count()))

    def __post_init__(self) -> None:
        (self.folder / "tsa.cnf").write_text(SETTINGS)
        self.roots = self.folder / "roots.pem"
        self.roots.write_bytes(certificate_pem(kit.pki().root.certificate))

    def run(self, *arguments: object) -> subprocess.CompletedProcess[bytes]:
        words = ["openssl", *map(str, arguments)]
        return subprocess.run(words, cwd=self.folder, capture_output=True, check=False, timeout=30)

    def made(self, *arguments: object) -> bytes:
        """What a command writes to the file after ``-out``, which is added here."""
        out = self.folder / f"{self.numbers()}.out"
        done = self.run(*arguments, "-out", out)
        assert done.returncode == 0, done.stderr
        return out.read_bytes()

    def file(self, content: bytes) -> Path:
        path = self.folder / f"{self.numbers()}.in"
        path.write_bytes(content)
        return path

    def signer(self, credential: Credential) -> tuple[object, ...]:
        pem = self.folder / f"{credential.certificate.serial_number}.pem"
        if not pem.exists():
            credential.write_pem(pem)
        return ("-signer", pem, "-inkey", pem)

    def reply(self, query: bytes, credential: Credential, section: str = "stamps") -> bytes:
        chain = self.file(credential.chain_pem)
        asked = ("-queryfile", self.file(query), "-config", "tsa.cnf", "-section", section, "-chain", chain)
        return self.made("ts", "-reply", *asked, *self.signer(credential))

    def reply_without_purpose(self, query: bytes, credential: Credential) -> bytes:
        """``openssl ts`` will not sign with such a certificate, so its own stamp is signed again by ``openssl cms``."""
        token = parse(self.reply(query, authority())).children()[1].encoded
        info = self.made("cms", "-verify", "-noverify", "-inform", "DER", "-in", self.file(token))
        kind = ("-cades", "-binary", "-nodetach", "-md", "sha256", "-econtent_type", "1.2.840.113549.1.9.16.1.4")
        whose = (*self.signer(credential), "-certfile", self.file(b"".join(map(certificate_pem, credential.issuers))))
        again = self.made("cms", "-sign", *kind, *whose, "-outform", "DER", "-in", self.file(info))
        return tlv(SEQUENCE, tlv(SEQUENCE, integer(0)), again)

    def verify(self, data: bytes, response: bytes) -> subprocess.CompletedProcess[bytes]:
        """What anybody can do with what we keep."""
        files = ("-data", self.file(data), "-in", self.file(response), "-CAfile", self.roots)
        return self.run("ts", "-verify", *files)


def other_nonce(query: bytes) -> bytes:
    nonce = parse(query).children()[-2]
    assert nonce.tag == INTEGER
    return query.replace(nonce.encoded, integer(nonce.integer() ^ 1))


def other_imprint(query: bytes) -> bytes:
    imprint = parse(query).children()[1].children()[1].content
    return query.replace(imprint, bytes(len(imprint)))


def without(query: bytes, member: int) -> bytes:
    """The same question without one of its members; the last one asks for certificates."""
    members = [one.encoded for one in parse(query).children()]
    del members[member]
    return tlv(SEQUENCE, *members)


Answer = Callable[[Stamper, bytes], bytes | web.Response]


def good(stamper: Stamper, query: bytes) -> bytes:
    return stamper.reply(query, authority())


FAULTS: dict[str, Answer] = {
    "wrong nonce": lambda stamper, query: stamper.reply(other_nonce(query), authority()),
    "wrong imprint": lambda stamper, query: stamper.reply(other_imprint(query), authority()),
    "rejection": lambda stamper, query: stamper.reply(query, authority(), "rejects"),
    "foreign signer": lambda stamper, query: stamper.reply(query, foreign()),
    "expired certificate": lambda stamper, query: stamper.reply(query, expired()),
    "no purpose": lambda stamper, query: stamper.reply_without_purpose(query, kit.pki().organisation("123456789")),
    "no certificate": lambda stamper, query: stamper.reply(without(query, -1), authority()),
    "garbage": lambda *_: b"\x30\x80 no stamp",
    "huge": lambda *_: bytes(limits.TIME_STAMP_BYTES_MAX + 1),
    "nothing": lambda *_: b"",
}


@dataclass
class Authority:
    """A server that answers as ``answers`` says, one for each question; the last one for all further."""

    stamper: Stamper
    answers: list[Answer]
    asked: list[web.Request] = field(default_factory=list)
    url: str = ""

    def settings(self, **changes: object) -> config.TimeStamp:
        roots = (self.stamper.roots,)
        return config.TimeStamp(**{"url": self.url, "roots": roots, "tls_roots": roots} | changes)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        query = await request.read()
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if answer is never:
            await asyncio.Event().wait()
        made = await asyncio.to_thread(answer, self.stamper, query)
        return made if isinstance(made, web.Response) else web.Response(body=made, content_type=REPLY)


def never(*_: object) -> bytes:
    """Answer never; the server gives up when its client does."""
    message = "the server knows this answer by name and never asks for it"
    raise AssertionError(message)


@asynccontextmanager
async def serving(stamper: Stamper, *answers: Answer) -> AsyncIterator[Authority]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_tls_server().write_pem(stamper.folder / "server.pem"))
    made = Authority(stamper, list(answers) or [good])
    application = web.Application()
    application.router.add_post("/", made.answer)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        made.url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
        yield made
    finally:
        await runner.cleanup()


@lru_cache
def _tls_server() -> Credential:
    return kit.pki().tls_server()
