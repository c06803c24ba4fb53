"""Payloads at rest: sealed in chunks under a key of their own, so that deleting one row shreds them.

A record, as bytes (crypto-profile 6, with decisions 3.5):

    version(1) = 01 | key id(8) | salt(16) | nonce prefix(4) | chunk ... chunk
    chunk  = AES-256-GCM(record key, nonce = prefix | chunk number(8), 65 536 octets of plaintext) | tag(16)

Only the last chunk may be shorter, and an empty payload is one empty chunk. Each chunk's associated data is the header,
the record's name, the chunk's number and whether it is the last, so that a cut, swapped, moved or re-ordered chunk does
not open. The record key is HKDF(data key, salt, name): the same name may be sealed twice without ever repeating a nonce.
The wrapped data key is *not* in the record; it stands in the table ``payload_key`` alone.
"""

import hashlib
import hmac
import io
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from typing_extensions import override

from gateway import limits
from gateway.errors import ConfigError, DecryptionError

VERSION: Final = 1
SECRET_BYTES: Final = 32
TAG_BYTES: Final = 16
_HEADER: Final = struct.Struct(">B8s16s4s")
_WHERE: Final = struct.Struct(">Q?")
_CHUNKS_KEPT: Final = 4
_SEALED_CHUNK_BYTES: Final = limits.CHUNK_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class RecordName:
    """Where a record belongs. All three are bound to every chunk, so a record opens in its own place only."""

    tenant: str
    message_id: str
    purpose: str

    def encoded(self) -> bytes:
        """One unambiguous octet string of the three."""
        return _joined(self.tenant, self.message_id, self.purpose)


class DataKey:
    """The 256-bit secret of one message. Every record of the message has a key derived from it."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            msg = "a data key of another length"
            raise DecryptionError(msg)
        self._secret = secret

    @classmethod
    def generate(cls) -> "DataKey":
        """Make a fresh key from the operating system's randomness."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def sealer(self, name: RecordName) -> "RecordSealer":
        """Begin a new record of that name."""
        header = _HEADER.pack(VERSION, self._id(), secrets.token_bytes(16), secrets.token_bytes(4))
        return RecordSealer(_Chunks(self._secret, header, name), header)

    def reader(self, name: RecordName, source: BinaryIO, size: int) -> "RecordReader":
        """Open a record of ``size`` stored octets that begins where ``source`` stands. Raises DecryptionError."""
        return RecordReader(self._secret, self._id(), name, source, size)

    def seal_bytes(self, name: RecordName, data: bytes) -> bytes:
        """Seal a small payload in one piece."""
        sealer = self.sealer(name)
        return sealer.update(data) + sealer.finish()

    def open_bytes(self, name: RecordName, record: bytes) -> bytes:
        """Open a small record in one piece. Raises DecryptionError."""
        return self.reader(name, io.BytesIO(record), len(record)).read()

    def _id(self) -> bytes:
        return _derived(self._secret, b"data key id", 8)

    @override
    def __repr__(self) -> str:
        return "DataKey(hidden)"

    @override
    def __reduce__(self) -> str:
        msg = "a data key is never serialised"
        raise TypeError(msg)


class RecordSealer:
    """Turns plaintext into a record, push style, holding at most one chunk."""

    def __init__(self, chunks: "_Chunks", header: bytes) -> None:
        self._chunks = chunks
        self._ready = bytearray(header)
        self._waiting = bytearray()
        self._number = 0
        self._finished = False

    def update(self, data: bytes) -> bytes:
        """Take plaintext; give the octets of the record that are ready, possibly none."""
        assert not self._finished  # noqa: S101  an invariant of ours
        self._waiting += data
        # A full chunk waits until more comes: only then is it known not to be the last one.
        while len(self._waiting) > limits.CHUNK_BYTES:
            self._seal(limits.CHUNK_BYTES, last=False)
        return self._taken()

    def finish(self) -> bytes:
        """Give the rest of the record. A second call is a bug of ours."""
        assert not self._finished  # noqa: S101  an invariant of ours
        self._finished = True
        self._seal(len(self._waiting), last=True)
        return self._taken()

    def _seal(self, length: int, *, last: bool) -> None:
        self._ready += self._chunks.seal(self._number, bytes(self._waiting[:length]), last=last)
        del self._waiting[:length]
        self._number += 1

    def _taken(self) -> bytes:
        taken = bytes(self._ready)
        self._ready.clear()
        return taken


class RecordReader(io.RawIOBase):
    """A record as a read-only, seekable file of its plaintext; only verified octets come out.

    ``size`` is the plaintext's length in octets. The last chunk is opened first, so that a record cut at a chunk's border
    gives nothing at all. Reads are never short except at the end. Every method may raise DecryptionError. Closing it
    closes its source.
    """

    def __init__(self, secret: bytes, key_id: bytes, name: RecordName, source: BinaryIO, stored_size: int) -> None:
        super().__init__()
        self._source = source  # first of all: whatever fails below, close() finds it
        self.size = plaintext_size(stored_size)
        self._start = source.tell()
        header = self._stored(0, _HEADER.size)
        version, found_id, _, _ = _HEADER.unpack(header)
        if version != VERSION or not hmac.compare_digest(found_id, key_id):
            msg = "the record has another version or another key"
            raise DecryptionError(msg)
        self._chunks = _Chunks(secret, header, name)
        self._last = max(0, (self.size - 1) // limits.CHUNK_BYTES)
        self._position = 0
        self._opened: dict[int, bytes] = {}
        self._chunk(self._last)

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._position

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            msg = "a position before the beginning"
            raise OSError(msg)
        self._position = start + offset
        return self._position

    @override
    def read(self, size: int | None = -1) -> bytes:
        wanted = self.size - self._position if size is None or size < 0 else size
        buffer = bytearray(max(0, min(wanted, self.size - self._position)))
        self.readinto(buffer)
        return bytes(buffer)

    @override
    def readall(self) -> bytes:
        return self.read()

    @override
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # we fill plain buffers only
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._position < self.size:
            number, offset = divmod(self._position, limits.CHUNK_BYTES)
            piece = self._chunk(number)[offset : offset + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    @override
    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

    def pieces(self) -> Iterator[bytes]:
        """Give the plaintext from here to the end, a chunk at a time."""
        while piece := self.read(limits.CHUNK_BYTES):
            yield piece

    def _chunk(self, number: int) -> bytes:
        """Open a chunk, or give it again: a reader of archives goes to and fro between a few."""
        if number not in self._opened:
            if len(self._opened) == _CHUNKS_KEPT:
                self._opened.pop(next(iter(self._opened)))
            self._opened[number] = self._open(number)
        return self._opened[number]

    def _open(self, number: int) -> bytes:
        last = number == self._last
        plain_length = self.size - number * limits.CHUNK_BYTES if last else limits.CHUNK_BYTES
        sealed = self._stored(_HEADER.size + number * _SEALED_CHUNK_BYTES, plain_length + TAG_BYTES)
        return self._chunks.open(number, sealed, last=last)

    def _stored(self, offset: int, length: int) -> bytes:
        self._source.seek(self._start + offset)
        found = self._source.read(length)
        if len(found) != length:
            msg = "the record is shorter than its stored size"
            raise DecryptionError(msg)
        return found


class KeyEncryptionKey(Protocol):
    """A tenant's key that wraps data keys, in software, a token or a key service.

    ``context`` names what the wrapped key is for (``key_context``); a blob unwraps under its own context only.
    """

    @property
    def key_id(self) -> str:
        """A stable public name of this key, for the row that holds the blob."""
        ...

    def wrap(self, key: DataKey, context: bytes) -> bytes:
        """Wrap a data key."""
        ...

    def unwrap(self, blob: bytes, context: bytes) -> DataKey:
        """Give the data key back. Raises DecryptionError for another key, another context or a changed blob."""
        ...


class LocalKeyEncryptionKey:
    """A key-encryption key held in memory.

    RFC 3394 has no room for associated data, so the context is bound by the key: each context has its own wrapping key,
    HKDF(secret, context), and the blob is a version octet and the RFC 3394 wrap under it.
    """

    __slots__ = ("_secret", "key_id")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            msg = f"a key-encryption key is {SECRET_BYTES} octets, not {len(secret)}"
            raise ConfigError(msg)
        self._secret = secret
        self.key_id = "local:" + _derived(secret, b"key-encryption key id", 8).hex()

    def wrap(self, key: DataKey, context: bytes) -> bytes:
        """Wrap a data key."""
        return bytes([VERSION]) + keywrap.aes_key_wrap(self._wrapping_key(context), key._secret)  # noqa: SLF001  the one reader of the secret

    def unwrap(self, blob: bytes, context: bytes) -> DataKey:
        """Give the data key back. Raises DecryptionError."""
        msg = "the wrapped key does not open here"
        if blob[:1] != bytes([VERSION]):
            raise DecryptionError(msg)
        try:
            return DataKey(keywrap.aes_key_unwrap(self._wrapping_key(context), blob[1:]))
        except keywrap.InvalidUnwrap:
            raise DecryptionError(msg) from None

    def _wrapping_key(self, context: bytes) -> bytes:
        return _derived(self._secret, b"wrap\0" + context, SECRET_BYTES)

    @override
    def __repr__(self) -> str:
        return f"LocalKeyEncryptionKey({self.key_id})"


class IndexKey:
    """A tenant's key for look-ups by content that must tell nothing without it (requirement S79). Never rotated."""

    __slots__ = ("_key",)

    def __init__(self, key: DataKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> "IndexKey":
        """Make a fresh key."""
        return cls(DataKey.generate())

    def mac(self, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA-256 of the data under this tenant's key; the same data for two purposes cannot be matched."""
        return hmac.digest(self._key._secret, _joined(purpose) + data, hashlib.sha256)  # noqa: SLF001  our own class

    def wrap(self, kek: KeyEncryptionKey, tenant: str) -> bytes:
        """Wrap it for the tenant's row."""
        return kek.wrap(self._key, _joined("index key", tenant))

    @classmethod
    def unwrap(cls, kek: KeyEncryptionKey, blob: bytes, tenant: str) -> "IndexKey":
        """Read it from the tenant's row. Raises DecryptionError."""
        return cls(kek.unwrap(blob, _joined("index key", tenant)))

    @override
    def __repr__(self) -> str:
        return "IndexKey(hidden)"


class _Chunks:
    """The cipher of one record: a chunk's number and lastness in, sealed or opened octets out."""

    def __init__(self, secret: bytes, header: bytes, name: RecordName) -> None:
        _, _, salt, prefix = _HEADER.unpack(header)
        self._prefix: bytes = prefix
        self._name = header + name.encoded()
        self._cipher = AESGCM(_derived(secret, b"record\0" + name.encoded(), SECRET_BYTES, salt))

    def seal(self, number: int, plain: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(number), plain, self._name + _WHERE.pack(number, last))

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        try:
            return self._cipher.decrypt(self._nonce(number), sealed, self._name + _WHERE.pack(number, last))
        except InvalidTag:
            msg = "a chunk does not open in this place"
            raise DecryptionError(msg) from None

    def _nonce(self, number: int) -> bytes:
        return self._prefix + struct.pack(">Q", number)


def plaintext_size(record_size: int) -> int:
    """Octets of plaintext in a record of that many octets. Raises DecryptionError for a size no record has."""
    full, rest = divmod(record_size - _HEADER.size, _SEALED_CHUNK_BYTES)
    if full < 0 or (rest == 0 and full == 0) or 0 < rest < TAG_BYTES or (rest == TAG_BYTES and full > 0):
        msg = f"no record has {record_size} octets"
        raise DecryptionError(msg)
    return full * limits.CHUNK_BYTES + max(0, rest - TAG_BYTES)


def key_context(tenant: str, message_id: str) -> bytes:
    """Give the context under which a message's data key is wrapped."""
    return _joined("data key", tenant, message_id)


def _joined(*fields: str) -> bytes:
    """Join fields with their lengths before them, so that no two lists give the same octets."""
    encoded = [field.encode() for field in fields]
    return b"".join(struct.pack(">I", len(field)) + field for field in encoded)


def _derived(secret: bytes, info: bytes, length: int, salt: bytes | None = None) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, b"budstikke 1\0" + info).derive(secret)
