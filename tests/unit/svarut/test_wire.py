"""SvarUt's answers are read or refused; envelopes for it have the length that was told and open with its key alone."""

import io
import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.svarut.wire import read_documents, read_id, read_ids, read_statuses
from gateway.crypto.cms import open_envelope
from gateway.crypto.enveloping import CertificateEnvelopes
from gateway.crypto.profiles import SVARUT_ENVELOPE
from gateway.errors import CertificateError, DecryptionError
from gateway.limits import CHUNK_BYTES
from gateway.spi import DocumentError, read_object
from tests.svarut_kit import other_key, own_key, settings_for

ID = "3f0b1f56-6f0e-4d0b-8f43-92e0a1c7e001"
GOOD = {
    "id": ID,
    "forsendelseIds": [ID],
    "statuser": [{"id": ID, "status": "LEST", "sisteStatusEndring": "2026-11-22T11:33:55.008+01:00"}],
    "dokumenter": [{"filnavn": "brev.pdf", "ekstraMetadata": [{"key": "sha256", "value": "AB"}]}],
}
READERS = (read_id, read_ids, read_statuses, read_documents)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(ID),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*GOOD, "status", "sisteStatusEndring", "filnavn", "ekstraMetadata"]), inner)
    ),
    max_leaves=8,
)


def test_good_answers_are_read():
    assert read_id(GOOD) == ID
    assert read_ids(GOOD) == [ID]
    (told,) = read_statuses(GOOD)
    assert (told.id, told.status) == (ID, "LEST")
    assert told.since == datetime(2026, 11, 22, 10, 33, 55, 8000, tzinfo=UTC)
    assert [(one.name, one.digest) for one in read_documents(GOOD)] == [("brev.pdf", "ab")]


@given(st.dictionaries(st.sampled_from(list(GOOD)), VALUES))
def test_whatever_is_answered_is_read_or_refused(answer):
    for read in READERS:
        with suppress(DocumentError):
            read(answer)


@given(st.binary(max_size=200) | st.integers(0, 300).map(lambda at: json.dumps(GOOD).encode()[:at]))
def test_damaged_octets_are_no_answer(octets):
    with suppress(DocumentError):
        read_object("svarut", octets)


@pytest.mark.parametrize(
    "since", ["2026-11-22T11:33:55", "0001-01-01T00:00:00+23:59", "i går", "", None, 7, "9999-12-31T23:59:59-23:59"]
)
def test_a_time_without_an_offset_or_beyond_time_is_refused(since):
    row = GOOD["statuser"][0] | {"sisteStatusEndring": since}
    with pytest.raises(DocumentError):
        read_statuses({"statuser": [row]})


def test_two_digests_of_one_document_are_none():
    twice = GOOD["dokumenter"][0]["ekstraMetadata"] * 2
    assert read_documents({"dokumenter": [{"filnavn": "a", "ekstraMetadata": twice}]})[0].digest is None


def test_an_office_has_one_account():
    konto = {"kommunenummer": "4601", "konto_id": ID}
    with pytest.raises(ValueError, match="twice"):
        settings_for("http://127.0.0.1:1", kontoer=[konto, konto])


@pytest.mark.parametrize("key", [own_key, other_key])
@pytest.mark.parametrize("around", [0, CHUNK_BYTES, 3 * CHUNK_BYTES])
async def test_an_envelope_is_as_long_as_was_told_and_opens_with_its_key(key, around):
    envelopes = CertificateEnvelopes(key().certificate)
    for size in range(max(0, around - 1), around + 18):

        async def pieces(size=size):
            for start in range(0, size, 10_000):
                yield bytes(min(10_000, size - start))

        sealed = b"".join([piece async for piece in envelopes.sealed(pieces())])
        assert len(sealed) == envelopes.size_bytes(size)
    assert b"".join(open_envelope(io.BytesIO(sealed), [key()], SVARUT_ENVELOPE)) == bytes(size)
    stranger = other_key() if key is own_key else own_key()
    with pytest.raises(DecryptionError):
        b"".join(open_envelope(io.BytesIO(sealed), [stranger], SVARUT_ENVELOPE))


def test_a_certificate_holds_in_its_time_alone():
    envelopes = CertificateEnvelopes(own_key().certificate)
    envelopes.require_valid(datetime.now(UTC))
    for at in (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)):
        with pytest.raises(CertificateError):
            envelopes.require_valid(at)
