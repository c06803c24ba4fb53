"""Digipost's API over HTTP: what a test or a program starts (digipost.md 3 and 11)."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway import limits
from gateway.crypto.keys import SigningKey
from gateway.simulators.digipost.answers import MEDIA_TYPE, RefusalError, entry_point, node, text, written
from gateway.simulators.digipost.faults import DigipostFault
from gateway.simulators.digipost.message import asked_number, read_message
from gateway.simulators.digipost.people import identified, identified_with_key, searched, suggested
from gateway.simulators.digipost.post import Post, delivery
from gateway.simulators.digipost.signing import Broker, Call, require_signed, signed_headers
from gateway.simulators.fault_desk import Faults
from gateway.simulators.serving import serving
from gateway.testing.pki import certificate_pem

BODY_BYTES_MAX: Final = 256 * limits.MIB
EVENTS_PAGE_MAX: Final = 1000
RETRY_AFTER_S: Final = 7
_OCTET_S: Final = 0.1
_PACKED: Final = "Content-Encoding"
_BROKER: Final = web.RequestKey("broker", Broker)
_LINKS: Final = {
    "create_message": "/messages",
    "identify_recipient": "/identification",
    "identify_recipient_with_encryption_key": "/identification/encryption",
    "get_print_encryption_certificate": "/print/certificate",
    "document_events": "/documents/events",
    "get_sender_information": "/sender",
    "search": "/recipients/search",
    "autocomplete": "/recipients/suggest",
}


class DigipostServer:
    """The server. Brokers, people and faults may be changed while it runs. ``printer``: what print is sealed for, PEM."""

    def __init__(
        self, key: SigningKey, printer: str = "", now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.faults = Faults(DigipostFault)
        self.post = Post(now)
        self.brokers: dict[int, Broker] = {}
        self.requests: list[str] = []
        self.base = ""
        self._key = key
        self._printer = printer
        self._now = now

    def register(self, *brokers: Broker) -> None:
        """Let these call."""
        self.brokers.update((broker.number, broker) for broker in brokers)

    def rotate(self, key: SigningKey) -> None:
        """Sign with another key from now on; the root document tells its certificate."""
        self._key = key

    @property
    def certificate(self) -> str:
        """What answers are signed with now, PEM."""
        return certificate_pem(self._key.chain[0]).decode()

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Answer over HTTP; yields the base address."""
        async with serving(
            self.routes(), host=host, port=port, body_bytes_max=BODY_BYTES_MAX, middlewares=[self._signed]
        ) as base:
            self.base = base
            yield base

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call."""
        return [
            web.get(r"/{sender:\d*}", self._root),
            web.post("/messages", self._send),
            web.post("/identification", self._identify),
            web.post("/identification/encryption", self._identify_with_key),
            web.get("/print/certificate", self._print_certificate),
            web.get("/documents/events", self._events),
            web.get(r"/documents/{sender:\d+}/{document}/status", self._status),
            web.get(r"/sender/{sender:\d+}", self._sender),
            web.get("/recipients/search/{asked:.*}", self._search),
            web.get("/recipients/suggest/{asked:.*}", self._suggest),
        ]

    @web.middleware
    async def _signed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check the request, do it, and sign whatever comes of it."""
        self.requests.append(f"{request.method} {request.path}")
        body, root = await request.read(), request.path.strip("/").isdecimal() or request.path == "/"
        if not root and (spoilt := self._before(request)) is not None:
            return spoilt
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            call = Call(request.method, request.raw_path, headers, body)
            request[_BROKER] = require_signed(call, self.brokers, self._now())
            answer = await handler(request)
            status, content = answer.status, answer.body if isinstance(answer, web.Response) else b""
        except RefusalError as refused:
            status, content = refused.status, refused.body()
        except web.HTTPException as error:
            status = error.status
            content = RefusalError(status, "ILLEGAL_ACCESS", error.reason, "CLIENT_TECHNICAL").body()
        if request.path == "/messages" and self.faults.take(DigipostFault.LOST_ANSWER):
            return _cut(request)
        answer = self._answer(request, status, bytes(content) if isinstance(content, bytes) else b"", root=root)
        return await _slowly(request, answer) if not root and self.faults.take(DigipostFault.SLOW_BODY) else answer

    def _before(self, request: web.Request) -> web.StreamResponse | None:
        """What goes wrong before anything is done."""
        if self.faults.take(DigipostFault.CUT):
            return _cut(request)
        if self.faults.take(DigipostFault.UNSIGNED_503):
            return web.Response(status=503, text="<html>Service Unavailable</html>", content_type="text/html")
        if self.faults.take(DigipostFault.UNSIGNED_404):
            return web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")
        if self.faults.take(DigipostFault.THROTTLED):
            refused = RefusalError(429, "GENERAL_ERROR", "too many requests", "CLIENT_TECHNICAL")
            return self._answer(request, 429, refused.body(), {"Retry-After": str(RETRY_AFTER_S)})
        if self.faults.take(DigipostFault.SERVER_ERROR):
            return self._answer(request, 500, RefusalError(500, "SERVER_ERROR", "a fault", "SERVER").body())
        return None

    def _answer(
        self,
        request: web.Request,
        status: int,
        body: bytes,
        more: Mapping[str, str] | None = None,
        *,
        root: bool = False,
    ) -> web.Response:
        """An answer with its signature, and with what goes wrong with answers. The root document has none to spoil."""
        headers = dict(more or {})
        if not root and self.faults.take(DigipostFault.GZIP):
            body, headers[_PACKED] = gzip.compress(body, mtime=0), "gzip"
        old = not root and self.faults.take(DigipostFault.WRONG_CLOCK)
        at = self._now() - timedelta(minutes=6) if old else self._now()
        chunked = not root and self.faults.take(DigipostFault.CHUNKED)
        headers |= signed_headers(self._key, status, request.raw_path, b"" if chunked else body, at)
        if not root and self.faults.take(DigipostFault.WRONG_HASH):
            body += b" "
        if root:
            del headers["X-Digipost-Signature"]
        answer = web.Response(status=status, body=body, headers=headers | {"Content-Type": MEDIA_TYPE})
        if chunked:
            answer.enable_chunked_encoding()
        return answer

    async def _root(self, request: web.Request) -> web.Response:
        told = request.match_info["sender"]
        if told:
            self._require_sender(request, int(told))
        links = {relation: f"{self.base}{path}" for relation, path in _LINKS.items()}
        return web.Response(body=entry_point(self.certificate, links, self.base))

    async def _send(self, request: web.Request) -> web.Response:
        message = read_message(request.headers.get("Content-Type", ""), await request.read())
        if message.number is not None and self.faults.take(DigipostFault.CLOSING_ACCOUNT):
            self.post.close_account(message.number)
        return web.Response(body=delivery(self.post.send(request[_BROKER], message)))

    async def _identify(self, request: web.Request) -> web.Response:
        number = asked_number(await request.read())
        return web.Response(body=written(identified(number, self.post.people.get(number))))

    async def _identify_with_key(self, request: web.Request) -> web.Response:
        number = asked_number(await request.read())
        return web.Response(body=identified_with_key(number, self.post.people.get(number)))

    async def _print_certificate(self, _: web.Request) -> web.Response:
        return web.Response(body=written(text("encryption-certificate", self._printer)))

    async def _events(self, request: web.Request) -> web.Response:
        asked = request.query
        try:
            begin, end = (datetime.fromisoformat(asked[name]) for name in ("from", "to"))
            offset, most = int(asked["offset"]), int(asked["maxResults"])
            sender = int(asked["sender"]) if "sender" in asked else None
        except (KeyError, ValueError):
            _refuse(400, "INVALID_QUERY_PARAMETER", "from, to, offset, maxResults or sender is not right")
        if begin.tzinfo is None or end.tzinfo is None or offset < 0 or not 0 < most <= EVENTS_PAGE_MAX:
            _refuse(400, "INVALID_DATE_RANGE", "times need an offset, and a page its bounds")
        found = list(self.post.page(request[_BROKER], (begin, end), slice(offset, offset + most), sender))
        if found and self.faults.take(DigipostFault.UNKNOWN_EVENT):
            found[0] = replace(found[0], kind="LETTER_EATEN_BY_DOG")
        return web.Response(body=written(node("document-events", *(event.element() for event in found))))

    async def _status(self, request: web.Request) -> web.Response:
        sender, document = int(request.match_info["sender"]), request.match_info["document"]
        return web.Response(body=self.post.status(request[_BROKER], sender, document))

    async def _sender(self, request: web.Request) -> web.Response:
        sender, broker = int(request.match_info["sender"]), request[_BROKER]
        if not broker.may_send_for(sender):
            return web.Response(body=written(node("sender-information", text("status", "NO_INFO_AVAILABLE"))))
        prefix = "no.digipost.feature."
        features = node(
            "supported-features",
            text("feature", f"{prefix}delivery.digipost"),
            text("feature", f"{prefix}validation.digipost.file-size", param=str(25 * limits.MIB)),
            text("feature", f"{prefix}validation.digipost.allowed-file-types", param="pdf,txt,jpg,jpeg,png"),
            text("feature", f"{prefix}delivery.direct-to-print") if broker.printing else None,
        )
        told = (text("sender-id", sender), text("status", "VALID_SENDER"), features)
        return web.Response(body=written(node("sender-information", *told)))

    async def _search(self, request: web.Request) -> web.Response:
        return web.Response(body=searched(self.post.people.values(), request.match_info["asked"]))

    async def _suggest(self, request: web.Request) -> web.Response:
        return web.Response(body=suggested(self.post.people.values(), request.match_info["asked"], self.base))

    def _require_sender(self, request: web.Request, sender: int) -> None:
        if not request[_BROKER].may_send_for(sender):
            _refuse(403, "BROKER_NOT_AUTHORIZED", "no grant from that sender")


async def _slowly(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """The same answer octet by octet; writing ends it as soon as the line is closed."""
    content = answer.body if isinstance(answer.body, bytes) else b""
    stream = web.StreamResponse(status=answer.status, headers=answer.headers)
    stream.content_length = len(content)
    await stream.prepare(request)
    for at in range(len(content)):
        await stream.write(content[at : at + 1])
        await asyncio.sleep(_OCTET_S)
    return stream


def _cut(request: web.Request) -> web.StreamResponse:
    """The line breaks."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # nobody is there to read it


def _refuse(status: int, code: str, why: str) -> NoReturn:
    raise RefusalError(status, code, why, "CLIENT_TECHNICAL") from None
