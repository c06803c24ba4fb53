"""Taking OAEP and PKCS#1 v1.5 padding off what a token's raw RSA operation gave (RFC 8017, 7.1.2 and 7.2.2).

Whoever can tell one fault of a padding from another, by answer or by time, can open what was sealed to the key (Manger,
Bleichenbacher). So every check is made whatever the others found, octets are looked at in a fixed order, choices are
masks and not branches, and there is one error. What is carried through a loop stays below 256, for Python makes larger
numbers anew each time and small ones never. It gives no promise about the time of an addition all the same: the same
number of the same steps is as far as this goes, and a token that takes padding off itself is better.
"""

import hashlib
import hmac
import operator
from collections.abc import Iterable
from typing import Final

from gateway.crypto.key_transport import KeyTransport
from gateway.errors import DecryptionError

_V15_OVERHEAD: Final = 11  # 00 02, at least eight octets of chance, 00
_OCTET_BITS: Final = 8
_OCTET: Final = 0xFF
_SIGN_SHIFT: Final = 63  # any: the numbers here are lengths, and a shift leaves nothing but the sign


def take_off(transport: KeyTransport, block: bytes, encrypted: bytes, rejection: bytes) -> bytes:
    """The content key in ``block``, which is as long as the modulus.

    ``encrypted`` and the secret ``rejection`` make what a wrong PKCS#1 v1.5 block gives instead of an error, always the
    same for the same block. Raises DecryptionError for a wrong OAEP block.
    """
    if transport.digest is None or transport.mask_digest is None:
        return _decode_v15(block, encrypted, rejection)
    return decode_oaep(block, transport.digest, transport.mask_digest)


def decode_oaep(block: bytes, digest: str, mask_digest: str, label: bytes = b"") -> bytes:
    """RSAES-OAEP decoding with MGF1, hash functions by their names of ``hashlib``. Raises DecryptionError."""
    label_digest = hashlib.new(digest, label).digest()
    size = len(label_digest)
    if len(block) < 2 * size + 2:  # known from the key and the algorithm, so no secret
        _refuse()
    masked_seed, masked = block[1 : 1 + size], block[1 + size :]
    seed = _xored(masked_seed, _mgf1(masked, size, mask_digest))
    data = _xored(masked, _mgf1(seed, len(masked), mask_digest))
    good = _equal(block[0], 0) & int(hmac.compare_digest(data[:size], label_digest))
    seen = high = low = right = 0
    for place in range(size, len(data)):
        nonzero = 1 - _equal(data[place], 0)
        first = nonzero & (1 - seen)
        high |= place >> _OCTET_BITS & -first
        low |= place & _OCTET & -first
        right |= first & _equal(data[place], 1)
        seen |= nonzero
    if not good & right:
        _refuse()
    return data[(high << _OCTET_BITS | low) + 1 :]


def _decode_v15(block: bytes, encrypted: bytes, rejection: bytes) -> bytes:
    """RSAES-PKCS1-v1_5 with implicit rejection: a wrong block gives octets of chance of a length of chance."""
    chance = _chance(rejection, encrypted, len(block) + 8)
    instead_length = int.from_bytes(chance[-8:]) % (len(block) - _V15_OVERHEAD + 1)
    seen = high = low = 0
    for place in range(2, len(block)):
        zero = _equal(block[place], 0)
        first = zero & (1 - seen)
        high |= place >> _OCTET_BITS & -first
        low |= place & _OCTET & -first
        seen |= zero
    separator = high << _OCTET_BITS | low
    good = _equal(block[0], 0) & _equal(block[1], 2) & seen & (1 - _negative(separator - (_V15_OVERHEAD - 1)))
    start = _chosen(good, separator + 1, len(block) - instead_length)
    mixed = bytes(_chosen(good, real, instead) for real, instead in zip(block, chance[:-8], strict=True))
    return mixed[start:]


def _chance(secret: bytes, encrypted: bytes, length: int) -> bytes:
    """Octets that nobody without the secret can tell from chance, the same for the same block."""
    key = hmac.digest(secret, encrypted, hashlib.sha256)
    blocks = -(-length // hashlib.sha256().digest_size)
    return b"".join(hmac.digest(key, number.to_bytes(4), hashlib.sha256) for number in range(blocks))[:length]


def _mgf1(seed: bytes, length: int, digest: str) -> bytes:
    """MGF1 of RFC 8017, B.2.1."""
    blocks = -(-length // hashlib.new(digest).digest_size)
    return b"".join(hashlib.new(digest, seed + number.to_bytes(4)).digest() for number in range(blocks))[:length]


def _xored(one: Iterable[int], other: Iterable[int]) -> bytes:
    return bytes(map(operator.xor, one, other))


def _equal(one: int, other: int) -> int:
    """1 when two octets are equal, else 0."""
    return ((one ^ other) - 1) >> _OCTET_BITS & 1


def _negative(number: int) -> int:
    return number >> _SIGN_SHIFT & 1


def _chosen(good: int, real: int, instead: int) -> int:
    return (real & -good) | (instead & (good - 1))


def _refuse() -> None:
    msg = "the content key does not open"
    raise DecryptionError(msg)
