"""How a content key is carried to a recipient's RSA key: the values that envelopes name and keys act on."""

from dataclasses import dataclass
from enum import StrEnum


class Digest(StrEnum):
    """Hash functions by their usual names."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


@dataclass(frozen=True, slots=True)
class KeyTransport:
    """RSAES-OAEP with its two hashes, or RSAES-PKCS1-v1_5 when ``digest`` is None. The OAEP label is always empty."""

    digest: Digest | None
    mask_digest: Digest | None

    @property
    def is_oaep(self) -> bool:
        """Whether it is OAEP, which fails openly, and not PKCS#1 v1.5, which must never be seen to fail."""
        return self.digest is not None


OAEP_SHA256 = KeyTransport(Digest.SHA256, Digest.SHA256)
PKCS1_V15 = KeyTransport(None, None)
