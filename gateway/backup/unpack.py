"""Opens a backup into a folder and holds each part against its digest, and the digests against the signed manifest."""

import hashlib
import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from gateway.backup import manifest as manifests
from gateway.backup.archive import DATABASE, DIGESTS, MANIFEST, PAYLOADS, ArchiveReader, Member
from gateway.backup.manifest import Manifest
from gateway.backup.seal import Opener
from gateway.crypto.notes import NoteKey
from gateway.errors import StructureError
from gateway.limits import NOTE_BYTES_MAX
from gateway.store.payloads import disk

_FOLDER_MODE: Final = 0o700
_OWN: Final = "digests-found"


def unpack(file: Path, opener: Opener, folder: Path, public: bytes | None) -> tuple[Manifest, bool]:
    """The manifest, and whether it was signed by the key with these 32 octets. What lies in ``folder`` is then what it says.

    Blocks; for a thread. Raises StructureError, DecryptionError, SignatureError, ConfigError, StoreError.
    """
    with disk(), file.open("rb") as source:
        reader = ArchiveReader(opener.pieces(source))
        sums = _write_members(reader.members(), folder)
    text = (folder / MANIFEST).read_text(encoding="utf-8", errors="replace")
    keys = [NoteKey(manifests.name_of(manifests.origin_of(text)), public)] if public is not None else []
    manifest, signed = manifests.read(text, keys)
    if (sums[DATABASE], sums[DIGESTS]) != (manifest.database, manifest.digests):
        _refuse("a part is not what its manifest says")
    _compare(folder)
    return manifest, signed


def _write_members(members: Iterator[Member], folder: Path) -> dict[str, str]:
    """Each member to its file; SHA-256 of those that are no payload. Database first, manifest last, in that order."""
    found: dict[str, str] = {}
    with (folder / _OWN).open("w", encoding="ascii") as own:
        for member in members:
            if member.name == MANIFEST and member.size > NOTE_BYTES_MAX:
                _refuse("a manifest too large to be one")
            digest = _write(member, folder / member.name)
            if member.name.startswith(PAYLOADS):
                own.write(f"{digest}  {member.name}\n")
            else:
                found[member.name] = digest
            if (list(found) != [DATABASE]) and member.name.startswith(PAYLOADS):
                _refuse("its members are not in order")
    if list(found) != [DATABASE, DIGESTS, MANIFEST]:
        _refuse("its members are not in order")
    return found


def _write(member: Member, path: Path) -> str:
    if path.exists():
        _refuse("a member comes twice")
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with _new(path) as out:
        for piece in member.content:
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _compare(folder: Path) -> None:
    """Raises StructureError naming the first payload file that is not as the list says, or that only one of both has."""
    with (
        (folder / _OWN).open(encoding="ascii") as own,
        (folder / DIGESTS).open(encoding="ascii", errors="replace") as told,
    ):
        for here, there in zip_longest(own, told, fillvalue=""):
            if here != there:
                _refuse(f"a payload file is not what the list says: {(here or there).strip().rpartition('/')[2][:64]}")


def _refuse(why: str) -> NoReturn:
    message = f"backup: {why}"
    raise StructureError(message)
