"""Recorded files of KS and of eFormidling's senders, with the outcome that each must have.

The outcomes are the closed list of the crypto profile. Old vectors are judged at their own time with their own roots:
``ok`` of the signed KS sample means on a day when its certificate was valid, with its certificate pinned, because the
sample encloses no issuer.
"""

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.crypto.asice import verify_container
from gateway.crypto.certificates import SignerTrust, TrustPolicy
from gateway.crypto.cms import looks_like_envelope, open_envelope, open_envelope_with_content_key
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.profiles import (
    EFORMIDLING_DPO,
    EFORMIDLING_LEGACY,
    FIKS_CONCERN_REPORT,
    FIKS_ENVELOPE,
    STRICT_CONTAINER,
)
from gateway.crypto.zip_archive import ZipArchive
from gateway.errors import TrustError

SAMPLE_TIME = datetime(2016, 6, 1, tzinfo=UTC)  # the KS and eFormidling samples were signed 2014-2017
VECTOR_TIME = datetime(2026, 12, 1, tzinfo=UTC)  # eformidling/vectors are valid from 2026-11-22 for ten years
KS_SIGNER = "991825827"  # the sample's signer

SAMPLES = {
    "asic-cades-test-valid.asice": "ok",
    "asic-cades-test-invalid-manifest.asice": "structure",
    "asic-cades-test-invalid-metadata-file.asice": "structure",
    "asic-cades-test-invalid-signature.asice": "signature",
    "asic-cades-test-invalid-sigreference.asice": "signature",
    "asic-general-test-invalid-mime.asice": "structure",
    "buggyAsic.asic": "structure",
}
FOLDERS = ["fiks/asice", "eformidling/samples/asice"]
PLACED = [(folder, name) for folder in FOLDERS for name in SAMPLES if (folder, name) != (FOLDERS[0], "buggyAsic.asic")]


def outcome(content, profile, trust, at):
    try:
        verify_container(io.BytesIO(content), profile, trust, at)
    except TrustError as refused:
        return refused.outcome
    return "ok"


def pinned(*certificates):
    return TrustPolicy(pins=frozenset(one.fingerprint(hashes.SHA256()).hex() for one in certificates))


def signer_of(content):
    verified = verify_container(io.BytesIO(content), FIKS_CONCERN_REPORT, TrustPolicy(), SAMPLE_TIME)
    return verified.signer


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_container_has_an_expected_outcome(reference, folder):
    assert {path.name for path in (reference / folder).glob("*.asic*")} <= SAMPLES.keys()


@pytest.mark.parametrize(("folder", "name"), PLACED)
def test_a_sample_container_ends_as_the_table_says(reference, folder, name):
    content = (reference / folder / name).read_bytes()
    pins = frozenset({signer_of(content).fingerprint_sha256}) if SAMPLES[name] == "ok" else frozenset()
    assert outcome(content, EFORMIDLING_LEGACY, TrustPolicy(pins=pins), SAMPLE_TIME) == SAMPLES[name]


def test_the_valid_sample_is_refused_for_its_sha1_signature_where_no_switch_allows_it(reference):
    content = (reference / "fiks/asice/asic-cades-test-valid.asice").read_bytes()
    pins = frozenset({signer_of(content).fingerprint_sha256})
    assert outcome(content, STRICT_CONTAINER, TrustPolicy(pins=pins), SAMPLE_TIME) == "signature"


def test_the_valid_sample_is_a_certificate_fault_today_and_without_its_pin(reference):
    content = (reference / "fiks/asice/asic-cades-test-valid.asice").read_bytes()
    pins = TrustPolicy(pins=frozenset({signer_of(content).fingerprint_sha256}))
    assert outcome(content, EFORMIDLING_LEGACY, pins, VECTOR_TIME) == "certificate"
    assert outcome(content, EFORMIDLING_LEGACY, TrustPolicy(), SAMPLE_TIME) == "certificate"


def test_the_valid_sample_is_delivered_with_its_warnings_as_a_concern_report(reference):
    content = (reference / "fiks/asice/asic-cades-test-valid.asice").read_bytes()
    pins = TrustPolicy(pins=frozenset({signer_of(content).fingerprint_sha256}))
    verified = verify_container(io.BytesIO(content), FIKS_CONCERN_REPORT, pins, VECTOR_TIME)
    assert [document.name for document in verified.documents] == ["bii-envelope.xml", "bii-message.xml"]
    assert verified.warnings == ("sha1-signature", "signer-expired")
    assert (verified.signer.trust, verified.signer.organisation_number) == (SignerTrust.EXPIRED, KS_SIGNER)
    assert len(b"".join(verified.open("bii-envelope.xml"))) == 2711


VECTORS = [
    ("asic-plain-sha1.zip", EFORMIDLING_LEGACY, "ok"),
    ("asic-plain-sha1.zip", STRICT_CONTAINER, "signature"),
    ("asic-plain-sha256.zip", EFORMIDLING_LEGACY, "ok"),
    ("asic-plain-sha256.zip", STRICT_CONTAINER, "ok"),
]


@pytest.mark.parametrize(("name", "profile", "expected"), VECTORS, ids=lambda value: getattr(value, "name", value))
def test_an_eformidling_vector_ends_as_its_readme_says(reference, name, profile, expected):
    folder = reference / "eformidling/vectors"
    sender = x509.load_pem_x509_certificate((folder / "sender.cert.pem").read_bytes())
    assert outcome((folder / name).read_bytes(), profile, pinned(sender), VECTOR_TIME) == expected
    wanted = "certificate" if expected == "ok" else expected
    assert outcome((folder / name).read_bytes(), profile, TrustPolicy(), VECTOR_TIME) == wanted


NO_VECTORS = {"receiver.TEST-ONLY.key.pem", "receiver.cert.pem", "sender.cert.pem", "sbd.json"}
"""Keys and certificates that the vectors were made with, and the eFormidling document, which no road of ours reads yet."""
PACKAGE = "dpo-package-sbd.zip"
KS_ENVELOPE = "java-enveloped-oaep-sha256-aes256cbc.ber"
ENVELOPES = [
    ("asic-sha1-oaep.cms", "asic-plain-sha1.zip", FIKS_ENVELOPE, "ok"),
    ("asic-sha256-oaep.cms", "asic-plain-sha256.zip", FIKS_ENVELOPE, "ok"),
    ("asic-sha1-pkcs1.cms", "asic-plain-sha1.zip", EFORMIDLING_DPO, "ok"),
    ("asic-sha1-pkcs1.cms", "asic-plain-sha1.zip", FIKS_ENVELOPE, "structure"),
]


def eformidling_key(folder: Path) -> SoftwareKey:
    key = load_pem_private_key((folder / "receiver.TEST-ONLY.key.pem").read_bytes(), None)
    return SoftwareKey(key, tuple(x509.load_pem_x509_certificates((folder / "receiver.cert.pem").read_bytes())))


@pytest.mark.parametrize(("name", "plain", "profile", "expected"), ENVELOPES)
def test_an_eformidling_envelope_opens_to_its_plain_file(reference, name, plain, profile, expected):
    folder = reference / "eformidling/vectors"
    sealed = (folder / name).read_bytes()
    assert looks_like_envelope(sealed[:32])
    try:
        opened = b"".join(open_envelope(io.BytesIO(sealed), [eformidling_key(folder)], profile))
        found = "ok" if opened == (folder / plain).read_bytes() else "another plaintext"
    except TrustError as refused:
        found = refused.outcome
    assert found == expected


def test_every_vector_has_an_expected_outcome(reference):
    named = {PACKAGE, *(vector[0] for vector in VECTORS), *(envelope[0] for envelope in ENVELOPES)}
    assert {path.name for path in (reference / "eformidling/vectors").iterdir()} == named | NO_VECTORS
    assert [path.name for path in (reference / "fiks/cms").glob("*.ber")] == [KS_ENVELOPE]


def test_the_envelope_in_a_brokers_package_opens_to_a_container_that_holds(reference):
    folder = reference / "eformidling/vectors"
    package = ZipArchive(io.BytesIO((folder / PACKAGE).read_bytes()))
    assert [entry.name for entry in package.entries] == ["sbd.json", "asic.zip"]
    sealed = b"".join(package.pieces(package.entries[1]))
    opened = b"".join(open_envelope(io.BytesIO(sealed), [eformidling_key(folder)], EFORMIDLING_DPO))
    sender = x509.load_pem_x509_certificate((folder / "sender.cert.pem").read_bytes())
    assert outcome(opened, EFORMIDLING_LEGACY, pinned(sender), VECTOR_TIME) == "ok"
    assert outcome(opened, STRICT_CONTAINER, pinned(sender), VECTOR_TIME) == "signature"


def test_the_envelope_made_by_kss_java_library_opens_with_its_content_key(reference):
    folder = reference / "fiks/cms"
    key = bytes.fromhex((folder / "content-encryption-key.hex").read_text().strip())
    with (folder / KS_ENVELOPE).open("rb") as sealed:
        plain = b"".join(open_envelope_with_content_key(sealed, key, FIKS_ENVELOPE))
    assert plain == (folder / "java-enveloped-plaintext.txt").read_bytes()


def test_the_same_envelope_is_a_decryption_fault_for_any_key_of_ours(reference):
    sealed = reference / "fiks/cms" / KS_ENVELOPE
    key = eformidling_key(reference / "eformidling/vectors")
    with sealed.open("rb") as file, pytest.raises(TrustError) as refused:
        b"".join(open_envelope(file, [key], FIKS_ENVELOPE))
    assert refused.value.outcome == "decryption"


def test_another_profile_than_the_vectors_is_a_structure_fault(reference):
    sealed = reference / "fiks/cms" / KS_ENVELOPE
    profile = replace(FIKS_ENVELOPE, accept_ciphers=frozenset())
    with sealed.open("rb") as file, pytest.raises(TrustError) as refused:
        open_envelope_with_content_key(file, bytes(32), profile)
    assert refused.value.outcome == "structure"
