"""Signatures over a manifest: every form that peers send, and each way in which one does not hold."""

import hashlib
from datetime import UTC, datetime

import pytest

from gateway import limits
from gateway.crypto.ber import OCTET_STRING, SEQUENCE, SET, context, integer, object_identifier, parse, tlv
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, STRICT_CONTAINER
from gateway.crypto.signed_data import sign_detached, verify_detached
from gateway.errors import SenderError, SignatureError, StructureError, TrustError
from gateway.testing.pki import Make
from tests import crypto_kit as kit
from tests.crypto_kit import HandSigner

CONTENT = b"<ASiCManifest/>"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
PSS = "1.2.840.113549.1.1.10"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
CERTIFICATE_V1 = "1.2.840.113549.1.9.16.2.12"
CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52"


def verify(encoded, profile=STRICT_CONTAINER, content=CONTENT):
    return verify_detached(encoded, content, profile)


def names(digest, oid=CERTIFICATE_V2, algorithm=b""):
    return kit.attribute(oid, tlv(SEQUENCE, tlv(SEQUENCE, tlv(SEQUENCE, algorithm, tlv(OCTET_STRING, digest)))))


SIGNER_DER = facts_of(kit.signer().certificate).der
SHA512_ALGORITHM = tlv(SEQUENCE, object_identifier(kit.DIGEST_OIDS["sha512"]))

HOLDS = {
    "plain": HandSigner(),
    "attributes as sent, unsorted": HandSigner(sort=False),
    "no attributes": HandSigner(attributes=False),
    "rsaEncryption": HandSigner(signature_oid=RSA_ENCRYPTION),
    "sha512": HandSigner(digest="sha512", signature_oid="1.2.840.113549.1.1.13"),
    "pss": HandSigner(signature_oid=PSS, pss_salt=32),
    "certificate named by sha256": HandSigner(extra=(names(hashlib.sha256(SIGNER_DER).digest()),)),
    "certificate named by sha512": HandSigner(
        extra=(names(hashlib.sha512(SIGNER_DER).digest(), algorithm=SHA512_ALGORITHM),)
    ),
    "certificate named by sha1": HandSigner(
        extra=(names(hashlib.sha1(SIGNER_DER, usedforsecurity=False).digest(), CERTIFICATE_V1),)
    ),
    "algorithm protection": HandSigner(extra=(kit.attribute(ALGORITHM_PROTECTION, tlv(SEQUENCE)),)),
    "unsigned attributes": HandSigner(unsigned=tlv(context(1), kit.attribute("1.2.3", integer(1)))),
}


@pytest.mark.parametrize("hand", HOLDS.values(), ids=HOLDS.keys())
def test_a_signature_in_any_form_that_peers_send_holds(hand):
    verified = verify(kit.signed_data(CONTENT, hand))
    assert verified.signer.certificate == kit.signer().certificate
    assert not verified.used_sha1


FAILS = {
    "broken": (HandSigner(broken=True), SignatureError),
    "other digest": (HandSigner(message_digest=bytes(32)), SignatureError),
    "other content type": (HandSigner(content_type="1.2.840.113549.1.7.2"), SignatureError),
    "content type missing": (HandSigner(leave_out=("content type",)), SignatureError),
    "digest missing": (HandSigner(leave_out=("message digest",)), SignatureError),
    "attribute twice": (HandSigner(extra=(kit.attribute("1.2.3", integer(1)),) * 2), StructureError),
    "attribute with two values": (HandSigner(extra=(kit.attribute("1.2.3", integer(1), integer(2)),)), StructureError),
    "attribute without value": (HandSigner(extra=(kit.attribute("1.2.3"),)), StructureError),
    "hashes disagree": (HandSigner(digest_oid=kit.DIGEST_OIDS["sha512"]), SignatureError),
    "unknown hash": (HandSigner(digest_oid="1.2.840.113549.2.5"), SignatureError),
    "unknown algorithm": (HandSigner(signature_oid="1.2.3.4"), SignatureError),
    "ecdsa named for an rsa key": (HandSigner(signature_oid=ECDSA_SHA256), SignatureError),
    "pss salt too long": (HandSigner(signature_oid=PSS, pss_salt=33), StructureError),
    "certificate named otherwise": (HandSigner(extra=(names(bytes(32)),)), SignatureError),
    "certificate v1 named otherwise": (HandSigner(extra=(names(bytes(20), CERTIFICATE_V1),)), SignatureError),
    "sha1": (HandSigner(digest="sha1", signature_oid="1.2.840.113549.1.1.5"), SignatureError),
}


@pytest.mark.parametrize(("hand", "error"), FAILS.values(), ids=FAILS.keys())
def test_a_signature_that_is_wrong_in_one_thing_does_not_hold(hand, error):
    with pytest.raises(error):
        verify(kit.signed_data(CONTENT, hand))


def test_a_signature_over_other_content_does_not_hold():
    with pytest.raises(SignatureError):
        verify(kit.signed_data(CONTENT, HandSigner()), content=b"annet")


@pytest.mark.parametrize("oid", ["1.2.840.113549.1.1.5", RSA_ENCRYPTION])
def test_sha1_holds_only_by_switch_and_is_told(oid):
    encoded = kit.signed_data(CONTENT, HandSigner(digest="sha1", signature_oid=oid))
    assert verify(encoded, FIKS_CONCERN_REPORT).used_sha1
    with pytest.raises(SignatureError):
        verify(encoded)


def test_two_signatures_of_one_certificate_hold_as_net_senders_make_them():
    encoded = kit.signed_data(CONTENT, HandSigner(), HandSigner(signature_oid=RSA_ENCRYPTION))
    assert verify(encoded).signer.certificate == kit.signer().certificate


def test_one_bad_signature_beside_a_good_one_spoils_both():
    with pytest.raises(SignatureError):
        verify(kit.signed_data(CONTENT, HandSigner(), HandSigner(broken=True)))


def test_one_weak_signature_beside_a_strong_one_is_told():
    weak = HandSigner(digest="sha1", signature_oid="1.2.840.113549.1.1.5")
    assert verify(kit.signed_data(CONTENT, HandSigner(), weak), FIKS_CONCERN_REPORT).used_sha1


def test_signatures_of_two_certificates_are_a_senders_fault():
    with pytest.raises(SenderError):
        verify(kit.signed_data(CONTENT, HandSigner(), HandSigner(key=kit.other_signer())))


@pytest.mark.parametrize("order", [1, -1])
def test_the_signer_is_found_by_identifier_whatever_the_order_of_certificates(order):
    encoded = kit.signed_data(CONTENT, HandSigner(), certificates=kit.signer().chain[::order])
    assert verify(encoded).signer.certificate == kit.signer().certificate


def test_an_unreadable_certificate_beside_the_signers_is_passed_over():
    intermediate = facts_of(kit.signer().chain[1]).der
    unreadable = intermediate[:4] + bytes([0x31]) + intermediate[5:]
    encoded = kit.signed_data(CONTENT, HandSigner()).replace(intermediate, unreadable)
    assert verify(encoded).enclosed == ()


def test_a_signature_without_its_certificate_does_not_hold():
    with pytest.raises(SignatureError):
        verify(kit.signed_data(CONTENT, HandSigner(), certificates=[kit.other_signer().certificate]))
    with pytest.raises(SignatureError):
        verify(kit.signed_data(CONTENT, HandSigner(), certificates=[]))


def test_nobody_having_signed_does_not_hold():
    with pytest.raises(SignatureError):
        verify(kit.signed_data(CONTENT, certificates=[kit.signer().certificate]))


@pytest.mark.parametrize("count", [limits.CMS_SIGNERS_MAX, limits.CMS_SIGNERS_MAX + 1])
def test_more_signers_than_anybody_needs_are_refused(count):
    encoded = kit.signed_data(CONTENT, *[HandSigner()] * count)
    if count <= limits.CMS_SIGNERS_MAX:
        assert verify(encoded)
    else:
        with pytest.raises(StructureError):
            verify(encoded)


def test_more_certificates_than_anybody_needs_are_refused():
    octets = tlv(SEQUENCE, integer(1))
    crowd = tlv(context(0), facts_of(kit.signer().certificate).der, *[octets] * limits.CMS_CERTIFICATES_MAX)
    alone = tlv(context(0), facts_of(kit.signer().certificate).der)
    signed = kit.signed_data(CONTENT, HandSigner(), certificates=[kit.signer().certificate])
    kind, explicit = parse(signed).children()
    parts = [one.encoded for one in explicit.children()[0].children()]
    for certificates, holds in ((alone, True), (crowd, False)):
        parts[3] = certificates
        encoded = tlv(SEQUENCE, kind.encoded, tlv(context(0), tlv(SEQUENCE, *parts)))
        if holds:
            assert verify(encoded)
        else:
            with pytest.raises(StructureError):
                verify(encoded)


PSS_OTHER_MASK = tlv(
    SEQUENCE,
    tlv(context(0), tlv(SEQUENCE, object_identifier(kit.DIGEST_OIDS["sha256"]))),
    tlv(context(2), integer(32)),
)


def test_pss_whose_mask_uses_another_hash_is_refused():
    """The mask's hash left out means SHA-1, which is not the hash."""
    good = kit.signed_data(CONTENT, HandSigner(signature_oid=PSS, pss_salt=32, attributes=False))
    fields = parse(good).children()[1].children()[0].children()
    (info,) = fields[-1].children()
    parts = [one.encoded for one in info.children()]
    parts[3] = tlv(SEQUENCE, object_identifier(PSS), PSS_OTHER_MASK)
    rest = [one.encoded for one in fields[:-1]]
    inner = tlv(SEQUENCE, *rest, tlv(SET, tlv(SEQUENCE, *parts)))
    assert verify(good)
    with pytest.raises(StructureError):
        verify(tlv(SEQUENCE, parse(good).children()[0].encoded, tlv(context(0), inner)))


SHAPES = {
    "content enclosed": kit.signed_data(CONTENT, HandSigner(), enclosed=tlv(context(0), tlv(OCTET_STRING, CONTENT))),
    "another type": kit.signed_data(CONTENT, HandSigner(), content_type="1.2.840.113549.1.7.3"),
    "octets behind": kit.signed_data(CONTENT, HandSigner()) + b"\0",
    "cut": kit.signed_data(CONTENT, HandSigner())[:-1],
    "empty": b"",
    "not ber": b"\xff" * 9,
    "twenty deep": b"\x30\x80" * 20 + b"\0\0" * 20,
}


@pytest.mark.parametrize("encoded", SHAPES.values(), ids=SHAPES.keys())
def test_what_is_not_a_detached_signed_data_is_a_structure_fault(encoded):
    with pytest.raises(StructureError):
        verify(encoded)


def test_what_we_sign_names_its_certificate_and_leaves_the_root_out():
    encoded = sign_detached(CONTENT, kit.signer(), datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC))
    verified = verify(encoded)
    assert {one.certificate for one in verified.enclosed} == {kit.pki().intermediate.certificate}
    assert hashlib.sha256(SIGNER_DER).digest() in encoded
    assert b"\x17\x0d261122030405Z" in encoded


def test_a_signing_time_after_2049_is_written_with_four_digits_of_year():
    assert b"\x18\x0f20500101000000Z" in sign_detached(CONTENT, kit.signer(), datetime(2050, 1, 1, tzinfo=UTC))


def test_an_elliptic_signature_holds():
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    class Elliptic:
        def __init__(self, credential):
            self.chain, self.certificate, self._key = credential.chain, credential.certificate, self
            self._private = credential.key

        def sign(self, data, _padding, _algorithm):
            return self._private.sign(data, ec.ECDSA(SHA256()))

    key = Elliptic(kit.pki().organisation(kit.ORGANISATION, make=Make(elliptic=True)))
    assert verify(kit.signed_data(CONTENT, HandSigner(key=key, signature_oid=ECDSA_SHA256)))


def test_every_single_changed_octet_of_a_signature_is_harmless_or_refused():
    encoded = sign_detached(CONTENT, kit.signer(), kit.NOW)
    for place in range(len(encoded)):
        changed = bytearray(encoded)
        changed[place] ^= 0x11
        try:
            verified = verify(bytes(changed))
        except TrustError:
            continue
        # What is left are octets that nobody relies on, such as the other certificates of the chain.
        assert verified.signer.certificate == kit.signer().certificate
