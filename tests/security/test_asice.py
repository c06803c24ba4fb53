"""S18 and S19: what of a container nobody vouches for is never read, and nothing is read before everything holds."""

import io
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.crypto.asice import verify_container
from gateway.crypto.certificates import SignerTrust, TrustPolicy
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, STRICT_CONTAINER
from gateway.crypto.signed_data import sign_detached
from gateway.errors import CertificateError, DocumentError, SenderError, SignatureError, StructureError
from tests import crypto_kit as kit
from tests.crypto_kit import DOCUMENTS, MANIFEST_NAME, SIGNATURE_NAME, Handmade, HandSigner

JSON, PDF = DOCUMENTS


def verify(content, profile=STRICT_CONTAINER, trust=None, at=kit.NOW):
    return verify_container(io.BytesIO(content), profile, trust or kit.trust(), at)


def read(content, **options):
    verified = verify(content, **options)
    return {one.name: b"".join(verified.open(one.name)) for one in verified.documents}


@pytest.mark.proves("S19")
def test_control_our_own_and_a_handmade_container_are_read():
    assert read(kit.our_container()) == DOCUMENTS
    assert read(Handmade().build()) == DOCUMENTS


SOUND = {
    "namespace 1.1.1": Handmade(namespace="http://uri.etsi.org/02918/v1.1.1#"),
    "namespace of net": Handmade(
        namespace="http://uri.etsi.org/2918/v1.2.1#", digest_base="http://www.w3.org/2000/09/xmldsig#"
    ),
    "sha384": Handmade(digest="sha384"),
    "sha512 of xmldsig": Handmade(digest="sha512", digest_base="http://www.w3.org/2000/09/xmldsig#"),
    "name of java": Handmade(manifest_name="META-INF/ASiCManifest.xml"),
    "no signature uri": Handmade(signature_name="META-INF/signature.p7s", signature_reference=None),
    "opendocument manifest": Handmade(extra={"META-INF/manifest.xml": b"<manifest/>"}),
    "stored": Handmade(compression=zipfile.ZIP_STORED),
    "encoded name": Handmade(documents={"å b.json": b"{}"}, references=[("%C3%A5%20b.json", b"{}")]),
    "name not encoded": Handmade(documents={"100% å.json": b"{}"}),
    "comment and instruction": Handmade(prolog="<?xml version='1.0'?><!-- x --><?y z?>"),
}


@pytest.mark.proves("S19")
@pytest.mark.parametrize("made", SOUND.values(), ids=SOUND.keys())
def test_control_every_form_that_peers_write_is_read(made):
    assert read(made.build()) == made.documents


WARNED = {
    "mimetype-not-first": Handmade(mimetype_last=True),
    "mimetype-compressed": Handmade(mimetype_compression=zipfile.ZIP_DEFLATED),
    "mimetype-missing": Handmade(mimetype=None),
}


@pytest.mark.proves("S19")
@pytest.mark.parametrize(("code", "made"), WARNED.items())
def test_what_is_only_untidy_is_read_with_a_warning(code, made):
    assert verify(made.build()).warnings == (code,)


def second_manifest(made, **changes):
    """Another manifest with a signature of its own, beside the first."""
    other = replace(made, signature_name="META-INF/signature-2.p7s", **changes)
    signed = {"META-INF/ASiCManifest2.xml": other.manifest()}
    signed["META-INF/signature-2.p7s"] = sign_detached(other.manifest(), other.key or kit.signer(), kit.NOW)
    return replace(made, extra=signed)


def after_signing(**documents):
    """Add or change documents after the manifest was signed."""
    made = Handmade()
    entries = {"mimetype": kit.MIMETYPE} | dict(made.entries())
    entries |= documents
    return kit.zip_of([(name, content, zipfile.ZIP_STORED) for name, content in entries.items()])


def without(*names):
    return kit.zip_of(
        [(name, content, zipfile.ZIP_STORED) for name, content in Handmade().entries() if name not in names]
    )


BAD = {
    # unsigned
    "no signature": (without(SIGNATURE_NAME), SignatureError),
    "no manifest": (without(MANIFEST_NAME), SignatureError),
    "neither": (without(SIGNATURE_NAME, MANIFEST_NAME), SignatureError),
    "no documents": (Handmade(documents={}).build(), SignatureError),
    "xades only": (
        kit.zip_of([(JSON, b"{}", 0), ("META-INF/signatures.xml", b"<XAdESSignatures/>", 0)]),
        SignatureError,
    ),
    # half-referenced
    "file that no manifest names": (after_signing(**{"extra.json": b"{}"}), SignatureError),
    "named file that is not there": (without(JSON), SignatureError),
    "file renamed by case": (
        Handmade(references=[(JSON.upper(), DOCUMENTS[JSON]), (PDF, DOCUMENTS[PDF])]).build(),
        SignatureError,
    ),
    "manifest in the payload's place": (
        Handmade(references=[(MANIFEST_NAME, b""), *DOCUMENTS.items()]).build(),
        SignatureError,
    ),
    "manifest without references": (Handmade(references=[]).build(), SignatureError),
    "name encoded twice": (
        Handmade(documents={"å.json": b"{}"}, references=[("%25C3%25A5.json", b"{}")]).build(),
        SignatureError,
    ),
    # doubly signed
    "file named twice": (Handmade(references=[*DOCUMENTS.items(), (JSON, DOCUMENTS[JSON])]).build(), SignatureError),
    "second manifest over the same": (second_manifest(Handmade()).build(), SignatureError),
    "signature that no manifest names": (
        Handmade(extra={"META-INF/signature-2.p7s": sign_detached(b"x", kit.signer(), kit.NOW)}).build(),
        SignatureError,
    ),
    "two manifests, one signature": (
        Handmade(extra={"META-INF/ASiCManifest2.xml": Handmade(references=[]).manifest()}).build(),
        SignatureError,
    ),
    "two certificates in one signature": (
        Handmade(
            sign=lambda content: kit.signed_data(content, HandSigner(), HandSigner(key=kit.other_signer()))
        ).build(),
        SenderError,
    ),
    "manifests of two signers": (
        second_manifest(
            Handmade(references=[(JSON, DOCUMENTS[JSON])]), references=[(PDF, DOCUMENTS[PDF])], key=kit.other_signer()
        ).build(),
        SenderError,
    ),
    # re-packed
    "document changed": (after_signing(**{JSON: b'{"a": 2}'}), SignatureError),
    "document emptied": (after_signing(**{JSON: b""}), SignatureError),
    "documents exchanged": (after_signing(**{JSON: DOCUMENTS[PDF], PDF: DOCUMENTS[JSON]}), SignatureError),
    "manifest changed": (
        after_signing(**{MANIFEST_NAME: Handmade().manifest() + b" "}),
        SignatureError,
    ),
    "manifest of another": (
        Handmade(sign=lambda _: sign_detached(b"x", kit.signer(), kit.NOW)).build(),
        SignatureError,
    ),
    "signature broken": (
        Handmade(sign=lambda content: kit.signed_data(content, HandSigner(broken=True))).build(),
        SignatureError,
    ),
    "signature over nothing": (Handmade(sign=lambda _: kit.signed_data(b"", HandSigner())).build(), SignatureError),
    "signature is no signature": (Handmade(sign=lambda _: b"p7s").build(), StructureError),
    "sha1 digest": (Handmade(digest="sha1").build(), SignatureError),
    "unknown digest": (Handmade(digest_base="urn:x#").build(), SignatureError),
    # built wrongly
    "other media type": (Handmade(mimetype=b"application/zip").build(), StructureError),
    "media type and a newline": (Handmade(mimetype=kit.MIMETYPE + b"\n").build(), StructureError),
    "stranger in META-INF": (Handmade(extra={"META-INF/x.txt": b""}).build(), StructureError),
    "stranger in meta-inf": (Handmade(extra={"meta-inf/x.txt": b""}).build(), StructureError),
    "folder in META-INF": (Handmade(extra={"META-INF/a/manifest.xml": b""}).build(), StructureError),
    "large manifest": (Handmade(extra={"META-INF/manifest.xml": bytes(2**20 + 1)}).build(), StructureError),
    "doctype": (Handmade(prolog="<!DOCTYPE ASiCManifest>").build(), StructureError),
    "entity": (Handmade(prolog="<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>").build(), StructureError),
    "other namespace": (Handmade(namespace="urn:x").build(), StructureError),
    "no namespace": (Handmade(namespace="").build(), StructureError),
    "not xml": (Handmade(prolog="<").build(), StructureError),
    "path": (Handmade(documents={"../x.json": b"{}"}).build(), StructureError),
    "doubled name": (
        kit.zip_of([(name, content, 0) for name, content in [*Handmade().entries(), (JSON, b"{}")]]),
        StructureError,
    ),
    "case twin": (Handmade(documents={"a.json": b"{}", "A.json": b"[]"}).build(), StructureError),
    "bomb": (Handmade(documents={"a.json": bytes(3 * 2**20)}).build(), StructureError),
    "prefix": (b"MZ" + Handmade().build(), StructureError),
    "trailing octet": (Handmade().build() + b"\0", StructureError),
    "cut": (Handmade().build()[:-30], StructureError),
    "nothing": (b"", StructureError),
}


@pytest.mark.proves("S19")
@pytest.mark.parametrize("profile", [STRICT_CONTAINER, FIKS_CONCERN_REPORT], ids=lambda profile: profile.name)
@pytest.mark.parametrize(("content", "error"), BAD.values(), ids=BAD.keys())
def test_a_container_that_is_wrong_in_one_thing_is_refused_under_every_profile(content, error, profile):
    with pytest.raises(error):
        verify(content, profile=profile)


@pytest.mark.proves("S19")
def test_control_two_manifests_of_one_signer_over_different_documents_are_read():
    made = Handmade(references=[(JSON, DOCUMENTS[JSON])])
    assert read(second_manifest(made, references=[(PDF, DOCUMENTS[PDF])]).build()) == DOCUMENTS


class Edited(Handmade):
    """A container whose manifest says something else, signed as it then is."""

    def __init__(self, old, new):
        super().__init__(compression=zipfile.ZIP_STORED)
        self.old, self.new = old, new

    def manifest(self):
        manifest = super().manifest()
        assert self.old in manifest
        return manifest.replace(self.old, self.new)


EDITS = {
    "no signature named": (b"SigReference", b"Other"),
    "two signatures named": (b"<DataObjectReference", b'<SigReference URI="x"/><DataObjectReference'),
    "no digest": (b"DigestValue", b"Other"),
    "no digest method": (b"DigestMethod", b"Other"),
    "digest that is not base64": (b"<d:DigestValue>", b"<d:DigestValue>*"),
    "no name": (b'URI="bekymringsmelding.pdf" ', b""),
    "other root": (b"ASiCManifest", b"Other"),
}


@pytest.mark.proves("S19")
@pytest.mark.parametrize(("old", "new"), EDITS.values(), ids=EDITS.keys())
def test_a_manifest_that_is_built_otherwise_is_refused_although_its_signature_holds(old, new):
    with pytest.raises(StructureError):
        verify(Edited(old, new).build())


@pytest.mark.proves("S19")
def test_a_name_that_decodes_to_no_text_covers_nothing():
    with pytest.raises(SignatureError):
        verify(Handmade(documents={"a.json": b"{}"}, references=[("%FF.json", b"{}")]).build())


@pytest.mark.proves("S18")
@pytest.mark.parametrize("name", list(BAD))
def test_no_plaintext_leaves_a_container_that_does_not_verify(name):
    content, error = BAD[name]
    with pytest.raises(error) as refused:
        verify(content)
    shown = f"{refused.value}{refused.value.__cause__}{refused.value.__context__ if not refused.value.__suppress_context__ else ''}"
    assert "prove" not in shown
    assert "bekymringsmelding" not in shown


@pytest.mark.proves("S18")
def test_a_document_changed_under_our_hands_after_verification_is_refused_while_it_streams():
    content = Handmade(compression=zipfile.ZIP_STORED).build()
    file = io.BytesIO(content)
    verified = verify_container(file, STRICT_CONTAINER, kit.trust(), kit.NOW)
    place = content.index(DOCUMENTS[PDF])
    with file.getbuffer() as view:
        view[place] ^= 1
    assert b"".join(verified.open(JSON)) == DOCUMENTS[JSON]  # the control: the other one is as it was
    with pytest.raises((SignatureError, StructureError)):
        b"".join(verified.open(PDF))


@pytest.mark.proves("S18")
def test_what_no_signature_covers_cannot_be_opened():
    verified = verify(Handmade().build())
    for name in ("mimetype", MANIFEST_NAME, SIGNATURE_NAME, "annet.json"):
        with pytest.raises(DocumentError):
            verified.open(name)


WEAK = HandSigner(digest="sha1", signature_oid="1.2.840.113549.1.1.5")


@pytest.mark.proves("S19")
def test_a_sha1_signature_is_delivered_with_a_warning_where_the_profile_says_so_only():
    content = Handmade(sign=lambda manifest: kit.signed_data(manifest, WEAK)).build()
    assert verify(content, profile=FIKS_CONCERN_REPORT).warnings == ("sha1-signature",)
    with pytest.raises(SignatureError):
        verify(content)


LATER = kit.NOW + timedelta(days=4000)


@pytest.mark.proves("S19")
@pytest.mark.parametrize(
    ("trust", "at", "expected"),
    [
        (TrustPolicy(), kit.NOW, SignerTrust.UNKNOWN),
        (kit.trust(revocation=None), kit.NOW, SignerTrust.REVOCATION_UNKNOWN),
        (kit.trust(), LATER, SignerTrust.EXPIRED),
        (kit.trust(), kit.NOW - timedelta(days=2), SignerTrust.NOT_YET_VALID),
    ],
    ids=["unknown", "revocation unknown", "expired", "not yet valid"],
)
def test_a_doubtful_certificate_is_a_warning_on_a_concern_report_and_a_refusal_elsewhere(trust, at, expected):
    content = Handmade().build()
    verified = verify(content, profile=FIKS_CONCERN_REPORT, trust=trust, at=at)
    assert verified.signer.trust is expected
    assert verified.warnings == (f"signer-{expected}",)
    with pytest.raises(CertificateError):
        verify(content, trust=trust, at=at)


@pytest.mark.proves("S19")
def test_nobody_vouches_for_the_organisation_number_of_an_unknown_signer():
    content = Handmade().build()
    trusted = verify(content).signer
    unknown = verify(content, profile=FIKS_CONCERN_REPORT, trust=TrustPolicy()).signer
    assert (trusted.organisation_number, unknown.organisation_number) == (kit.ORGANISATION, None)
    trusted.require_organisation(kit.ORGANISATION)
    for signer, number in ((trusted, "123456789"), (unknown, kit.ORGANISATION)):
        with pytest.raises(SenderError):
            signer.require_organisation(number)
