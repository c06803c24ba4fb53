"""Every parser that reads what comes from outside, with samples of ours and the damage that suits its format.

Not here: records at rest and PKCS#12 files, which come from ourselves.
"""

import io
import tempfile
import zipfile
from pathlib import Path
from random import Random
from types import SimpleNamespace

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.crypto.asice import verify_container
from gateway.crypto.ber import SEQUENCE, SET, context, integer, object_identifier, tlv
from gateway.crypto.certificate_facts import facts_of_der
from gateway.crypto.certificates import organisation_number
from gateway.crypto.cms import looks_like_envelope, open_envelope
from gateway.crypto.manifest import read_manifest
from gateway.crypto.profiles import (
    EFORMIDLING_DPE,
    EFORMIDLING_DPH,
    FIKS_CONCERN_REPORT,
    FIKS_ENVELOPE,
    GATEWAY_ENVELOPE,
)
from gateway.crypto.published import recipient_certificate
from gateway.crypto.revocation_answers import check_crl, crl_status, ocsp_answer
from gateway.crypto.signed_data import verify_detached
from gateway.crypto.trust import is_throw_away, names_a_test, read_roots
from gateway.crypto.zip_archive import ZipArchive
from gateway.errors import (
    CertificateError,
    ConfigError,
    DecryptionError,
    StructureError,
    TrustError,
)
from gateway.limits import MIB
from gateway.testing.pki import Make, certificate_pem, receive_key
from tests import crypto_kit as kit
from tests.conftest import REFERENCE
from tests.security import fuzz_mutations as damage
from tests.security.fuzz import Target
from tests.security.fuzz_amqp import amqp_target
from tests.security.fuzz_digipost import digipost_target
from tests.security.fuzz_pdf import pdf_target
from tests.security.fuzz_texts import text_targets

PROFILES = (FIKS_ENVELOPE, EFORMIDLING_DPE, EFORMIDLING_DPH, GATEWAY_ENVELOPE)
MANIFEST = kit.Handmade().manifest()
BINARY = (damage.asn1, damage.asn1, damage.octets)


def targets() -> list[Target]:
    """All of them, with fresh keys."""
    sealed, trusted = (StructureError, DecryptionError), (TrustError,)
    return [
        Target("envelope", _read_envelope, _envelopes(), BINARY, sealed, 300, _crowded_envelopes()),
        Target("signed-data", _read_signed, _signed(), BINARY, trusted, 240, [_crowded_signed()]),
        Target("certificate", _read_certificate, _certificates(), BINARY, (StructureError,), 420),
        Target("pem", _read_pem, _pems(), (damage.lines, damage.octets), (ConfigError, CertificateError), 180),
        Target("revocation", _read_revocation, _revocations(), BINARY, (), 240),
        Target("zip", _read_zip, _archives(), (damage.zip_fields, damage.octets), (StructureError,), 420, [_bomb()]),
        Target("container", _read_container, [kit.our_container()], (_resigned, damage.zip_fields), trusted, 150),
        Target("manifest", read_manifest, _manifests(), (XML, damage.octets), trusted, 480, _large_manifests()),
        amqp_target(),
        pdf_target(),
        digipost_target(),
        *text_targets(),
    ]


def recorded(pattern: str) -> list[bytes]:
    """Public vectors, where the reference data is beside the checkout."""
    return [path.read_bytes() for path in sorted(REFERENCE.glob(pattern))]


# --- envelopes, signatures, certificates ---------------------------------------------------------------------------


def _envelopes() -> list[bytes]:
    own = [kit.seal(b'{"innhold": "prove"}' * 40, profile) for profile in PROFILES]
    return [*own, *recorded("fiks/cms/*.cms"), *recorded("eformidling/vectors/*.cms")]


def _crowded_envelopes() -> list[bytes]:
    """As many recipients as there is room for, in a set of known length and in an endless one."""
    begin = bytes.fromhex("3080 06092a864886f70d010703 a080 3080 020100")
    return [begin + tlv(SET, tlv(SEQUENCE) * (MIB // 2 - 50)), begin + b"\x31\x80" + b"\5\0" * (MIB // 2 - 50)]


def _read_envelope(data: bytes) -> None:
    """By every profile: what one refuses another opens. It is refused when all refuse."""
    looks_like_envelope(data[:64])
    refused = []
    for profile in PROFILES:
        try:
            for _ in open_envelope(io.BytesIO(data), [kit.receiver()], profile):
                pass
        except (StructureError, DecryptionError) as error:
            refused.append(error)
    if len(refused) == len(PROFILES):
        raise refused[0]


def _signed() -> list[bytes]:
    pss = {"digest": "sha512", "pss_salt": 64, "signature_oid": "1.2.840.113549.1.1.10"}
    short = receive_key("Kort", Make(key_bits=1024))  # too short for PSS with this hash
    short_key = SimpleNamespace(
        certificate=short.certificate, chain=short.chain, _key=SimpleNamespace(sign=lambda *_: bytes(128))
    )
    hands = [kit.HandSigner(), kit.HandSigner(attributes=False), kit.HandSigner(**pss)]
    made = [kit.signed_data(MANIFEST, hand) for hand in (*hands, kit.HandSigner(key=short_key, **pss))]
    return [*made, kit.signed_data(MANIFEST, hands[0], hands[1])]


def _crowded_signed() -> bytes:
    head = integer(1) + tlv(SET) + tlv(SEQUENCE, object_identifier("1.2.840.113549.1.7.1"))
    crowd = tlv(SEQUENCE, head + tlv(context(0), tlv(SET) * (MIB // 2 - 60)) + tlv(SET))
    return tlv(SEQUENCE, object_identifier("1.2.840.113549.1.7.2"), tlv(context(0), crowd))


def _read_signed(data: bytes) -> None:
    verify_detached(data, MANIFEST, FIKS_CONCERN_REPORT)


def _certificates() -> list[bytes]:
    chain = kit.signer().chain
    elliptic = kit.pki().organisation(kit.ORGANISATION, make=Make(elliptic=True, crl_url="http://crl.test/"))
    return [one.public_bytes(Encoding.DER) for one in (*chain, elliptic.certificate)]


def _read_certificate(data: bytes) -> None:
    facts = facts_of_der(data)
    kit.trust().judge(facts.certificate, kit.signer().chain, kit.NOW)
    organisation_number(facts.certificate)
    is_throw_away(facts.certificate)
    names_a_test(facts.certificate)


def _pems() -> list[bytes]:
    return [b"".join(certificate_pem(one) for one in kit.signer().chain)]


def _read_pem(data: bytes) -> None:
    recipient_certificate(data.decode("utf-8", "surrogateescape"), kit.NOW)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        read_roots([Path(file.name)])


def _revocations() -> list[bytes]:
    pki, leaf = kit.pki(), kit.signer().certificate
    return [
        pki.intermediate.crl([leaf]),
        pki.intermediate.ocsp(leaf, pki.intermediate.certificate),
        pki.ocsp_responder().ocsp(leaf, pki.intermediate.certificate),
    ]


def _read_revocation(data: bytes) -> None:
    issuer, leaf = kit.pki().intermediate.certificate, kit.signer().certificate
    crl = check_crl(data, issuer)
    if crl is not None:
        crl_status(crl, leaf, kit.NOW)
    ocsp_answer(data, leaf, issuer, kit.NOW)


# --- containers ----------------------------------------------------------------------------------------------------


XML = damage.tokens(
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<!ENTITY % x SYSTEM 'file:///etc/hostname'>", b"<!--", b"-->", b"<?x ?>"),
    *(b"<![CDATA[", b"]]>", b' URI="%ff"', b' URI="a"', b"xmlns:x='y'", b"<x:y/>", b"<a>", b"</a>", b"&#0;", b"&#x10ffff;"),
    *(b'encoding="UTF-16"', b'encoding="x"', b"<DataObjectReference/>", b"sha512", b"sha1", b"====", "ø".encode("latin-1")),
)  # fmt: skip


def _manifests() -> list[bytes]:
    return [MANIFEST, kit.Handmade(digest="sha512").manifest()]


def _large_manifests() -> list[bytes]:
    many = kit.Handmade(references=[(f"{number}.json", b"") for number in range(3000)]).manifest()
    names = MANIFEST.replace(b"<SigReference", b"<SigReference " + b"".join(b'a%d="" ' % n for n in range(100_000)), 1)
    nested = MANIFEST.replace(b"<SigReference", b"<a>" * 250 + b"</a>" * 250 + b"<SigReference", 1)
    return [many, names[:MIB], nested, MANIFEST[:-20] + b"<a>" * 300_000]


def _archives() -> list[bytes]:
    packed, plain = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED
    names = [f"{number:04}".ljust(190, "ø") + ".json" for number in range(100)]
    return [
        kit.our_container(),
        kit.Handmade().build(),
        kit.zip_of([("a.json", b"{}", packed), ("b.pdf", b"%PDF" * 900, plain)]),
        kit.zip_of([(name, b"", plain) for name in names]),
        *recorded("fiks/asice/*.asice"),
    ]


def _bomb() -> bytes:
    return kit.zip_of([("a.json", bytes(100 * MIB), zipfile.ZIP_DEFLATED)])


def _read_zip(data: bytes) -> None:
    archive = ZipArchive(io.BytesIO(data))
    for entry in archive.entries:
        for _ in archive.pieces(entry):
            pass


def _resigned(random: Random, _data: bytes) -> bytes:
    """Damage below the ZIP, with everything around it in order: a manifest that is signed again, or its signature."""
    made = kit.Handmade()
    manifest, sign = made.manifest(), None
    if random.random() < 0.6:
        manifest = random.choice((XML, damage.octets))(random, manifest)
    else:
        proper = kit.signed_data(manifest, kit.HandSigner())
        sign = lambda _: damage.asn1(random, proper)  # noqa: E731  one line of use
    made.manifest = lambda: manifest
    made.sign = sign
    return made.build()


def _read_container(data: bytes) -> None:
    verified = verify_container(io.BytesIO(data), FIKS_CONCERN_REPORT, kit.trust(), kit.NOW)
    for document in verified.documents:
        for _ in verified.open(document.name):
            pass
