"""Digipost's official Java client sends, seals and follows letters at our simulator (digipost-client/README.md).

What the client makes of an answer is what counts: the simulator is as Digipost is only if its client can live with it.
"""

import base64
import hashlib
import json
import uuid
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from gateway.simulators.digipost import server as digipost_server
from gateway.simulators.digipost.faults import DigipostFault
from tests import pdf_kit
from tests.digipost_kit import KARI, PER, RESERVERT, SENDER, Keys, decrypted, software
from tests.interop.digipost_client import instant, java_client, office
from tests.interop.digipost_wire import Tap
from tests.interop.fiks.kit import PeerError

pytestmark = pytest.mark.timeout(120)

LONG = {"from": "2020-01-01T00:00:00+01:00", "to": "2099-01-01T00:00:00+01:00"}
FEATURE = "no.digipost.feature."


@pytest.fixture(scope="module")
def java(tmp_path_factory):
    with java_client(tmp_path_factory.mktemp("digipost-client")) as made:
        yield made


@pytest.fixture(scope="module")
def keys():
    return Keys.make()


@pytest.fixture(scope="module")
def pdf():
    return pdf_kit.letter(["Prøve"], font="Helvetica")


@pytest.fixture
def document(java, pdf):
    """Makes a document as an order tells it."""
    path = java.folder / "brev.pdf"
    path.write_bytes(pdf)

    def made(**more):
        told = {"subject": "Innkalling æøå", "file": path, "level": "IDPORTEN_4", "sensitivity": "SENSITIVE"}
        return told | {"uuid": str(uuid.uuid4())} | more

    return made


def letters(here):
    """What was taken, in that order."""
    return list(here.server.post.letters.values())


def posts(here):
    """How many times a letter was sent."""
    return here.server.requests.count("POST /messages")


def digest(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


async def test_the_client_learns_of_a_sender_what_it_may_send(java, keys):
    async with office(java, keys) as here:
        told = await here.client("sender", sender=SENDER)
        assert (told["id"], told["valid"]) == (SENDER, True)
        assert told["features"][f"{FEATURE}validation.digipost.allowed-file-types"] == "pdf,txt,jpg,jpeg,png"
        assert f"{FEATURE}delivery.direct-to-print" in told["features"]
        assert here.server.requests == ["GET /", f"GET /sender/{SENDER}"]


async def test_the_client_learns_nothing_of_a_sender_without_a_grant(java, keys):
    async with office(java, keys) as here:
        assert await here.client("sender", sender=1234) == {"id": None, "valid": False, "features": {}}


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (KARI, {"result": "DIGIPOST"}),
        (PER, {"result": "IDENTIFIED", "alias": "alias#0282"}),
        (RESERVERT, {"result": "DIGIPOST"}),
        ("09898910043", {"result": "UNIDENTIFIED", "unidentified": "NOT_FOUND"}),
        ("12", {"result": "INVALID", "invalid": "INVALID_PERSONAL_IDENTIFICATION_NUMBER"}),
    ],
)
async def test_the_client_is_told_whether_a_person_is_a_user(java, keys, number, told):
    async with office(java, keys) as here:
        nothing = {"result": None, "alias": None, "invalid": None, "unidentified": None}
        assert await here.client("identify", number=number) == nothing | told


async def test_a_letter_of_the_client_arrives_octet_for_octet_with_all_that_was_asked_for(java, keys, document, pdf):
    email = {"address": "kari@example.no", "subject": "Post", "text": "Du har post", "at": "2030-01-01T10:00:00+01:00"}
    first, second = document(receipt="Y", smsAfterHours=2, email=email), document(level="TWO_FACTOR")
    async with office(java, keys) as here:
        told = await here.client.send("m", first, second, number=KARI)
        (letter,) = letters(here)
        status = await here.client.status(first)
    assert (told["id"], told["channel"], told["status"], told["sender"]) == ("m", "DIGIPOST", "DELIVERED", SENDER)
    assert [one["subject"] for one in told["documents"]] == ["Innkalling æøå"] * 2
    assert (letter.message.number, letter.message.message_id, letter.channel) == (KARI, "m", "DIGIPOST")
    taken = [(one.content, one.authentication_level, one.sensitivity_level) for one in letter.message.documents]
    assert taken == [(pdf, "IDPORTEN_4", "SENSITIVE"), (pdf, "TWO_FACTOR", "SENSITIVE")]
    assert [one.wants_receipt for one in letter.message.documents] == [True, False]
    assert (status["status"], status["read"], status["primary"]) == ("DELIVERED", "N", True)
    assert (status["hash"], status["algorithm"]) == (digest(pdf), "SHA256")
    (enclosed,) = status["attachments"]
    assert (enclosed["uuid"], enclosed["read"], enclosed["primary"]) == (second["uuid"], None, False)


async def test_a_letter_for_later_is_not_delivered_before_its_time(java, keys, document):
    async with office(java, keys) as here:
        later, one = here.clock.now() + timedelta(hours=2), document()
        told = await here.client.send("m", one, number=KARI, deliveryTime=instant(later))
        assert told["at"].startswith(later.isoformat(timespec="milliseconds")[:23])
        assert (await here.client.status(one))["status"] == "NOT_DELIVERED"
        here.clock.turn(2 * 3600)
        client = await here.other()
        assert (await client.status(one))["status"] == "DELIVERED"


async def test_a_letter_that_is_printed_if_unread_is_taken(java, keys, document):
    async with office(java, keys) as here:
        await here.client.send("m", document(), number=KARI, printIfUnreadAfter="2030-01-05T10:00:00+01:00")
        (letter,) = letters(here)
        assert (letter.channel, letter.message.print_if_unread, letter.message.printed) == ("DIGIPOST", True, False)


async def test_the_client_has_a_letter_printed_to_whom_is_no_user(java, keys, document, pdf):
    async with office(java, keys) as here:
        told = await here.client.send("m", document(), number=PER, print=True)
        (letter,) = letters(here)
        assert (told["channel"], told["status"]) == ("PRINT", "DELIVERED_TO_PRINT")
        assert [one["subject"] for one in told["documents"]] == ["N/A"]
        assert (letter.channel, letter.message.documents[0].content) == ("PRINT", pdf)


async def test_the_client_takes_print_details_away_from_a_users_letter(java, keys, document):
    async with office(java, keys) as here:
        told = await here.client.send("m", document(), number=KARI, print=True)
        (letter,) = letters(here)
        assert (told["channel"], letter.message.printed) == ("DIGIPOST", False)
        assert here.server.requests == ["GET /", "POST /identification/encryption", "POST /messages"]


async def test_a_letter_to_whom_is_no_user_is_refused_without_print_details(java, keys, document):
    async with office(java, keys) as here:
        with pytest.raises(PeerError, match=r"UNKNOWN_RECIPIENT: status=HTTP/1\.1 404"):
            await here.client.send("m", document(), number=PER)
        assert letters(here) == []


async def test_what_the_client_seals_for_a_user_opens_with_the_users_key(java, keys, document, pdf):
    async with office(java, keys) as here:
        one = document(sealed=True)
        told = await here.client.send("m", one, document(), number=KARI)
        (letter,) = letters(here)
        status = await here.client.status(one)
    sealed, plain = letter.message.documents
    opened = decrypted(sealed.content, keys.user.key)
    assert (told["channel"], sealed.encrypted, plain.encrypted, plain.content) == ("DIGIPOST", True, False, pdf)
    assert (opened.plain, opened.version, opened.recipient) == (pdf, 2, (2, b"keyhash-1"))
    assert status["hash"] == digest(sealed.content)


@pytest.mark.parametrize("order", [{"number": PER, "print": True}, {}])
async def test_what_the_client_seals_for_print_opens_with_the_printers_key(java, keys, document, pdf, order):
    async with office(java, keys) as here:
        told = await here.client.send("m", document(sealed=True), **order)
        (letter,) = letters(here)
    opened = decrypted(letter.message.documents[0].content, keys.printer.key)
    assert (told["channel"], opened.plain, opened.version, opened.recipient[0]) == ("PRINT", pdf, 0, 0)


async def test_a_sealed_letter_is_refused_when_the_person_closes_the_account_meanwhile(java, keys, document):
    async with office(java, keys) as here:
        here.server.faults.arm(DigipostFault.CLOSING_ACCOUNT)
        with pytest.raises(PeerError, match="UNKNOWN_RECIPIENT"):
            await here.client.send("m", document(sealed=True), number=KARI)
        assert letters(here) == []


async def test_a_letter_for_print_alone_is_printed(java, keys, document, pdf):
    async with office(java, keys) as here:
        told = await here.client.send("m", document())
        (letter,) = letters(here)
        assert (told["channel"], letter.message.number, letter.message.documents[0].content) == ("PRINT", None, pdf)


async def test_the_client_reads_every_event_once_from_page_to_page(java, keys, document):
    async with office(java, keys) as here:
        sent = [document() for _ in range(3)]
        for number, one in enumerate(sent):
            await here.client.send(f"m{number}", one, number=KARI)
            here.server.post.open(one["uuid"])
            here.clock.turn(1)
        here.server.post.postmark(sent[0]["uuid"])
        client = await here.other()
        pages = [await client("events", **LONG, sender=SENDER, offset=at, most=2) for at in (0, 2, 4)]
        assert [len(page) for page in pages] == [2, 2, 0]
        events = [event for page in pages for event in page]
        assert [one["uuid"] for one in events] == [one["uuid"] for one in [*sent, sent[0]]]
        assert [one["type"] for one in events] == ["OPENED"] * 3 + ["POSTMARKED"]
        assert [one["postmarked"] == one["created"] for one in events] == [False] * 3 + [True]
        assert await client("events", **LONG, sender=9999) == []


async def test_an_event_of_a_type_that_nobody_has_heard_of_has_none_for_the_client(java, keys, document):
    async with office(java, keys) as here:
        one = document()
        await here.client.send("m", one, number=KARI)
        here.server.post.open(one["uuid"])
        here.server.post.postmark(one["uuid"])
        here.server.faults.arm(DigipostFault.UNKNOWN_EVENT)
        assert [event["type"] for event in await here.client("events", **LONG)] == [None, "POSTMARKED"]
        assert [event["type"] for event in await here.client("events", **LONG)] == ["OPENED", "POSTMARKED"]


async def test_the_client_finds_users_by_name(java, keys):
    async with office(java, keys) as here:
        person = here.server.post.people[KARI]
        here.server.post.add(type(person)(KARI, person.kind, person.key, person.key_id, "Kari Nordmann"))
        assert await here.client("search", text="kari nordmann") == ["kari.nordmann#0181"]
        assert await here.client("suggest", text="nord") == ["Kari Nordmann"]
        assert await here.client("search", text="ola") == []


async def test_the_client_sends_a_letter_again_once_after_a_429(java, keys, document, monkeypatch):
    monkeypatch.setattr(digipost_server, "RETRY_AFTER_S", 1)  # it does wait that long
    one = document()
    async with office(java, keys) as here:
        here.server.faults.arm(DigipostFault.THROTTLED, 3)
        with pytest.raises(PeerError, match="429 Too Many Requests, message=too many requests"):
            await here.client.send("m", one, number=KARI)
        assert (posts(here), letters(here)) == (2, [])
        assert (await here.client.send("m", one, number=KARI))["status"] == "DELIVERED"
        assert (posts(here), len(letters(here))) == (4, 1)


@pytest.mark.parametrize(
    ("fault", "said", "taken"),
    [
        (DigipostFault.UNSIGNED_503, "Missing X-Content-SHA256 header .* status was 503", 0),
        (DigipostFault.UNSIGNED_404, "Missing X-Content-SHA256 header .* status was 404", 0),
        (DigipostFault.WRONG_HASH, "X-Content-SHA256 header did not match", 1),
        (DigipostFault.WRONG_CLOCK, "Date header in response from server is too old", 1),
    ],
)
async def test_the_client_believes_no_spoilt_answer_and_does_not_send_again(java, keys, document, fault, said, taken):
    async with office(java, keys) as here:
        here.server.faults.arm(fault)
        with pytest.raises(PeerError, match=f"SERVER_SIGNATURE_ERROR: {said}"):
            await here.client.send("m", document(), number=KARI)
        assert (posts(here), len(letters(here))) == (1, taken)
        assert (await here.client.send("n", document(), number=KARI))["status"] == "DELIVERED"  # the control


async def test_the_client_believes_no_answer_that_another_key_signed(java, keys):
    async with office(java, keys) as here:
        await here.client("identify", number=KARI)  # it has the certificate of the root document now
        here.server.rotate(software(keys.renewed))
        with pytest.raises(PeerError, match="SERVER_SIGNATURE_ERROR: Response from server did not match signature"):
            await here.client("identify", number=KARI)
        assert (await (await here.other())("identify", number=KARI))["result"] == "DIGIPOST"


@pytest.mark.parametrize("fault", [DigipostFault.GZIP, DigipostFault.CHUNKED])
async def test_the_client_reads_an_answer_that_is_packed_or_without_length(java, keys, document, fault):
    async with office(java, keys) as here:
        await here.client("sender", sender=SENDER)
        here.server.faults.arm(fault)
        assert (await here.client.send("m", document(), number=KARI))["status"] == "DELIVERED"
        assert here.server.faults.armed() == {}


async def test_a_letter_whose_answer_was_lost_is_found_by_the_client_and_not_taken_twice(java, keys, document, pdf):
    one = document()
    async with office(java, keys) as here:
        here.server.faults.arm(DigipostFault.LOST_ANSWER)
        with pytest.raises(PeerError, match=r"NoHttpResponseException|SocketException"):
            await here.client.send("m", one, number=KARI)
        assert posts(here) == 1  # a POST that broke off is not repeated by itself
        with pytest.raises(PeerError, match=r"DUPLICATE_MESSAGE: status=HTTP/1\.1 400"):
            await here.client.send("m", one, number=KARI)
        assert (await here.client.status(one))["hash"] == digest(pdf)
        assert len(letters(here)) == 1


async def test_a_letter_signed_with_another_key_is_refused_with_what_should_have_been_signed(java, keys, document):
    async with office(java, keys) as here:
        stranger = await here.other(keys.printer)
        with pytest.raises(PeerError) as refused:
            await stranger("identify", number=KARI)
        assert "INVALID_SIGNATURE" in str(refused.value)
        assert "===START===GET\n/\ndate: " in str(refused.value)


async def test_a_client_whose_clock_is_wrong_never_hears_it_from_the_server(java, keys):
    async with office(java, keys) as here:
        client = await here.other(at=here.clock.now() + timedelta(minutes=6))
        with pytest.raises(PeerError, match="SERVER_SIGNATURE_ERROR: Date header in response from server is too old"):
            await client("identify", number=KARI)
        assert here.server.requests == ["GET /"]


async def test_the_client_sends_what_the_one_of_the_reference_recording_sent(java, keys, document, reference):
    """They were compiled apart; so neither was changed on the way to the wire."""
    folder = reference / "digipost" / "wire"
    recorded = {one["n"]: one["request"] for one in json.loads((folder / "java-client-exchanges.json").read_text())}
    digital = document(file=folder / "plain.pdf", uuid="6d99008e-2672-4b55-9b09-996b09a06e47")
    events = {"from": "2026-01-26T13:00:00+01:00", "to": "2026-01-27T13:00:00+01:00"}
    async with office(java, keys) as here:
        tap = Tap(urlsplit(here.base).port)
        async with tap.serve() as base:
            await here.client.connect(base, keys.ours, here.clock.now())
            await here.client("identify", number="01013300001")
            await here.client("sender", sender=SENDER)
            with pytest.raises(PeerError, match="UNKNOWN_RECIPIENT"):
                await here.client.send("msg-1", digital, number="01013300001")
            await here.client("events", **events, sender=SENDER)
            with pytest.raises(PeerError, match="DOCUMENT_NOT_FOUND"):
                await here.client.status(digital)
    for (request, _), number in zip(tap.passed, (1, 2, 3, 4, 13, 14), strict=True):
        told = recorded[number]
        assert request.words[:2] == [told["method"], told["target"]]
        assert sorted(request.headers) == sorted(told["headers"])
        assert unbounded(request.body, request.headers) == unbounded(
            base64.b64decode(told["body_base64"] or ""), told["headers"]
        )


def unbounded(body, headers):
    """A body without the boundary that was drawn for it."""
    _, _, boundary = headers.get("Content-Type", "").partition("boundary=")
    return body.replace(boundary.encode(), b"BOUNDARY") if boundary else body
