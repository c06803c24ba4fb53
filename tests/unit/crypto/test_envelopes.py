"""Envelopes as streams: the bytes of crypto-profile 2.1, and everything that 2.2 lets in."""

import io
import os
import tracemalloc
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway.crypto import oids
from gateway.crypto.ber import OCTET_STRING, SEQUENCE, SET, context, integer, parse, set_of, tlv
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.cms import EnvelopeWriter, looks_like_envelope, open_envelope, open_envelope_with_content_key
from gateway.crypto.content_key import key_transport_info
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15
from gateway.crypto.profiles import (
    EFORMIDLING_DPE,
    EFORMIDLING_DPH,
    EFORMIDLING_DPO,
    FIKS_ENVELOPE,
    GATEWAY_ENVELOPE,
    PRINT_PART,
)
from gateway.errors import CertificateError, DecryptionError, StructureError
from gateway.testing.pki import Make, receive_key
from tests import crypto_kit as kit

PROFILES = [FIKS_ENVELOPE, PRINT_PART, EFORMIDLING_DPO, EFORMIDLING_DPE, EFORMIDLING_DPH, GATEWAY_ENVELOPE]
SIZES = [0, 1, 15, 16, 17, limits.CHUNK_BYTES - 1, limits.CHUNK_BYTES, limits.CHUNK_BYTES + 1, 200_000]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_to_a_certificate_opens_with_its_key(profile, size):
    plain = os.urandom(size)
    assert kit.unseal(kit.seal(plain, profile), profile=profile) == plain


def test_the_envelope_to_ks_is_one_oaep_recipient_and_aes_256_cbc_in_indefinite_lengths():
    sealed = kit.seal(bytes(100_000))
    assert sealed.startswith(bytes.fromhex("3080 06092a864886f70d010703 a080 3080 020100 31"))
    assert sealed.endswith(bytes(10))
    enveloped = parse(sealed).fields()
    enveloped.take()
    fields = enveloped.take(context(0)).children()[0].fields()
    fields.take()
    (recipient,) = fields.take(SET).children()
    assert oids.SHA256_ALGORITHM in recipient.encoded
    assert recipient.children()[2].encoded.hex() == (
        "303c06092a864886f70d010107302fa00f300d06096086480165030402010500"
        "a11c301a06092a864886f70d010108300d06096086480165030402010500"
    )
    content = fields.take(SEQUENCE).children()
    assert content[1].encoded.hex().startswith("301d060960864801650304012a0410")
    assert [len(piece.content) for piece in content[2].children()] == [65536, 34_480]


def test_two_envelopes_of_the_same_share_no_key_and_no_vector():
    assert kit.seal(b"x" * 64)[-74:-10] != kit.seal(b"x" * 64)[-74:-10]


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_it_does_not_matter_in_which_pieces_plaintext_is_written(pieces):
    sealed = bytearray()
    writer = EnvelopeWriter(kit.receiver().certificate, GATEWAY_ENVELOPE, sealed.extend)
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    writer.flush()
    writer.close()
    writer.close()
    assert kit.unseal(bytes(sealed), profile=GATEWAY_ENVELOPE) == b"".join(pieces)


def test_an_envelope_opens_from_a_source_that_gives_one_octet_at_a_time():
    sealed = kit.seal(b"innhold" * 50)
    drop = io.BytesIO(sealed)
    assert b"".join(open_envelope(lambda _: drop.read(1), [kit.receiver()], FIKS_ENVELOPE)) == b"innhold" * 50


def envelope(recipients, content, *, key=bytes(32), outer=oids.ENVELOPED_DATA, before=b"", after=b"", version=0):
    """An envelope with definite lengths, as DER writers make it."""
    algorithm = tlv(SEQUENCE, oids.AES_256_CBC, tlv(OCTET_STRING, bytes(16)))
    inner = tlv(
        SEQUENCE,
        integer(version),
        before,
        set_of(recipients),
        tlv(SEQUENCE, oids.DATA, algorithm, content),
        after,
    )
    return tlv(SEQUENCE, outer, tlv(context(0), inner))


def cbc(plain, key=bytes(32)):
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    count = 16 - len(plain) % 16
    encryptor = Cipher(AES(key), CBC(bytes(16))).encryptor()
    return encryptor.update(plain + bytes([count]) * count) + encryptor.finalize()


def info(transport=OAEP_SHA256, key=None, content_key=bytes(32)):
    return key_transport_info(facts_of((key or kit.receiver()).certificate), transport, content_key)


def pieces(*parts, tag=OCTET_STRING):
    return [tlv(tag, part) for part in parts]


SEALED = cbc(b"innhold" * 9)
CONTENTS = {
    "primitive": tlv(0x80, SEALED),
    "pieces": tlv(0xA0, *pieces(SEALED[:7], SEALED[7:])),
    "indefinite": b"\xa0\x80" + b"".join(pieces(SEALED[:16], SEALED[16:])) + b"\0\0",
    "nested": tlv(0xA0, tlv(0x24, *pieces(SEALED[:9], SEALED[9:20])), tlv(OCTET_STRING, SEALED[20:])),
    "nested indefinite": b"\xa0\x80\x24\x80" + tlv(OCTET_STRING, SEALED) + b"\0\0\0\0",
    "empty piece": tlv(0xA0, *pieces(SEALED, b"")),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_ciphertext_is_read_in_every_form_that_ber_has(content):
    assert kit.unseal(envelope([info()], content)) == b"innhold" * 9


def test_the_recipient_is_found_by_identifier_wherever_it_stands():
    strangers = [info(key=kit.receiver(number)) for number in (1, 2)]
    assert kit.unseal(envelope([*strangers, info()], CONTENTS["primitive"])) == b"innhold" * 9


def test_any_of_several_keys_opens_during_a_change_of_keys():
    sealed = envelope([info()], CONTENTS["primitive"])
    assert kit.unseal(sealed, kit.receiver(1), kit.receiver()) == b"innhold" * 9


def test_a_recipient_named_by_subject_key_identifier_is_found():
    facts = facts_of(kit.receiver().certificate)
    encoded = info().replace(facts.issuer_and_serial, tlv(0x80, facts.subject_key_id))
    fields = parse(info()).children()
    encoded = tlv(SEQUENCE, integer(2), tlv(0x80, facts.subject_key_id), fields[2].encoded, fields[3].encoded)
    assert kit.unseal(envelope([encoded], CONTENTS["primitive"], version=2)) == b"innhold" * 9


def test_a_recipient_whose_name_is_spelled_with_other_string_types_is_found_by_name_rules():
    facts = facts_of(kit.receiver().certificate)
    assert b"\x0c\x08Mottak 0" in facts.issuer_and_serial
    respelled = facts.issuer_and_serial.replace(b"\x0c\x08Mottak 0", b"\x13\x08MOTTAK 0")
    fields = parse(info()).children()
    encoded = tlv(SEQUENCE, integer(0), respelled, fields[2].encoded, fields[3].encoded)
    assert kit.unseal(envelope([encoded], CONTENTS["primitive"])) == b"innhold" * 9


def test_oaep_is_taken_before_v15_and_v15_alone_only_by_switch():
    both = envelope([info(PKCS1_V15, content_key=bytes(31) + b"x"), info()], CONTENTS["primitive"])
    assert kit.unseal(both) == b"innhold" * 9
    assert kit.unseal(both, profile=FIKS_ENVELOPE.accepting_pkcs1_v15()) == b"innhold" * 9
    alone = envelope([info(PKCS1_V15)], CONTENTS["primitive"])
    assert kit.unseal(alone, profile=FIKS_ENVELOPE.accepting_pkcs1_v15()) == b"innhold" * 9
    with pytest.raises(StructureError):
        kit.unseal(alone)


def test_an_originator_before_the_recipients_is_skipped():
    sealed = envelope([info()], CONTENTS["primitive"], before=tlv(0xA0, tlv(0xA0)), version=2)
    assert kit.unseal(sealed) == b"innhold" * 9


def test_recipients_of_other_kinds_are_passed_over():
    assert kit.unseal(envelope([info(), tlv(0xA1, integer(3))], CONTENTS["primitive"])) == b"innhold" * 9


def test_an_envelope_for_nobody_here_says_so():
    with pytest.raises(DecryptionError):
        kit.unseal(kit.seal(b"x"), kit.receiver(1))


def test_a_vector_without_private_key_opens_with_its_content_key():
    sealed = envelope([info()], CONTENTS["primitive"])
    assert b"".join(open_envelope_with_content_key(io.BytesIO(sealed), bytes(32), FIKS_ENVELOPE)) == b"innhold" * 9
    with pytest.raises(DecryptionError):
        open_envelope_with_content_key(io.BytesIO(sealed), bytes(16), FIKS_ENVELOPE)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (kit.seal(b"x"), True),
        (kit.seal(b"x", GATEWAY_ENVELOPE), True),
        (envelope([info()], CONTENTS["primitive"]), True),
        (b"", False),
        (b"%PDF-1.7", False),
        (b"PK\x03\x04", False),
        (b"\x30\x80\x06", False),
        (tlv(SEQUENCE, oids.SIGNED_DATA), False),
        (os.urandom(32).replace(b"\x30", b"\x31"), False),
    ],
    ids=["ours", "gcm", "der", "empty", "pdf", "zip", "cut", "signed", "noise"],
)
def test_intake_knows_an_envelope_by_its_first_octets(start, expected):
    assert looks_like_envelope(start[:32]) is expected


@pytest.mark.parametrize("make", [Make(key_bits=1024), Make(elliptic=True)], ids=["small", "elliptic"])
def test_nothing_is_sealed_to_a_key_that_cannot_carry_it(make):
    with pytest.raises(CertificateError):
        EnvelopeWriter(receive_key(make=make).certificate, FIKS_ENVELOPE, bytearray().extend)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("profile", [FIKS_ENVELOPE, GATEWAY_ENVELOPE], ids=lambda profile: profile.name)
def test_a_hundred_megabytes_are_sealed_and_opened_in_constant_memory(profile):
    chunk, count = os.urandom(limits.CHUNK_BYTES), 1600
    waiting = bytearray()
    writer = EnvelopeWriter(kit.receiver().certificate, profile, waiting.extend)
    plaintext = chain(repeat(chunk, count), [None])

    def read(size):
        while len(waiting) < size and not writer.closed:
            piece = next(plaintext)
            writer.close() if piece is None else writer.write(piece)
        taken = bytes(waiting[:size])
        del waiting[:size]
        return taken

    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in open_envelope(read, [kit.receiver()], profile))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == count * limits.CHUNK_BYTES
    assert peak < 2 * limits.MIB
