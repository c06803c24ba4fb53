"""An exchange with Digipost, octet by octet, and what the official Java client makes of an answer.

Written apart from what the gateway and the simulator do, for the tests that hold both to it.
"""

import asyncio
import base64
import gzip
import hashlib
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from lxml import etree

NS = "{http://api.digipost.no/schema/v8}"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TOLD = ("result", "delivery-method", "status", "error-code", "error-type", "message-id")
"""What stands in an answer as text and is no invention of whoever recorded it."""


class RejectedError(Exception):
    """The official client does not take the answer: its SERVER_SIGNATURE_ERROR."""


def request_octets(method, target, headers, body):
    """A request as it was recorded, but on a line of its own that is closed after it."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "connection"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


async def exchanged(port, octets):
    """The answer to a request; None where the line was cut instead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    try:
        return await _passing(reader)
    finally:
        writer.close()


async def _passing(reader):
    """What comes next on a line, request or answer: head, body as it stands there, and all its octets; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        if headers.get("Transfer-Encoding") == "chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("Content-Length", 0)))
    except (ConnectionError, asyncio.IncompleteReadError):
        return None
    words = first.split()
    status = int(words[1]) if words[0].startswith("HTTP/") else None
    return SimpleNamespace(words=words, status=status, headers=headers, body=body, octets=head + body)


async def _chunks(reader):
    body, size = b"", None
    while size != 0:
        line = await reader.readuntil(b"\r\n")
        size = int(line, 16)
        body += line + await reader.readexactly(size + 2)
    return body


class Tap:
    """A line between a client and a server on this machine that keeps what passes: requests, each with its answer."""

    def __init__(self, port):
        self.passed = []
        self._port = port
        self._lines = {}

    @asynccontextmanager
    async def serve(self):
        """Yields the address that the client is to call."""
        server = await asyncio.start_server(self._line, "127.0.0.1")
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for writer in self._lines.values():
                writer.close()
            await asyncio.gather(*self._lines)

    async def _line(self, reader, writer):
        self._lines[asyncio.current_task()] = writer
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while (asked := await _passing(reader)) is not None:
                server_writer.write(asked.octets)
                answer = await _passing(server_reader)
                self.passed.append((asked, answer))
                if answer is None:
                    break
                writer.write(answer.octets)
        finally:
            writer.close()
            server_writer.close()


def content(answer, target, certificate, now):
    """What the client makes of an answer (digipost.md 2.3): its document, or RejectedError. The root has no signature."""
    headers = answer.headers
    if "Date" not in headers or abs(parsedate_to_datetime(headers["Date"]) - now) > timedelta(minutes=5):
        raise RejectedError("Date")
    length = int(headers.get("Content-Length", 0))
    told = headers.get("X-Content-SHA256")
    if length and told != base64.b64encode(hashlib.sha256(answer.body).digest()).decode():
        raise RejectedError("X-Content-SHA256")
    if certificate is not None:
        # Sorted as the names stand on the wire, capitals before small letters.
        signed = sorted(name for name in headers if name.lower() in {"date", "x-content-sha256"})
        lines = [str(answer.status), target.partition("?")[0].lower(), *(f"{n.lower()}: {headers[n]}" for n in signed)]
        try:
            signature = base64.b64decode(headers["X-Digipost-Signature"])
            certificate.public_key().verify(signature, "\n".join([*lines, ""]).encode(), PKCS1v15(), hashes.SHA256())
        except (KeyError, InvalidSignature) as wrong:
            raise RejectedError("X-Digipost-Signature") from wrong
    plain = gzip.decompress(answer.body) if headers.get("Content-Encoding") == "gzip" else answer.body
    return etree.fromstring(plain if length else plain.partition(b"\r\n")[2].rpartition(b"\r\n0")[0])


SIGNED = ("Date", "X-Content-SHA256", "X-Digipost-Signature")
_HEADERS = (*SIGNED, "Content-Type", "Content-Encoding", "Transfer-Encoding", "Retry-After")
_ATTRIBUTES = (
    "type",
    f"{{{XSI}}}type",
    "status",
    "channel",
    "read",
    "content-hash",
    "is-primary-document",
    "media-type",
)


def outcome(answer, target, certificate, now):
    """What must be the same of two answers to one request: how the line ended, or why the client rejects it, or its form.

    The form is its status, the headers that tell of the content, and the document but for what every recording has its own of.
    """
    if answer is None:
        return "cut"
    try:
        root = content(answer, target, certificate, now)
    except RejectedError as rejected:
        return f"rejected for its {rejected}"
    headers = [name for name in _HEADERS if name in answer.headers]
    elements = []
    for one in root.iter():
        told = one.text if one.tag.removeprefix(NS) in TOLD else None
        named = [(name, one.get(name) if name in _ATTRIBUTES else None) for name in sorted(one.keys())]
        elements.append((one.tag, told, named))
    return answer.status, headers, elements
