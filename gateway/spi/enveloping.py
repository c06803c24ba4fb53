"""Sealing what leaves for one partner's certificate, where that certificate is a file of the operator's."""

from datetime import datetime
from typing import Protocol

from gateway.spi.inbound import Stream


class Envelopes(Protocol):
    """CMS envelopes for one certificate, made as streams in constant memory. Each has a content key of its own."""

    def require_valid(self, at: datetime) -> None:
        """Raises CertificateError unless the certificate can be sealed for at that time."""
        ...

    def size_bytes(self, plain_bytes: int) -> int:
        """How long the envelope of so many octets is. Raises CertificateError."""
        ...

    def sealed(self, content: Stream) -> Stream:
        """An envelope of it, as it comes. Raises CertificateError, and what the content raises."""
        ...
