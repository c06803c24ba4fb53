"""Digipost's error codes and what becomes of a letter (digipost.md 8): one table.

A code of Digipost's becomes a word of ours; a code that is not here is ``unknown-code``, and its text is never kept.
"""

from typing import Final

from adapters.digipost.api import SERVER_ERROR, TOO_MANY, Reply
from adapters.digipost.wire import read_refusal
from gateway.errors import StructureError
from gateway.spi import Outcome, Refused, TryLater, Uncertain

ALREADY_THERE: Final = frozenset({
    "DUPLICATE_MESSAGE", "DUPLICATE_DOCUMENT_ID", "DUPLICATE_DOCUMENT_ID_FOR_BATCH", "MESSAGE_ALREADY_SENT",
    "DIGIPOST_MESSAGE_ALREADY_DELIVERED", "PRINT_MESSAGE_ALREADY_DELIVERED", "CONTENT_ALREADY_UPLOADED",
})  # fmt: skip
"""It may be this very letter: asked about before anything is said of it."""

_LATER: Final = frozenset({"API_UNAVAILABLE", "SERVER_ERROR", "SERVER_SIGNATURE_ERROR", "CONNECTION_ERROR"})
# The account or its agreement is not right: letters wait until a person has seen to it.
_ACCOUNT: Final = frozenset({
    "NOT_APPROVED_FOR_REST_API_USAGE", "NOT_APPROVED_FOR_PRINT", "NOT_APPROVED_FOR_IDPORTEN",
    "NOT_APPROVED_FOR_DIRECT_PRINT", "NOT_APPROVED_FOR_PREENCRYPT", "NOT_APPROVED_FOR_TECHNICAL_ATTACHMENTS",
    "MISSING_CERTIFICATE", "REVOKED_CERTIFICATE", "BROKER_NOT_AUTHORIZED", "NOTIFICATION_ADDRESSES_NOT_ALLOWED",
    "ORGANISATION_LETTERS_PER_MONTH_EXCEEDED", "ACCOUNT_DEACTIVATED", "UNKNOWN_SENDER",
})  # fmt: skip
# Clock or key: the next attempt signs anew.
_SIGNING: Final = frozenset({
    "INVALID_SIGNATURE", "MISSING_SIGNATURE", "INVALID_USER_ID_HEADER", "UNKNOWN_USER_ID", "MISSING_DATE_HEADER",
    "INVALID_DATE_HEADER", "DATE_HEADER_OUTSIDE_ACCEPTED_INTERVAL", "MISSING_SHA256", "INVALID_SHA256",
    "MISSING_CONTENT_HASH", "INVALID_MD5",
})  # fmt: skip
# The reader's key is another now: the next attempt asks for it and seals anew.
_SEALING: Final = frozenset({
    "CANNOT_PREENCRYPT", "FAILED_PREENCRYPTION", "FAILED_TO_PARSE_ENCRYPTION_KEY", "CONTENT_NOT_ENCRYPTED",
    "CONTENT_NOT_ENCRYPTED_WITH_CORRECT_KEY", "ENCRYPTION_KEY_NOT_FOUND",
})  # fmt: skip
# The letter itself: a person must change it.
_LETTER: Final = frozenset({
    "REQUEST_TOO_LARGE", "FILE_TOO_LARGE", "CONTENT_OF_PRINT_MESSAGE_MUST_BE_PDF", "ILLEGAL_HTML_CONTENT",
    "INVALID_HTML_CONTENT", "HTML_CONTENT_SANITIZED", "BAD_CONTENT", "ILLEGAL_CONTENT_TYPE", "INVALID_PDF_CONTENT",
    "MISSING_CONTENT", "MISSING_SUBJECT", "VALIDATION_FAILED", "AUTHENTICATION_LEVEL_TOO_LOW",
    "DELIVERY_DATE_HISTORICAL", "INVALID_EMAIL_ADDRESS", "INVALID_EMAIL_NOTIFICATION_TIME",
    "INVALID_SMS_NOTIFICATION_TIME", "INVALID_PHONE_NUMBER", "INVALID_RECIPIENT_PRINT_ADDRESS", "INVALID_RETURN_ADDRESS",
    "MISSING_RECIPIENT", "UNKNOWN_USER", "INVALID_MONETARY_AMOUNT",
})  # fmt: skip
# Ours: what we sent is not what the page says.
_OURS: Final = frozenset({
    "CLIENT_ERROR", "PROBLEM_WITH_REQUEST", "INVALID_TRANSACTION", "INVALID_DATE", "INVALID_DATE_RANGE",
    "INVALID_QUERY_PARAMETER", "SCHEMA_VALIDATION_ERROR", "ILLEGAL_ACCESS", "MESSAGE_NOT_FOUND", "DOCUMENT_NOT_FOUND",
    "MISSING_BODYPART_CONTENT_DISPOSITION", "MISSING_BODYPART_FILENAME", "DOCUMENTS_AND_FILES_MISMATCH",
})  # fmt: skip
OTHER_KEY: Final = frozenset(
    {"CONTENT_NOT_ENCRYPTED_WITH_CORRECT_KEY", "ENCRYPTION_KEY_NOT_FOUND", "UNKNOWN_RECIPIENT"}
)
"""What a sealed letter is told whose reader has another key, or no account, since the question."""
_LONGEST: Final = 40

NOT_A_USER: Final = Refused("unknown-recipient", proof=True)
"""Digipost has said, signed, that the person has no account: nothing was taken."""


def code_of(reply: Reply) -> str | None:
    """The error code of a signed refusal, if it has one that can be read."""
    try:
        return read_refusal(reply.body).code
    except StructureError:
        return None


def refused(reply: Reply) -> Outcome:
    """What a signed answer that is not 2xx means for a letter that was sent with it."""
    if reply.status == TOO_MANY:
        return TryLater("throttled", reply.retry_after_s)
    code = code_of(reply)
    if code == "UNKNOWN_RECIPIENT":
        return NOT_A_USER
    if code in _LATER or reply.status >= SERVER_ERROR:
        return Uncertain(_word(code))  # whether it was taken first is not said
    if code in _ACCOUNT or code in _SIGNING or code in _SEALING:
        return TryLater(_word(code), reply.retry_after_s)
    return Refused(_word(code))


def _word(code: str | None) -> str:
    known = code is not None and any(
        code in group for group in (ALREADY_THERE, _LATER, _ACCOUNT, _SIGNING, _SEALING, _LETTER, _OURS)
    )
    return code.lower().replace("_", "-")[:_LONGEST] if known and code is not None else "unknown-code"
