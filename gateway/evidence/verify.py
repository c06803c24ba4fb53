"""Checks what Budstikke proves, and needs nothing of it: this one file, Python 3.11 and the package ``cryptography``.

    python verify.py proof FILE --key KEY [--witness NOTE] [--witness-key KEY]... [--content NAME=FILE]...
    python verify.py witness STATE UPDATE --key KEY [--old-key KEY]

``KEY`` is the log's public key as ``name+id+base64``, which the operator publishes; get it from somebody you trust and
not with the proof. ``proof`` says of one message that its entries stand in the log. ``witness`` is for an outside party
that keeps the log's last head in the file STATE: it accepts a newer head only if nothing before it was changed, and the
log after a restore (``--old-key``: of the one in STATE) only if its first entry names that head. Verdicts: ``ok``,
``ok, content not checked``, or ``failed: `` and why (exit code 1). Nothing is ever fetched.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BYTES_MAX = 1 << 20
HASHES_MAX = 64
LOG_KEY, WITNESS_KEY = 1, 4
NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
SIGNATURE = re.compile("\u2014 ([^\\s+]{1,200}) ([A-Za-z0-9+/=]{8,200})")
HEADER = "c2sp.org/tlog-proof@v1"


class Failed(Exception):  # noqa: N818  a verdict, not a fault
    """Why a proof is not believed."""


def need(holds: object, why: str) -> None:
    if not holds:
        raise Failed(why)


def octets(text: str, length: int | None = None) -> bytes:
    """Canonical base64 only: else two texts would stand for one value."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Failed("something that should be base64 is not") from None
    need(base64.b64encode(raw).decode() == text, "base64 that is not canonical")
    need(length is None or len(raw) == length, "a hash or key of the wrong length")
    return raw


def number(text: str) -> int:
    need(NUMBER.fullmatch(text), "a number that is not canonical")
    return int(text)


# --- Signed notes ------------------------------------------------------------------------------------------------


class Key:
    """A public key and the name it vouches under."""

    def __init__(self, text: str, kind: int) -> None:
        parts = text.strip().split("+", 2)
        need(len(parts) == 3, "a key is name+id+base64")
        self.name, typed, self.kind = parts[0], octets(parts[2], 33), kind
        self.id = hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:4]
        need(typed[0] == kind and self.id.hex() == parts[1], "a key that does not fit its id or its use")
        self._public = Ed25519PublicKey.from_public_bytes(typed[1:])

    def vouches(self, text: str, raw: bytes) -> bool:
        """Whether this signature blob is ours and right. A witness signs the time with the text."""
        if raw[:4] != self.id:
            return False
        signed, signature = text.encode(), raw[4:]
        if self.kind == WITNESS_KEY:
            at, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            signed = f"cosignature/v1\ntime {at}\n".encode() + signed
        try:
            self._public.verify(signature, signed)
        except InvalidSignature:
            raise Failed(f"the signature of {self.name} does not hold") from None
        return True


class Head:
    """A signed head of the log: its origin, size and root."""

    def __init__(self, note: str, key: Key, witnesses: list[Key]) -> None:
        text, blank, lines = note.rpartition("\n\n")
        need(blank and lines.endswith("\n"), "the log's head is no signed note")
        self.note, self.text, signed = note, text + "\n", set()
        for line in lines[:-1].split("\n"):
            match = SIGNATURE.fullmatch(line)
            if match is None:
                raise Failed("the log's head has a malformed signature line")
            name, raw = match[1], octets(match[2])
            signed |= {one for one in (key, *witnesses) if one.name == name and one.vouches(self.text, raw)}
        need(key in signed, f"{key.name} has not signed this head")
        need(signed.issuperset(witnesses), "a witness that you ask for has not signed this head")
        fields = text.split("\n")
        need(len(fields) == 3, "the log's head has not three lines")
        self.origin, self.size, self.root = fields[0], number(fields[1]), octets(fields[2], 32)
        need(self.origin == key.name, f"a head of another log: {self.origin}")


# --- The tree (RFC 6962) -----------------------------------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def walk(
    place: int, last: int, path: list[bytes], begin: bytes, old: bytes | None = None
) -> tuple[bytes, bytes | None]:
    """From a node up to the root of the newer tree and, from ``old``, of the older one (RFC 9162, 2.1.3.2, 2.1.4.2)."""
    new = begin
    for sibling in path:
        need(last, "a path that is too long")
        if place % 2 or place == last:
            new, old = node(sibling, new), old and node(sibling, old)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, sibling)
        place, last = place >> 1, last >> 1
    need(last == 0, "a path that is too short")
    return new, old


def included(entry: bytes, index: int, path: list[bytes], head: Head) -> None:
    need(index < head.size, "the entry's number lies beyond the head")
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    need(walk(index, head.size - 1, path, leaf)[0] == head.root, "an entry is not in the log as the proof says")


def consistent(old: Head, new: Head, path: list[bytes]) -> None:
    """The newer head begins with all that the older one holds."""
    need(old.size <= new.size, "the log is shorter than it was: its end was cut off")
    if old.size == new.size:
        need(old.root == new.root and not path, "two heads of the same size differ: the log was rewritten")
        return
    if old.size == 0:
        return
    steps = path if old.size & (old.size - 1) else [old.root, *path]
    need(steps, "the proof that the log only grew is missing")
    place, last = old.size - 1, new.size - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    roots = walk(place, last, steps[1:], steps[0], steps[0])
    need(roots == (new.root, old.root), "the log does not begin with what it held before: it was rewritten")


# --- Files -------------------------------------------------------------------------------------------------------


def read(path: str) -> str:
    raw = Path(path).read_bytes()[: BYTES_MAX + 1]
    need(len(raw) <= BYTES_MAX, f"{path} is larger than 1 MiB")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Failed(f"{path} is not UTF-8") from None


def hashes(lines: list[str]) -> list[bytes]:
    need(len(lines) <= HASHES_MAX, "too many hashes")
    return [octets(line, 32) for line in lines]


def entry_of(proof: str, key: Key, witnesses: list[Key]) -> tuple[dict[str, Any], Head]:
    """The entry that a tlog-proof carries as its extra data, once it is shown to stand in the log."""
    top, _, note = proof.partition("\n\n")
    lines = top.split("\n")
    need(
        len(lines) >= 3 and lines[0] == HEADER and lines[1][:6] == "extra " and lines[2][:6] == "index ",
        "no tlog-proof",
    )
    entry, head = octets(lines[1][6:]), Head(note, key, witnesses)
    included(entry, number(lines[2][6:]), hashes(lines[3:]), head)
    return json.loads(entry), head


def check_proof(path: str, key: Key, witnesses: list[Key], witness: str | None, contents: dict[str, Path]) -> str:
    """The verdict on a message's proof file. Raises Failed."""
    try:
        bundle = json.loads(read(path))
        proofs, message = bundle["entries"], bundle["message_id"]
        pairs = [entry_of(proof, key, witnesses) for proof in proofs]
        need(pairs, "the proof holds no entry")
        need(all(entry["message_id"] == message for entry, _ in pairs), "an entry of another message")
        head = pairs[0][1]
        need(all(one.note == head.note for _, one in pairs), "entries under different heads")
        if witness is not None:
            known = Head(read(witness), key, [])
            older, newer = (known, head) if known.size <= head.size else (head, known)
            consistent(older, newer, hashes(bundle.get("since", {}).get(str(known.size), [])))
        checked = check_contents([entry for entry, _ in pairs], bundle.get("salt"), bundle.get("names", {}), contents)
        show(pairs, bundle.get("names", {}))
        stamp(path, bundle)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Failed("not a proof file of Budstikke") from None
    return "ok" if checked else "ok, content not checked"


def check_contents(
    entries: list[dict[str, Any]], salt: str | None, names: dict[str, str], files: dict[str, Path]
) -> bool:
    """Every file given must be what some entry commits to; True when at least one was and none was left unchecked."""
    need(not files or salt, "the proof holds no salt: the message was shredded, or the salt was not asked for")
    committed = {(name, digest) for entry in entries for name, digest in entry["commit"].items()}
    for given, file in files.items():
        digest = hashlib.sha256(file.read_bytes()).digest()
        seal = base64.b64encode(hmac.digest(octets(salt or "", 32), digest, "sha256")).decode()
        wanted = {given, *(code for code, name in names.items() if name == given)}
        need(any((name, seal) in committed for name in wanted), f"{given} is not what the log commits to")
    return bool(files)


def show(pairs: list[tuple[dict[str, Any], Head]], names: dict[str, str]) -> None:
    head = pairs[0][1]
    print(f"log {head.origin}, {head.size} entries")
    for entry, _ in pairs:
        print(f"  {entry['at']} {entry['event']} by {entry['actor']}")
    for code, name in sorted(names.items()):
        print(f"  {code} is {name}")


def stamp(path: str, bundle: dict[str, Any]) -> None:
    """A time stamp is checked by openssl, which knows the authorities that you trust."""
    if not bundle.get("time_stamp"):
        return
    head, answer = Path(path).with_suffix(".head"), Path(path).with_suffix(".tsr")
    answer.write_bytes(octets(bundle["time_stamp"]))
    head.write_bytes(bundle["entries"][0].partition("\n\n")[2].encode())
    print(f"time stamp: openssl ts -verify -data {head} -in {answer} -CAfile TSA.pem")


def follows(old: Head, new: Head, entry: bytes, path: list[bytes]) -> None:
    """The new log's first entry names exactly the head that the witness knows."""
    included(entry, 0, path, new)
    refs = {"origin": old.origin, "root": base64.b64encode(old.root).decode(), "size": old.size}
    told = f'"refs":{json.dumps(refs, separators=(",", ":"))}'.encode()  # entries are canonical JSON
    need(b'"event":"log-begun"' in entry and told in entry, "the new log does not follow the head that you know")


def check_update(state: str, update: str, key: Key, old_key: Key | None) -> str:
    """Move a witness's file on, if the log only grew. The update is what C2SP's tlog-witness sends. Raises Failed."""
    top, blank, note = read(update).partition("\n\n")
    lines = top.split("\n")
    need(blank and lines[0][: 6 if old_key else 4] == ("begun " if old_key else "old "), "not such an update")
    new, keep = Head(note, key, []), Path(state)
    if old_key:
        follows(Head(read(state), old_key, []), new, octets(lines[0][6:]), hashes(lines[1:]))
    elif keep.exists():
        old = Head(read(state), key, [])
        need(number(lines[0][4:]) == old.size, f"the update begins at another size; ask for one from {old.size}")
        consistent(old, new, hashes(lines[1:]))
    beside = keep.with_name(keep.name + ".new")
    beside.write_text(new.note, encoding="utf-8")
    os.replace(beside, keep)
    print(f"log {new.origin}, {new.size} entries")
    return "ok"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Checks what Budstikke proves.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    proof, witness = commands.add_parser("proof"), commands.add_parser("witness")
    proof.add_argument("file")
    proof.add_argument("--witness")
    proof.add_argument("--witness-key", action="append", default=[])
    proof.add_argument("--content", action="append", default=[], metavar="NAME=FILE")
    witness.add_argument("state")
    witness.add_argument("update")
    witness.add_argument("--old-key")
    for one in (proof, witness):
        one.add_argument("--key", required=True)
    given = parser.parse_args(arguments)
    try:
        key = Key(given.key, LOG_KEY)
        if given.command == "witness":
            print(check_update(given.state, given.update, key, given.old_key and Key(given.old_key, LOG_KEY)))
        else:
            contents = {name: Path(file) for name, _, file in (one.rpartition("=") for one in given.content)}
            witnesses = [Key(text, WITNESS_KEY) for text in given.witness_key]
            print(check_proof(given.file, key, witnesses, given.witness, contents))
    except (Failed, OSError) as why:
        print(f"failed: {why}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
