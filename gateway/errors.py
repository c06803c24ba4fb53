"""Every error of the gateway, in one tree.

The worker and the HTTP edge act on a class's ``disposition`` and ``code``, never on its text. Texts hold codes,
identifiers and sizes only: nothing that came from a message or a partner (requirement S88).

    GatewayError                          disposition
    ├── ConfigError                       STOP        at start, exit code 2, all faults listed at once
    ├── RequestError                      REFUSE      answered to the caller; nothing was stored
    │   ├── MalformedRequestError                     400
    │   ├── UnauthenticatedError                      401
    │   ├── ForbiddenError                            403
    │   ├── UnknownResourceError                      404, also for what is another's
    │   ├── ConflictError                             409, with a code of its own
    │   ├── UnsupportedMediaError                     415
    │   └── ThrottledError                            429
    ├── ContentError                      QUARANTINE  before the 201 it is refused instead
    │   ├── UnknownMessageTypeError
    │   ├── TooLargeError                             413
    │   ├── DocumentError
    │   └── SchemaError                               outbound; inbound it is a warning
    ├── TrustError                        QUARANTINE  always evidence; ``outcome`` from the closed list
    │   ├── StructureError                            structure
    │   ├── SignatureError                            signature
    │   ├── CertificateError                          certificate
    │   ├── DecryptionError                           decryption
    │   └── SenderError                               policy
    ├── PolicyError                       HOLD        a person decides
    ├── PartnerError                      RETRY
    │   ├── PartnerUnavailableError
    │   ├── PartnerThrottledError
    │   └── PartnerRefusedError           REFUSE
    ├── StoreError                        RETRY       503
    │   ├── CommitUnknownError                        the state must be read again
    │   └── StoreFullError                            507
    ├── KeyUnavailableError               RETRY       503; a key in a token that is away
    ├── ReaderUnavailableError            RETRY       no process to read PDFs in
    ├── RowRefusedError                   STOP        a bug of ours: the database's own rules refused a row
    └── IllegalTransitionError            STOP        a bug of ours
"""

from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What the engine does with work that ended in an error."""

    STOP = "stop"
    REFUSE = "refuse"
    QUARANTINE = "quarantine"
    HOLD = "hold"
    RETRY = "retry"


class GatewayError(Exception):
    """Root of all errors. ``code`` is stable: API, metrics, journal and runbook name."""

    code: ClassVar[str] = "internal"
    disposition: ClassVar[Disposition] = Disposition.STOP


class ConfigError(GatewayError):
    """The configuration cannot be used. ``faults`` lists every fault found, one line each."""

    code = "config"

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class RequestError(GatewayError):
    """The caller must change the request; nothing was stored.

    ``detail`` is our own text and says what to do. ``code`` may be narrowed per instance.
    """

    code = "bad-request"
    disposition = Disposition.REFUSE

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.instance_code = code or self.code
        self.retry_after_s = retry_after_s


class MalformedRequestError(RequestError):
    """A part, field or parameter is missing, doubled or unreadable."""


class UnauthenticatedError(RequestError):
    """Token or password is missing or wrong; which of them is never told."""

    code = "unauthenticated"


class ForbiddenError(RequestError):
    """The caller is known but lacks the right, or acts for another organisation."""

    code = "forbidden"


class UnknownResourceError(RequestError):
    """Unknown, or another's: the two are answered alike (requirement S45)."""

    code = "not-found"


class ConflictError(RequestError):
    """The request is sound but the message is not in a state that allows it."""

    code = "wrong-state"


class UnsupportedMediaError(RequestError):
    """The media type or content coding is not one we take."""

    code = "unsupported-media-type"


class ThrottledError(RequestError):
    """Too many requests from this caller; ``retry_after_s`` says how long to wait."""

    code = "too-many-requests"


class ContentError(GatewayError):
    """What came cannot be used as it is: before the 201 refused, after it quarantined."""

    code = "content"
    disposition = Disposition.QUARANTINE


class UnknownMessageTypeError(ContentError):
    """No message type of ours has this name and version."""

    code = "unknown-message-type"


class TooLargeError(ContentError):
    """A bound of ``limits`` was passed."""

    code = "too-large"


class DocumentError(ContentError):
    """A document is missing, doubled or of a type not allowed."""

    code = "document"


class SchemaError(ContentError):
    """A document does not follow its schema."""

    code = "schema"


class TrustError(GatewayError):
    """A seal, signature or sender did not hold. ``outcome`` is one of the closed list of the crypto profile."""

    code = "trust"
    outcome: ClassVar[str] = "policy"
    disposition = Disposition.QUARANTINE


class StructureError(TrustError):
    """An envelope or container is not built as its profile says, or is hostile."""

    code = "structure"
    outcome = "structure"


class SignatureError(TrustError):
    """A signature or digest does not fit, or there is none."""

    code = "signature"
    outcome = "signature"


class CertificateError(TrustError):
    """A certificate's path, time, usage or revocation does not hold."""

    code = "certificate"
    outcome = "certificate"


class DecryptionError(TrustError):
    """No key of ours opens it, or what came out is not what was sealed."""

    code = "decryption"
    outcome = "decryption"


class SenderError(TrustError):
    """Signer, caller and named sender are not one."""

    code = "sender"
    outcome = "policy"


class PolicyError(GatewayError):
    """A confidentiality rule stops it until a person decides."""

    code = "policy"
    disposition = Disposition.HOLD


class PartnerError(GatewayError):
    """A partner could not take or give what we asked."""

    code = "partner"
    disposition = Disposition.RETRY


class PartnerUnavailableError(PartnerError):
    """Not reached, or no answer."""

    code = "partner-unavailable"


class PartnerThrottledError(PartnerError):
    """Asked us to wait."""

    code = "partner-throttled"


class PartnerRefusedError(PartnerError):
    """A final no."""

    code = "partner-refused"
    disposition = Disposition.REFUSE


class StoreError(GatewayError):
    """The store cannot be read or written now; nothing of this unit of work was kept."""

    code = "store-unavailable"
    disposition = Disposition.RETRY


class CommitUnknownError(StoreError):
    """The connection went during COMMIT: read the state again before doing anything."""

    code = "commit-unknown"


class StoreFullError(StoreError):
    """The disk floor is reached, or the disk is full."""

    code = "storage-full"


class KeyUnavailableError(GatewayError):
    """A private key lies in a token that is away; what needs it waits, and nothing is judged by it."""

    code = "key-unavailable"
    disposition = Disposition.RETRY


class ReaderUnavailableError(GatewayError):
    """No process can be had in which PDFs are read; nothing is known of any document by it."""

    code = "reader-unavailable"
    disposition = Disposition.RETRY


class IllegalTransitionError(GatewayError):
    """An event of our own found no row in the life-cycle table."""

    code = "illegal-transition"


class RowRefusedError(GatewayError):
    """A constraint or type of the database refused what a unit of work wrote; time will not mend it."""

    code = "row-refused"
