"""Can wrong padding, wrong key length, wrong key and wrong content be told apart by time? (requirement S16)

    python bench/opening_time.py [trials]

Opens small AES-GCM envelopes whose PKCS#1 v1.5 or OAEP key block is wrong in different ways, interleaved at random, and
prints Welch's t of each pair of classes. The bound is |t| < 4.5 over 20 000 trials on a quiet machine; outside the gate,
because a shared machine is not quiet.
"""

import io
import math
import secrets
import statistics
import sys
import time
from collections.abc import Callable
from itertools import combinations

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from gateway.crypto import oids
from gateway.crypto.ber import OCTET_STRING, SEQUENCE, SET, context, parse, tlv
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.cms import EnvelopeWriter, open_envelope
from gateway.crypto.content_key import key_transport_info
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15, KeyTransport
from gateway.crypto.keys import SoftwareKey, rsa_padding
from gateway.crypto.profiles import GATEWAY_ENVELOPE
from gateway.errors import DecryptionError
from gateway.testing.pki import receive_key

PROFILE = GATEWAY_ENVELOPE.accepting_pkcs1_v15()
CREDENTIAL = receive_key()
KEY = SoftwareKey(CREDENTIAL.key, CREDENTIAL.chain)  # type: ignore[arg-type]  # made as RSA
FACTS = facts_of(CREDENTIAL.certificate)


def envelope(encrypted: bytes, transport: KeyTransport) -> bytes:
    """Build an envelope with this key block."""
    sealed = bytearray()
    writer = EnvelopeWriter(CREDENTIAL.certificate, GATEWAY_ENVELOPE, sealed.extend)
    writer.write(b"innhold")
    writer.close()
    version, _, *rest = parse(bytes(sealed)).children()[1].children()[0].children()
    fields = parse(key_transport_info(FACTS, transport, bytes(32))).children()
    ours = tlv(SEQUENCE, *(one.encoded for one in fields[:3]), tlv(OCTET_STRING, encrypted))
    inner = tlv(SEQUENCE, version.encoded, tlv(SET, ours), *(one.encoded for one in rest))
    return tlv(SEQUENCE, oids.AUTH_ENVELOPED_DATA, tlv(context(0), inner))


def below_modulus() -> bytes:
    """Make a block of chance that the key can take, so that only its padding is wrong."""
    return b"\0" + secrets.token_bytes(FACTS.certificate.public_key().key_size // 8 - 1)  # type: ignore[union-attr]  # ours is RSA


def sealed_key(length: int, transport: KeyTransport) -> Callable[[], bytes]:
    """Seal a key of chance of that length."""
    public = FACTS.public_key
    if not isinstance(public, rsa.RSAPublicKey):
        raise TypeError
    padding = PKCS1v15() if transport is PKCS1_V15 else rsa_padding(transport)
    return lambda: public.encrypt(secrets.token_bytes(length), padding)


CLASSES: dict[str, dict[str, Callable[[], bytes]]] = {
    "v1.5": {
        "wrong padding": below_modulus,
        "wrong key length": sealed_key(31, PKCS1_V15),
        "wrong key": sealed_key(32, PKCS1_V15),
    },
    "oaep": {
        "wrong padding": below_modulus,
        "wrong key length": sealed_key(31, OAEP_SHA256),
        "wrong key": sealed_key(32, OAEP_SHA256),
    },
}


def measure(sealed: bytes) -> int:
    """Open and fail; nanoseconds."""
    begin = time.perf_counter_ns()
    try:
        list(open_envelope(io.BytesIO(sealed), [KEY], PROFILE))
    except DecryptionError:
        return time.perf_counter_ns() - begin
    raise AssertionError


def welch(one: list[int], other: list[int]) -> float:
    """Welch's t of two samples, each cut at its 95th percentile: what the scheduler did is not what we ask."""
    cut = statistics.quantiles(one + other, n=20)[-1]
    first, second = [value for value in one if value <= cut], [value for value in other if value <= cut]
    spread = statistics.variance(first) / len(first) + statistics.variance(second) / len(second)
    return (statistics.fmean(first) - statistics.fmean(second)) / math.sqrt(spread)


def main() -> None:
    """Print the table."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for transport, kinds in (("v1.5", PKCS1_V15), ("oaep", OAEP_SHA256)):
        makers = CLASSES[transport]
        times: dict[str, list[int]] = {name: [] for name in makers}
        # A pool of envelopes for each class, so that nothing is warmer for one than for another.
        pools = {name: [envelope(make(), kinds) for _ in range(200)] for name, make in makers.items()}
        for _ in range(trials):
            name = secrets.choice(list(makers))
            times[name].append(measure(secrets.choice(pools[name])))
        for one, other in combinations(makers, 2):
            means = [statistics.fmean(times[name]) / 1000 for name in (one, other)]
            print(
                f"{transport}: {one} / {other}: {means[0]:.1f} / {means[1]:.1f} us, t = {welch(times[one], times[other]):+.2f}"
            )


if __name__ == "__main__":
    main()
