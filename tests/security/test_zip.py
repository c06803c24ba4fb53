"""S28: an archive that lies about itself is refused, within limits and before its content counts."""

import io
import os
import stat
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.crypto.zip_archive import ZipArchive
from gateway.errors import StructureError
from tests import crypto_kit as kit

pytestmark = pytest.mark.proves("S28")
CONTENT = b"innhold " * 100


@dataclass
class Member:
    """One entry, with everything that its two headers and its descriptor say open to a lie."""

    name: bytes = b"a.json"
    content: bytes = CONTENT
    method: int = 8
    flags: int = 0x800
    made_by: int = 20
    external: int = 0
    local: dict | None = None
    central: dict | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    before: bytes = b""
    after: bytes = b""
    sealed: bytes | None = None
    descriptor: bytes | None = None

    def data(self):
        if self.sealed is not None:
            return self.sealed
        if self.method != 8:
            return self.content
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflater.compress(self.content) + deflater.flush()

    def says(self, changes):
        return {
            "name": self.name,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "compressed": len(self.data()),
            "inflated": len(self.content),
            "offset": None,
        } | (changes or {})


def build(members, *, prefix=b"", comment=b"", suffix=b"", end=None, gap=b""):
    body, directory = bytearray(prefix), bytearray()
    for member in members:
        body += member.before
        offset = len(body)
        said = member.says(member.local)
        body += struct.pack(
            "<4s5H3I2H", b"PK\3\4", 20, said["flags"], said["method"], 0, 33, said["crc"], said["compressed"],
            said["inflated"], len(said["name"]), len(member.local_extra),
        )  # fmt: skip
        body += said["name"] + member.local_extra + member.data() + (member.descriptor or b"") + member.after
        said = member.says(member.central)
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", member.made_by, 20, said["flags"], said["method"], 0, 33, said["crc"],
            said["compressed"], said["inflated"], len(said["name"]), len(member.extra), 0, 0, 0, member.external,
            offset if said["offset"] is None else said["offset"],
        )  # fmt: skip
        directory += said["name"] + member.extra
    body += gap
    said = {"disk": 0, "count": len(members), "total": len(members), "size": len(directory), "begin": len(body)}
    said |= end or {}
    record = struct.pack(
        "<4s4H2IH", b"PK\5\6", said["disk"], 0, said["count"], said["total"], said["size"], said["begin"], len(comment)
    )
    return bytes(body + directory) + record + comment + suffix


def read_all(content):
    archive = ZipArchive(io.BytesIO(content))
    return {entry.name: b"".join(archive.pieces(entry)) for entry in archive.entries}


def refused(content):
    with pytest.raises(StructureError):
        read_all(content)


GOOD = Member()
OTHER = Member(b"b.json", b"annet")


def test_control_a_plain_archive_is_read():
    assert read_all(build([GOOD, OTHER], comment=b"hei")) == {"a.json": CONTENT, "b.json": b"annet"}


def described(content=CONTENT):
    """An entry as streaming writers make it: sizes only behind the data."""
    member = Member(content=content, flags=0x808)
    said = struct.pack("<3I", zlib.crc32(content), len(member.data()), len(content))
    return replace(member, local={"crc": 0, "compressed": 0, "inflated": 0}, descriptor=b"PK\7\10" + said)


def test_control_an_entry_with_a_data_descriptor_is_read_with_and_without_its_signature():
    assert read_all(build([described(), OTHER]))["a.json"] == CONTENT
    assert read_all(build([replace(described(), descriptor=described().descriptor[4:]), OTHER]))["a.json"] == CONTENT


@given(
    st.dictionaries(st.from_regex(r"[a-zæøå]{1,9}\.(json|pdf)", fullmatch=True), st.binary(max_size=9000), min_size=1),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
@settings(max_examples=40)
def test_control_whatever_the_standard_library_writes_is_read(files, compression):
    folded = {name.casefold(): (name, content) for name, content in files.items()}
    files = dict(folded.values())
    assert read_all(kit.zip_of([(name, content, compression) for name, content in files.items()])) == files


NAMES = {
    "parent": b"../a.json",
    "parent inside": b"a/../../b.json",
    "dot": b"./a.json",
    "absolute": b"/a.json",
    "backslash": b"..\\a.json",
    "drive": b"C:a.json",
    "nul": b"a.json\0.pdf",
    "newline": b"a\n.json",
    "bidi": "a\u202enosj.pdf".encode(),
    "folder": b"a/",
    "empty segment": b"a//b.json",
    "empty": b"",
    "long": b"a" * 201,
    "not utf-8": b"\xff\xfe.json",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    refused(build([replace(GOOD, name=name)]))


TWINS = {
    "doubled": (b"a.json", b"a.json"),
    "case": (b"a.json", b"A.json"),
    "unicode": ("\u00e5.json".encode(), "a\u030a.json".encode()),
    "sharp s": ("ß.json".encode(), b"SS.json"),
}


@pytest.mark.parametrize("names", TWINS.values(), ids=TWINS.keys())
def test_two_names_that_some_system_takes_for_one_are_refused(names):
    refused(build([replace(GOOD, name=name) for name in names]))


SENTINEL = 0xFFFFFFFF
ZIP64 = struct.pack("<HH2Q", 1, 16, len(CONTENT), len(GOOD.data()))
LIES = {
    "encrypted": replace(GOOD, flags=0x801),
    "strong encryption": replace(GOOD, flags=0x841),
    "masked headers": replace(GOOD, flags=0x2800),
    "patched": replace(GOOD, flags=0x820),
    "link": replace(GOOD, made_by=3 << 8 | 20, external=(stat.S_IFLNK | 0o777) << 16),
    "device": replace(GOOD, made_by=3 << 8 | 20, external=stat.S_IFCHR << 16),
    "unknown method": replace(GOOD, method=12),
    "other local name": replace(GOOD, local={"name": b"b.json"}),
    "other local method": replace(GOOD, local={"method": 0}),
    "other local flags": replace(GOOD, local={"flags": 0}),
    "other local crc": replace(GOOD, local={"crc": 1}),
    "other local size": replace(GOOD, local={"inflated": 1}),
    "wrong crc": replace(GOOD, local={"crc": 1}, central={"crc": 1}),
    "says smaller": replace(GOOD, local={"inflated": 8}, central={"inflated": 8}),
    "says larger": replace(GOOD, local={"inflated": 9999}, central={"inflated": 9999}),
    "says shorter": replace(GOOD, local={"compressed": 9}, central={"compressed": 9}),
    "says longer": replace(GOOD, local={"compressed": 999}, central={"compressed": 999}),
    "stored, two sizes": replace(GOOD, method=0, local={"inflated": 9}, central={"inflated": 9}),
    "zip64 sentinel": replace(GOOD, local={"inflated": SENTINEL}, central={"inflated": SENTINEL}),
    "zip64 in directory": replace(GOOD, central={"inflated": SENTINEL, "compressed": SENTINEL}, extra=ZIP64),
    "zip64 extra beside sizes": replace(GOOD, extra=ZIP64),
    "zip64 extra locally": replace(GOOD, local_extra=ZIP64),
    "second name": replace(GOOD, extra=struct.pack("<HH", 0x7075, 6) + b"\1\0\0\0\0b"),
    "extra cut": replace(GOOD, extra=b"\x0a\x00\x20\x00"),
    "extra too short": replace(GOOD, local_extra=b"\x0a"),
    "offset beyond": replace(GOOD, central={"offset": 10**6}),
    "not deflate": replace(GOOD, sealed=b"\xff" * 60),
    "deflate without end": replace(GOOD, sealed=GOOD.data()[:-2]),
    "deflate and more": replace(GOOD, sealed=GOOD.data() + b"more"),
    "descriptor with other sizes": replace(described(), descriptor=b"PK\7\10" + struct.pack("<3I", 1, 2, 3)),
    "descriptor missing": replace(described(), descriptor=b""),
}


@pytest.mark.parametrize("member", LIES.values(), ids=LIES.keys())
@pytest.mark.parametrize("place", [0, 1])
def test_an_entry_whose_headers_lie_is_refused(member, place):
    members = [OTHER]
    members.insert(place, member)
    refused(build(members))


def overlapping():
    first = replace(GOOD, method=0, content=CONTENT)
    inner = build([replace(OTHER, method=0)])[: 30 + 6 + 5]
    return build([replace(first, content=inner), replace(OTHER, method=0, central={"offset": 36})])


WHOLE = {
    "prefix": build([GOOD], prefix=b"MZ"),
    "prefix, offsets shifted": b"MZ" + build([GOOD]),
    "trailing octet": build([GOOD], suffix=b"\0"),
    "trailing archive": build([GOOD]) + build([OTHER]),
    "gap before an entry": build([GOOD, replace(OTHER, before=b"hidden")]),
    "gap before the directory": build([GOOD], gap=b"hidden"),
    "unlisted entry": build([replace(GOOD, after=build([OTHER])[:60]), OTHER]),
    "two entries at one place": build([GOOD, replace(GOOD, name=b"b.json", central={"offset": 0})]),
    "overlap": overlapping(),
    "count too small": build([GOOD, OTHER], end={"count": 1, "total": 1}),
    "count too large": build([GOOD, OTHER], end={"count": 3, "total": 3}),
    "several disks": build([GOOD], end={"disk": 1}),
    "directory elsewhere": build([GOOD], end={"begin": 0}),
    "directory size": build([GOOD], end={"size": 3}),
    "two end records": build([GOOD], comment=b"PK\5\6" + bytes(18)),
    "no entries": build([]),
    "too many entries": build([replace(OTHER, name=b"%d.json" % number) for number in range(101)]),
    "no archive": b"%PDF-1.7",
    "empty": b"",
    "cut": build([GOOD])[:-1],
    "zip64 count": build([GOOD], end={"count": 0xFFFF, "total": 0xFFFF}),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE.keys())
def test_an_archive_whose_parts_do_not_account_for_every_octet_is_refused(content):
    refused(content)


@pytest.mark.parametrize("octets", [2 * limits.MIB, 60 * limits.MIB])
def test_a_thousand_to_one_is_refused_before_it_is_inflated(octets):
    bomb = build([replace(GOOD, content=bytes(octets))])
    tracemalloc.start()
    refused(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limits.MIB


def test_a_bomb_that_says_to_be_small_is_stopped_at_what_it_says():
    sealed = replace(GOOD, content=bytes(60 * limits.MIB)).data()
    small = {"inflated": 1000, "crc": zlib.crc32(bytes(1000))}
    content = build([replace(GOOD, sealed=sealed, local=small, central=small)])
    tracemalloc.start()
    refused(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limits.MIB


def test_many_small_bombs_count_together():
    refused(build([replace(GOOD, name=b"%d.json" % number, content=bytes(900_000)) for number in range(20)]))


def test_control_what_is_a_hundred_to_one_below_a_mebibyte_is_read():
    assert read_all(build([replace(GOOD, content=bytes(1_000_000))]))["a.json"] == bytes(1_000_000)


def test_control_fifty_to_one_above_a_mebibyte_is_read():
    noise = os.urandom(80_000)
    content = noise + bytes(40 * len(noise))
    assert read_all(build([replace(GOOD, content=content)]))["a.json"] == content


def test_more_than_the_total_cap_is_refused_by_what_the_headers_say():
    half = {"inflated": limits.ZIP_INFLATED_BYTES_MAX // 2 + 1}
    members = [replace(GOOD, name=name, local=half, central=half) for name in (b"a.json", b"b.json")]
    refused(build(members))


@given(st.data())
@settings(max_examples=300)
def test_a_changed_archive_is_read_as_it_was_or_refused(data):
    content = bytearray(build([described(), OTHER], comment=b"hei"))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_all(bytes(content))
    except StructureError:
        return
    assert sorted(found.values()) == sorted([CONTENT, b"annet"])


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_happens(noise):
    refused(noise)


def test_reading_twice_gives_the_same_twice():
    archive = ZipArchive(io.BytesIO(build([GOOD, OTHER])))
    first, _ = archive.entries
    assert b"".join(archive.pieces(first)) == b"".join(archive.pieces(first)) == CONTENT


def test_a_meta_file_larger_than_its_bound_is_not_inflated():
    archive = ZipArchive(io.BytesIO(build([replace(GOOD, content=os.urandom(5000))])))
    with pytest.raises(StructureError):
        archive.read(archive.entries[0], 4999)
