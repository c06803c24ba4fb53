"""Containers as we write them: exactly what official receivers read."""

import hashlib
import io
import os
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway import limits
from gateway.crypto import zip_writer
from gateway.crypto.asice import ContainerWriter, verify_container
from gateway.crypto.cms import EnvelopeWriter, open_envelope
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_ENVELOPE, STRICT_CONTAINER
from gateway.crypto.zip_archive import ZipArchive
from gateway.errors import DocumentError, TooLargeError
from tests import crypto_kit as kit

JSON, PDF = "bekymringsmelding.json", "bekymringsmelding.pdf"


@pytest.fixture
def archive():
    return zipfile.ZipFile(io.BytesIO(kit.our_container()))


def test_the_entries_stand_in_the_order_that_receivers_want(archive):
    names = archive.namelist()
    assert names[:4] == ["mimetype", JSON, PDF, "META-INF/asicmanifest.xml"]
    assert len(names) == 5
    assert names[4].startswith("META-INF/signature-")
    assert names[4].endswith(".p7s")


def test_the_media_type_comes_first_stored_and_without_a_descriptor(archive):
    first = archive.infolist()[0]
    assert archive.read("mimetype") == b"application/vnd.etsi.asic-e+zip"
    assert (first.compress_type, first.header_offset, first.flag_bits & 8) == (zipfile.ZIP_STORED, 0, 0)
    assert archive.comment == b"mimetype=application/vnd.etsi.asic-e+zip"


def test_no_entry_is_both_stored_and_streamed_which_java_refuses(archive):
    assert all(not (one.flag_bits & 8 and one.compress_type == zipfile.ZIP_STORED) for one in archive.infolist())


def test_text_is_compressed_and_what_does_not_shrink_is_only_wrapped():
    written = bytearray()
    writer = ContainerWriter(written.extend, kit.signer(), at=kit.NOW)
    writer.add(JSON, "application/json", [b"innhold " * 1000])
    writer.add(PDF, "application/pdf", [b"innhold " * 1000])
    writer.close()
    sizes = {one.filename: one.compress_size for one in zipfile.ZipFile(io.BytesIO(written)).infolist()}
    assert sizes[JSON] < 200
    assert 8000 < sizes[PDF] < 8020


def test_the_manifest_follows_the_official_schema(archive, reference):
    schema = etree.XMLSchema(etree.parse(reference / "fiks/asice/xsd/ts_102918v010201.xsd"))
    schema.assertValid(etree.fromstring(archive.read("META-INF/asicmanifest.xml")))


def test_the_manifest_names_each_document_with_its_digest_and_the_first_as_root_file(archive):
    manifest = etree.fromstring(archive.read("META-INF/asicmanifest.xml"))
    assert manifest[0].get("URI") == archive.namelist()[-1]
    assert [(one.get("URI"), one.get("Rootfile")) for one in manifest[1:]] == [(JSON, "true"), (PDF, None)]


def test_a_verified_container_tells_names_sizes_digests_and_signer():
    verified = verify_container(io.BytesIO(kit.our_container()), STRICT_CONTAINER, kit.trust(), kit.NOW)
    told = {one.name: (one.size, one.sha256) for one in verified.documents}
    assert told == {name: (len(plain), hashlib.sha256(plain).digest()) for name, plain in kit.DOCUMENTS.items()}
    assert verified.signer.organisation_number == kit.ORGANISATION
    assert verified.signer.trust == "trusted"
    assert verified.warnings == ()
    assert "%PDF" not in repr(verified)


@given(
    st.dictionaries(
        st.from_regex(r"[a-zæøå0-9_-]{1,20}\.(json|pdf|xml)", fullmatch=True), st.binary(max_size=70_000), min_size=1
    )
)
@settings(max_examples=40, deadline=None)
def test_any_documents_go_through_container_and_envelope_and_come_back(documents):
    sealed = bytearray()
    envelope = EnvelopeWriter(kit.receiver().certificate, FIKS_ENVELOPE, sealed.extend)
    writer = ContainerWriter(envelope.write, kit.signer(), at=kit.NOW)
    for name, content in documents.items():
        writer.add(name, "application/octet-stream", [content[:100], content[100:]])
    writer.close()
    envelope.close()
    plain = b"".join(open_envelope(io.BytesIO(sealed), [kit.receiver()], FIKS_ENVELOPE))
    verified = verify_container(io.BytesIO(plain), FIKS_CONCERN_REPORT, kit.trust(), kit.NOW)
    assert {one.name: b"".join(verified.open(one.name)) for one in verified.documents} == documents


NAMES = ["a/b.json", "..\\b.pdf", "META-INF/x.xml", "a.exe", "ingen", "", "100%.pdf", "a\n.json", "x" * 200 + ".pdf"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_receivers_cannot_take_is_refused(name):
    writer = ContainerWriter(bytearray().extend, kit.signer(), at=kit.NOW)
    with pytest.raises(DocumentError):
        writer.add(name, "application/pdf", [b"x"])


def test_the_same_name_twice_in_any_case_is_refused():
    writer = ContainerWriter(bytearray().extend, kit.signer(), at=kit.NOW)
    writer.add("a.json", "application/json", [b"{}"])
    with pytest.raises(DocumentError):
        writer.add("A.JSON".replace(".JSON", ".json"), "application/json", [b"{}"])


def test_a_container_without_documents_is_never_written():
    with pytest.raises(DocumentError):
        ContainerWriter(bytearray().extend, kit.signer(), at=kit.NOW).close()


def test_what_would_need_zip64_is_refused_while_it_is_written(monkeypatch):
    monkeypatch.setattr(limits, "ZIP_INFLATED_BYTES_MAX", 5000)
    writer = zip_writer.ZipWriter(bytearray().extend, datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(TooLargeError):
        writer.deflate("a.pdf", [os.urandom(3000)] * 2, 0)
    with pytest.raises(TooLargeError):
        writer.deflate("b.pdf", [bytes(6000)], 1)


@given(st.lists(st.tuples(st.binary(max_size=3000), st.integers(0, 9)), min_size=1, max_size=6))
@settings(max_examples=40)
def test_what_we_zip_is_read_alike_by_us_and_by_the_standard_library(parts):
    written = bytearray()
    writer = zip_writer.ZipWriter(written.extend, datetime(2026, 1, 1, tzinfo=UTC))
    for number, (content, level) in enumerate(parts):
        writer.deflate(f"{number}.bin", [content[:9], content[9:]], level)
    writer.store("last", b"x")
    writer.close(b"comment")
    ours, theirs = ZipArchive(io.BytesIO(written)), zipfile.ZipFile(io.BytesIO(written))
    assert theirs.testzip() is None
    for entry in ours.entries:
        assert b"".join(ours.pieces(entry)) == theirs.read(entry.name)
