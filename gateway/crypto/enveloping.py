"""CMS envelopes for a partner's certificate that the operator has put here (``spi.Envelopes``)."""

from collections.abc import AsyncIterator
from datetime import datetime
from functools import cached_property
from typing import Final

from cryptography import x509

from gateway import limits
from gateway.crypto.ber import OCTET_STRING, tlv
from gateway.crypto.cms import BLOCK_BYTES, EnvelopeWriter
from gateway.crypto.profiles import SVARUT_ENVELOPE
from gateway.errors import CertificateError

_PIECE_BYTES: Final = len(tlv(OCTET_STRING, bytes(limits.CHUNK_BYTES)))


class CertificateEnvelopes:
    """Envelopes in the form of KS's own libraries, for one certificate."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    def require_valid(self, at: datetime) -> None:
        """See ``spi.Envelopes``."""
        if not self._certificate.not_valid_before_utc <= at <= self._certificate.not_valid_after_utc:
            message = "the partner's certificate is not valid now"
            raise CertificateError(message)

    def size_bytes(self, plain_bytes: int) -> int:
        """See ``spi.Envelopes``. Known beforehand: every piece but the last is full, and CBC pads to the next block."""
        pieces, rest = divmod(plain_bytes, limits.CHUNK_BYTES)
        padded = rest + BLOCK_BYTES - rest % BLOCK_BYTES
        return self._frame_bytes + pieces * _PIECE_BYTES + len(tlv(OCTET_STRING, bytes(padded)))

    async def sealed(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """See ``spi.Envelopes``."""
        out: list[bytes] = []
        writer = EnvelopeWriter(self._certificate, SVARUT_ENVELOPE, out.append)
        async for piece in content:
            writer.write(piece)
            if out:
                yield b"".join(out)
                out.clear()
        writer.close()
        yield b"".join(out)

    @cached_property
    def _frame_bytes(self) -> int:
        """What stands around the pieces. The encrypted key is as long as the certificate's, whatever it is."""
        out: list[bytes] = []
        EnvelopeWriter(self._certificate, SVARUT_ENVELOPE, out.append).close()
        return sum(map(len, out)) - len(tlv(OCTET_STRING, bytes(BLOCK_BYTES)))
