"""What this machine can do at best: the primitives that a report's journey cannot avoid, and the bound they make.

CPU costs are the best of several rounds; the disk's is the median. docs/performance.md says what is counted and why.
"""

import hashlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from bench.sender import Sizes
from gateway import limits

COMMITS_INTAKE: Final = 1
COMMITS_JOURNEY: Final = 7  # 201; opened; claimed; head and two documents shown; confirmed; LEVERT, the last two apart
_ROUNDS: Final = 5
_ROUND_S: Final = 0.05
_SYNCS: Final = 100
_PAGES_BYTES: Final = 16 * limits.KIB  # what a small commit appends to the write-ahead log


@dataclass(frozen=True, slots=True)
class Machine:
    """Seconds of CPU for an operation or an octet; ``sync_s`` is seconds of waiting for the disk."""

    oaep_s: dict[int, float]  # by bits of the receive key
    verify_s: float
    sign_s: float
    sha256_s: float
    cbc_s: float
    gcm_s: float
    sync_s: float

    def intake_s(self, sizes: Sizes) -> float:
        """CPU of one intake: off the wire, hashed against repeats, sealed at rest."""
        body = sizes.container + sizes.print_part
        return 2 * body * self.gcm_s + sizes.container * self.sha256_s

    def journey_s(self, sizes: Sizes, bits: int) -> float:
        """CPU of one journey: intake, and opened, both keys, verified, compared, and out to the case system."""
        body, documents = sizes.container + sizes.print_part, sizes.json + sizes.pdf
        keys = 2 * self.oaep_s[bits] + self.verify_s
        hashed = documents + sizes.pdf
        return (
            self.intake_s(sizes)
            + keys
            + body * (self.gcm_s + self.cbc_s)
            + hashed * self.sha256_s
            + documents * self.gcm_s
        )

    def told(self) -> str:
        """One line of it."""
        oaep = ", ".join(f"RSA-{bits} OAEP {seconds * 1e3:.2f} ms" for bits, seconds in self.oaep_s.items())
        bulk = ", ".join(
            f"{name} {1e-9 / seconds:.1f}"
            for name, seconds in (("SHA-256", self.sha256_s), ("AES-CBC", self.cbc_s), ("AES-GCM", self.gcm_s))
        )
        return f"{oaep}, verify {self.verify_s * 1e3:.2f} ms, sign {self.sign_s * 1e3:.2f} ms; GB/s: {bulk}; fsync {self.sync_s * 1e3:.2f} ms"


def measure(folder: Path) -> Machine:
    """Measure it; ``folder`` is on the disk that the gateway writes to."""
    keys = {bits: rsa.generate_private_key(65537, bits) for bits in (2048, 3072)}
    oaep = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sealed = {bits: key.public_key().encrypt(bytes(32), oaep) for bits, key in keys.items()}
    signature = keys[2048].sign(b"", PKCS1v15(), hashes.SHA256())
    public = keys[2048].public_key()
    chunk = os.urandom(limits.CHUNK_BYTES)
    sealer, decryptor = AESGCM(bytes(32)), Cipher(AES(bytes(32)), CBC(bytes(16))).decryptor()
    per_octet: list[Callable[[], object]] = [
        lambda: hashlib.sha256(chunk),
        lambda: decryptor.update(chunk),
        lambda: sealer.encrypt(bytes(12), chunk, None),
    ]
    sha256_s, cbc_s, gcm_s = (cpu_s_of(work) / len(chunk) for work in per_octet)
    return Machine(
        oaep_s={bits: cpu_s_of(partial(key.decrypt, sealed[bits], oaep)) for bits, key in keys.items()},
        verify_s=cpu_s_of(lambda: public.verify(signature, b"", PKCS1v15(), hashes.SHA256())),
        sign_s=cpu_s_of(lambda: keys[2048].sign(b"", PKCS1v15(), hashes.SHA256())),
        sha256_s=sha256_s,
        cbc_s=cbc_s,
        gcm_s=gcm_s,
        sync_s=_sync_s(folder / "sync-probe"),
    )


def cpu_s_of(work: Callable[[], object]) -> float:
    """CPU seconds of one call, in the best of the rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        begin, count = time.process_time(), 0
        while (spent := time.process_time() - begin) < _ROUND_S:
            work()
            count += 1
        best = min(best, spent / count)
    return best


def _sync_s(file: Path) -> float:
    """Seconds until an append of a commit's size is on the disk."""
    times = []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(_SYNCS):
            os.write(descriptor, bytes(_PAGES_BYTES))
            begin = time.perf_counter()
            os.fsync(descriptor)
            times.append(time.perf_counter() - begin)
    finally:
        os.close(descriptor)
        file.unlink()
    return statistics.median(times)
