"""The last head that is known of a log which ends in doubt: the newest of what the database and somebody beside it hold."""

from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.crypto import notes
from gateway.crypto.notes import NoteSigner
from gateway.domain.merkle import EMPTY_ROOT
from gateway.errors import ConfigError, SignatureError
from gateway.evidence import formats
from gateway.evidence.formats import Head
from gateway.store import log


@dataclass(frozen=True, slots=True)
class LastHead:
    """``origin``: of which log. ``contradicts``: the log in the database does not begin with what this head covers."""

    origin: str
    head: Head
    contradicts: bool = False


def last_head(conn: Connection, note: str | None, signer: NoteSigner | None) -> LastHead:
    """The database's newest head, or the one in this note where it is newer or of a log that came after.

    Raises SignatureError when the note is not signed by our key, StructureError when it is no head, ConfigError when there
    is no key to hold it against.
    """
    origin, newest = log.origin(conn), log.newest_head(conn)
    kept = Head(newest.size, bytes(newest.root)) if newest is not None else Head(0, EMPTY_ROOT)
    if note is None:
        return LastHead(origin, kept)
    if signer is None:
        message = "a head can only be held against evidence.key, which is not configured"
        raise ConfigError(message)
    named = note.partition("\n")[0]
    try:
        key = signer.under(named).public
    except ConfigError as error:
        message = "the note names no log"
        raise SignatureError(message) from error
    head = formats.read_head(notes.verified(note, [key])[0])
    if named != origin:
        return LastHead(named, head)
    contradicts = head.size <= log.size(conn) and log.subtree(conn)(0, head.size) != head.root
    return LastHead(origin, head if head.size >= kept.size else kept, contradicts)
