"""Answers of Digipost's: each is read as every kind of answer, since whoever answers decides what comes."""

from contextlib import suppress
from datetime import UTC, datetime

from adapters.digipost import wire
from gateway.errors import StructureError
from gateway.simulators.digipost.answers import RefusalError, entry_point, node, written
from gateway.simulators.digipost.message import Document, Message
from gateway.simulators.digipost.people import Kind, Person, identified_with_key
from gateway.simulators.digipost.post import Post, delivery
from gateway.simulators.digipost.signing import Broker
from tests.security import fuzz_mutations as damage
from tests.security.fuzz import Target

READERS = (
    wire.read_entry_point,
    wire.read_identified,
    wire.read_certificate,
    wire.read_delivered,
    wire.read_status,
    wire.read_events,
    wire.read_refusal,
    wire.read_features,
)
XML = damage.tokens(
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<!--", b"<?x ?>", b"<![CDATA[", b"]]>", b"<event/>", b"<metadata/>"),
    *(
        b' created="x"',
        b' created="2026-13-45T99:00:00Z"',
        b' postmarked-date=""',
        b"<link/>",
        b"<a>",
        b"</a>",
        b"&#0;",
    ),
    *(b'content-hash-algorithm="SHA256"', b' uuid=""', b'encoding="UTF-16"', b"xmlns:x='y'", "ø".encode("latin-1")),
)
NUMBER, UUID, SENDER = "01818010083", "6d99008e-2672-4b55-9b09-996b09a06e47", 7777


def digipost_target() -> Target:
    """What our simulator answers, damaged as XML and as octets."""
    return Target("digipost", _read, _answers(), (XML, damage.octets), (StructureError,), 240)


def _answers() -> list[bytes]:
    post, broker = Post(lambda: datetime(2026, 12, 1, tzinfo=UTC)), Broker(9999, None, frozenset({SENDER}))
    post.add(Person(NUMBER, Kind.USER, "-----BEGIN PUBLIC KEY-----", "key-1"))
    document = Document(UUID, "Brev", "pdf", "TWO_FACTOR", "SENSITIVE", True, False, b"%PDF-1.7")
    taken = post.send(broker, Message("m", SENDER, NUMBER, False, None, (document,), False))
    post.open(UUID)
    post.postmark(UUID)
    events = written(node("document-events", *(event.element() for event in post.events)))
    return [
        entry_point("-----BEGIN CERTIFICATE-----", {"search": "http://x/s"}, "http://x"),
        RefusalError(400, "SERVER_ERROR", "text").body(),
        identified_with_key(NUMBER, post.people[NUMBER]),
        delivery(taken),
        post.status(broker, SENDER, UUID),
        events,
    ]


def _read(data: bytes) -> None:
    """By every reader: it is refused when all refuse."""
    read = 0
    for reader in READERS:
        with suppress(StructureError):
            reader(data)
            read += 1
    if not read:
        message = "no answer of any kind"
        raise StructureError(message)
