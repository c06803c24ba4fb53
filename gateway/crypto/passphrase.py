"""Sealing a stream under a passphrase, for backups where no certificate is configured.

    "budstikke sealed with a passphrase 1" LF | salt(16) | a record of ``gateway.crypto.at_rest``

The record's data key is scrypt (RFC 7914) of the passphrase and the salt, N = 2 ** 17, r = 8, p = 1: 128 MiB and a good part
of a second for each guess. Chunks are authenticated one by one, so nothing that was changed ever comes out.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway import limits
from gateway.crypto.at_rest import SECRET_BYTES, DataKey, RecordName
from gateway.errors import ConfigError, StructureError

MAGIC: Final = b"budstikke sealed with a passphrase 1\n"
_SALT_BYTES: Final = 16
_COST: Final = 1 << 17
_NAME: Final = RecordName("*", "*", "backup")


class PassphraseWriter:
    """A sink of plaintext that writes the sealed stream to ``sink`` as it goes, in constant memory; ``close`` ends it.

    Raises ConfigError when the passphrase is too short to hold.
    """

    def __init__(self, passphrase: bytes, sink: Callable[[bytes], object]) -> None:
        if len(passphrase) < limits.PASSPHRASE_BYTES_MIN:
            msg = f"the passphrase has under {limits.PASSPHRASE_BYTES_MIN} octets"
            raise ConfigError(msg)
        salt = secrets.token_bytes(_SALT_BYTES)
        self._sink = sink
        self._sealer = _key(passphrase, salt).sealer(_NAME)
        sink(MAGIC + salt)

    def write(self, data: bytes) -> int:
        """Seal some plaintext."""
        self._sink(self._sealer.update(data))
        return len(data)

    def close(self) -> None:
        """Seal the rest. Once."""
        self._sink(self._sealer.finish())


def open_sealed(file: BinaryIO, passphrase: bytes) -> Iterator[bytes]:
    """Open a seekable file, from its beginning. Every piece is what was sealed; closing the iterator closes the file.

    Raises StructureError when it is none of ours, DecryptionError for another passphrase, a cut or a change.
    """
    size = file.seek(0, os.SEEK_END) - len(MAGIC) - _SALT_BYTES
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        msg = "not sealed with a passphrase"
        raise StructureError(msg)
    salt = file.read(_SALT_BYTES)
    with _key(passphrase, salt).reader(_NAME, file, size) as reader:
        yield from reader.pieces()


def _key(passphrase: bytes, salt: bytes) -> DataKey:
    return DataKey(Scrypt(salt=salt, length=SECRET_BYTES, n=_COST, r=8, p=1).derive(passphrase))
