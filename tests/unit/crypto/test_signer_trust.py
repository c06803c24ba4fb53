"""Whom a channel believes, and what it says of everybody else."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.crypto.certificates import RevocationStatus, SignerTrust, TrustPolicy, organisation_number
from gateway.testing.pki import SEALING_USAGE, Make, Pki, receive_key, self_signed
from tests import crypto_kit as kit

PKI = kit.pki()
DAY = timedelta(days=1)


def judge(credential, at=kit.NOW, **changes):
    return kit.trust(**changes).judge(credential.certificate, credential.issuers, at)


def organisation(**changes):
    return PKI.organisation(kit.ORGANISATION, make=Make(**changes))


def pin(credential):
    return frozenset({credential.certificate.fingerprint(hashes.SHA256()).hex()})


CASES = {
    "sound": ({}, SignerTrust.TRUSTED),
    "elliptic": ({"elliptic": True}, SignerTrust.TRUSTED),
    "digital signature only": ({"usage": ("digital_signature",)}, SignerTrust.TRUSTED),
    "content commitment only": ({"usage": ("content_commitment",)}, SignerTrust.TRUSTED),
    "with extended usage": ({"extended_usage": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, SignerTrust.TRUSTED),
    "with alternative name": ({"names": ("kommune.example",)}, SignerTrust.TRUSTED),
    "with distribution points": ({"crl_url": "http://a/", "ocsp_url": "http://b/"}, SignerTrust.TRUSTED),
    "expired": ({"not_before": kit.NOW - 9 * DAY, "not_after": kit.NOW - DAY}, SignerTrust.EXPIRED),
    "not yet valid": ({"not_before": kit.NOW + DAY, "not_after": kit.NOW + 9 * DAY}, SignerTrust.NOT_YET_VALID),
    "encryption only": ({"usage": SEALING_USAGE}, SignerTrust.WRONG_USAGE),
    "1024 bits": ({"key_bits": 1024}, SignerTrust.UNTRUSTED),
    "a CA": ({"is_ca": True, "usage": ("digital_signature", "key_cert_sign")}, SignerTrust.UNTRUSTED),
    "unknown critical extension": ({"unknown_critical_extension": True}, SignerTrust.UNTRUSTED),
    "weak signature of its issuer": ({"signed_with": hashes.SHA224()}, SignerTrust.UNKNOWN),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES.keys())
def test_a_certificate_below_a_configured_root_is_judged_by_what_is_wrong_with_it(changes, expected):
    assert judge(organisation(**changes)) is expected


def test_time_is_judged_to_the_second_although_paths_are_looked_up_by_day():
    credential = organisation(not_before=kit.NOW - DAY, not_after=kit.NOW.replace(microsecond=0) + timedelta(seconds=9))
    end = credential.certificate.not_valid_after_utc
    assert judge(credential, end) is SignerTrust.TRUSTED
    assert judge(credential, end + timedelta(seconds=1)) is SignerTrust.EXPIRED
    begin = credential.certificate.not_valid_before_utc
    assert judge(credential, begin) is SignerTrust.TRUSTED
    assert judge(credential, begin - timedelta(seconds=1)) is SignerTrust.NOT_YET_VALID


def test_a_leaf_below_an_expired_intermediate_is_expired():
    pki = Pki(Make(not_before=kit.NOW - 10 * DAY))
    make = Make(usage=("key_cert_sign", "crl_sign"), is_ca=True, not_before=kit.NOW - 9 * DAY, not_after=kit.NOW - DAY)
    intermediate = pki.root.issue(pki.intermediate.certificate.subject, make)
    name = PKI.organisation("123456789").certificate.subject
    leaf = intermediate.issue(name, Make(not_before=kit.NOW - 8 * DAY))
    assert judge(leaf, roots=(pki.root.certificate,)) is SignerTrust.EXPIRED
    assert judge(leaf, kit.NOW - 2 * DAY, roots=(pki.root.certificate,)) is SignerTrust.TRUSTED


def test_strangers_and_self_made_certificates_are_unknown():
    assert judge(Pki().organisation(kit.ORGANISATION)) is SignerTrust.UNKNOWN
    name = PKI.organisation(kit.ORGANISATION).certificate.subject
    assert judge(self_signed(name)) is SignerTrust.UNKNOWN
    assert judge(self_signed(name, Make(is_ca=True))) is SignerTrust.UNKNOWN
    assert judge(organisation(), roots=()) is SignerTrust.UNKNOWN


def test_a_leaf_without_its_intermediate_is_unknown():
    assert kit.trust().judge(organisation().certificate, (), kit.NOW) is SignerTrust.UNKNOWN


def test_a_leaf_alone_is_believed_when_its_intermediate_is_configured():
    configured = kit.trust(intermediates=(PKI.intermediate.certificate,))
    assert configured.judge(organisation().certificate, (), kit.NOW) is SignerTrust.TRUSTED
    rootless = kit.trust(roots=(), intermediates=(PKI.intermediate.certificate,))
    assert rootless.judge(organisation().certificate, (), kit.NOW) is SignerTrust.UNKNOWN


def test_a_certificate_that_another_organisation_issued_is_unknown():
    issuer = organisation()
    name = PKI.organisation("123456789").certificate.subject
    forged = issuer.issue(name)
    assert kit.trust().judge(forged.certificate, forged.issuers, kit.NOW) is SignerTrust.UNKNOWN


def test_a_pinned_certificate_is_believed_without_a_path_while_it_is_valid():
    credential = self_signed(PKI.organisation(kit.ORGANISATION).certificate.subject, Make(is_ca=True))
    assert judge(credential, pins=pin(credential)) is SignerTrust.TRUSTED
    assert judge(credential, kit.NOW + 999 * DAY, pins=pin(credential)) is SignerTrust.EXPIRED
    assert judge(receive_key(), pins=pin(credential)) is not SignerTrust.TRUSTED
    sealing = receive_key()
    assert judge(sealing, pins=pin(sealing)) is SignerTrust.WRONG_USAGE


class Says:
    def __init__(self, *states):
        self.states, self.asked = list(states), []

    def status(self, certificate, issuer, at):
        self.asked.append((certificate, issuer, at))
        return self.states[len(self.asked) - 1]


GOOD, REVOKED, UNKNOWN = RevocationStatus.GOOD, RevocationStatus.REVOKED, RevocationStatus.UNKNOWN


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((GOOD, GOOD), SignerTrust.TRUSTED),
        ((REVOKED, GOOD), SignerTrust.REVOKED),
        ((GOOD, REVOKED), SignerTrust.REVOKED),
        ((UNKNOWN, REVOKED), SignerTrust.REVOKED),
        ((UNKNOWN, GOOD), SignerTrust.REVOCATION_UNKNOWN),
    ],
)
def test_leaf_and_intermediate_are_both_asked_for(states, expected):
    says = Says(*states)
    credential = organisation()
    assert judge(credential, revocation=says) is expected
    intermediate, root = PKI.intermediate.certificate, PKI.root.certificate
    assert says.asked == [(credential.certificate, intermediate, kit.NOW), (intermediate, root, kit.NOW)]


def test_revoked_is_graver_than_expired_and_unknown_is_graver_than_both():
    credential = organisation(not_before=kit.NOW - 9 * DAY, not_after=kit.NOW - DAY)
    assert judge(credential, revocation=Says(REVOKED, GOOD)) is SignerTrust.REVOKED
    assert judge(credential, revocation=Says(GOOD, UNKNOWN)) is SignerTrust.EXPIRED
    assert judge(credential, roots=(Pki().root.certificate,)) is SignerTrust.UNKNOWN


@pytest.mark.proves("S56")
def test_nobody_is_asked_about_a_strangers_certificate():
    says = Says(GOOD)
    assert judge(Pki().organisation(kit.ORGANISATION), revocation=says) is SignerTrust.UNKNOWN
    assert says.asked == []


def test_a_certificate_policy_is_asked_for_where_the_channel_names_some():
    assert judge(organisation(), policies=frozenset({"2.16.578.1.26.1.3.2"})) is SignerTrust.UNTRUSTED


def name(*pairs):
    return self_signed(x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])).certificate


IDENTIFIER, SERIAL = x509.NameOID.ORGANIZATION_IDENTIFIER, x509.NameOID.SERIAL_NUMBER


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(IDENTIFIER, "NTRNO-987654321")], "987654321"),
        ([(SERIAL, "987654321")], "987654321"),
        ([(IDENTIFIER, "NTRNO-987654321"), (SERIAL, "123456789")], "987654321"),
        ([(IDENTIFIER, "VATNO-987654321")], None),
        ([(IDENTIFIER, "NTRNO-9876543210")], None),
        ([(SERIAL, "98765432a")], None),
        ([(IDENTIFIER, "NTRNO-٩٨٧٦٥٤٣٢١")], None),
        ([(SERIAL, "987654321"), (SERIAL, "123456789")], None),
        ([(x509.NameOID.COMMON_NAME, "987654321")], None),
    ],
)
def test_the_organisation_number_is_read_from_the_two_places_where_it_stands(pairs, expected):
    assert organisation_number(name(*pairs)) == expected


def test_a_policy_without_anything_believes_nobody():
    credential = organisation()
    assert TrustPolicy().judge(credential.certificate, credential.issuers, kit.NOW) is SignerTrust.UNKNOWN
