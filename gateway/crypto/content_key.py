"""The content key of an envelope: sealing it to a recipient's RSA key, and finding and opening our copy of it.

``ContentKeys.choose`` never tells how opening failed. A content key that does not open, or has another length, becomes a
random one, so that a changed key block looks like changed content (S16, RFC 3218).
"""

import secrets
from collections.abc import Sequence
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric import rsa

from gateway import limits
from gateway.crypto import oids
from gateway.crypto.ber import INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, Element, context, integer, tlv
from gateway.crypto.certificate_facts import SUBJECT_KEY_ID, CertificateFacts, facts_of, find_named
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15, Digest, KeyTransport
from gateway.crypto.keys import DecryptionKey, rsa_padding
from gateway.crypto.profiles import EnvelopeProfile
from gateway.errors import CertificateError, DecryptionError, StructureError

_VERSIONS: Final = (0, 2)
# The label is left out, as crypto-profile 2.1 has it.
_ALGORITHMS: Final = {
    OAEP_SHA256: tlv(
        SEQUENCE,
        oids.RSAES_OAEP,
        tlv(
            SEQUENCE,
            tlv(context(0), oids.SHA256_ALGORITHM),
            tlv(context(1), tlv(SEQUENCE, oids.MGF1, oids.SHA256_ALGORITHM)),
        ),
    ),
    PKCS1_V15: tlv(SEQUENCE, oids.RSA_ENCRYPTION, tlv(NULL)),
}


def key_transport_info(recipient: CertificateFacts, transport: KeyTransport, content_key: bytes) -> bytes:
    """Encode a KeyTransRecipientInfo: the content key sealed to one recipient. Raises CertificateError."""
    public_key = recipient.public_key
    if not isinstance(public_key, rsa.RSAPublicKey) or public_key.key_size < limits.RSA_BITS_MIN:
        msg = "the recipient has no RSA key of sufficient size"
        raise CertificateError(msg)
    encrypted = public_key.encrypt(content_key, rsa_padding(transport))
    algorithm = _ALGORITHMS[transport]
    return tlv(SEQUENCE, integer(0), recipient.issuer_and_serial, algorithm, tlv(OCTET_STRING, encrypted))


class ContentKeys:
    """Opens content keys with any of our private keys, as a channel's profile allows."""

    def __init__(self, keys: Sequence[DecryptionKey], profile: EnvelopeProfile) -> None:
        self._keys = {facts_of(key.certificate): key for key in keys}
        self._profile = profile

    def choose(self, recipients: Sequence[Element], length: int) -> bytes:
        """Give the content key of ``length`` octets, or random octets when none of our copies opens.

        Raises DecryptionError when no recipient is ours, StructureError when ours are carried as the profile forbids.
        """
        # 3. Ours, wherever they stand: peers that take the first one are wrong.
        ours = [pair for recipient in recipients if (pair := self._ours(recipient))]
        if not ours:
            msg = "cms: sealed to none of our keys"
            raise DecryptionError(msg)
        # 4. Those whose transport is allowed, OAEP before PKCS#1 v1.5.
        copies = [copy for key, fields in ours if (copy := self._copy(key, *fields))]
        if not copies:
            _refuse("the content key is not carried as this channel has it")
        copies.sort(key=lambda copy: not copy[1].is_oaep)
        # 5. Whatever fails here goes on with a key that opens nothing.
        random_key = secrets.token_bytes(length)
        for key, transport, encrypted in copies:
            try:
                content_key = key.decrypt(transport, encrypted)
            except DecryptionError:
                continue
            if len(content_key) == length:
                return content_key
        return random_key

    def _ours(self, recipient: Element) -> tuple[DecryptionKey, tuple[Element, Element]] | None:
        if recipient.tag != SEQUENCE:
            return None  # another kind than key transport
        fields = recipient.fields()
        if fields.take(INTEGER).integer() not in _VERSIONS:
            _refuse("a recipient of an unknown version")
        identifier = fields.take(SEQUENCE, SUBJECT_KEY_ID)
        rest = (fields.take(SEQUENCE), fields.take(OCTET_STRING))
        fields.end()
        facts = find_named(identifier, list(self._keys))
        return (self._keys[facts], rest) if facts else None

    def _copy(
        self, key: DecryptionKey, algorithm: Element, encrypted: Element
    ) -> tuple[DecryptionKey, KeyTransport, bytes] | None:
        transport = _read_transport(algorithm)
        if transport is None or not self._allowed(transport):
            return None
        return key, transport, encrypted.content

    def _allowed(self, transport: KeyTransport) -> bool:
        if not transport.is_oaep:
            return self._profile.accept_pkcs1_v15
        uses_sha1 = Digest.SHA1 in (transport.digest, transport.mask_digest)
        return self._profile.accept_oaep_sha1 or not uses_sha1


def _read_transport(algorithm: Element) -> KeyTransport | None:
    fields = algorithm.fields()
    oid = fields.take(OBJECT_IDENTIFIER).encoded
    if oid == oids.RSA_ENCRYPTION:
        return PKCS1_V15
    if oid != oids.RSAES_OAEP:
        return None
    parameters = fields.maybe(SEQUENCE)
    if parameters is None:
        return KeyTransport(Digest.SHA1, Digest.SHA1)
    members = parameters.fields()
    hashed, masked, labelled = (members.maybe(context(number)) for number in range(3))
    members.end()
    if labelled and labelled.fields().take(SEQUENCE).encoded != _EMPTY_LABEL:
        return None
    digest = _read_digest(hashed.fields().take(SEQUENCE)) if hashed else Digest.SHA1
    mask_digest = _read_mask(masked.fields().take(SEQUENCE)) if masked else Digest.SHA1
    return KeyTransport(digest, mask_digest) if digest and mask_digest else None


_EMPTY_LABEL: Final = tlv(SEQUENCE, oids.P_SPECIFIED, tlv(OCTET_STRING))


def _read_mask(algorithm: Element) -> Digest | None:
    fields = algorithm.fields()
    if fields.take(OBJECT_IDENTIFIER).encoded != oids.MGF1:
        return None
    return _read_digest(fields.take(SEQUENCE))


def _read_digest(algorithm: Element) -> Digest | None:
    return oids.DIGESTS.get(algorithm.fields().take(OBJECT_IDENTIFIER).encoded)


def _refuse(why: str) -> NoReturn:
    msg = f"cms: {why}"
    raise StructureError(msg)
