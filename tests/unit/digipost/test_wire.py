"""What we send is valid by both official schemas, and what is answered is read without losing a word that is new."""

import asyncio
import base64
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.digipost import wire
from adapters.digipost.message import EMAIL_TEXT, write_identification, write_message
from adapters.digipost.multipart import File, Multipart
from adapters.digipost.settings import DigipostSettings
from gateway.errors import GatewayError, StructureError
from gateway.simulators.digipost.answers import RefusalError, entry_point
from gateway.simulators.digipost.message import read_message
from gateway.simulators.digipost.people import Kind, Person, identified, identified_with_key
from gateway.simulators.digipost.post import Post, delivery
from gateway.simulators.digipost.signing import Broker
from gateway.spi import Appointment, EmailNotice, PostalAddress, PrintOrder
from tests.digipost_kit import KARI, PER, SCHEMAS, SENDER, document, letter, schema_of

NS = "{http://api.digipost.no/schema/v8}"
AT = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOME = PostalAddress("Ola Nordmann", ("Testgata 1",), "0460", "Oslo")
ABROAD = PostalAddress("Ola Nordmann", ("Gatan 1", "111 22 Stockholm"), country_code="SE")
LETTERS = [
    letter(),
    letter(document(), document(b"x", "Vedlegg", file_type="txt"), delivery_time=AT, opening_receipt=True),
    letter(sms_after_hours=(24, 72), email=EmailNotice("kari@example.no", (AT, AT + timedelta(days=2)))),
    letter(document(sealed=True, pages=3), document(sealed=True, pages=1)),
    letter(document(appointment=Appointment(AT, AT + timedelta(hours=1), "Rådhuset", "nn")), sms_after_hours=(1,)),
    letter(person=PER, print_order=PrintOrder(HOME, HOME, "sb-ingrid")),
    letter(person=PER, print_order=PrintOrder(ABROAD, HOME, "sb-ingrid")),
]


@pytest.fixture(scope="module", params=SCHEMAS)
def schema(reference, request):
    """Digipost's schema, as published twice."""
    return schema_of(reference, request.param)


def written(one, level="IDPORTEN_4"):
    return write_message(one.key, one.letter, SENDER, level)


def require_valid(schema, xml):
    schema.assertValid(etree.fromstring(xml))


@pytest.mark.parametrize("number", range(len(LETTERS)))
def test_every_letter_we_write_is_valid_by_both_schemas(schema, number):
    require_valid(schema, written(LETTERS[number]))
    require_valid(schema, write_identification(KARI))


@pytest.mark.parametrize("number", range(len(LETTERS)))
@pytest.mark.parametrize("level", ["IDPORTEN_4", "TWO_FACTOR"])
def test_every_document_says_sensitive_and_a_level_that_is_strong(number, level):
    root = etree.fromstring(written(LETTERS[number], level))
    documents = [*root.iterfind(f"{NS}primary-document"), *root.iterfind(f"{NS}attachment")]
    assert len(documents) == len(LETTERS[number].letter.documents)
    for one in documents:
        assert one.findtext(f"{NS}sensitivity-level") == "SENSITIVE"
        assert one.findtext(f"{NS}authentication-level") == level
    words = "".join(root.itertext())
    assert "barnevern" not in words.lower()
    assert ("kari@example.no" in words) == (EMAIL_TEXT in words)


def test_no_setting_asks_for_less_than_two_factors():
    told = {"api_url": "http://x", "broker_id": 1, "pins": ["0" * 64], "senders": [_OFFICE]}
    assert DigipostSettings(**told).authentication_level == "IDPORTEN_4"
    for weak in ("PASSWORD", "IDPORTEN_3", "NORMAL"):
        with pytest.raises(ValueError, match="authentication_level"):
            DigipostSettings(**told, authentication_level=weak)
    for nobody in ({"pins": []}, {"pins": [], "organisation_number": "984661185"}, {"senders": [_OFFICE, _OFFICE]}):
        with pytest.raises(ValueError, match=r"believed|twice"):
            DigipostSettings(**(told | nobody))


_OFFICE = {"kommunenummer": "4601", "sender_id": 7777}


def test_a_letter_with_print_details_names_no_person_and_one_without_has_none():
    printed, digital = (etree.fromstring(written(one)) for one in (LETTERS[5], LETTERS[0]))
    assert printed.find(f".//{NS}personal-identification-number") is None
    assert digital.find(f".//{NS}print-details") is None
    for never in ("print-if-unread", "request-for-registration"):
        assert all(etree.fromstring(written(one)).find(f".//{NS}{never}") is None for one in LETTERS)


@pytest.mark.parametrize("number", range(len(LETTERS)))
async def test_the_simulator_reads_in_a_body_exactly_what_was_put_into_it(number):
    one = LETTERS[number]
    files = [File(d.uuid, d.file_type, d.size_bytes, d.content) for d in one.letter.documents]
    body = Multipart(written(one), files)
    octets = b"".join([piece async for piece in body.stream()])
    assert len(octets) == body.size_bytes
    assert octets == b"".join([piece async for piece in body.stream()])
    hashes = await body.hashes()
    message = read_message(body.media_type, octets)
    assert (message.message_id, message.sender) == (one.key, SENDER)
    assert [d.uuid for d in message.documents] == [d.uuid for d in one.letter.documents]
    assert [_sha256(d.content) for d in message.documents] == [hashes.files[d.uuid] for d in one.letter.documents]
    assert _sha256(octets) == hashes.body
    kinds = {4: "appointment", 1: "opening-receipt"}
    assert (message.documents[0].data_type or "").rpartition("}")[2] == kinds.get(number, "")


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_any_bytes_come_out_of_a_body_as_they_went_in(contents):
    async def whole():
        documents = [document(content) for content in contents]
        body = Multipart(written(letter(*documents)), [File(d.uuid, "pdf", d.size_bytes, d.content) for d in documents])
        return body.media_type, b"".join([piece async for piece in body.stream()])

    assert [d.content for d in read_message(*asyncio.run(whole())).documents] == contents


@pytest.mark.parametrize("number", [4, 7, 9, 10])
def test_the_simulator_reads_what_the_official_client_sent(reference, number):
    request = recorded(reference)[number]["request"]
    message = read_message(request["headers"]["Content-Type"], base64.b64decode(request["body_base64"]))
    (one,) = message.documents
    assert (message.sender, message.printed) == (7777, number in {7, 10})
    assert one.encrypted == (number in {7, 9})
    if not one.encrypted:
        assert one.content == (reference / "digipost" / "wire" / "plain.pdf").read_bytes()


def test_for_the_same_letter_we_write_the_same_elements_as_the_official_client(reference):
    for number, key, subject, level, pages in (
        (4, "msg-1", "Innkalling æøå", "IDPORTEN_4", None),
        (9, "msg-3", "Vedtak", "TWO_FACTOR", 1),
    ):
        request = recorded(reference)[number]["request"]
        body = base64.b64decode(request["body_base64"])
        theirs = body[body.index(b"<?xml") : body.index(b"</message>") + len(b"</message>")]
        uuid_ = etree.fromstring(theirs).findtext(f".//{NS}uuid")
        one = letter(
            document(subject=subject, uuid=uuid_, sealed=pages is not None, pages=pages or 1), person="01013300001"
        )
        assert elements(written(replace(one, key=key), level)) == elements(theirs)
    asked = base64.b64decode(recorded(reference)[2]["request"]["body_base64"])
    assert elements(write_identification("01013300001")) == elements(asked)


def elements(xml):
    return [(one.tag, one.text, dict(one.attrib)) for one in etree.fromstring(xml).iter()]


def test_every_recorded_answer_is_read(reference):
    answers = {n: base64.b64decode(entry["response"]["body_base64"]) for n, entry in recorded(reference).items()}
    entry = wire.read_entry_point(answers[1])
    assert "BEGIN CERTIFICATE" in entry.certificate
    assert entry.links["create_message"].endswith("/messages")
    assert wire.read_identified(answers[2]).result == "DIGIPOST"
    assert wire.read_features(answers[3]) == {
        "no.digipost.feature.delivery.digipost": "",
        "no.digipost.feature.validation.print.bleed": "5",
    }
    assert wire.read_delivered(answers[4]).channel == "DIGIPOST"
    assert wire.read_identified(answers[5]) == wire.Identified("IDENTIFIED")
    assert "BEGIN CERTIFICATE" in wire.read_certificate(answers[6])
    assert wire.read_identified(answers[8]).key_id == "keyhash-1"
    assert wire.read_refusal(answers[11]) == wire.Refusal("UNKNOWN_RECIPIENT", "CLIENT_DATA")
    events = wire.read_events(answers[13])
    assert [one.kind for one in events] == ["POSTMARKED", "REQUEST_FOR_REGISTRATION_EXPIRED"]
    assert b"postmarked-date" in events[0].raw
    status = wire.read_status(answers[14])
    assert (status.status, status.channel, status.read, status.hashes) == ("DELIVERED", "DIGIPOST", True, {})
    for name, read in (
        ("IdentificationResult", wire.read_identified),
        ("SendMessageErrorUnknownRecipient", wire.read_refusal),
        ("SendMessageMessageDelivery", wire.read_delivered),
        ("InboxDocumentNotExisting", wire.read_refusal),
    ):
        assert read((reference / "digipost" / "examples" / f"{name}.xml").read_bytes())


def test_every_answer_of_the_simulator_is_valid_by_both_schemas_and_read_by_us(schema):
    post, broker = Post(lambda: AT - timedelta(days=1)), Broker(9999, None, frozenset({SENDER}))
    post.add(Person(KARI, Kind.USER, _PEM, "keyhash-1"), Person(PER, Kind.NOT_USER))
    answers = [
        entry_point(_PEM, {"search": "http://x/s"}, "http://x"),
        RefusalError(400, "SERVER_ERROR", "text").body(),
        etree.tostring(identified("x", None)),
        *(identified_with_key(number, post.people.get(number)) for number in (KARI, PER, "03030312345", "x")),
    ]
    for one in (LETTERS[0], LETTERS[1], LETTERS[5]):
        message = replace(_message(one), delivery_time=None)
        answers.append(delivery(post.send(broker, message)))
        first = message.documents[0].uuid
        assert wire.read_delivered(answers[-1]).hashes.keys() == {d.uuid for d in message.documents}
        post.open(first)
        answers.append(post.status(broker, SENDER, first))
        assert wire.read_status(answers[-1]).hashes == wire.read_delivered(answers[-2]).hashes
    for xml in answers:
        require_valid(schema, xml)


@pytest.mark.parametrize(
    "read",
    [
        wire.read_entry_point, wire.read_identified, wire.read_certificate, wire.read_delivered, wire.read_status,
        wire.read_events, wire.read_refusal, wire.read_features,
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"x", b"<html/>", b"<error/>", b"<!DOCTYPE a><a/>", b"\xff", b"{}"])
def test_what_is_no_answer_of_that_kind_is_a_structure_error(read, body):
    with pytest.raises(StructureError):
        read(body)


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_stands_in_an_event_it_is_read_or_a_structure_error(kind, created):
    root = etree.Element(f"{NS}document-events")
    try:
        etree.SubElement(root, f"{NS}event", uuid=str(uuid.uuid4()), type=kind, created=created)
    except ValueError:
        return  # no XML can hold it
    try:
        (event,) = wire.read_events(etree.tostring(root))
    except GatewayError:
        return
    assert event.created == created
    assert event.at.tzinfo is not None


def recorded(reference):
    exchanges = json.loads((reference / "digipost" / "wire" / "java-client-exchanges.json").read_text())
    return {entry["n"]: entry for entry in exchanges}


def _message(one):
    async def body():
        files = [File(d.uuid, d.file_type, d.size_bytes, d.content) for d in one.letter.documents]
        multipart = Multipart(written(one), files)
        return multipart.media_type, b"".join([piece async for piece in multipart.stream()])

    return read_message(*asyncio.run(body()))


def _sha256(octets):
    import hashlib

    return base64.b64encode(hashlib.sha256(octets).digest()).decode()


_PEM = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
