"""An exchange with Digipost, octet by octet, and what the official Java client makes of an answer.

Written apart from what the gateway and the simulator do, for the tests that hold both to it.
"""

import asyncio
import base64
import gzip
import hashlib
from datetime import timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from lxml import etree

NS = "{http://api.digipost.no/schema/v8}"
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
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    except ConnectionError:
        return None
    finally:
        writer.close()
    if not head:
        return None
    first, *lines = head.decode().split("\r\n")
    named = dict(line.split(": ", 1) for line in lines)
    return SimpleNamespace(status=int(first.split()[1]), headers=named, body=body)


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
