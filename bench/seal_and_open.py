"""How many reports a core seals and opens: 20 kB of JSON and 100 kB of PDF, RSA-3072, per CPU second.

    python bench/seal_and_open.py [seconds]

Out: container, signature, envelope. In: envelope, container, signature, digests, path. Spool: the same through an
encrypted record, as the gateway does it. Beside them the bare RSA operation, which is the bound.
"""

import io
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.crypto.asice import ContainerWriter, verify_container
from gateway.crypto.at_rest import DataKey, RecordName
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.cms import EnvelopeWriter, open_envelope
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_ENVELOPE
from gateway.testing.pki import Make, Pki, receive_key

MAKE = Make(key_bits=3072)
PKI = Pki(MAKE)
NOW = datetime.now(UTC)
NAME = RecordName("4203", "0197", "body")
JSON = (b'{"beskrivelse": "' + os.urandom(5000).hex().encode() + b"tekst " * 2000)[:20_000]
PDF = os.urandom(100_000)


def software(pair: object) -> SoftwareKey:
    """Take a throw-away credential as a key."""
    return SoftwareKey(pair.key, pair.chain)  # type: ignore[attr-defined]  # a Credential


SIGNER = software(PKI.organisation("987654321", make=MAKE))
RECEIVER = software(receive_key(make=MAKE))
TRUST = TrustPolicy((PKI.root.certificate,))


def seal() -> bytes:
    """Seal one report."""
    sealed = bytearray()
    envelope = EnvelopeWriter(RECEIVER.certificate, FIKS_ENVELOPE, sealed.extend)
    container = ContainerWriter(envelope.write, SIGNER, at=NOW)
    container.add("bekymringsmelding.json", "application/json", [JSON])
    container.add("bekymringsmelding.pdf", "application/pdf", [PDF])
    container.close()
    envelope.close()
    return bytes(sealed)


SEALED = seal()


def open_in_memory() -> None:
    """Open and verify one report."""
    plain = b"".join(open_envelope(io.BytesIO(SEALED), [RECEIVER], FIKS_ENVELOPE))
    verify_container(io.BytesIO(plain), FIKS_CONCERN_REPORT, TRUST, NOW)


def open_through_spool() -> None:
    """Open and verify one report, its plaintext only ever in an encrypted record."""
    key = DataKey.generate()
    sealer, spool = key.sealer(NAME), io.BytesIO()
    for piece in open_envelope(io.BytesIO(SEALED), [RECEIVER], FIKS_ENVELOPE):
        spool.write(sealer.update(piece))
    spool.write(sealer.finish())
    size = spool.tell()
    spool.seek(0)
    verify_container(io.BufferedReader(key.reader(NAME, spool, size)), FIKS_CONCERN_REPORT, TRUST, NOW)


def rate(work: Callable[[], object], seconds: float) -> float:
    """Give rounds per CPU second, the best of three."""
    best = 0.0
    for _ in range(3):
        begin, count = time.process_time(), 0
        while time.process_time() - begin < seconds:
            work()
            count += 1
        best = max(best, count / (time.process_time() - begin))
    return best


def main() -> None:
    """Print the rates."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    tasks: dict[str, Callable[[], object]] = {
        "bare RSA signature": lambda: SIGNER.sign(b"x"),
        "out": seal,
        "in": open_in_memory,
        "in through an encrypted spool": open_through_spool,
    }
    for name, work in tasks.items():
        print(f"{name}: {rate(work, seconds):.0f}/s")


if __name__ == "__main__":
    main()
