"""What a journal entry may hold beside its event: a closed list of names, each with the shape of its value (S96).

An entry can never be erased, so nothing in it may come from content or name a person: counts, our own ids and words, and
keyed digests. A document stands in it by its number, because its name was chosen by whoever sent it.
"""

import re
from collections.abc import Mapping
from re import Pattern
from typing import Final

_COUNT: Final = re.compile(r"-?[0-9]{1,18}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_WORDS: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,39}( |$)){0,32}")
_OPTIONAL_WORD: Final = re.compile(r"[a-z0-9_-]{0,64}")
_ID: Final = re.compile(r"[!-~]{1,128}")
_PERSON: Final = re.compile(r"(?![0-9]{11}$)[^\x00-\x1f\x7f]{1,64}")  # a user id, no identity number
_PLACE: Final = r"[1-9][0-9]{0,3}(?::[1-9][0-9]{0,3}(?:,[1-9][0-9]{0,3}){0,9}\+?)?"
_PLACES: Final = re.compile(rf"{_PLACE}(?: {_PLACE}){{0,4}}(?: \+)?")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
DECISION: Final = re.compile(r"(?![0-9]{11}$)[0-9A-Za-z][0-9A-Za-z./-]{0,39}")
_DIGEST: Final = re.compile(r"([0-9a-f]{32})?")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_HASH: Final = re.compile(r"[A-Za-z0-9+/]{43}=")

REFS: Final[Mapping[str, Pattern[str]]] = {
    "about": _DIGEST,  # what a stop is about, keyed
    "alarm": _COUNT,  # its row
    "answer": _WORD,  # the adapter's word for what the partner said
    "at": _MOMENT,  # of an event in the case; when what is registered by hand came
    "client": _ID,
    "decision": DECISION,  # the archive's number of it
    "days": _COUNT,  # that the policy keeps content
    "document": _COUNT,  # its row
    "documents": _COUNT,
    "effect": _WORD,  # that an attempt was made of
    "effects": _COUNT,  # how many were let go
    "event": _WORD,  # one that found no row
    "failures": _COUNT,
    "first": _UUID,  # of which it is a duplicate
    "from": _WORD,
    "generation": _COUNT,
    "guards": _WORDS,
    "key": _FINGERPRINT,  # of the recipient, that a rule stopped; of a person's, an HMAC of it
    "keys": _COUNT,
    "level": _COUNT,
    "list": _DIGEST,  # the portal's list as it was read, keyed
    "listed": _COUNT,
    "missing": _COUNT,  # listed, and not here
    "origin": _ID,  # the log before this one
    "other": _UUID,  # whose id it came with
    "outcome": _OPTIONAL_WORD,  # of a conclusion
    "needed": _COUNT,  # persons who must approve, in all
    "persons": _COUNT,  # who have
    "places": _PLACES,  # documents and pages with the fault, by their numbers
    "reference": _DIGEST,  # the case system's, keyed
    "registers": _WORDS,  # of people, that the rules had asked
    "road": _WORD,
    "root": _HASH,  # of the last head known of the log before this one
    "second": _PERSON,  # the other one of two
    "seconds": _COUNT,
    "size": _COUNT,
    "state": _WORD,
    "subject": _ID,  # what an alarm is about
    "to": _WORD,
    "type": _WORD,
    "unlisted": _COUNT,  # here, and not listed
    "warnings": _COUNT,
}
FIELDS: Final = frozenset({"v", "id", "at", "tenant", "message_id", "event", "actor", "code", "refs", "commit"})
COMMITS: Final = re.compile(
    r"reference|reason|melding|part:[a-z][a-z0-9-]{0,39}|document:[1-9][0-9]{0,3}|evidence:[1-9][0-9]{0,3}"
)
ROWS: Final = re.compile(r"(row|gone):[a-z][a-z_]{0,39}:[1-9][0-9]{0,5}")  # what the journal itself adds (``coverage``)
_PERSON_NUMBER: Final = re.compile(r"[0-9]{11}")
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._:-]{0,63}")
_TENANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}|\*")
_COMMITMENT: Final = re.compile(r"[A-Za-z0-9+/]{43}=")


def document_name(number: int) -> str:
    """The name of a document's commitment: its place among the message's documents, the first one being 1."""
    return f"document:{number}"


def unpublished(body: Mapping[str, object]) -> list[str]:
    """The fields of an entry that are not as the published list has them, by name and never with their value."""
    refs, commit = body["refs"], body["commit"]
    assert isinstance(refs, dict)  # noqa: S101  the journal makes it so
    assert isinstance(commit, dict)  # noqa: S101  and this
    actor = str(body["actor"])
    faults = [f"refs.{name}" for name, value in refs.items() if not _fits(REFS.get(name), value)]
    faults += [
        "commit" for name, value in commit.items() if not (COMMITS.fullmatch(name) and _COMMITMENT.fullmatch(value))
    ]
    faults += ["actor"] if not actor.isprintable() or not actor or _PERSON_NUMBER.fullmatch(actor) else []
    faults += ["tenant"] if not _fits(_TENANT, body["tenant"]) else []
    for name, shape in (("code", _CODE), ("message_id", _UUID)):
        faults += [name] if body[name] is not None and not _fits(shape, body[name]) else []
    return faults


def _fits(shape: Pattern[str] | None, value: object) -> bool:
    return shape is not None and isinstance(value, str | int) and shape.fullmatch(str(value)) is not None
