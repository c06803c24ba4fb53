"""What the official Java client of Digipost sent is sent again, octet for octet, and our simulator answers as that client wants.

Its recorded requests stand for it (digipost/README.md says why). What it checks of an answer is written in digipost_wire.
"""

import base64
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from lxml import etree

from gateway.crypto.certificate_facts import facts_of
from gateway.simulators.digipost.faults import DigipostFault
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.server import DigipostServer
from gateway.simulators.digipost.signing import Broker
from gateway.spi import Taken
from gateway.testing.clock import HandClock
from gateway.testing.pki import Credential
from tests.digipost_kit import KARI, Keys, decrypted, digipost, document, letter, software
from tests.interop.digipost_wire import NS, TOLD, RejectedError, content, exchanged, request_octets

USER, NOT_USER = "01013300001", "02023300002"
SEND = 4


class Recording:
    """The exchanges, and the keys of the recording."""

    def __init__(self, reference):
        self.folder = reference / "digipost" / "wire"
        exchanges = json.loads((self.folder / "java-client-exchanges.json").read_text())
        self.exchanges = {entry["n"]: entry for entry in exchanges}
        self.at = parsedate_to_datetime(self.exchanges[1]["request"]["headers"]["Date"])
        self.plain = (self.folder / "plain.pdf").read_bytes()

    def request(self, number):
        """The octets on the wire, but for a letter that the client forgets to escape: aiohttp takes no such octet in a path.

        The signature is the same, because it is over the path unescaped.
        """
        told = self.exchanges[number]["request"]
        body = base64.b64decode(told["body_base64"] or "")
        return request_octets(told["method"], self.target(number), told["headers"], body)

    def target(self, number):
        return self.exchanges[number]["request"]["target"].replace("æ", "%C3%A6")

    def key(self, name):
        return load_pem_private_key((self.folder / f"{name}.test-only-key.pem").read_bytes(), None)

    def certificate(self, name):
        return x509.load_pem_x509_certificate((self.folder / f"{name}.cert.pem").read_bytes())


@pytest.fixture(scope="module")
def recording(reference):
    return Recording(reference)


@pytest.fixture(scope="module")
def keys():
    return Keys.make()


@pytest.fixture(scope="module")
def schemas(reference):
    """Both official schemas, each with that of the data types that stand inside it."""
    folder, made = reference / "digipost" / "xsd", []
    for file in ("api_v8.xsd", "api_v8.java-client.xsd"):
        both = etree.Element("{http://www.w3.org/2001/XMLSchema}schema")
        for namespace, own in (("v8", file), ("datatypes", "datatypes.xsd")):
            place = {
                "namespace": f"http://api.digipost.no/schema/{namespace}",
                "schemaLocation": (folder / own).as_uri(),
            }
            etree.SubElement(both, "{http://www.w3.org/2001/XMLSchema}import", place)
        made.append(etree.XMLSchema(both))
    return made


@asynccontextmanager
async def office(recording, keys):
    """The simulator at the time of the recording, with its broker and its people, and somebody who calls."""
    clock = HandClock(recording.at)
    printer = (recording.folder / "print.cert.pem").read_text()
    server = DigipostServer(software(keys.digipost), printer, clock.now)
    server.register(Broker(9999, facts_of(recording.certificate("sender")), frozenset({7777})))
    pem = recording.key("user").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    server.post.add(Person(USER, Kind.USER, pem, "keyhash-1", "Ola Nordmann Æ"), Person(NOT_USER, Kind.NOT_USER))
    async with server.serve() as base:

        async def call(number):
            return await exchanged(urlsplit(base).port, recording.request(number))

        yield SimpleNamespace(server=server, call=call, clock=clock)


async def asked(here, recording, keys, number):
    """The answer to a recorded request as the client sees it."""
    answer = await here.call(number)
    target = recording.target(number)
    certificate = None if number == 1 else keys.digipost.certificate
    return answer, content(answer, target, certificate, here.clock.now())


async def test_every_call_of_the_official_client_is_answered_as_its_own_server_answered_it(recording, keys, schemas):
    roots = {}
    async with office(recording, keys) as here:
        for number in range(1, 17):
            answer, root = await asked(here, recording, keys, number)
            roots[number] = root
            told = recording.exchanges[number]["response"]
            theirs = etree.fromstring(base64.b64decode(told["body_base64"]))
            assert (answer.status, root.tag) == (told["status"], theirs.tag), number
            for name in TOLD:
                same = [one.text for one in root.iter(f"{NS}{name}")], [one.text for one in theirs.iter(f"{NS}{name}")]
                assert same[0] == same[1], (number, name)
            for schema in schemas:
                schema.assertValid(root)
        assert keys.digipost.certificate == _signer(await here.call(1))
        letters = list(here.server.post.letters.values())
    assert [(one.channel, one.message.message_id) for one in letters] == [
        ("DIGIPOST", "msg-1"), ("PRINT", "msg-2"), ("DIGIPOST", "msg-3"), ("PRINT", "msg-4"),
    ]  # fmt: skip
    assert roots[15].findtext(f"{NS}recipient/{NS}digipost-address") == "ola.nordmann.æ#0101"
    assert roots[16].findtext(f"{NS}suggestion/{NS}search-string") == "Ola Nordmann Æ"
    digital, to_printer, to_user, direct = (one.message.documents[0].content for one in letters)
    assert digital == direct == recording.plain
    assert decrypted(to_printer, recording.key("print")).plain == recording.plain
    assert decrypted(to_user, recording.key("user")).plain == recording.plain


def _signer(answer):
    return x509.load_pem_x509_certificate(etree.fromstring(answer.body).findtext(f"{NS}certificate").encode())


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (DigipostFault.UNSIGNED_503, "Date|X-Content-SHA256|X-Digipost-Signature"),
        (DigipostFault.UNSIGNED_404, "Date|X-Content-SHA256|X-Digipost-Signature"),
        (DigipostFault.WRONG_CLOCK, "Date"),
        (DigipostFault.WRONG_HASH, "X-Content-SHA256"),
    ],
)
async def test_an_answer_that_is_spoilt_is_one_that_the_official_client_rejects(recording, keys, fault, seen):
    async with office(recording, keys) as here:
        here.server.faults.arm(fault)
        with pytest.raises(RejectedError, match=seen):
            await asked(here, recording, keys, SEND)
        answer, _ = await asked(here, recording, keys, SEND)  # the control: the fault is over
        assert answer.status == (200 if fault in {DigipostFault.UNSIGNED_503, DigipostFault.UNSIGNED_404} else 400)


@pytest.mark.parametrize("fault", [DigipostFault.GZIP, DigipostFault.CHUNKED])
async def test_an_answer_that_is_packed_or_without_length_is_one_that_the_official_client_takes(recording, keys, fault):
    async with office(recording, keys) as here:
        here.server.faults.arm(fault)
        answer, root = await asked(here, recording, keys, SEND)
        assert answer.headers.get("Content-Encoding") == ("gzip" if fault is DigipostFault.GZIP else None)
        assert ("Content-Length" in answer.headers) == (fault is DigipostFault.GZIP)
        assert root.findtext(f"{NS}status") == "DELIVERED"


async def test_the_official_clients_repeat_after_a_429_is_one_letter(recording, keys):
    """It repeats once with the same message id; what it then sends is what it sent (digipost.md 8.1)."""
    async with office(recording, keys) as here:
        here.server.faults.arm(DigipostFault.THROTTLED)
        throttled, root = await asked(here, recording, keys, SEND)
        assert (throttled.status, "Retry-After" in throttled.headers, root.tag) == (429, True, f"{NS}error")
        assert (await asked(here, recording, keys, SEND))[0].status == 200
        assert [key for _, key in here.server.post.letters] == ["msg-1"]


async def test_the_answers_of_a_renewed_key_are_rejected_until_the_root_document_is_asked_again(recording, keys):
    async with office(recording, keys) as here:
        here.server.rotate(software(keys.renewed))
        with pytest.raises(RejectedError, match="X-Digipost-Signature"):
            await asked(here, recording, keys, 2)
        renewed = Credential(keys.renewed.key, _signer(await here.call(1)), ())
        assert (await asked(here, recording, replace(keys, digipost=renewed), 2))[0].status == 200


async def test_a_request_of_the_official_client_six_minutes_later_is_told_of_its_clock(recording, keys):
    async with office(recording, keys) as here:
        here.clock.turn(6 * 60)
        answer, root = await asked(here, recording, keys, 2)
        assert (answer.status, root.findtext(f"{NS}error-code")) == (400, "DATE_HEADER_OUTSIDE_ACCEPTED_INTERVAL")


@pytest.mark.parametrize(("number", "key"), [(4, "msg-1"), (9, "msg-3")])
async def test_the_same_letter_from_the_official_client_and_from_us_is_stored_as_the_same(recording, keys, number, key):
    async with office(recording, keys) as here:
        assert (await asked(here, recording, keys, number))[0].status == 200
        (theirs,) = here.server.post.letters.values()
    (wanted,) = theirs.message.documents
    sealed = wanted.encrypted
    own = document(recording.plain, wanted.subject, uuid=wanted.uuid, sealed=sealed, pages=1)
    async with digipost(keys, authentication_level=wanted.authentication_level) as here:
        user = here.server.post.people[KARI]
        here.server.post.add(replace(user, number=USER))
        sent = await here.road.outbound.send(replace(letter(own, person=USER), key=key))
        assert isinstance(sent, Taken)
        (ours,) = here.server.post.letters.values()
    (got,) = ours.message.documents
    if sealed:
        theirs_opened, ours_opened = (
            decrypted(wanted.content, recording.key("user")),
            decrypted(got.content, keys.user.key),
        )
        assert theirs_opened == ours_opened
        got, wanted = replace(got, content=b""), replace(wanted, content=b"")
    assert replace(ours.message, documents=(got,)) == replace(theirs.message, documents=(wanted,))
    assert (ours.channel, ours.sender) == (theirs.channel, theirs.sender)
