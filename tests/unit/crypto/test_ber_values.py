"""BER in and out: what is written is read, and no octets whatever lead out of our own errors or past our bounds."""

import io
from contextlib import suppress
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway.crypto.ber import (
    OCTET_STRING,
    SEQUENCE,
    Element,
    context,
    integer,
    object_identifier,
    parse,
    set_of,
    tlv,
)
from gateway.crypto.ber_stream import BerStream
from gateway.errors import StructureError


@given(st.integers(-(2**200), 2**200))
def test_an_integer_is_read_as_it_was_written(value):
    assert parse(integer(value)).integer() == value


def test_an_integer_is_as_short_as_der_wants_it():
    assert [integer(value).hex() for value in (0, 127, 128, -1, -128, 256)] == [
        "020100",
        "02017f",
        "02020080",
        "0201ff",
        "020180",
        "02020100",
    ]


def test_object_identifiers_are_those_of_the_standards():
    assert object_identifier("1.2.840.113549.1.7.3").hex() == "06092a864886f70d010703"
    assert object_identifier("2.16.840.1.101.3.4.1.42").hex() == "060960864801650304012a"
    assert object_identifier("2.5.4.3").hex() == "0603550403"


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_a_set_of_is_sorted_by_its_encodings(contents):
    members = [tlv(OCTET_STRING, content) for content in contents]
    assert [one.encoded for one in parse(set_of(members)).children()] == sorted(members)


@given(st.integers(0, 70_000))
def test_a_length_of_any_size_is_read_as_written(length):
    assert len(parse(tlv(OCTET_STRING, bytes(length))).content) == length


@st.composite
def values(draw, depth=3):
    """A value in any of BER's forms: primitive, constructed, definite in more octets than needed, indefinite."""
    if depth == 0 or draw(st.booleans()):
        content = draw(st.binary(max_size=200))
        return tlv(OCTET_STRING, content), content
    members = draw(st.lists(values(depth=depth - 1), max_size=4))
    inner, plain = b"".join(one for one, _ in members), b"".join(one for _, one in members)
    form = draw(st.sampled_from(["definite", "long", "indefinite"]))
    if form == "indefinite":
        return b"\x24\x80" + inner + b"\0\0", plain
    if form == "long":
        return b"\x24\x84" + len(inner).to_bytes(4, "big") + inner, plain
    return tlv(0x24, inner), plain


@given(values())
def test_an_octet_string_in_pieces_of_any_kind_gives_its_octets_held_and_streamed(value):
    encoded, plain = value
    assert parse(encoded).octets() == plain
    stream = BerStream(io.BytesIO(encoded).read)
    assert b"".join(stream.octet_pieces(OCTET_STRING)) == plain
    stream.finish()
    assert BerStream(io.BytesIO(encoded).read).element().encoded == encoded


@given(values(), st.data())
def test_an_octet_string_cut_anywhere_is_refused(value, data):
    encoded, _ = value
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    for read in (parse, lambda octets: b"".join(BerStream(io.BytesIO(octets).read).octet_pieces(OCTET_STRING))):
        with pytest.raises(StructureError):
            read(cut)


def walk(element: Element):
    if element.constructed:
        for one in element.children():
            walk(one)
    element.encoded.index(element.content)


@given(
    st.binary(max_size=400) | st.lists(st.sampled_from([b"\x30\x80", b"\0\0", b"\x24\x03", b"\x04\x01a"])).map(b"".join)
)
def test_noise_is_read_or_refused_and_never_anything_else(noise):
    with suppress(StructureError):
        walk(parse(noise))
    with suppress(StructureError):
        list(BerStream(io.BytesIO(noise).read).octet_pieces(OCTET_STRING))


class Counting:
    """A source that knows how much of it was asked for."""

    def __init__(self, content):
        self._file = io.BytesIO(content)
        self.given = 0

    def read(self, size):
        taken = self._file.read(size)
        self.given += len(taken)
        return taken


def test_a_header_that_never_ends_is_read_to_its_bound_and_no_further():
    endless = Counting(b"\x30\x80" + tlv(OCTET_STRING, bytes(1000)) * 20_000)
    with pytest.raises(StructureError):
        BerStream(endless.read).element()
    assert endless.given <= limits.CMS_HEADER_BYTES_MAX + 2 * limits.CHUNK_BYTES


@pytest.mark.parametrize("length", [limits.CMS_HEADER_BYTES_MAX + 1, 2**31, 2**63, 2**64 - 1])
def test_a_header_value_that_says_to_be_huge_is_refused_without_reading_for_it(length):
    source = Counting(b"\x30\x88" + length.to_bytes(8, "big") + bytes(10 * limits.CHUNK_BYTES))
    with pytest.raises(StructureError):
        BerStream(source.read).element()
    assert source.given <= limits.CHUNK_BYTES


BROKEN = {
    "nothing": b"",
    "one octet": b"\x30",
    "length of nine octets": b"\x04\x89" + bytes(9),
    "length missing": b"\x04\x82\x01",
    "indefinite primitive": b"\x04\x80a\0\0",
    "high tag": b"\x1f\x85\x01\x00",
    "longer than what holds it": b"\x30\x03\x04\x05abcde",
    "no end of contents": b"\x30\x80\x04\x01a",
    "integer among pieces": tlv(0x24, integer(1)),
    "two values": b"\x04\x01a\x04\x01b",
    "twenty deep": b"\x24\x80" * 20 + b"\0\0" * 20,
    "twenty deep, definite": reduce(lambda inner, _: tlv(0x24, inner), range(20), b""),
}


@pytest.mark.parametrize("encoded", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_plain_ber_is_refused(encoded):
    with pytest.raises(StructureError):
        parse(encoded).octets()


def test_a_value_may_not_reach_beyond_what_holds_it_in_a_stream():
    stream = BerStream(io.BytesIO(tlv(SEQUENCE, b"\x04\x05ab") + b"cde").read)
    stream.enter(SEQUENCE)
    with pytest.raises(StructureError):
        list(stream.octet_pieces(OCTET_STRING))


def test_a_stream_is_stepped_through_in_its_own_order():
    encoded = b"\x30\x80" + tlv(SEQUENCE, integer(1)) + b"\0\0"
    stream = BerStream(io.BytesIO(encoded).read)
    with pytest.raises(StructureError):
        BerStream(io.BytesIO(encoded).read).enter(context(0))
    stream.enter(SEQUENCE)
    stream.enter(SEQUENCE)
    with pytest.raises(StructureError):
        BerStream(io.BytesIO(encoded[2:]).read).element(OCTET_STRING)
    assert stream.element().integer() == 1
    assert stream.peek_tag() is None
    stream.leave()
    stream.leave()
    stream.finish()


def test_stepping_deeper_than_the_bound_is_refused():
    stream = BerStream(io.BytesIO(b"\x30\x80" * 20).read)
    for _ in range(limits.BER_DEPTH_MAX):
        stream.enter(SEQUENCE)
    with pytest.raises(StructureError):
        stream.enter(SEQUENCE)
    with pytest.raises(StructureError):
        BerStream(io.BytesIO(b"\x30\x80" * 20).read).element()


@pytest.mark.parametrize("encoded", [b"\x30\x80" + integer(1) * 2 + b"\0\0", tlv(SEQUENCE, integer(1) * 2)])
def test_leaving_a_value_before_its_end_is_refused(encoded):
    stream = BerStream(io.BytesIO(encoded).read)
    stream.enter(SEQUENCE)
    stream.element()
    with pytest.raises(StructureError):
        stream.leave()


def test_many_tiny_pieces_are_refused_since_each_costs_as_much_as_a_large_one():
    tiny = b"\x24\x80" + tlv(OCTET_STRING, b"a") * (limits.BER_SMALL_PIECES_MAX + 1) + b"\0\0"
    with pytest.raises(StructureError):
        list(BerStream(io.BytesIO(tiny).read).octet_pieces(OCTET_STRING))


def test_members_are_taken_in_order_and_by_type():
    fields = parse(tlv(SEQUENCE, integer(1), tlv(context(0), integer(2)))).fields()
    assert fields.maybe(OCTET_STRING) is None
    assert fields.take().integer() == 1
    with pytest.raises(StructureError):
        fields.take(OCTET_STRING)
    with pytest.raises(StructureError):
        fields.end()
    assert fields.take(context(0)).fields().take().integer() == 2
    fields.end()
    with pytest.raises(StructureError):
        fields.take()
    with pytest.raises(StructureError):
        parse(tlv(OCTET_STRING, b"a")).integer()
    with pytest.raises(StructureError):
        parse(tlv(OCTET_STRING, b"a")).children()
