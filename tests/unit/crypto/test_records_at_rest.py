"""Records at rest: what goes in comes out, whole or in part, and nothing else does."""

import io
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway.crypto.at_rest import (
    DataKey,
    IndexKey,
    LocalKeyEncryptionKey,
    RecordName,
    key_context,
    plaintext_size,
)
from gateway.errors import ConfigError, DecryptionError

CHUNK = limits.CHUNK_BYTES
NAME = RecordName("4203", "0197", "body")
BORDERS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 17]


@pytest.mark.parametrize("size", BORDERS)
def test_a_payload_of_any_length_comes_back_and_its_length_is_known_from_the_record(size):
    key, payload = DataKey.generate(), os.urandom(size)
    record = key.seal_bytes(NAME, payload)
    assert key.open_bytes(NAME, record) == payload
    assert plaintext_size(len(record)) == size


@given(st.lists(st.binary(max_size=CHUNK + 5), max_size=6))
def test_it_does_not_matter_in_which_pieces_a_payload_is_sealed(pieces):
    key = DataKey.generate()
    sealer = key.sealer(NAME)
    record = b"".join([sealer.update(piece) for piece in pieces]) + sealer.finish()
    assert key.open_bytes(NAME, record) == b"".join(pieces)


@given(st.lists(st.tuples(st.integers(0, 7 * CHUNK), st.integers(0, 2 * CHUNK)), min_size=1, max_size=12))
def test_a_reader_answers_seeks_and_reads_as_a_plain_file_does(places):
    payload = bytes(range(256)) * (6 * CHUNK // 256) + b"tail"
    key = DataKey.generate()
    record = key.seal_bytes(NAME, payload)
    reader, plain = key.reader(NAME, io.BytesIO(record), len(record)), io.BytesIO(payload)
    for offset, length in places:
        assert reader.seek(offset) == plain.seek(offset)
        assert reader.read(length) == plain.read(length)
        assert reader.tell() == plain.tell()


def test_a_reader_is_a_read_only_seekable_file():
    key = DataKey.generate()
    record = key.seal_bytes(NAME, b"innhold")
    reader = key.reader(NAME, io.BytesIO(record), len(record))
    assert (reader.readable(), reader.seekable(), reader.writable(), reader.size) == (True, True, False, 7)
    assert reader.seek(-4, io.SEEK_END) == 3
    assert reader.seek(1, io.SEEK_CUR) == 4
    assert reader.readall() == b"old"
    assert reader.read(5) == b""
    with pytest.raises(OSError, match="before the beginning"):
        reader.seek(-1)


def test_a_data_key_of_another_length_is_refused():
    with pytest.raises(DecryptionError):
        DataKey(b"short")


def test_a_record_may_lie_inside_a_larger_file():
    key = DataKey.generate()
    record = key.seal_bytes(NAME, b"innhold")
    file = io.BytesIO(b"before" + record + b"after")
    file.seek(6)
    assert key.reader(NAME, file, len(record)).read() == b"innhold"


def test_the_same_payload_is_never_sealed_to_the_same_octets():
    key = DataKey.generate()
    assert len({key.seal_bytes(NAME, b"innhold") for _ in range(50)}) == 50


@given(st.integers(-1, 3 * CHUNK + 200))
def test_a_size_is_either_some_records_or_refused(record_size):
    try:
        size = plaintext_size(record_size)
    except DecryptionError:
        return
    assert len(DataKey.generate().seal_bytes(NAME, bytes(size))) == record_size


def test_a_record_holds_a_reader_to_a_few_chunks_in_memory():
    key = DataKey.generate()
    record = key.seal_bytes(NAME, bytes(20 * CHUNK))
    reader = key.reader(NAME, io.BytesIO(record), len(record))
    assert sum(len(piece) for piece in reader.pieces()) == 20 * CHUNK
    assert len(reader._opened) <= 4


def test_no_secret_is_printed_or_pickled():
    secret = os.urandom(32)
    shown = f"{DataKey(secret)!r}{LocalKeyEncryptionKey(secret)!r}{IndexKey(DataKey(secret))!r}"
    assert "hidden" in shown
    assert repr(secret)[2:20] not in shown
    assert secret.hex() not in shown
    with pytest.raises(TypeError):
        pickle.dumps(DataKey(secret))


def test_a_data_key_comes_back_from_its_wrapping():
    kek, key = LocalKeyEncryptionKey(os.urandom(32)), DataKey.generate()
    blob = kek.wrap(key, key_context("4203", "0197"))
    record = key.seal_bytes(NAME, b"innhold")
    assert kek.unwrap(blob, key_context("4203", "0197")).open_bytes(NAME, record) == b"innhold"


def test_a_key_encryption_key_of_another_length_is_a_configuration_fault():
    with pytest.raises(ConfigError):
        LocalKeyEncryptionKey(b"short")


def test_an_index_key_gives_the_same_mac_for_the_same_purpose_and_data_only():
    kek, key = LocalKeyEncryptionKey(os.urandom(32)), IndexKey.generate()
    again = IndexKey.unwrap(kek, key.wrap(kek, "4203"), "4203")
    assert again.mac("melding-id", b"x") == key.mac("melding-id", b"x")
    macs = {key.mac("melding-id", b"x"), key.mac("klient", b"x"), key.mac("melding-id", b"y")}
    assert len(macs | {IndexKey.generate().mac("melding-id", b"x")}) == 4
