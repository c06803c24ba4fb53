"""S27: what was swapped, cut, re-ordered or moved does not open."""

import io
import os

import pytest

from gateway import limits
from gateway.crypto.at_rest import DataKey, IndexKey, LocalKeyEncryptionKey, RecordName, key_context
from gateway.errors import DecryptionError

CHUNK = limits.CHUNK_BYTES
SEALED = CHUNK + 16
HEADER = 29
NAME = RecordName("4203", "0197", "body")
PAYLOAD = os.urandom(3 * CHUNK + 5)

pytestmark = pytest.mark.proves("S27")


@pytest.fixture
def key():
    return DataKey.generate()


@pytest.fixture
def record(key):
    return key.seal_bytes(NAME, PAYLOAD)


def chunks(record):
    body = record[HEADER:]
    return record[:HEADER], [body[at : at + SEALED] for at in range(0, len(body), SEALED)]


def test_control_the_record_opens_where_it_belongs(key, record):
    assert key.open_bytes(NAME, record) == PAYLOAD


@pytest.mark.parametrize(
    "name",
    [RecordName("4204", "0197", "body"), RecordName("4203", "0198", "body"), RecordName("4203", "0197", "print")],
    ids=["tenant", "message", "purpose"],
)
def test_a_record_moved_to_another_place_does_not_open(key, record, name):
    with pytest.raises(DecryptionError):
        key.open_bytes(name, record)


def test_a_name_cannot_be_shifted_between_its_fields(key):
    record = key.seal_bytes(RecordName("42", "030197", "body"), b"x")
    with pytest.raises(DecryptionError):
        key.open_bytes(RecordName("4203", "0197", "body"), record)


@pytest.mark.proves("promise-7")
def test_a_record_under_another_messages_key_does_not_open(record):
    with pytest.raises(DecryptionError):
        DataKey.generate().open_bytes(NAME, record)


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 2, 1, 3], [0, 0, 2, 3], [0, 1, 1, 3]])
def test_chunks_in_another_order_do_not_open(key, record, order):
    header, parts = chunks(record)
    with pytest.raises(DecryptionError):
        key.open_bytes(NAME, header + b"".join(parts[at] for at in order))


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_record_cut_at_a_chunks_border_gives_nothing_at_all(key, record, kept):
    header, parts = chunks(record)
    cut = header + b"".join(parts[:kept])
    with pytest.raises(DecryptionError):
        key.reader(NAME, io.BytesIO(cut), len(cut))


@pytest.mark.parametrize("octets", [0, 1, 28, 29, 44, 45, SEALED + HEADER, SEALED + HEADER + 16])
def test_a_record_cut_anywhere_does_not_open(key, record, octets):
    with pytest.raises(DecryptionError):
        key.open_bytes(NAME, record[:octets])


def test_a_record_with_a_chunk_of_another_record_of_the_same_name_does_not_open(key, record):
    header, parts = chunks(record)
    _, others = chunks(key.seal_bytes(NAME, PAYLOAD))
    with pytest.raises(DecryptionError):
        key.open_bytes(NAME, header + b"".join([parts[0], others[1], *parts[2:]]))


def test_a_record_with_a_chunk_more_does_not_open(key, record):
    header, parts = chunks(key.seal_bytes(NAME, bytes(2 * CHUNK)))
    with pytest.raises(DecryptionError):
        key.open_bytes(NAME, header + b"".join([*parts, parts[-1]]))


@pytest.mark.parametrize("place", [0, 1, 9, 25, HEADER, HEADER + CHUNK, HEADER + SEALED, -1])
def test_one_changed_bit_anywhere_does_not_open(key, record, place):
    changed = bytearray(record)
    changed[place] ^= 1
    with pytest.raises(DecryptionError):
        key.open_bytes(NAME, bytes(changed))


def test_a_file_shorter_than_the_row_says_does_not_open(key, record):
    with pytest.raises(DecryptionError):
        key.reader(NAME, io.BytesIO(record[:-1]), len(record)).read()


@pytest.mark.parametrize("context", [key_context("4204", "0197"), key_context("4203", "0198"), b""])
def test_a_wrapped_key_moved_to_another_row_does_not_unwrap(key, context):
    kek = LocalKeyEncryptionKey(os.urandom(32))
    blob = kek.wrap(key, key_context("4203", "0197"))
    assert kek.unwrap(blob, key_context("4203", "0197"))
    with pytest.raises(DecryptionError):
        kek.unwrap(blob, context)


@pytest.mark.parametrize("place", [0, 1, 20, -1])
def test_a_changed_wrapped_key_does_not_unwrap(key, place):
    kek = LocalKeyEncryptionKey(os.urandom(32))
    changed = bytearray(kek.wrap(key, b"context"))
    changed[place] ^= 1
    with pytest.raises(DecryptionError):
        kek.unwrap(bytes(changed), b"context")


@pytest.mark.parametrize("octets", [0, 1, 16, 33, 40])
def test_a_wrapped_key_cut_short_does_not_unwrap(key, octets):
    kek = LocalKeyEncryptionKey(os.urandom(32))
    blob = kek.wrap(key, b"context")
    with pytest.raises(DecryptionError):
        kek.unwrap(blob[:octets], b"context")


def test_a_wrapped_key_does_not_unwrap_under_another_tenants_key(key):
    blob = LocalKeyEncryptionKey(os.urandom(32)).wrap(key, b"context")
    with pytest.raises(DecryptionError):
        LocalKeyEncryptionKey(os.urandom(32)).unwrap(blob, b"context")


def test_an_index_key_moved_to_another_tenant_does_not_unwrap():
    kek = LocalKeyEncryptionKey(os.urandom(32))
    blob = IndexKey.generate().wrap(kek, "4203")
    with pytest.raises(DecryptionError):
        IndexKey.unwrap(kek, blob, "4204")


def test_an_index_key_does_not_pass_for_a_messages_data_key():
    kek = LocalKeyEncryptionKey(os.urandom(32))
    blob = IndexKey.generate().wrap(kek, "4203")
    with pytest.raises(DecryptionError):
        kek.unwrap(blob, key_context("index key", "4203"))
