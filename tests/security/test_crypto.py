"""S16, S18 and the hostile envelopes of the crypto profile: what an envelope does not give away, and what it refuses."""

import io
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.crypto import oids
from gateway.crypto.asice import verify_container
from gateway.crypto.ber import (
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    context,
    integer,
    parse,
    tlv,
)
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.cms import open_envelope
from gateway.crypto.content_key import key_transport_info
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15
from gateway.crypto.profiles import (
    EFORMIDLING_DPH,
    EFORMIDLING_DPO,
    FIKS_CONCERN_REPORT,
    FIKS_ENVELOPE,
    GATEWAY_ENVELOPE,
)
from gateway.errors import DecryptionError, StructureError, TrustError
from tests import crypto_kit as kit

PLAIN = b"innhold " * 40
FACTS = facts_of(kit.receiver().certificate)


def recipient(encrypted, transport=PKCS1_V15):
    fields = parse(key_transport_info(FACTS, transport, bytes(32))).children()
    return tlv(SEQUENCE, *(one.encoded for one in fields[:3]), tlv(OCTET_STRING, encrypted))


def with_recipient(sealed, encoded):
    """The same envelope for another recipient."""
    explicit = parse(sealed).children()[1]
    version, recipients, content = explicit.children()[0].children()
    assert recipients.tag == SET
    inner = tlv(SEQUENCE, version.encoded, tlv(SET, encoded), content.encoded)
    return tlv(SEQUENCE, parse(sealed).children()[0].encoded, tlv(context(0), inner))


def sealed_key(content_key):
    return FACTS.public_key.encrypt(content_key, PKCS1v15())


def raw_block(block):
    """RSA without padding: a key block with exactly these octets inside."""
    numbers = FACTS.public_key.public_numbers()
    size = FACTS.public_key.key_size // 8
    value = int.from_bytes(block.ljust(size, b"\x55")[:size], "big")
    return pow(value, numbers.e, numbers.n).to_bytes(size, "big")


def answer(sealed, profile=EFORMIDLING_DPO):
    """All that comes out: pieces before the end do not count, as their consumer never sees them."""
    try:
        return b"".join(open_envelope(io.BytesIO(sealed), [kit.receiver()], profile))
    except TrustError as refused:
        return type(refused), str(refused), refused.__cause__


GOOD = kit.seal(PLAIN)
BLOCKS = {
    "random octets": os.urandom(256),
    "all zero": bytes(256),
    "wrong first octet": raw_block(b"\x01\x02" + b"\x55" * 221 + b"\0" + bytes(32)),
    "wrong block type": raw_block(b"\0\x01" + b"\x55" * 221 + b"\0" + bytes(32)),
    "no separator": raw_block(b"\0\x02" + b"\x55" * 254),
    "separator too early": raw_block(b"\0\x02\x55\x55\0" + b"\x55" * 251),
    "key of 31 octets": sealed_key(bytes(31)),
    "key of 33 octets": sealed_key(bytes(33)),
    "key of 16 octets": sealed_key(bytes(16)),
    "key of no octets": sealed_key(b""),
    "right padding, other key": sealed_key(bytes(32)),
}


@pytest.mark.proves("S16")
def test_control_the_same_envelope_with_the_right_key_block_opens():
    key = os.urandom(32)
    # GCM, so that a right key and right content cannot be confused with luck.
    sealed = kit.seal(PLAIN, GATEWAY_ENVELOPE)
    assert answer(sealed, GATEWAY_ENVELOPE) == PLAIN
    assert answer(with_recipient(GOOD, recipient(sealed_key(key))))[0] is DecryptionError


@pytest.mark.proves("S16")
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
def test_every_bad_v15_key_block_is_answered_as_changed_content_is(block):
    # With a key of chance one CBC padding in 256 looks right; GCM has no such luck, so it is what answers are compared by.
    profile = GATEWAY_ENVELOPE.accepting_pkcs1_v15()
    explicit = parse(kit.seal(PLAIN, GATEWAY_ENVELOPE)).children()[1].children()[0].children()
    inner = tlv(SEQUENCE, explicit[0].encoded, tlv(SET, recipient(block)), *(one.encoded for one in explicit[2:]))
    sealed = tlv(SEQUENCE, oids.AUTH_ENVELOPED_DATA, tlv(context(0), inner))
    changed = bytearray(kit.seal(PLAIN, GATEWAY_ENVELOPE))
    changed[-40] ^= 1
    assert answer(sealed, profile) == answer(bytes(changed), profile)


@pytest.mark.proves("S16")
def test_bad_oaep_blocks_and_changed_content_are_answered_alike():
    profile = GATEWAY_ENVELOPE
    explicit = parse(kit.seal(PLAIN, profile)).children()[1].children()[0].children()
    answers = set()
    for block in (os.urandom(256), bytes(256), raw_block(b"\0" * 200), raw_block(b"\x01")):
        one = recipient(block, OAEP_SHA256)
        inner = tlv(SEQUENCE, explicit[0].encoded, tlv(SET, one), *(part.encoded for part in explicit[2:]))
        answers.add(answer(tlv(SEQUENCE, oids.AUTH_ENVELOPED_DATA, tlv(context(0), inner)), profile))
    for place in (-10, -30, -200):
        changed = bytearray(kit.seal(PLAIN, profile))
        changed[place] ^= 1
        if place == -10:
            changed[place] ^= 1
            changed[-8] ^= 1  # the tag
        answers.add(answer(bytes(changed), profile))
    assert {one[0] for one in answers} == {DecryptionError}
    assert len(answers) == 1


@pytest.mark.proves("S16")
def test_bad_cbc_padding_and_a_bad_key_are_answered_alike():
    answers = set()
    for _ in range(40):
        changed = bytearray(GOOD)
        changed[-11] ^= 0x80  # the last block: its padding
        answers.add(answer(bytes(changed)))
    for _ in range(40):
        found = answer(with_recipient(GOOD, recipient(os.urandom(256))))
        if not isinstance(found, bytes):  # one padding in 256 is right by chance, and the container refuses it then
            answers.add(found)
    assert {one[0] for one in answers if not isinstance(one, bytes)} == {DecryptionError}
    assert len({one for one in answers if not isinstance(one, bytes)}) == 1


@pytest.mark.proves("S18")
def test_what_cbc_lets_through_is_stopped_by_the_container():
    sealed = bytearray(kit.seal(kit.our_container()))
    assert verify_container(io.BytesIO(answer(bytes(sealed))), FIKS_CONCERN_REPORT, kit.trust(), kit.NOW).documents
    begin = sealed.index(b"\xa0\x80\x04") + 7
    through = 0
    for place in range(begin + 64, len(sealed) - 64, 97):
        changed = bytearray(sealed)
        changed[place] ^= 1
        plain = answer(bytes(changed))
        through += isinstance(plain, bytes)
        if isinstance(plain, bytes):
            with pytest.raises(TrustError):
                verify_container(io.BytesIO(plain), FIKS_CONCERN_REPORT, kit.trust(), kit.NOW)
    assert through > 20


@pytest.mark.parametrize("profile", [FIKS_ENVELOPE, GATEWAY_ENVELOPE, EFORMIDLING_DPH], ids=lambda one: one.name)
def test_an_envelope_cut_at_any_octet_is_refused(profile):
    sealed = kit.seal(PLAIN, profile)
    for octets in range(0, len(sealed), 1 if profile is FIKS_ENVELOPE else 7):
        with pytest.raises((StructureError, DecryptionError)):
            kit.unseal(sealed[:octets], profile=profile)


@pytest.mark.parametrize("profile", [FIKS_ENVELOPE, GATEWAY_ENVELOPE, EFORMIDLING_DPH], ids=lambda one: one.name)
def test_an_octet_behind_an_envelope_is_refused(profile):
    for trailing in (b"\0", b"\0\0", kit.seal(PLAIN, profile)):
        with pytest.raises(StructureError):
            kit.unseal(kit.seal(PLAIN, profile) + trailing, profile=profile)


@pytest.mark.parametrize("profile", [GATEWAY_ENVELOPE, EFORMIDLING_DPH], ids=lambda one: one.name)
def test_a_changed_octet_of_an_authenticated_envelope_never_gives_another_plaintext(profile):
    sealed = kit.seal(PLAIN, profile)
    content = sealed.index(profile.emit_cipher.value.oid) + len(profile.emit_cipher.value.oid)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 0x21
        found = answer(bytes(changed), profile)
        # Before the nonce stand things that may be written otherwise: a letter's case in a name, a NULL.
        assert found == PLAIN if isinstance(found, bytes) and place < content else not isinstance(found, bytes), place


def rebuilt(profile=FIKS_ENVELOPE, *, version=0, recipients=None, algorithm=None, content=None, outer=None, after=b""):
    """An envelope for us with one part replaced, in definite lengths."""
    kind, explicit = parse(kit.seal(PLAIN, profile)).children()
    _, known, info, *rest = explicit.children()[0].children()
    data, cipher, sealed = info.children()
    fresh = tlv(SEQUENCE, data.encoded, algorithm or cipher.encoded, sealed.encoded if content is None else content)
    given = known.encoded if recipients is None else tlv(SET, *recipients)
    inner = tlv(SEQUENCE, integer(version), given, fresh, *(one.encoded for one in rest), after)
    return tlv(SEQUENCE, outer or kind.encoded, tlv(context(0), inner))


def nested(depth):
    encoded = tlv(OCTET_STRING, bytes(32))
    for _ in range(depth):
        encoded = tlv(0x24, encoded)
    return tlv(context(0), encoded)


US = key_transport_info(FACTS, OAEP_SHA256, bytes(32))
GCM_12 = tlv(SEQUENCE, oids.AES_256_GCM, tlv(SEQUENCE, tlv(OCTET_STRING, bytes(12))))
GCM_8 = tlv(SEQUENCE, oids.AES_256_GCM, tlv(SEQUENCE, tlv(OCTET_STRING, bytes(8)), integer(16)))
HOSTILE = {
    "unknown version": rebuilt(version=9),
    "no recipients": rebuilt(recipients=[]),
    "too many recipients": rebuilt(recipients=[US] * 51),
    "header too large": rebuilt(recipients=[US, tlv(0xA1, bytes(2**20))]),
    "signed data": rebuilt(outer=oids.SIGNED_DATA),
    "cbc as authenticated": rebuilt(outer=oids.AUTH_ENVELOPED_DATA),
    "other cipher": rebuilt(algorithm=tlv(SEQUENCE, oids.AES_128_CBC, tlv(OCTET_STRING, bytes(16)))),
    "vector of 8 octets": rebuilt(algorithm=tlv(SEQUENCE, oids.AES_256_CBC, tlv(OCTET_STRING, bytes(8)))),
    "no vector": rebuilt(algorithm=tlv(SEQUENCE, oids.AES_256_CBC)),
    "no content": rebuilt(content=b""),
    "twenty deep": rebuilt(content=nested(20)),
    "integers among pieces": rebuilt(content=tlv(context(0), tlv(INTEGER, bytes(16)))),
    "length 2^63": b"\x30\x88\x80" + bytes(7) + rebuilt()[4:],
    "inner length 2^63": b"\x30\x80" + oids.ENVELOPED_DATA + b"\xa0\x88\x80" + bytes(7),
    "attributes behind": rebuilt(after=tlv(context(1), integer(1))),
    "a recipient that is no recipient": rebuilt(recipients=[tlv(SEQUENCE, integer(0))]),
    "empty": b"",
    "pdf": b"%PDF-1.7\n",
}


@pytest.mark.parametrize("sealed", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_envelope_built_otherwise_than_its_profile_is_a_structure_fault(sealed):
    with pytest.raises(StructureError):
        kit.unseal(sealed)


def test_control_the_rebuilt_envelope_opens():
    assert kit.unseal(rebuilt()) == PLAIN
    assert kit.unseal(rebuilt(GATEWAY_ENVELOPE), profile=GATEWAY_ENVELOPE) == PLAIN
    assert kit.unseal(rebuilt(EFORMIDLING_DPH), profile=EFORMIDLING_DPH) == PLAIN


HOSTILE_GCM = {
    "tag of 12 octets by default": rebuilt(GATEWAY_ENVELOPE, algorithm=GCM_12),
    "nonce of 8 octets": rebuilt(GATEWAY_ENVELOPE, algorithm=GCM_8),
    "gcm in enveloped data": rebuilt(EFORMIDLING_DPH),
    "attributes behind": rebuilt(GATEWAY_ENVELOPE, after=tlv(context(2), integer(1))),
    "cbc": kit.seal(PLAIN),
}


@pytest.mark.parametrize("sealed", HOSTILE_GCM.values(), ids=HOSTILE_GCM.keys())
def test_an_authenticated_envelope_built_otherwise_is_a_structure_fault(sealed):
    with pytest.raises(StructureError):
        kit.unseal(sealed, profile=GATEWAY_ENVELOPE)


def test_a_short_tag_at_the_end_of_content_is_a_structure_fault():
    with pytest.raises(StructureError):
        kit.unseal(rebuilt(EFORMIDLING_DPH, content=tlv(0x80, bytes(9))), profile=EFORMIDLING_DPH)


def test_content_that_is_no_whole_number_of_blocks_does_not_open():
    for content in (b"", bytes(8), bytes(17), bytes(47)):
        with pytest.raises(DecryptionError):
            kit.unseal(rebuilt(content=tlv(0x80, content)))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_envelope_never_raises_anything_but_our_own_errors(data):
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, 420) | st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    answer(bytes(changed))
