"""Padding taken off our way: right for every hash and length, one error for every fault, and the same steps for each."""

import hashlib
import os
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.crypto import rsa_decoding
from gateway.crypto.key_transport import PKCS1_V15, Digest, KeyTransport
from gateway.crypto.keys import HASHES
from gateway.crypto.rsa_decoding import _mgf1, decode_oaep, take_off
from gateway.errors import DecryptionError
from tests import crypto_kit as kit

KEY: rsa.RSAPrivateKey = kit.receiver()._key
NUMBERS = KEY.private_numbers()
SIZE = KEY.key_size // 8
REJECTION = bytes(32)
DIGEST_BYTES = 32


def raw(encrypted):
    """What a token's bare RSA operation gives."""
    return pow(int.from_bytes(encrypted), NUMBERS.d, NUMBERS.public_numbers.n).to_bytes(SIZE)


def sealed(transport, plain, label=None):
    if not transport.is_oaep:
        return KEY.public_key().encrypt(plain, padding.PKCS1v15())
    mask = padding.MGF1(HASHES[transport.mask_digest]())
    return KEY.public_key().encrypt(plain, padding.OAEP(mask, HASHES[transport.digest](), label))


@pytest.mark.parametrize("digest", [Digest.SHA1, Digest.SHA256])
@pytest.mark.parametrize("mask_digest", [Digest.SHA1, Digest.SHA256, Digest.SHA512])
@pytest.mark.parametrize("length", [0, 1, 16, 32, 126])
def test_what_the_library_pads_with_oaep_is_read(digest, mask_digest, length):
    plain = os.urandom(length)
    encrypted = sealed(KeyTransport(digest, mask_digest), plain)
    assert take_off(KeyTransport(digest, mask_digest), raw(encrypted), encrypted, REJECTION) == plain


@pytest.mark.parametrize("digest", [Digest.SHA1, Digest.SHA256])
def test_a_label_must_be_the_one_that_was_sealed_with(digest):
    transport = KeyTransport(digest, digest)
    block = raw(sealed(transport, b"content key", b"a label"))
    assert decode_oaep(block, digest, digest, b"a label") == b"content key"
    for other in (b"", b"another"):
        with pytest.raises(DecryptionError):
            decode_oaep(block, digest, digest, other)


@pytest.mark.parametrize("length", [0, 1, 16, 32, SIZE - 11])
def test_what_the_library_pads_with_v15_is_read(length):
    plain = os.urandom(length)
    encrypted = sealed(PKCS1_V15, plain)
    assert take_off(PKCS1_V15, raw(encrypted), encrypted, REJECTION) == plain


def oaep_block(first=0, label_digest=None, rest=b"", size=SIZE):
    """A block masked by the rules around data that breaks them."""
    seed = bytes(range(DIGEST_BYTES))
    data = (label_digest or hashlib.sha256(b"").digest()) + rest.rjust(size - 2 * DIGEST_BYTES - 1, b"\0")
    masked = xored(data, _mgf1(seed, len(data), "sha256"))
    return bytes([first]) + xored(seed, _mgf1(masked, DIGEST_BYTES, "sha256")) + masked


def decode_parts(block):
    masked = block[1 + DIGEST_BYTES :]
    return xored(masked, _mgf1(xored(block[1 : 1 + DIGEST_BYTES], _mgf1(masked, 32, "sha256")), len(masked), "sha256"))


def xored(one, other):
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


RIGHT = b"\1" + bytes(range(32))
WRONG_OAEP = {
    "first octet": oaep_block(first=1, rest=RIGHT),
    "first octet, high bit": oaep_block(first=0x80, rest=RIGHT),
    "label": oaep_block(label_digest=os.urandom(32), rest=RIGHT),
    "last octet of the label": oaep_block(label_digest=decode_parts(oaep_block())[:31] + b"\0", rest=RIGHT),
    "no separator": oaep_block(rest=b""),
    "another separator": oaep_block(rest=b"\2" + RIGHT),
    "separator after noise": oaep_block(rest=b"\7\0\0" + RIGHT),
    "everything": oaep_block(first=7, label_digest=bytes(32), rest=b"\2"),
    "chance": b"\0" + os.urandom(SIZE - 1),
    "zero": bytes(SIZE),
    "ones": b"\xff" * SIZE,
}


def test_control_the_block_made_by_hand_is_right_when_nothing_is_wrong():
    assert decode_oaep(oaep_block(rest=RIGHT), "sha256", "sha256") == RIGHT[1:]
    assert decode_oaep(oaep_block(rest=b"\1"), "sha256", "sha256") == b""
    for size in (384, 512):
        for length in (0, 32, size - 2 * DIGEST_BYTES - 2):
            plain = os.urandom(length)
            assert decode_oaep(oaep_block(rest=b"\1" + plain, size=size), "sha256", "sha256") == plain


def fault(block):
    with pytest.raises(DecryptionError) as caught:
        decode_oaep(block, "sha256", "sha256")
    return type(caught.value), str(caught.value), caught.value.__cause__, caught.value.__context__


@pytest.mark.proves("S16")
def test_every_wrong_oaep_block_is_the_same_error():
    assert len({fault(block) for block in WRONG_OAEP.values()}) == 1


@given(st.binary(min_size=SIZE, max_size=SIZE))
@settings(max_examples=50)
def test_a_block_of_chance_is_refused_or_rejected_and_nothing_else(block):
    with pytest.raises(DecryptionError):
        decode_oaep(block, "sha256", "sha256")
    assert len(take_off(PKCS1_V15, block, block, REJECTION)) <= SIZE - 11


def v15_block(start=b"\0\2", filling=b"\x55" * 8, rest=b"\0" + bytes(32)):
    return start + filling.ljust(SIZE - len(start) - len(rest), b"\x55") + rest


WRONG_V15 = {
    "first octet": v15_block(start=b"\1\2"),
    "block type": v15_block(start=b"\0\1"),
    "no separator": v15_block(rest=b""),
    "separator too early": v15_block(filling=b"\x55" * 7 + b"\0"),
    "separator first": v15_block(filling=b"\0"),
    "chance": b"\1" + os.urandom(SIZE - 1),
    "zero": bytes(SIZE),
}


@pytest.mark.proves("S16")
def test_every_wrong_v15_block_gives_octets_of_chance_always_the_same_and_never_an_error():
    assert take_off(PKCS1_V15, v15_block(), b"c", REJECTION) == bytes(32)  # the control
    assert take_off(PKCS1_V15, v15_block(rest=b"\0" + bytes(SIZE - 11)), b"c", REJECTION) == bytes(SIZE - 11)
    found = set()
    for name, block in WRONG_V15.items():
        one = take_off(PKCS1_V15, block, name.encode(), REJECTION)
        assert one == take_off(PKCS1_V15, block, name.encode(), REJECTION)
        assert one not in block
        assert one != take_off(PKCS1_V15, block, name.encode(), b"another key's secret")
        found.add(one)
    assert len(found) == len(WRONG_V15)
    # What is wrong does not decide what comes: the encrypted octets do.
    assert len({take_off(PKCS1_V15, block, b"the same", REJECTION) for block in WRONG_V15.values()}) == 1


def steps(work):
    """How many operations of the interpreter the decoding takes; a finaliser that runs meanwhile is none of it."""
    count = 0

    def trace(frame, event, _argument):
        nonlocal count
        if frame.f_code.co_filename != rsa_decoding.__file__:
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except DecryptionError:
        pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.proves("S16")
def test_the_interpreter_takes_the_same_steps_for_every_wrong_block():
    """Time cannot be measured on a busy machine, steps can: no branch, slice or loop hangs on what is wrong."""
    oaep = {steps(lambda block=block: decode_oaep(block, "sha256", "sha256")) for block in WRONG_OAEP.values()}
    assert len(oaep) == 1
    assert min(oaep) > 10 * SIZE  # the control: steps are counted
    v15 = {
        steps(lambda block=block: take_off(PKCS1_V15, block, b"the same", REJECTION))
        for block in (*WRONG_V15.values(), v15_block())
    }
    assert len(v15) == 1


def test_a_modulus_too_short_for_the_hash_is_refused():
    with pytest.raises(DecryptionError):
        decode_oaep(bytes(64), "sha512", "sha512")
