"""Signed calls of Digipost and their checked answers (digipost.md 1 to 3).

Where things are is told by the root document, whose links are followed only on the configured address: what is signed
for Digipost goes nowhere else. Each call has a connection of its own, and nothing is repeated here.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.payload import AsyncIterablePayload

from adapters.digipost.evidence import evidence_of
from adapters.digipost.multipart import XML
from adapters.digipost.settings import DigipostSettings
from adapters.digipost.wire import EntryPoint, read_entry_point
from gateway.errors import CertificateError, GatewayError, SignatureError, StructureError
from gateway.spi import Context, PartnerRefusedError, PartnerUnavailableError, SignedAnswer, limits

NO_ANSWER: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What is raised when no whole answer came."""
NOT_CONNECTED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
TOO_MANY: Final = 429
SERVER_ERROR: Final = 500
_OK: Final = range(200, 300)
_KEEP_S: Final = 300.0
_KEEP_S_MAX: Final = 3600.0
# Nothing that the library writes otherwise than we signed it: a path that needs escaping, a colon that is escaped.
_PLAIN: Final = re.compile(r"/[A-Za-z0-9/_-]*(\?([A-Za-z0-9=&.:_-]|%2B)*)?")
_SECONDS: Final = re.compile(r"[0-9]{1,6}")
_SECONDS_PER_BYTE: Final = 1 / limits.MIB


@dataclass(frozen=True, slots=True)
class Body:
    """What is posted: streamed anew, with its hash and length."""

    media_type: str
    content_hash: str
    size_bytes: int
    stream: Callable[[], AsyncIterator[bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A checked answer. ``body``: unpacked; ``answer``: as it came and was signed; ``certificate``: by which (PEM)."""

    status: int
    body: bytes = field(repr=False)
    answer: SignedAnswer = field(repr=False)
    certificate: str = field(repr=False)

    @property
    def evidence(self) -> bytes:
        """What proves it to others."""
        return evidence_of(self.answer, self.certificate)

    @property
    def good(self) -> bool:
        """2xx."""
        return self.status in _OK

    @property
    def retry_after_s(self) -> float | None:
        """How long we are asked to wait."""
        told = {name.lower(): value for name, value in self.answer.headers.items()}.get("retry-after", "")
        return float(told) if _SECONDS.fullmatch(told) else None


class DigipostApi:
    """Calls as the broker.

    All of them raise what is in ``NO_ANSWER``; PartnerUnavailableError for an unsigned 429 or 5xx, which says nothing;
    SignatureError or CertificateError for any other answer that cannot be believed and must not be acted on;
    StructureError for one that nobody can read; KeyUnavailableError, ConfigError.
    """

    def __init__(self, settings: DigipostSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._signer = context.signs(settings.signing, settings.believed)
        self._tls = context.tls(settings.tls_roots)
        self._entry: EntryPoint | None = None
        self._read_at = self._used_at = 0.0
        self.distrusted = False

    async def get(self, relation: str, more: str = "") -> Reply:
        """What a relation of the root document links to, with ``more`` behind it."""
        return await self._call("GET", await self._target(relation) + more)

    async def get_path(self, path: str) -> Reply:
        """A path that is known without a link."""
        return await self._call("GET", path)

    async def post(self, relation: str, body: Body) -> Reply:
        """Send something, with more time the larger it is."""
        return await self._call("POST", await self._target(relation), body)

    async def _target(self, relation: str) -> str:
        entry = await self._entry_point()
        uri = entry.links.get(relation)
        if uri is None:
            message = f"digipost: no link {relation}"
            raise PartnerRefusedError(message)
        linked, own = urlsplit(uri), urlsplit(self._settings.api_url)
        if (linked.scheme, linked.netloc) != (own.scheme, own.netloc) or linked.query:
            message = "digipost: a link to somewhere else"
            raise SignatureError(message)
        return linked.path

    async def _entry_point(self) -> EntryPoint:
        now = self._context.clock.monotonic()
        if self._entry is None or now - self._read_at > _KEEP_S_MAX or now - self._used_at > _KEEP_S:
            self._entry = await self._read_entry_point()
            self._read_at = now
        self._used_at = now
        return self._entry

    async def _read_entry_point(self) -> EntryPoint:
        """The root document: unsigned itself, so its certificate must be one that is believed."""
        answer, at = await self._answered("GET", "/", None), self._context.clock.now()
        if answer.status not in _OK:
            _require_said(answer)
            message = f"digipost: the root document was refused with {answer.status}"
            raise PartnerUnavailableError(message)
        await asyncio.to_thread(self._signer.check_fresh, answer, at)
        entry = read_entry_point(_unpacked(answer))
        try:
            await asyncio.to_thread(self._signer.fingerprint, entry.certificate, at)
        except CertificateError:
            self.distrusted = True
            raise
        self.distrusted = False
        return entry

    async def _call(self, method: str, target: str, body: Body | None = None) -> Reply:
        entry = await self._entry_point()
        if not _PLAIN.fullmatch(target):
            message = "digipost: a target that may not go out as it was signed"
            raise StructureError(message)
        answer = await self._answered(method, target, body)
        _require_said(answer)
        certificate = await self._require_signed(entry, answer)
        return Reply(answer.status, _unpacked(answer), answer, certificate)

    async def _require_signed(self, entry: EntryPoint, answer: SignedAnswer) -> str:
        """With the certificate that we know, or with the one that the root document has now; the call is not repeated."""
        at = self._context.clock.now()
        try:
            await asyncio.to_thread(self._signer.check, entry.certificate, answer, at)
        except SignatureError:
            if not await self._has_changed(entry):
                raise
            now = await self._entry_point()
            await asyncio.to_thread(self._signer.check, now.certificate, answer, at)
            return now.certificate
        return entry.certificate

    async def _has_changed(self, entry: EntryPoint) -> bool:
        """Whether Digipost signs with another certificate now, which is believed. What hinders the question is a no."""
        try:
            now = await self._read_entry_point()
        except (GatewayError, *NO_ANSWER):
            return False
        self._entry, self._read_at = now, self._context.clock.monotonic()
        return now.certificate != entry.certificate

    async def _answered(self, method: str, target: str, body: Body | None) -> SignedAnswer:
        headers = {
            "X-Digipost-UserId": str(self._settings.broker_id),
            "Date": format_datetime(self._context.clock.now().astimezone(UTC), usegmt=True),
        }
        if body is not None:
            headers["X-Content-SHA256"] = body.content_hash
        headers["X-Digipost-Signature"] = await asyncio.to_thread(self._signer.sign, method, target, headers)
        headers |= {"Accept": XML, "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "budstikke"}
        if body is not None:
            headers |= {"Content-Type": body.media_type, "MIME-Version": "1.0", "Content-Length": str(body.size_bytes)}
        async with self._context.session.request(
            method,
            f"{self._settings.api_url}{target}",
            data=_Sized(body) if body is not None else None,
            headers=headers,
            ssl=self._tls,
            timeout=self._time(body),
            allow_redirects=False,
        ) as response:
            return SignedAnswer(target, response.status, response.headers, await _read(response.content))

    def _time(self, body: Body | None) -> aiohttp.ClientTimeout:
        usual = self._context.session.timeout
        if usual.total is None or body is None:
            return usual
        return aiohttp.ClientTimeout(total=usual.total + body.size_bytes * _SECONDS_PER_BYTE, connect=usual.connect)


class _Sized(AsyncIterablePayload):
    """A stream of known length."""

    def __init__(self, body: Body) -> None:
        super().__init__(body.stream())
        self._size = body.size_bytes


async def _read(content: aiohttp.StreamReader) -> bytes:
    """A body as it is on the wire. Raises PartnerUnavailableError for one that is too large: nobody can say what it means."""
    body = bytearray()
    async for piece in content.iter_chunked(limits.CHUNK_BYTES):
        body += piece
        if len(body) > limits.PARTNER_XML_BYTES_MAX:
            message = "digipost: the answer is too large"
            raise PartnerUnavailableError(message)
    return bytes(body)


def _require_said(answer: SignedAnswer) -> None:
    """What a proxy says in its own name is no answer of Digipost's. Raises PartnerUnavailableError."""
    signed = any(name.lower() == "x-digipost-signature" for name in answer.headers)
    if not signed and (answer.status == TOO_MANY or answer.status >= SERVER_ERROR):
        message = f"digipost: an unsigned {answer.status}"
        raise PartnerUnavailableError(message)


def _unpacked(answer: SignedAnswer) -> bytes:
    """The body as it was before it was packed. Raises StructureError."""
    coding = {name.lower(): value for name, value in answer.headers.items()}.get("content-encoding", "identity")
    if coding == "identity" or not answer.body:
        return answer.body
    if coding != "gzip":
        message = "digipost: a content coding that we did not ask for"
        raise StructureError(message)
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = inflater.decompress(answer.body, limits.PARTNER_XML_BYTES_MAX + 1)
    except zlib.error:
        message = "digipost: a packed answer that does not open"
        raise StructureError(message) from None
    if len(plain) > limits.PARTNER_XML_BYTES_MAX or not inflater.eof:
        message = "digipost: a packed answer that is too large, or not whole"
        raise StructureError(message)
    return plain
