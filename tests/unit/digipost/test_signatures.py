"""Digipost's signatures, against what the official Java client really sent and took."""

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.digipost import (
    DigipostSigner,
    content_hash,
    request_text,
    response_text,
    seal_to_certificate,
    seal_to_key,
)
from gateway.crypto.keys import SoftwareKey
from gateway.errors import CertificateError, SignatureError, StructureError
from gateway.spi import SignedAnswer
from gateway.testing.pki import Pki, certificate_pem, new_key, receive_key
from tests.digipost_kit import decrypted

ENTRIES = range(1, 28)
# The official client takes a chunked answer without a hash (27). We do not: then nothing would hold its body.
TAKEN = {*range(2, 21), 24}
NOW = datetime(2026, 11, 22, 1, 45, 46, tzinfo=UTC)


@pytest.fixture(scope="session")
def wire(reference):
    folder = reference / "digipost" / "wire"
    exchanges = {entry["n"]: entry for entry in json.loads((folder / "java-client-exchanges.json").read_text())}
    assert list(exchanges) == list(ENTRIES)
    return folder, exchanges


@pytest.fixture(scope="session")
def credential():
    return Pki().organisation("974760673")


@pytest.fixture(scope="session")
def server(credential):
    """A signer whose answers we make ourselves, and its certificate."""
    pem = certificate_pem(credential.certificate).decode()
    pins = frozenset({credential.certificate.fingerprint(hashes.SHA256()).hex()})
    key = SoftwareKey(credential.key, credential.chain)
    return DigipostSigner(lambda: key, TrustPolicy(pins=pins)), pem, key


def answer_of(entry):
    response = entry["response"]
    return SignedAnswer(
        entry["request"]["target"], response["status"], response["headers"], base64.b64decode(response["body_base64"])
    )


def made(key, status=200, body=b"<a/>", target="/Messages?Sender=1", at=NOW, **other):
    headers = {"Date": format_datetime(at, usegmt=True), "X-Content-SHA256": content_hash(body)}
    text = response_text(status, target, headers)
    headers["X-Digipost-Signature"] = base64.b64encode(key.sign(text.encode())).decode()
    return SignedAnswer(target, status, headers | other, body)


@pytest.mark.parametrize("number", ENTRIES)
def test_every_recorded_request_has_the_text_that_we_would_sign(wire, number):
    folder, exchanges = wire
    request = exchanges[number]["request"]
    text = request_text(request["method"], request["target"], request["headers"])
    assert text == request["canonical_string"]
    if request["body_base64"]:
        assert content_hash(base64.b64decode(request["body_base64"])) == request["headers"]["X-Content-SHA256"]
    key = x509.load_pem_x509_certificate((folder / "sender.cert.pem").read_bytes()).public_key()
    signature = base64.b64decode(request["headers"]["X-Digipost-Signature"])
    key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("number", ENTRIES)
def test_recorded_answers_are_taken_exactly_where_the_signature_holds_the_body(wire, server, number):
    folder, exchanges = wire
    pem, answer = (folder / "server.cert.pem").read_text(), answer_of(exchanges[number])
    told = exchanges[number]["response"]["canonical_string"]
    if told is not None:
        assert response_text(answer.status, answer.target, answer.headers) == told
    at = parsedate_to_datetime(exchanges[number]["request"]["headers"]["Date"])
    if number in TAKEN:
        server[0].check(pem, answer, at)
    else:
        with pytest.raises(SignatureError):
            server[0].check(pem, answer, at)


def test_our_signature_of_a_request_is_one_that_the_recording_would_take(server, credential):
    headers = {"X-Digipost-UserId": "9999", "Date": "Sun, 22 Nov 2026 01:45:46 GMT"}
    target = "/documents/events?From=2026%2B01&maxResults=100"
    signature = base64.b64decode(server[0].sign("get", target, headers))
    text = (
        "GET\n/documents/events\ndate: Sun, 22 Nov 2026 01:45:46 GMT\n"
        "x-digipost-userid: 9999\nfrom=2026%2b01&maxresults=100\n"
    )
    credential.key.public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("target", ["/a%0adate: x", "/a%0D", "/%00", "/a\u2028b"])
def test_a_path_that_would_make_more_lines_than_one_is_never_signed(server, target):
    with pytest.raises(StructureError):
        server[0].sign("GET", target, {})


def test_a_request_path_is_decoded_and_an_answer_path_is_not():
    assert request_text("get", "/A%20%C3%98?B=%2B", {}) == "GET\n/a ø\nb=%2b\n"
    assert response_text(200, "/A%20%C3%98?B=%2B", {}) == "200\n/a%20%c3%98\n"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: {"status": 404},
        lambda answer: {"target": "/identification"},
        lambda answer: {"body": answer.body + b" "},
        lambda answer: {"headers": {**answer.headers, "X-Content-SHA256": content_hash(b"other")}},
        lambda answer: {
            "headers": {**answer.headers, "Date": format_datetime(NOW + timedelta(seconds=1), usegmt=True)}
        },
        lambda answer: {"headers": {**answer.headers, "X-Digipost-UserId": "9999"}},
        lambda answer: {"headers": {**answer.headers, "date": "Sun, 22 Nov 2026 01:45:47 GMT"}},
        lambda answer: {"headers": {**answer.headers, "X-Digipost-Signature": "-"}},
        lambda answer: {"headers": {**answer.headers, "X-Digipost-Signature": "AAAA"}},
        lambda answer: {"headers": {name: value for name, value in answer.headers.items() if name != "Date"}},
    ],
    ids=[
        "status",
        "target",
        "body",
        "hash",
        "date",
        "further-header",
        "date-twice",
        "no-base64",
        "other-signature",
        "no-date",
    ],
)
def test_a_changed_answer_is_refused(server, spoil):
    signer, pem, key = server
    answer = made(key)
    signer.check(pem, answer, NOW)
    fields = {"target": answer.target, "status": answer.status, "headers": answer.headers, "body": answer.body}
    with pytest.raises(SignatureError):
        signer.check(pem, SignedAnswer(**(fields | spoil(answer))), NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_well_signed_answer_of_another_time_is_refused(server, seconds):
    signer, pem, key = server
    signer.check(pem, made(key, at=NOW + timedelta(seconds=seconds - seconds // abs(seconds))), NOW)
    with pytest.raises(SignatureError, match="time"):
        signer.check(pem, made(key, at=NOW + timedelta(seconds=seconds)), NOW)


@given(st.text(), st.binary(max_size=50))
def test_no_date_or_body_makes_anything_but_a_refusal_or_a_good_answer(date, body):
    signer = DigipostSigner(None, TrustPolicy())
    try:
        signer.check_fresh(SignedAnswer("/", 200, {"Date": date}, body), NOW)
    except SignatureError:
        return
    assert body == b""


def test_only_the_pinned_certificate_is_believed_where_one_is_pinned(server, credential):
    signer, pem, _ = server
    assert signer.fingerprint(pem, NOW) == credential.certificate.fingerprint(hashes.SHA256()).hex()
    other = Pki()
    stranger = certificate_pem(other.organisation("974760673").certificate).decode()
    pinned_and_rooted = DigipostSigner(None, TrustPolicy((other.root.certificate,), pins=signer._trust.pins))
    for believes in (signer, pinned_and_rooted):
        with pytest.raises(CertificateError):
            believes.fingerprint(stranger, NOW)
    with pytest.raises(CertificateError):
        signer.fingerprint(pem, NOW + timedelta(days=4000))
    with pytest.raises(CertificateError):
        signer.fingerprint("no certificate", NOW)


def test_a_certificate_below_a_root_must_name_the_organisation(credential):
    pki = Pki()
    own = pki.root.issue(pki.organisation("984661185").certificate.subject)
    pem = certificate_pem(own.certificate).decode()
    at = own.certificate.not_valid_before_utc + timedelta(days=1)
    roots = TrustPolicy((pki.root.certificate,))
    assert DigipostSigner(None, roots, "984661185").fingerprint(pem, at)
    for trust, organisation in ((roots, "974760673"), (roots, None), (TrustPolicy(), "984661185")):
        with pytest.raises(CertificateError):
            DigipostSigner(None, trust, organisation).fingerprint(pem, at)


def test_documents_that_the_official_client_sealed_open_with_the_form_that_we_write(wire):
    """The same reader opens entries 7 and 9 and ours, so the two have the same form."""
    folder, exchanges = wire
    plain = (folder / "plain.pdf").read_bytes()
    for number, key in ((7, "print"), (9, "user")):
        body = base64.b64decode(exchanges[number]["request"]["body_base64"])
        sealed = body.split(b"Content-Type: application/pdf\r\n\r\n")[1].rpartition(b"\r\n--")[0]
        private = load_pem_private_key((folder / f"{key}.test-only-key.pem").read_bytes(), None)
        found = decrypted(sealed, private)
        assert found.plain == plain
        ours = (
            seal_to_certificate((folder / "print.cert.pem").read_text(), plain)
            if key == "print"
            else seal_to_key(_public(private), "keyhash-1", plain)
        )
        again = decrypted(ours, private)
        assert again == found
        assert found.recipient == (2, b"keyhash-1") if key == "user" else found.version == 0


@given(st.binary(max_size=200))
def test_whatever_is_sealed_opens_again(content):
    private = _KEY
    assert decrypted(seal_to_key(_public(private), "id", content), private).plain == content


def test_keys_that_are_too_short_or_none_seal_nothing():
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505  it must be refused
    for pem in (_public(short), "none", certificate_pem(receive_key().certificate).decode()):
        with pytest.raises(CertificateError):
            seal_to_key(pem, "id", b"content")


_KEY = new_key()


def _public(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
