"""A container signature as KS's Java writer makes it: SHA-1 with RSA, the whole chain, no signing-certificate attribute."""

import hashlib
from collections.abc import Callable, Sequence

from gateway.crypto import oids
from gateway.crypto.ber import NULL, OCTET_STRING, SEQUENCE, SET, context, integer, object_identifier, set_of, tlv
from gateway.crypto.certificate_facts import CertificateFacts

_SHA1 = tlv(SEQUENCE, object_identifier("1.3.14.3.2.26"), tlv(NULL))
_SHA1_WITH_RSA = tlv(SEQUENCE, object_identifier("1.2.840.113549.1.1.5"), tlv(NULL))


def sign_with_sha1(content: bytes, chain: Sequence[CertificateFacts], sign: Callable[[bytes], bytes]) -> bytes:
    """A detached SignedData (fiks.md 7.2). ``sign`` makes an RSASSA-PKCS1-v1_5 signature with SHA-1; own certificate first."""
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    attributes = [
        tlv(SEQUENCE, oids.CONTENT_TYPE, tlv(SET, oids.DATA)),
        tlv(SEQUENCE, oids.MESSAGE_DIGEST, tlv(SET, tlv(OCTET_STRING, digest))),
    ]
    signer = tlv(
        SEQUENCE,
        integer(1),
        chain[0].issuer_and_serial,
        _SHA1,
        set_of(attributes, context(0)),
        _SHA1_WITH_RSA,
        tlv(OCTET_STRING, sign(set_of(attributes))),
    )
    signed_data = tlv(
        SEQUENCE,
        integer(1),
        set_of([_SHA1]),
        tlv(SEQUENCE, oids.DATA),
        set_of((one.der for one in chain), context(0)),
        set_of([signer]),
    )
    return tlv(SEQUENCE, oids.SIGNED_DATA, tlv(context(0), signed_data))
