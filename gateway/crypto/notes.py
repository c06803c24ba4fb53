"""Signed notes (C2SP signed-note): a text, and signatures of those who vouch for it. The evidence log's heads are such.

A note is the text, an empty line, and one line for each signature: an em dash, the signer's name, and base64 of a
four-octet key id with the signature. Keys are Ed25519; a key's id is bound to its name, so that it signs for one log.

A witness's line (C2SP tlog-cosignature, v1) signs the time with the text, under a key of a kind of its own.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.crypto.keys import read_private
from gateway.errors import ConfigError, SignatureError, StructureError
from gateway.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX

LOG: Final = b"\x01"
WITNESS: Final = b"\x04"
"""Kinds of keys, as the octet before the public key has it: who signs a text, and who signs it with the time."""

_TIME_OCTETS: Final = 8
_KEY_OCTETS: Final = 32
_ID_OCTETS: Final = 4
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_SIGNATURE: Final = re.compile(r"\u2014 ([^\s+]{1,200}) ([A-Za-z0-9+/]{4,200}={0,2})")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key that vouches under one name. As text: ``name+id in hex+base64``, as Go's ``sumdb/note`` writes it."""

    name: str
    public: bytes
    kind: bytes = LOG

    def __post_init__(self) -> None:
        """Raises ConfigError for a name that could be misread in a note."""
        if not _NAME.fullmatch(self.name) or len(self.public) != _KEY_OCTETS:
            message = "a note's key needs a name without blank or plus, and 32 octets"
            raise ConfigError(message)

    @property
    def id(self) -> bytes:
        """The first four octets of SHA-256 over name, line feed and typed key."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:_ID_OCTETS]

    @classmethod
    def parse(cls, text: str, kind: bytes = LOG) -> "NoteKey":
        """Read the text form of a key of this kind. Raises ConfigError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            typed = base64.b64decode(encoded, validate=True)
            key = cls(name, typed[1:], kind)
        except binascii.Error:
            message = "a note's key is not base64"
            raise ConfigError(message) from None
        if typed[:1] != kind or key.id.hex() != key_id:
            message = "a note's key does not fit its id, or is of another kind"
            raise ConfigError(message)
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self.kind + self.public).decode()}"


class NoteSigner:
    """A private key that vouches under one name."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = NoteKey(name, key.public_key().public_bytes_raw())

    @classmethod
    def from_file(cls, name: str, path: Path) -> "NoteSigner":
        """Read a PKCS#8 PEM file that its owner alone may read. Raises ConfigError."""
        try:
            key = serialization.load_pem_private_key(read_private(path), None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            message = f"{path}: not an Ed25519 key in PEM without password"
            raise ConfigError(message)
        return cls(name, key)

    def under(self, name: str) -> "NoteSigner":
        """The same key for notes of another kind: a signature under one name is worth nothing under another."""
        return NoteSigner(name, self._key)

    def line(self, text: str) -> str:
        """The signature line of a text that ends with a line feed."""
        signature = base64.b64encode(self.public.id + self._key.sign(text.encode())).decode()
        return f"\u2014 {self.public.name} {signature}\n"

    @property
    def witness(self) -> NoteKey:
        """The public key of its lines as a witness."""
        return NoteKey(self.public.name, self.public.public, WITNESS)

    def cosign(self, note: str, at_s: int) -> str:
        """The note with a witness's line more: seen at this time, seconds since 1970. Raises StructureError."""
        text, _ = _split(note)
        time = at_s.to_bytes(_TIME_OCTETS, "big")
        signature = base64.b64encode(self.witness.id + time + self._key.sign(_timed(text, time))).decode()
        return f"{note}\u2014 {self.public.name} {signature}\n"


def sign(text: str, signers: Iterable[NoteSigner]) -> str:
    """A note of this text. It ends with a line feed and holds no empty line at its end."""
    return text + "\n" + "".join(signer.line(text) for signer in signers)


def verified(note: str, keys: Sequence[NoteKey]) -> tuple[str, tuple[NoteKey, ...]]:
    """The text, and which of these keys vouch for it; signatures of others are passed over.

    Raises StructureError when it is no note, SignatureError when none of the keys vouches, or one of them wrongly.
    """
    text, lines = _split(note)
    found = []
    for line in lines:
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            message = "a note's signature line is malformed"
            raise StructureError(message)
        key = _vouching(text, match[1], match[2], keys)
        if key is not None:
            found.append(key)
    if not found:
        message = "no known key has signed this note"
        raise SignatureError(message)
    return text, tuple(found)


def _split(note: str) -> tuple[str, list[str]]:
    text, empty, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if len(note) > NOTE_BYTES_MAX or not empty or lines.pop() or not 0 < len(lines) <= NOTE_SIGNATURES_MAX:
        message = "not a signed note"
        raise StructureError(message)
    return text + "\n", lines


def _vouching(text: str, name: str, encoded: str, keys: Sequence[NoteKey]) -> NoteKey | None:
    """The key that made this signature, or None when it is a stranger's."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        message = "a note's signature is not base64"
        raise StructureError(message) from None
    key = next((one for one in keys if one.name == name and one.id == raw[:_ID_OCTETS]), None)
    if key is None:
        return None
    signature, signed = raw[_ID_OCTETS:], text.encode()
    if key.kind == WITNESS:
        time, signature = signature[:_TIME_OCTETS], signature[_TIME_OCTETS:]
        signed = _timed(text, time)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed)
    except InvalidSignature:
        message = f"the signature of {name} does not hold"
        raise SignatureError(message) from None
    return key


def _timed(text: str, time: bytes) -> bytes:
    """What a witness signs."""
    return f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n{text}".encode()
