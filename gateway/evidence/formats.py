"""What leaves the house as evidence: heads (C2SP tlog-checkpoint), proofs (C2SP tlog-proof) and updates for witnesses.

Texts only; who signs and who finds the hashes is elsewhere. ``verify.py`` reads the same formats without this module.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import StructureError

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry, its leaf number, and the audit path under the bundle's head."""

    entry: bytes
    index: int
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ProofFile:
    """All that one message's proof holds. ``salt`` and ``names`` only when asked for before shredding.

    ``since`` maps the size of a witness's head to the proof that the log only grew from there.
    """

    message_id: str
    head: str
    entries: Sequence[Proven]
    salt: bytes | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    time_stamp: bytes | None = None
    since: Mapping[int, Sequence[bytes]] = field(default_factory=dict)

    def text(self) -> str:
        """As JSON; each entry is a tlog-proof of its own, so that other tools can check it, too."""
        body: dict[str, object] = {
            "message_id": self.message_id,
            "entries": [tlog_proof(one, self.head) for one in self.entries],
            "since": {str(size): [_base64(one) for one in path] for size, path in self.since.items()},
        }
        if self.salt is not None:
            body |= {"salt": _base64(self.salt), "names": dict(self.names)}
        if self.time_stamp is not None:
            body["time_stamp"] = _base64(self.time_stamp)
        return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Head:
    """The size and root of a log, as signed."""

    size: int
    root: bytes


def read_head(text: str) -> Head:
    """The head in a note's text whose signature was verified. Raises StructureError."""
    lines = text.split("\n")
    try:
        return Head(int(lines[1]), base64.b64decode(lines[2], validate=True))
    except (IndexError, ValueError):
        message = "the note is no head of a log"
        raise StructureError(message) from None


def head_text(origin: str, size: int, root: bytes) -> str:
    """The text of a head, before anybody signs it."""
    return f"{origin}\n{size}\n{_base64(root)}\n"


def tlog_proof(proven: Proven, head: str) -> str:
    """A proof of one entry, which it carries as its extra data."""
    lines = [_HEADER, f"extra {_base64(proven.entry)}", f"index {proven.index}", *map(_base64, proven.path)]
    return "\n".join(lines) + "\n\n" + head


def witness_update(old: int, path: Sequence[bytes], head: str) -> str:
    """What a witness that knows ``old`` leaves needs to move on: the body of C2SP tlog-witness's add-checkpoint."""
    return "\n".join([f"old {old}", *map(_base64, path)]) + "\n\n" + head


def succession(entry: bytes, path: Sequence[bytes], head: str) -> str:
    """What a witness of a closed log needs to follow the log after it: its first entry, shown to stand under its head."""
    return "\n".join([f"begun {_base64(entry)}", *map(_base64, path)]) + "\n\n" + head


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
