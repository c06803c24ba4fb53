"""A log in memory: what the gateway publishes, made from its own formats and keys, for tests of those who read it."""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.crypto import notes
from gateway.domain import merkle
from gateway.evidence import formats

ORIGIN = "budstikke.test/4601"
MESSAGE = "01a201f6-0000-7000-8000-000000000001"
SALT = bytes(range(32))


def entry(event, message_id=MESSAGE, **commit):
    body = {
        "at": "2026-11-22T08:00:00.000000Z", "actor": "gateway", "event": event, "message_id": message_id,
        "commit": {name: seal(content) for name, content in commit.items()},
    }  # fmt: skip
    return json.dumps(body).encode()


def seal(content):
    return base64.b64encode(hmac.digest(SALT, hashlib.sha256(content).digest(), "sha256")).decode()


class Log:
    """Entries, and the key that signs for them."""

    def __init__(self, entries, origin=ORIGIN, key=None):
        self.entries = list(entries)
        self.signer = notes.NoteSigner(origin, key or Ed25519PrivateKey.generate())
        self.origin = origin

    @property
    def key(self):
        return str(self.signer.public)

    def subtree(self, low, high):
        return merkle.fold([merkle.leaf_hash(one) for one in self.entries[low:high]])

    def head(self, size=None, *signers):
        size = len(self.entries) if size is None else size
        return notes.sign(formats.head_text(self.origin, size, self.subtree(0, size)), (self.signer, *signers))

    def proven(self, index, size=None):
        size = len(self.entries) if size is None else size
        return formats.Proven(self.entries[index], index, merkle.inclusion(index, size, self.subtree))

    def proof(self, indexes, size=None, **more):
        entries = [self.proven(index, size) for index in indexes]
        return formats.ProofFile(MESSAGE, self.head(size), entries, **more).text()

    def update(self, old, size=None):
        size = len(self.entries) if size is None else size
        return formats.witness_update(old, merkle.consistency(old, size, self.subtree), self.head(size))
