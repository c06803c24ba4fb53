"""Reading time stamps that are put together by hand, so that each is wrong in exactly one way."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import config, limits
from gateway.crypto import oids
from gateway.crypto.ber import (
    INTEGER,
    NULL,
    OCTET_STRING,
    SEQUENCE,
    SET,
    context,
    integer,
    object_identifier,
    parse,
    set_of,
    tlv,
)
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.time_stamps import TimeStampRequest, read_time_stamp
from gateway.errors import (
    CertificateError,
    GatewayError,
    PartnerRefusedError,
    PartnerUnavailableError,
    SenderError,
    SignatureError,
    StructureError,
    TrustError,
)
from gateway.testing.pki import CA_USAGE, TIME_STAMPING, Make
from tests import crypto_kit as kit
from tests.crypto_kit import HandSigner

DATA = b"kommune.no/budstikke\n1\n"
POLICY = "1.2.578.1.9"
ROOTS = (kit.pki().root.certificate,)
TST_INFO = "1.2.840.113549.1.9.16.1.4"
ESS_V1, ESS_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
ASKED = replace(TimeStampRequest.over(DATA), nonce=7)
GENERALIZED_TIME, BOOLEAN, BIT_STRING, UTF8 = 0x18, 0x01, 0x03, 0x0C
TRUE = tlv(BOOLEAN, b"\xff")
GRANTED = tlv(SEQUENCE, integer(0))


def algorithm(name):
    return tlv(SEQUENCE, object_identifier(kit.DIGEST_OIDS[name]), tlv(NULL))


def imprint(data=DATA, name="sha256"):
    return tlv(SEQUENCE, algorithm(name), tlv(OCTET_STRING, hashlib.new(name, data).digest()))


def accuracy(*members):
    return tlv(SEQUENCE, *members)


def extension(*critical):
    return tlv(context(1), tlv(SEQUENCE, object_identifier("1.2.3"), *critical, tlv(OCTET_STRING)))


@dataclass
class Info:
    """A TSTInfo, each member as encoded."""

    version: bytes = integer(1)
    policy: bytes = object_identifier(POLICY)
    imprint: bytes = imprint()
    serial: bytes = integer(5)
    time: bytes = kit.NOW.strftime("%Y%m%d%H%M%SZ").encode()
    accuracy: bytes = b""
    ordering: bytes = b""
    nonce: bytes = integer(7)
    name: bytes = b""
    rest: bytes = b""

    def encoded(self):
        stamped = tlv(GENERALIZED_TIME, self.time)
        members = (self.accuracy, self.ordering, self.nonce, self.name, self.rest)
        return tlv(SEQUENCE, self.version, self.policy, self.imprint, self.serial, stamped, *members)


@lru_cache
def authority():
    return kit.software(kit.pki().time_stamp_authority())


def names(key, digest="sha256", oid=ESS_V2):
    hashed = hashlib.new(digest, facts_of(key.certificate).der).digest()
    return kit.attribute(oid, tlv(SEQUENCE, tlv(SEQUENCE, tlv(SEQUENCE, tlv(OCTET_STRING, hashed)))))


def signer(key=None, **changes):
    key = key or authority()
    return HandSigner(**{"key": key, "content_type": TST_INFO, "extra": (names(key),)} | changes)


def token(content, hand, *, content_type=oids.TST_INFO, certificates=None, enclosed=True):
    chain = hand.key.chain if certificates is None else certificates
    return tlv(
        SEQUENCE,
        oids.SIGNED_DATA,
        tlv(
            context(0),
            tlv(
                SEQUENCE,
                integer(3),
                set_of([algorithm("sha256")]),
                tlv(SEQUENCE, content_type, tlv(context(0), tlv(OCTET_STRING, content)) if enclosed else b""),
                tlv(context(0), *(facts_of(one).der for one in chain)),
                tlv(SET, hand.encoded(content)),
            ),
        ),
    )


def response(info=None, hand=None, status=GRANTED, **changes):
    return tlv(SEQUENCE, status, token((info or Info()).encoded(), hand or signer(), **changes))


def read(encoded, request=ASKED, roots=ROOTS):
    return read_time_stamp(encoded, request, roots)


def test_a_stamp_tells_when_how_exactly_and_by_whom():
    members = (integer(2), tlv(context(0, constructed=False), b"\1"), tlv(context(1, constructed=False), b"\x03\xe7"))
    given_info = Info(time=b"20261122065501.1234567Z", accuracy=accuracy(*members), serial=integer(2**159))
    encoded = response(given_info)
    stamp = read(encoded)
    assert stamp.time == datetime(2026, 11, 22, 6, 55, 1, 123456, tzinfo=UTC)
    assert stamp.accuracy == timedelta(seconds=2, milliseconds=1, microseconds=999)
    assert (stamp.serial, stamp.policy, stamp.response) == (2**159, POLICY, encoded)
    assert stamp.authority == authority().certificate.subject.rfc4514_string()


HOLDS = {
    "all members": Info(accuracy=accuracy(), ordering=TRUE, name=tlv(context(0), tlv(context(4))), rest=extension()),
    "extension said not to be critical": Info(rest=extension(tlv(BOOLEAN, b"\0"))),
    "policy below 2.100": Info(policy=object_identifier("2.100.3")),
    "policy of the itu": Info(policy=object_identifier("0.4.0.2023.1.1")),
}


@pytest.mark.parametrize("info", HOLDS.values(), ids=HOLDS.keys())
def test_a_stamp_with_any_member_that_the_standard_allows_is_read(info):
    assert read(response(info)).time == kit.NOW.replace(microsecond=0)


def test_policies_of_every_first_number_are_told_as_they_are_written():
    for policy in ("0.4.0.2023.1.1", "1.3.6.1.4.1.601.10.3.1", "2.16.578.1.26.1.0", "2.100.3"):
        asked = replace(ASKED, policy=policy)
        assert read(response(Info(policy=object_identifier(policy))), asked).policy == policy


def test_a_stamp_granted_with_modifications_is_a_stamp():
    assert read(response(status=tlv(SEQUENCE, integer(1)))).policy == POLICY


@pytest.mark.parametrize("hand", [signer(digest="sha512", signature_oid="1.2.840.113549.1.1.13"), signer()])
def test_a_certificate_named_by_its_sha1_is_named(hand):
    """RFC 3161's own attribute; it says which certificate, and what is signed does not rest on it."""
    older = replace(hand, extra=(names(authority(), "sha1", ESS_V1),))
    assert read(response(hand=older)).serial == 5


WRONG_INFO = {
    "version": (Info(version=integer(2)), StructureError, "another version"),
    "imprint": (Info(imprint=imprint(b"other")), SignatureError, "over other octets"),
    "imprint by another hash": (Info(imprint=imprint(name="sha512")), SignatureError, "over other octets"),
    "nonce": (Info(nonce=integer(8)), SignatureError, "another question"),
    "nonce missing": (Info(nonce=b""), SignatureError, "another question"),
    "policy empty": (Info(policy=tlv(6)), StructureError, "a policy that is none"),
    "policy cut": (Info(policy=tlv(6, b"\x2a\x83")), StructureError, "a policy that is none"),
    "policy long": (Info(policy=tlv(6, b"\x2a" + b"\xff" * 99 + b"\1")), StructureError, "a policy that is none"),
    "serial long": (Info(serial=tlv(INTEGER, b"\1" * 22)), StructureError, "a serial number"),
    "time local": (Info(time=b"20261122065501"), StructureError, "a time that is none"),
    "time of the thirteenth month": (Info(time=b"20261322065501Z"), StructureError, "a time that is none"),
    "time of the year zero": (Info(time=b"00000101000000Z"), StructureError, "a time that is none"),
    "time without end": (Info(time=b"20261122065501." + b"1" * 99 + b"Z"), StructureError, "a time that is none"),
    "accuracy of a year": (Info(accuracy=accuracy(integer(365 * 86400))), StructureError, "out of its bounds"),
    "accuracy negative": (Info(accuracy=accuracy(integer(-1))), StructureError, "out of its bounds"),
    "accuracy empty": (Info(accuracy=accuracy(tlv(INTEGER))), StructureError, "out of its bounds"),
    "accuracy in thousands": (
        Info(accuracy=accuracy(tlv(context(0, constructed=False), b"\x03\xe8"))),
        StructureError,
        "out of its bounds",
    ),
    "extension critical": (Info(rest=extension(TRUE)), StructureError, "do not know and must"),
    "member too many": (Info(rest=tlv(NULL)), StructureError, "a member too many"),
}


@pytest.mark.parametrize("fault", WRONG_INFO)
def test_a_stamp_that_says_something_else_is_not_believed(fault):
    info, error, text = WRONG_INFO[fault]
    with pytest.raises(error, match=text):
        read(response(info))


def test_a_stamp_under_another_policy_than_asked_for_is_not_believed():
    assert read(response(), replace(ASKED, policy=POLICY)).policy == POLICY
    with pytest.raises(SenderError, match="under another policy"):
        read(response(), replace(ASKED, policy="1.2.3"))


WRONG_SIGNATURE = {
    "broken": (signer(broken=True), SignatureError),
    "no attributes": (signer(attributes=False), SignatureError),
    "certificate not named": (signer(extra=()), SignatureError),
    "another certificate named": (signer(extra=(names(kit.signer()),)), SignatureError),
    "another content type named": (signer(content_type="1.2.840.113549.1.7.1"), SignatureError),
    "another digest": (signer(message_digest=bytes(32)), SignatureError),
    "by sha1": (signer(digest="sha1", signature_oid="1.2.840.113549.1.1.5"), SignatureError),
}


@pytest.mark.parametrize("fault", WRONG_SIGNATURE)
def test_a_signature_that_does_not_hold_is_not_believed(fault):
    hand, error = WRONG_SIGNATURE[fault]
    with pytest.raises(error, match=r"^(signed data|signature):"):
        read(response(hand=hand))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"content_type": oids.DATA}, StructureError),
        ({"enclosed": False}, StructureError),
        ({"certificates": ()}, SignatureError),
        ({"certificates": (kit.signer().certificate,)}, SignatureError),
    ],
    ids=["data", "detached", "no certificate", "a stranger's certificate"],
)
def test_a_token_of_another_kind_is_not_believed(changes, error):
    with pytest.raises(error, match="signed data:"):
        read(response(**changes))


def refusal(number, *bits, words=b""):
    octets = bytearray(1 + max(bits, default=0) // 8)
    for bit in bits:
        octets[bit // 8] |= 0x80 >> bit % 8
    info = tlv(BIT_STRING, b"\0", bytes(octets)) if bits else b""
    return tlv(SEQUENCE, tlv(SEQUENCE, integer(number), words, info))


WORDS = tlv(SEQUENCE, tlv(UTF8, b"what an authority says is not for our logs"))
REFUSALS = {
    "no reason": (refusal(2), PartnerRefusedError, "not granted, status 2"),
    "badAlg": (refusal(2, 0), PartnerRefusedError, "not granted, status 2 badAlg"),
    "two reasons": (refusal(2, 15, 16), PartnerRefusedError, "status 2 unacceptedPolicy unacceptedExtension"),
    "unknown reason": (refusal(2, 9), PartnerRefusedError, "status 2"),
    "words": (refusal(2, 2, words=WORDS), PartnerRefusedError, "status 2 badRequest"),
    "no clock": (refusal(2, 14), PartnerUnavailableError, "status 2 timeNotAvailable"),
    "system failure": (refusal(2, 25), PartnerUnavailableError, "status 2 systemFailure"),
    "waiting": (refusal(3), PartnerRefusedError, "not granted, status 3"),
}


@pytest.mark.parametrize("refused", REFUSALS)
def test_a_refusal_is_told_by_its_number_and_reason_and_without_its_words(refused):
    encoded, error, text = REFUSALS[refused]
    with pytest.raises(error) as raised:
        read(encoded)
    assert str(raised.value).endswith(text)


def test_a_refusal_with_a_token_is_a_refusal():
    with pytest.raises(PartnerRefusedError):
        read(response(status=tlv(SEQUENCE, integer(2))))


@pytest.mark.parametrize(
    "encoded",
    [b"", tlv(NULL), tlv(SEQUENCE), tlv(SEQUENCE, GRANTED), tlv(SEQUENCE, tlv(SEQUENCE, tlv(INTEGER)))],
    ids=["nothing", "null", "no status", "granted without token", "empty status"],
)
def test_what_is_no_response_is_refused(encoded):
    with pytest.raises(StructureError):
        read(encoded)


def test_a_response_above_the_bound_is_not_looked_at():
    with pytest.raises(StructureError, match="too large"):
        read(response() + bytes(limits.TIME_STAMP_BYTES_MAX))


def issued(issuer=None, **changes):
    fields = {"usage": ("digital_signature",), "extended_usage": TIME_STAMPING, "extended_usage_critical": True}
    above = issuer or kit.pki().intermediate
    return kit.software(above.issue(authority().certificate.subject, Make(**fields | changes)))


def issuer_for(*purposes):
    name = kit.pki().intermediate.certificate.subject
    begin = kit.NOW - timedelta(days=20)
    return kit.pki().root.issue(name, Make(usage=CA_USAGE, is_ca=True, extended_usage=purposes, not_before=begin))


DAY = timedelta(days=1)
ALL = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
UNBELIEVED = {
    "purpose not critical": (lambda: issued(extended_usage_critical=False), "wrong-usage"),
    "purposes two": (lambda: issued(extended_usage=(*TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)), "wrong-usage"),
    "any purpose": (lambda: issued(extended_usage=(ALL,)), "wrong-usage"),
    "no purpose": (lambda: issued(extended_usage=()), "wrong-usage"),
    "not for signing": (lambda: issued(usage=("key_encipherment",)), "wrong-usage"),
    "expired": (lambda: issued(not_before=kit.NOW - 3 * DAY, not_after=kit.NOW - 2 * DAY), "expired"),
    "not yet valid": (lambda: issued(not_before=kit.NOW + DAY), "not-yet-valid"),
    "an authority over others": (lambda: issued(is_ca=True), "untrusted"),
    "below an issuer for other things": (lambda: issued(issuer_for(ExtendedKeyUsageOID.SERVER_AUTH)), "unknown"),
}


@pytest.mark.parametrize("fault", UNBELIEVED)
def test_an_authority_that_may_not_stamp_is_not_believed(fault):
    make, finding = UNBELIEVED[fault]
    with pytest.raises(CertificateError, match=f"the authority's certificate is {finding}$"):
        read(response(hand=signer(make())))


def test_an_authority_below_no_configured_root_is_not_believed():
    for roots in ((), (facts_of(kit.receiver().certificate).certificate,)):
        with pytest.raises(CertificateError, match="certificate is unknown"):
            read(response(), roots=roots)


@pytest.mark.parametrize("purposes", [(), TIME_STAMPING, (ALL,)], ids=["none", "stamps", "any"])
def test_an_issuer_that_may_issue_authorities_makes_them_believed(purposes):
    assert read(response(hand=signer(issued(issuer_for(*purposes))))).policy == POLICY


def test_a_stamp_made_while_the_certificate_was_valid_is_believed_afterwards():
    then = issued(not_before=kit.NOW - 3 * DAY, not_after=kit.NOW - DAY)
    made = (kit.NOW - 2 * DAY).strftime("%Y%m%d%H%M%SZ").encode()
    assert read(response(Info(time=made), signer(then))).time == (kit.NOW - 2 * DAY).replace(microsecond=0)


def test_a_question_holds_the_digest_of_what_is_to_be_stamped_and_a_new_nonce():
    first, second = (parse(TimeStampRequest.over(DATA, POLICY).encoded()).children() for _ in range(2))
    assert [one.encoded for one in first[:3]] == [integer(1), imprint(), object_identifier(POLICY)]
    assert first[4].encoded == TRUE
    assert first[3].integer() != second[3].integer()
    assert len(parse(replace(ASKED, nonce=None).encoded()).children()) == 3


SOUND = response()
# A changed serial number may be negative: the library warns, and goes on.
WARNS = pytest.mark.filterwarnings("ignore:Parsed a serial number:UserWarning")


@WARNS
@given(st.data())
def test_a_response_changed_anywhere_is_refused_or_tells_the_same(data):
    changed = bytearray(SOUND)
    place = data.draw(st.integers(0, len(SOUND) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(changed))
    except (TrustError, PartnerRefusedError, PartnerUnavailableError):
        return
    assert replace(found, response=SOUND) == read(SOUND)


@WARNS
@given(st.integers(0, len(SOUND) - 1), st.binary(max_size=64))
def test_a_response_cut_and_continued_otherwise_is_refused(cut, rest):
    if SOUND[cut:] == rest:
        return
    with pytest.raises(GatewayError):
        read(SOUND[:cut] + rest)


@pytest.mark.parametrize(
    "changes",
    [{"url": "http://tsa.example/"}, {"url": "https://me:secret@tsa.example/"}, {"roots": ()}, {"policy": "3.1"}],
    ids=["http", "password", "no roots", "policy"],
)
def test_an_authority_is_configured_with_an_https_address_without_password_and_with_roots(changes):
    sound = {"url": "https://tsa.example/stamp?a=1", "roots": ("tsa.pem",), "policy": POLICY}
    assert config.TimeStamp(**sound).policy == POLICY
    with pytest.raises(ValidationError):
        config.TimeStamp(**sound | changes)
