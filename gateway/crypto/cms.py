"""CMS envelopes (RFC 5652 EnvelopedData, RFC 5083 AuthEnvelopedData): sealing to a certificate and opening, as streams.

Written as the bytes of crypto-profile 2.1, read by the numbered steps of its 2.2. Plaintext that comes out of an AES-CBC
envelope is not trusted yet: only the container's signature makes it so (S18). Which step of opening the content key
failed is never told (S16): a wrong key becomes a random one, and the content fails instead.
"""

import io
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import BinaryIO, Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, AEADEncryptionContext, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, GCM

from gateway import limits
from gateway.crypto import oids
from gateway.crypto.ber import (
    CONSTRUCTED,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    context,
    integer,
    set_of,
    tlv,
)
from gateway.crypto.ber_stream import BerStream
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.content_key import ContentKeys, key_transport_info
from gateway.crypto.keys import DecryptionKey
from gateway.crypto.profiles import ContentCipher, EnvelopeProfile, TagPlace
from gateway.errors import DecryptionError, StructureError

BLOCK_BYTES: Final = 16
TAG_BYTES: Final = 16
NONCE_BYTES: Final = 12
_CONSTRUCTED_SEQUENCE_BEGIN: Final = b"\x30\x80"
_EXPLICIT_0_BEGIN: Final = b"\xa0\x80"
_END: Final = b"\0\0"
_CONTENT: Final = context(0, constructed=False)
_VERSIONS: Final = range(5)

Source = Callable[[int], bytes] | BinaryIO


class EnvelopeWriter:
    """A file-like sink of plaintext that writes the sealed envelope to ``sink`` as it goes, in constant memory.

    Not seekable. ``close`` writes the end; an envelope that was never closed opens nowhere. Raises CertificateError when
    the recipient's key cannot be used.
    """

    def __init__(self, recipient: x509.Certificate, profile: EnvelopeProfile, sink: Callable[[bytes], object]) -> None:
        facts = facts_of(recipient)
        cipher = profile.emit_cipher
        key = secrets.token_bytes(cipher.value.key_bytes)
        vector = secrets.token_bytes(NONCE_BYTES if cipher.value.is_gcm else BLOCK_BYTES)
        self._mac_field = cipher.value.is_gcm and profile.gcm_tag is TagPlace.MAC
        self._encryptor = Cipher(AES(key), GCM(vector) if cipher.value.is_gcm else CBC(vector)).encryptor()
        self._sink = sink
        self._waiting = bytearray()
        self.closed = False
        outer = oids.AUTH_ENVELOPED_DATA if self._mac_field else oids.ENVELOPED_DATA
        self._sink(
            b"".join((
                _CONSTRUCTED_SEQUENCE_BEGIN, outer, _EXPLICIT_0_BEGIN,
                _CONSTRUCTED_SEQUENCE_BEGIN, integer(0),
                set_of([key_transport_info(facts, profile.emit_transport, key)]),
                _CONSTRUCTED_SEQUENCE_BEGIN, oids.DATA, _content_algorithm(cipher, vector), _EXPLICIT_0_BEGIN,
            ))
        )  # fmt: skip

    def write(self, data: bytes) -> int:
        """Seal some plaintext."""
        self._waiting += data
        while len(self._waiting) >= limits.CHUNK_BYTES:
            self._emit(bytes(self._waiting[: limits.CHUNK_BYTES]))
            del self._waiting[: limits.CHUNK_BYTES]
        return len(data)

    def flush(self) -> None:
        """Do nothing: pieces go out when they are full."""

    def close(self) -> None:
        """Seal the rest and write the end. Once."""
        if self.closed:
            return
        self.closed = True
        rest = bytes(self._waiting)
        is_gcm = isinstance(self._encryptor, AEADEncryptionContext)
        self._emit(rest if is_gcm else rest + _padding(len(rest)))
        self._encryptor.finalize()
        tag = self._encryptor.tag if isinstance(self._encryptor, AEADEncryptionContext) else b""
        if self._mac_field:
            self._sink(_END + _END + tlv(OCTET_STRING, tag) + _END + _END + _END)
        else:
            self._sink((tlv(OCTET_STRING, tag) if tag else b"") + _END * 5)

    def _emit(self, plain: bytes) -> None:
        if plain:
            self._sink(tlv(OCTET_STRING, self._encryptor.update(plain)))


def looks_like_envelope(first: bytes) -> bool:
    """Tell cheaply whether something that begins so can be an envelope; 32 octets are enough to know."""
    stream = BerStream(io.BytesIO(first).read)
    try:
        stream.enter(SEQUENCE)
        return stream.element(OBJECT_IDENTIFIER).encoded in (oids.ENVELOPED_DATA, oids.AUTH_ENVELOPED_DATA)
    except StructureError:
        return False


def open_envelope(source: Source, keys: Sequence[DecryptionKey], profile: EnvelopeProfile) -> Iterator[bytes]:
    """Open an envelope: everything before the ciphertext now, the plaintext in pieces as they are asked for.

    No piece counts before the last one came: a cut, a changed octet or a wrong tag shows at the end. Raises
    StructureError or DecryptionError, here and from the iterator.
    """
    return _opened(source, ContentKeys(keys, profile).choose, profile)


def open_envelope_with_content_key(source: Source, content_key: bytes, profile: EnvelopeProfile) -> Iterator[bytes]:
    """Open an envelope whose content key is known. A seam for vectors that come without a private key; tests only."""
    return _opened(source, lambda _recipients, _length: content_key, profile)


def _opened(
    source: Source, choose: Callable[[Sequence[Element], int], bytes], profile: EnvelopeProfile
) -> Iterator[bytes]:
    stream = BerStream(source if callable(source) else source.read)
    # 1. One of the two content types; depth, header size and lengths are bounded by the stream.
    stream.enter(SEQUENCE)
    outer = stream.element(OBJECT_IDENTIFIER).encoded
    if outer not in (oids.ENVELOPED_DATA, oids.AUTH_ENVELOPED_DATA):
        _refuse("not an envelope")
    stream.enter(context(0))
    stream.enter(SEQUENCE)
    # 2. Version, who made it (skipped), the recipients.
    if stream.element(INTEGER).integer() not in _VERSIONS:
        _refuse("an unknown version")
    if stream.peek_tag() == context(0):
        stream.element()
    recipients = stream.element(SET).children()
    if not 1 <= len(recipients) <= limits.CMS_RECIPIENTS_MAX:
        _refuse("no recipients, or too many")
    # 6. The content's algorithm, which must be the channel's. Before 3-5: they need to know the key's length.
    stream.enter(SEQUENCE)
    if stream.element(OBJECT_IDENTIFIER).encoded != oids.DATA:
        _refuse("the content is not data")
    cipher, vector = _read_content_algorithm(stream.element(SEQUENCE), profile)
    has_mac = outer == oids.AUTH_ENVELOPED_DATA
    # 6a. AES-GCM belongs in AuthEnvelopedData, except on the channel that appends the tag.
    if has_mac != (cipher.value.is_gcm and profile.gcm_tag is TagPlace.MAC):
        _refuse("the content's algorithm does not belong in this kind of envelope")
    # 3-5. The content key.
    key = choose(recipients, cipher.value.key_bytes)
    if len(key) != cipher.value.key_bytes:
        msg = "a content key of another length"
        raise DecryptionError(msg)
    # 7. The plaintext, for an encrypted spool.
    if has_mac:
        return _gcm_with_mac(stream, key, vector)
    return _gcm_with_tag_at_end(stream, key, vector) if cipher.value.is_gcm else _cbc(stream, key, vector)


def _cbc(stream: BerStream, key: bytes, vector: bytes) -> Iterator[bytes]:
    decryptor = Cipher(AES(key), CBC(vector)).decryptor()
    sealed = yield from _all_but_last(stream.octet_pieces(_CONTENT), BLOCK_BYTES, decryptor.update)
    _close(stream)
    last = decryptor.update(sealed)
    try:
        decryptor.finalize()
    except ValueError:
        _fail()
    padding = last[-1] if last else 0
    # Every octet is looked at whatever the first says; the answer is the same as for any other fault.
    if not 1 <= padding <= BLOCK_BYTES or last[-padding:] != bytes([padding]) * padding:
        _fail()
    if plain := last[:-padding]:
        yield plain


def _gcm_with_mac(stream: BerStream, key: bytes, nonce: bytes) -> Iterator[bytes]:
    decryptor = Cipher(AES(key), GCM(nonce)).decryptor()
    yield from map(decryptor.update, stream.octet_pieces(_CONTENT))
    stream.leave()
    # 8. Attributes, authenticated or not, would stand here; nobody sends them.
    tag = stream.element(OCTET_STRING, OCTET_STRING | CONSTRUCTED).octets()
    for _ in range(3):
        stream.leave()
    stream.finish()
    _check_tag(decryptor, tag)


def _gcm_with_tag_at_end(stream: BerStream, key: bytes, nonce: bytes) -> Iterator[bytes]:
    decryptor = Cipher(AES(key), GCM(nonce)).decryptor()
    tag = yield from _all_but_last(stream.octet_pieces(_CONTENT), TAG_BYTES, decryptor.update)
    _close(stream)
    _check_tag(decryptor, tag)


def _check_tag(decryptor: AEADDecryptionContext, tag: bytes) -> None:
    if len(tag) != TAG_BYTES:
        _refuse("a tag of another length")
    try:
        decryptor.finalize_with_tag(tag)
    except InvalidTag:
        _fail()


def _close(stream: BerStream) -> None:
    """9. Exactly the closing octets, then the end of the input."""
    for _ in range(4):
        stream.leave()
    stream.finish()


def _all_but_last(
    pieces: Iterable[bytes], count: int, update: Callable[[bytes], bytes]
) -> Generator[bytes, None, bytes]:
    """Decrypt pieces, and give the last sealed octets, fewer if there were not so many, as the generator's value."""
    held = b""
    for piece in pieces:
        held += piece
        if len(held) > count:
            yield update(held[:-count])
            held = held[-count:]
    return held


def _content_algorithm(cipher: ContentCipher, vector: bytes) -> bytes:
    parameters = tlv(OCTET_STRING, vector)
    if cipher.value.is_gcm:
        parameters = tlv(SEQUENCE, parameters, integer(TAG_BYTES))
    return tlv(SEQUENCE, cipher.value.oid, parameters)


def _read_content_algorithm(algorithm: Element, profile: EnvelopeProfile) -> tuple[ContentCipher, bytes]:
    fields = algorithm.fields()
    oid = fields.take(OBJECT_IDENTIFIER).encoded
    cipher = next((one for one in profile.accept_ciphers if one.value.oid == oid), None)
    if cipher is None:
        _refuse("not this channel's content encryption")
    if not cipher.value.is_gcm:
        vector = fields.take(OCTET_STRING).content
        if len(vector) != BLOCK_BYTES:
            _refuse("an initialisation vector of another length")
    else:
        parameters = fields.take(SEQUENCE).fields()
        vector = parameters.take(OCTET_STRING).content
        # The tag's length must be written: left out it would mean 12.
        if len(vector) != NONCE_BYTES or parameters.take(INTEGER).integer() != TAG_BYTES:
            _refuse("other parameters of AES-GCM than 12 and 16 octets")
        parameters.end()
    fields.end()
    return cipher, vector


def _padding(length: int) -> bytes:
    """PKCS#7: one to sixteen octets, each the number of them."""
    count = BLOCK_BYTES - length % BLOCK_BYTES
    return bytes([count]) * count


def _refuse(why: str) -> NoReturn:
    msg = f"cms: {why}"
    raise StructureError(msg)


def _fail() -> NoReturn:
    msg = "cms: the content does not open"
    raise DecryptionError(msg) from None
