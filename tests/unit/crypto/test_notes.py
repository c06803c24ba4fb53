"""Signed notes: what is refused, and that a key signs under its own name only. Go's reading of them is an interop test."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.crypto import notes
from gateway.errors import ConfigError, SignatureError, StructureError

TEXT = "budstikke.test/log\n3\nAAAA\n"


@pytest.fixture
def signer():
    return notes.NoteSigner("budstikke.test/log", Ed25519PrivateKey.generate())


@pytest.fixture
def other():
    return notes.NoteSigner("witness.test", Ed25519PrivateKey.generate())


def test_a_note_tells_its_text_and_who_of_the_known_vouches_for_it(signer, other):
    note = notes.sign(TEXT, [signer, other])
    assert notes.verified(note, [signer.public]) == (TEXT, (signer.public,))
    assert notes.verified(note, [other.public, signer.public]) == (TEXT, (signer.public, other.public))
    with pytest.raises(SignatureError, match="no known key"):
        notes.verified(notes.sign(TEXT, [other]), [signer.public])


def test_a_changed_text_and_a_signature_under_another_name_do_not_hold(signer):
    note = notes.sign(TEXT, [signer])
    with pytest.raises(SignatureError, match="does not hold"):
        notes.verified(note.replace("\n3\n", "\n4\n"), [signer.public])
    renamed = notes.NoteSigner("elsewhere.test/log", signer._key)
    with pytest.raises(SignatureError, match="no known key"):
        notes.verified(notes.sign(TEXT, [renamed]), [signer.public])


@pytest.mark.parametrize(
    "note", ["", "text", "text\n\n", "text\n\nsigned by me\n", "a\n\n\u2014 b c\n", "a\n\n\u2014 b AAAA"]
)
def test_what_is_no_note_is_said_to_be_none(signer, note):
    with pytest.raises(StructureError):
        notes.verified(note, [signer.public])


def test_a_note_too_large_or_of_too_many_is_not_read(signer):
    with pytest.raises(StructureError):
        notes.verified(notes.sign("x" * 70_000 + "\n", [signer]), [signer.public])
    with pytest.raises(StructureError):
        notes.verified(notes.sign(TEXT, [signer] * 33), [signer.public])


def test_a_key_s_text_form_comes_back_and_a_changed_one_is_refused(signer):
    text = str(signer.public)
    assert notes.NoteKey.parse(text + "\n") == signer.public
    name, key_id, typed = text.split("+", 2)
    witness = base64.b64encode(b"\x04" + base64.b64decode(typed)[1:]).decode()
    for broken in (f"x{text}", f"{name}+00000000+{typed}", f"{name}+{key_id}+{witness}", f"{name}+{key_id}+!", name):
        with pytest.raises(ConfigError):
            notes.NoteKey.parse(broken)


def test_a_signer_comes_from_a_private_file_of_its_kind_only(tmp_path, signer):
    file = tmp_path / "log.pem"
    file.touch(mode=0o600)
    kind = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(signer._key.private_bytes(*kind))
    assert notes.NoteSigner.from_file("budstikke.test/log", file).public == signer.public
    file.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        notes.NoteSigner.from_file("budstikke.test/log", file)
    with pytest.raises(ConfigError, match="without blank or plus"):
        notes.NoteSigner("two words", signer._key)
