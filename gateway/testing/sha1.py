"""SHA-1 signatures, which the gateway itself never makes: KS's Java clients still do, so peers must be imitated."""

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def sha1_signer(key_pem: bytes) -> Callable[[bytes], bytes]:
    """RSASSA-PKCS1-v1_5 with SHA-1 under an unencrypted RSA key in PEM."""
    key = serialization.load_pem_private_key(key_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303  imitates a peer
