"""Object identifiers as they stand on the wire, tag and length included, under their names in the RFCs."""

from typing import Final

from gateway.crypto.ber import NULL, SEQUENCE, object_identifier, tlv
from gateway.crypto.key_transport import Digest

# RFC 5652 and RFC 5083: content types and attributes
DATA: Final = object_identifier("1.2.840.113549.1.7.1")
SIGNED_DATA: Final = object_identifier("1.2.840.113549.1.7.2")
ENVELOPED_DATA: Final = object_identifier("1.2.840.113549.1.7.3")
AUTH_ENVELOPED_DATA: Final = object_identifier("1.2.840.113549.1.9.16.1.23")
CONTENT_TYPE: Final = object_identifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = object_identifier("1.2.840.113549.1.9.4")
SIGNING_TIME: Final = object_identifier("1.2.840.113549.1.9.5")
# RFC 3161
TST_INFO: Final = object_identifier("1.2.840.113549.1.9.16.1.4")
# RFC 5035
SIGNING_CERTIFICATE: Final = object_identifier("1.2.840.113549.1.9.16.2.12")
SIGNING_CERTIFICATE_V2: Final = object_identifier("1.2.840.113549.1.9.16.2.47")

# RFC 8017
RSA_ENCRYPTION: Final = object_identifier("1.2.840.113549.1.1.1")
RSAES_OAEP: Final = object_identifier("1.2.840.113549.1.1.7")
MGF1: Final = object_identifier("1.2.840.113549.1.1.8")
P_SPECIFIED: Final = object_identifier("1.2.840.113549.1.1.9")
RSASSA_PSS: Final = object_identifier("1.2.840.113549.1.1.10")
RSA_SIGNATURES: Final = {
    object_identifier("1.2.840.113549.1.1.5"): Digest.SHA1,
    object_identifier("1.2.840.113549.1.1.11"): Digest.SHA256,
    object_identifier("1.2.840.113549.1.1.12"): Digest.SHA384,
    object_identifier("1.2.840.113549.1.1.13"): Digest.SHA512,
}
SHA256_WITH_RSA: Final = object_identifier("1.2.840.113549.1.1.11")
# RFC 5758
ECDSA_SIGNATURES: Final = {
    object_identifier("1.2.840.10045.4.3.2"): Digest.SHA256,
    object_identifier("1.2.840.10045.4.3.3"): Digest.SHA384,
    object_identifier("1.2.840.10045.4.3.4"): Digest.SHA512,
}
DIGESTS: Final = {
    object_identifier("1.3.14.3.2.26"): Digest.SHA1,
    object_identifier("2.16.840.1.101.3.4.2.1"): Digest.SHA256,
    object_identifier("2.16.840.1.101.3.4.2.2"): Digest.SHA384,
    object_identifier("2.16.840.1.101.3.4.2.3"): Digest.SHA512,
}
SHA256: Final = object_identifier("2.16.840.1.101.3.4.2.1")

# RFC 3565 and RFC 5084
AES_128_CBC: Final = object_identifier("2.16.840.1.101.3.4.1.2")
AES_192_CBC: Final = object_identifier("2.16.840.1.101.3.4.1.22")
AES_256_CBC: Final = object_identifier("2.16.840.1.101.3.4.1.42")
AES_128_GCM: Final = object_identifier("2.16.840.1.101.3.4.1.6")
AES_256_GCM: Final = object_identifier("2.16.840.1.101.3.4.1.46")

# Algorithm identifiers that we write
SHA256_ALGORITHM: Final = tlv(SEQUENCE, SHA256, tlv(NULL))
SHA256_WITH_RSA_ALGORITHM: Final = tlv(SEQUENCE, SHA256_WITH_RSA, tlv(NULL))
