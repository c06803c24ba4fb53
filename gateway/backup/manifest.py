"""What a backup says of itself: when, of which log, how much, and the digest of each part. Signed with the log's key.

Its last member, because the digests are known only then. The text is a C2SP signed note under the name ``<origin>/backup``:
a signature under it is worth nothing as a head of the log.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NoReturn

from gateway.crypto import notes
from gateway.errors import SignatureError, StructureError

FORMAT: Final = "budstikke/backup@v1"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_COUNTS: Final = ("leaves", "messages", "entries", "files", "octets")


@dataclass(frozen=True, slots=True)
class Manifest:
    """``made``: microseconds since 1970, just before the database was copied. ``head``: the newest signed one, or None.

    ``store`` is sqlite or postgresql; ``octets`` are those of the payload files; ``database`` and ``digests`` are SHA-256.
    """

    made: int
    store: str
    schema: str
    origin: str
    head: str | None
    leaves: int
    messages: int
    entries: int
    files: int
    octets: int
    database: str
    digests: str

    def text(self, signer: notes.NoteSigner | None) -> str:
        """As the archive holds it, signed where there is a key."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True) + "\n"
        return notes.sign(text, [signer.under(name_of(self.origin))]) if signer is not None else text


def name_of(origin: str) -> str:
    """The name that manifests are signed under."""
    return f"{origin}/backup"


def read(text: str, keys: Sequence[notes.NoteKey]) -> tuple[Manifest, bool]:
    """The manifest, and whether one of these keys vouches for it.

    Raises StructureError; SignatureError when there are keys and none has signed it.
    """
    signed = "\n\n" in text
    if keys and not signed:
        message = "the backup's manifest is not signed"
        raise SignatureError(message)
    if keys:
        text, _ = notes.verified(text, keys)
    manifest = _parsed(text.partition("\n\n")[0])
    return manifest, bool(keys)


def origin_of(text: str) -> str:
    """The log's name as a manifest tells it before anything is verified: to know which key it must be. Raises StructureError."""
    return _parsed(text.partition("\n\n")[0]).origin


def _parsed(text: str) -> Manifest:
    try:
        body = json.loads(text)
        if body.pop("format") != FORMAT:
            _refuse()
        manifest = Manifest(**body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        _refuse()
    if not _fits(asdict(manifest)):
        _refuse()
    return manifest


def _fits(body: dict[str, Any]) -> bool:
    return (
        all(isinstance(body[name], int) and body[name] >= 0 for name in (*_COUNTS, "made"))
        and all(isinstance(body[name], str) for name in ("store", "schema", "origin", "database", "digests"))
        and all(_DIGEST.fullmatch(body[name]) for name in ("database", "digests"))
        and isinstance(body["head"], str | None)
    )


def _refuse() -> NoReturn:
    message = "backup: its manifest is not one of ours"
    raise StructureError(message)
