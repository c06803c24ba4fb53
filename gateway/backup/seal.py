"""How a backup is sealed: for a certificate whose private key is elsewhere, or under a passphrase.

For a certificate it is CMS AuthEnvelopedData with AES-256-GCM and RSA-OAEP (SHA-256), which openssl opens, too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from gateway.crypto import passphrase
from gateway.crypto.cms import EnvelopeWriter, open_envelope
from gateway.crypto.keys import DecryptionKey
from gateway.crypto.profiles import BACKUP_ENVELOPE
from gateway.crypto.trust import Certificate
from gateway.errors import ConfigError


class Sealing(Protocol):
    """A sink of plaintext; ``close`` writes the end."""

    def write(self, data: bytes) -> int:
        """Seal some."""
        ...

    def close(self) -> None:
        """Seal the rest."""
        ...


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who may open a backup: whoever has the certificate's key, or else whoever knows the passphrase."""

    certificate: Certificate | None = None
    passphrase: bytes | None = None

    def sealing(self, sink: Callable[[bytes], object]) -> Sealing:
        """Begin. Raises ConfigError when there is neither, CertificateError for a certificate that cannot be used."""
        if self.certificate is not None:
            return EnvelopeWriter(self.certificate, BACKUP_ENVELOPE, sink)
        if self.passphrase is not None:
            return passphrase.PassphraseWriter(self.passphrase, sink)
        message = "backup.certificate is not configured, and no passphrase is given"
        raise ConfigError(message)


@dataclass(frozen=True, slots=True)
class Opener:
    """What opens a backup: private keys, a passphrase."""

    keys: Sequence[DecryptionKey] = ()
    passphrase: bytes | None = None

    def pieces(self, file: BinaryIO) -> Iterator[bytes]:
        """The plaintext; with a certificate nothing of it counts before the last piece came.

        Raises ConfigError when what it is sealed with was not given; StructureError, DecryptionError.
        """
        sealed_with_passphrase = file.read(len(passphrase.MAGIC)) == passphrase.MAGIC
        file.seek(0)
        if sealed_with_passphrase:
            if self.passphrase is None:
                message = "the backup is sealed with a passphrase: --passphrase"
                raise ConfigError(message)
            return passphrase.open_sealed(file, self.passphrase)
        if not self.keys:
            message = "the backup is sealed for a certificate: --open-with"
            raise ConfigError(message)
        return open_envelope(file, self.keys, BACKUP_ENVELOPE)
