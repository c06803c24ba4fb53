"""Can what is wrong with a padding that is taken off here be told by time? (requirement S16, ``pkcs11.raw_rsa``)

    python -m bench.decoding_time [trials]

Takes OAEP and PKCS#1 v1.5 padding off blocks that are wrong in different ways, interleaved at random, as after a token's
bare RSA operation, which knows nothing of padding. Prints Welch's t of each class against the first. The bound is |t| < 4.5
over 20 000 trials on a quiet machine; outside the gate, because a shared machine is not quiet. The gate counts the
interpreter's steps instead (``tests/unit/crypto/test_rsa_decoding.py``).
"""

import contextlib
import secrets
import statistics
import sys
import time
from collections.abc import Callable

from bench.opening_time import welch
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15, KeyTransport
from gateway.crypto.rsa_decoding import take_off
from gateway.errors import DecryptionError

SIZE = 384
SECRET = secrets.token_bytes(32)


def chance(start: bytes) -> Callable[[], bytes]:
    """Make blocks that begin so and go on at random."""
    return lambda: start + secrets.token_bytes(SIZE - len(start))


def filled(start: bytes, rest: bytes) -> Callable[[], bytes]:
    """Make v1.5 blocks with this beginning and end, and no zero between."""
    return lambda: start + bytes(1 + secrets.randbelow(255) for _ in range(SIZE - len(start) - len(rest))) + rest


CLASSES: dict[str, tuple[KeyTransport, dict[str, Callable[[], bytes]]]] = {
    "oaep": (
        OAEP_SHA256,
        {
            "first octet 0 (Manger's question)": chance(b"\0"),
            "first octet 1": chance(b"\1"),
            "first octet 255": chance(b"\xff"),
            "all zero": lambda: bytes(SIZE),
        },
    ),
    "v1.5": (
        PKCS1_V15,
        {
            "right, key of 32 octets": filled(b"\0\2", b"\0" + bytes(32)),
            "right, key of 16 octets": filled(b"\0\2", b"\0" + bytes(16)),
            "wrong first octet (Bleichenbacher's question)": filled(b"\1\2", b"\0" + bytes(32)),
            "wrong type": filled(b"\0\1", b"\0" + bytes(32)),
            "no separator": filled(b"\0\2", b""),
            "separator too early": filled(b"\0\2\7\0", b""),
        },
    ),
}


def measure(transport: KeyTransport, block: bytes, encrypted: bytes) -> int:
    """Take the padding off, well or not; nanoseconds."""
    begin = time.perf_counter_ns()
    with contextlib.suppress(DecryptionError):
        take_off(transport, block, encrypted, SECRET)
    return time.perf_counter_ns() - begin


def main() -> None:
    """Print the table."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for scheme, (transport, makers) in CLASSES.items():
        times: dict[str, list[int]] = {name: [] for name in makers}
        pools = {name: [(make(), secrets.token_bytes(SIZE)) for _ in range(200)] for name, make in makers.items()}
        for _ in range(trials):
            name = secrets.choice(list(makers))
            times[name].append(measure(transport, *secrets.choice(pools[name])))
        first, *others = makers
        for name in others:
            means = [statistics.fmean(times[one]) / 1000 for one in (first, name)]
            t = welch(times[first], times[name])
            print(f"{scheme}: {first} / {name}: {means[0]:.1f} / {means[1]:.1f} us, t = {t:+.2f}")


if __name__ == "__main__":
    main()
