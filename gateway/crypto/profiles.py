"""What each channel emits and accepts: frozen, named, with the page that says so. Configuration picks, never mixes.

Section numbers are those of ``crypto-profile.md`` unless another page is named.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from gateway.crypto import oids
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15, Digest, KeyTransport


@dataclass(frozen=True, slots=True)
class _Cipher:
    oid: bytes
    key_bytes: int
    is_gcm: bool


class ContentCipher(Enum):
    """How content is encrypted (section 1, last columns; RFC 3565, RFC 5084)."""

    AES_128_CBC = _Cipher(oids.AES_128_CBC, 16, is_gcm=False)
    AES_192_CBC = _Cipher(oids.AES_192_CBC, 24, is_gcm=False)
    AES_256_CBC = _Cipher(oids.AES_256_CBC, 32, is_gcm=False)
    AES_256_GCM = _Cipher(oids.AES_256_GCM, 32, is_gcm=True)


class TagPlace(Enum):
    """Where the tag of AES-GCM stands."""

    MAC = "mac"  # AuthEnvelopedData, RFC 5083
    END_OF_CONTENT = "end of content"  # EnvelopedData as BouncyCastle writes it: section 2.2 rule 6a


@dataclass(frozen=True, slots=True)
class EnvelopeProfile:
    """One channel's CMS envelopes."""

    name: str
    emit_cipher: ContentCipher
    emit_transport: KeyTransport
    accept_ciphers: frozenset[ContentCipher]
    gcm_tag: TagPlace = TagPlace.MAC
    accept_pkcs1_v15: bool = False
    accept_oaep_sha1: bool = False

    def accepting_pkcs1_v15(self) -> "EnvelopeProfile":
        """Throw the partner's switch of section 1: RSAES-PKCS1-v1_5 is read, never written."""
        return replace(self, name=f"{self.name}+v1.5", accept_pkcs1_v15=True)

    def accepting_oaep_sha1(self) -> "EnvelopeProfile":
        """Throw the partner's switch of section 2.2 rule 4: OAEP with its default hash SHA-1 is read."""
        return replace(self, name=f"{self.name}+oaep-sha1", accept_oaep_sha1=True)


def _envelope(name: str, cipher: ContentCipher, transport: KeyTransport = OAEP_SHA256) -> EnvelopeProfile:
    return EnvelopeProfile(name, cipher, transport, frozenset({cipher}))


# Section 1 row 1; fiks.md 7.1: the .NET reader takes nothing but AES-256-CBC.
FIKS_ENVELOPE: Final = _envelope("fiks", ContentCipher.AES_256_CBC)
# fiks.md 10 step 4: the PDF alone, sealed to the print key, in the same envelope.
PRINT_PART: Final = _envelope("print", ContentCipher.AES_256_CBC)
# digipost.md 10.4: for SvarUt's certificate, in the form of KS's own libraries.
SVARUT_ENVELOPE: Final = _envelope("svarut", ContentCipher.AES_256_CBC)
# Section 1 row 2; eformidling.md 10: both transports are read, DPE wants v1.5.
EFORMIDLING_DPO: Final = _envelope("dpo", ContentCipher.AES_256_CBC).accepting_pkcs1_v15()
EFORMIDLING_DPE: Final = _envelope("dpe", ContentCipher.AES_256_CBC, PKCS1_V15).accepting_pkcs1_v15()
# Section 1 row 3; section 2.2 rule 6a.
EFORMIDLING_DPH: Final = replace(_envelope("dph", ContentCipher.AES_256_GCM), gcm_tag=TagPlace.END_OF_CONTENT)
# Section 1, last row: our own gateway to our own gateway.
GATEWAY_ENVELOPE: Final = _envelope("gateway", ContentCipher.AES_256_GCM)
# security.md S92: our own backups, for a key that is not on the host.
BACKUP_ENVELOPE: Final = _envelope("backup", ContentCipher.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class ContainerProfile:
    """One channel's ASiC-E containers (CAdES).

    ``deliver_with_warning`` says what happens when the signature holds but its certificate does not: the container is
    delivered and the fault shown (decisions 1.4), or it is refused with CertificateError.
    """

    name: str
    accept_sha1_signature: bool = False
    deliver_with_warning: bool = False
    signature_digests: frozenset[Digest] = frozenset({Digest.SHA256, Digest.SHA384, Digest.SHA512})

    def accepts(self, digest: Digest) -> bool:
        """Whether a manifest's signature may use this hash."""
        return digest in self.signature_digests or (digest is Digest.SHA1 and self.accept_sha1_signature)


# decisions 1.4 and 4.8: dropping a report about a child is worse than showing it with a warning.
FIKS_CONCERN_REPORT: Final = ContainerProfile("concern report", accept_sha1_signature=True, deliver_with_warning=True)
# fiks.md 7.2: KS's Java library still signs with SHA-1; what is no concern report needs a signer that we trust.
FIKS_CONTAINER: Final = ContainerProfile("fiks", accept_sha1_signature=True)
# Section 1 rows 1-3, everything that is not a concern report.
STRICT_CONTAINER: Final = ContainerProfile("strict")
# Section 1 row 2: SHA-1 in the manifest's signature by switch.
EFORMIDLING_LEGACY: Final = ContainerProfile("dpo legacy", accept_sha1_signature=True)
