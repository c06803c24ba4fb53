"""Records what Digipost's official Java client and our simulator say to each other, for whoever cannot have the client.

Run by hand from the root of the repository where the client can be had (tests/interop/digipost-client/README.md):
``PYTHONPATH=. python tests/vectors/digipost-client/record.py``. Takes half a minute: the client waits before it repeats.
"""

import asyncio
import base64
import json
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.testing.pki import certificate_pem
from tests import pdf_kit
from tests.digipost_kit import KARI, PER, SENDER, Keys
from tests.interop.digipost_client import Client, java_client, office, prepare
from tests.interop.digipost_wire import Tap
from tests.interop.fiks.kit import PeerError

FILE = Path(__file__).parent / "exchanges.json"
AT = datetime(2026, 1, 12, 10, 0, tzinfo=UTC)  # past: an answer that has the date of the day is old for ever
PDF = pdf_kit.letter(["Prøve"], font="Helvetica")
LONG = {"from": "2026-01-10T00:00:00+01:00", "to": "2026-01-20T00:00:00+01:00"}
EMAIL = {"address": "kari@example.no", "subject": "Post", "text": "Du har post", "at": "2026-01-14T10:00:00+01:00"}
LEVELS = {"level": "IDPORTEN_4", "sensitivity": "SENSITIVE"}


def named(name):
    """The same id at every recording."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:prove:{name}"))


def steps(file):
    """What is ordered, each with what happens at Digipost before: (sentence, before, order)."""

    def send(what, key, *documents, before=(), **more):
        told = [
            {"uuid": named(name), "subject": "Innkalling æøå", "file": file} | LEVELS | own for name, own in documents
        ]
        return what, before, {"do": "send", "id": key, "sender": SENDER, "documents": told} | more

    def status(what, name):
        return what, (), {"do": "status", "sender": SENDER, "uuid": named(name)}

    def events(what, *before, **more):
        return what, before, {"do": "events", "sender": SENDER, **LONG, **more}

    def identify(what, number=KARI, *faults):
        return what, [("arm", fault) for fault in faults], {"do": "identify", "number": number}

    notified = {"receipt": "Y", "smsAfterHours": 2, "email": EMAIL}
    yield "what a sender may send", (), {"do": "sender", "sender": SENDER}
    yield identify("a user")
    yield identify("no user", PER)
    yield send("digital, with an attachment and notifications", "brev-1", ("a", notified), ("b", {}), number=KARI)
    yield status("of a letter with an attachment", "a")
    yield status("of nothing that was sent", "nothing")
    yield send("sealed for a user", "brev-2", ("c", {"sealed": True}), number=KARI)
    yield send("sealed for print, to no user", "brev-3", ("d", {"sealed": True}), number=PER, print=True)
    yield send("print alone", "brev-4", ("e", {}))
    later = {"deliveryTime": "2026-01-13T10:00:00+01:00", "printIfUnreadAfter": "2026-01-20T10:00:00+01:00"}
    yield send("for later, printed if unread", "brev-5", ("f", {}), number=KARI, **later)
    yield send("to no user without print details", "brev-6", ("g", {}), number=PER)
    read, posted = ("open", named("a")), ("postmark", named("d"))
    yield events("the first page of events", read, posted, most=1)
    yield events("the second page", offset=1, most=1)
    yield events("the page after the last", offset=2, most=1)
    yield events("a type nobody has heard of", ("arm", "unknown-event"))
    yield send("repeated after a 429", "brev-7", ("h", {}), number=KARI, before=[("arm", "throttled")])
    yield identify("packed", KARI, "gzip")
    yield identify("without length", KARI, "chunked")
    yield identify("a proxy's 503", KARI, "unsigned-503")
    yield identify("a signed 500", KARI, "server-error")
    yield identify("another body's hash", KARI, "wrong-hash")
    yield identify("of six minutes ago", KARI, "wrong-clock")
    yield send("taken, and the answer lost", "brev-8", ("i", {}), number=KARI, before=[("arm", "lost-answer")])
    yield send("the same once more", "brev-8", ("i", {}), number=KARI)
    yield status("of what was taken without an answer", "i")


def exchange(asked, answer):
    """A request and its answer as they stand in the file."""
    method, target, _ = asked.words
    request = {"method": method, "target": target, "headers": asked.headers, "body": coded(asked.body)}
    told = answer and {"status": answer.status, "headers": answer.headers, "body": coded(answer.body)}
    return {"request": request, "answer": told}


def coded(body):
    return base64.b64encode(body).decode()


def secrets(keys):
    """The keys of nobody that the recording was made with, for whoever sends it again and opens what was sealed."""
    return {
        "sender_certificate": keys.ours.certificate.public_bytes(Encoding.PEM).decode(),
        "user_key": keys.user.key_pem.decode(),
        "printer_key": keys.printer.key_pem.decode(),
        "printer_certificate": certificate_pem(keys.printer.certificate).decode(),
    }


async def recorded(java, keys, file):
    """Every step with what passed on the line."""
    async with office(java, keys, AT) as here:
        tap = Tap(urlsplit(here.base).port)
        async with tap.serve() as base:
            client = Client(java)
            await client.connect(base, keys.ours, AT)
            for what, before, order in steps(file):
                prepare(here.server, before)
                first = len(tap.passed)
                try:
                    said = {"ok": await client(**order)}
                except PeerError as fault:
                    said = {"fault": str(fault)[:300]}
                passed = [exchange(*one) for one in tap.passed[first:]]
                yield {"what": f"{order['do']}: {what}", "before": list(before), "said": said, "exchanges": passed}


async def main():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "brev.pdf"
        file.write_bytes(PDF)
        keys = Keys.make()
        with java_client(Path(folder)) as java:
            made = [step async for step in recorded(java, keys, file)]
    told = {"at": AT.isoformat(), "pdf": coded(PDF), "test_only": secrets(keys), "steps": made}
    FILE.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for step in made:
        print(len(step["exchanges"]), step["what"], "->", next(iter(step["said"])))
    print(FILE.stat().st_size, "octets")


if __name__ == "__main__":
    asyncio.run(main())
