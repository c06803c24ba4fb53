"""S29, S30: hostile multipart bodies end in 400 and store nothing; names from outside are names only."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MalformedRequestError, TooLargeError, UnsupportedMediaError
from gateway.http.body import Body
from gateway.http.multipart import MultipartReader, boundary_of
from tests.edge_kit import MULTIPART, mottak, multipart, one, partner, report, sealed


class Pieces:
    """A body that comes in the pieces given: what the reader needs of ``Body``."""

    def __init__(self, pieces):
        self._pieces = iter([*pieces, b""])

    async def read(self):
        return next(self._pieces)


async def read(pieces, boundary=b"frontier"):
    """All parts of a body that comes in these (non-empty) pieces."""
    reader = MultipartReader(Pieces([piece for piece in pieces if piece]), boundary)
    return [(part.name, b"".join([chunk async for chunk in part.stream])) async for part in reader.parts()]


def cut(octets, at):
    """Octets in pieces that end at these places."""
    places = [0, *sorted({place % (len(octets) + 1) for place in at}), len(octets)]
    return [octets[low:high] for low, high in pairwise(places)]


CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([b"\r\n", b"--frontie", b"\r\n--frontie", b"\r\n--", b"--frontier", b"\r", b"\r\n\r\n--f\r\n"]),
)


@given(st.lists(st.tuples(st.sampled_from("abc"), CONTENTS), max_size=6), st.lists(st.integers(0, 5000), max_size=12))
async def test_parts_are_the_same_however_the_body_is_cut(parts, at):
    assert await read(cut(multipart(parts), at)) == parts


@given(st.lists(st.integers(0, 5000), max_size=12), st.integers(0, 5000), st.binary(min_size=1, max_size=3))
async def test_any_damaged_body_ends_in_the_error_tree(at, place, damage):
    body = multipart([("bekymringsmelding", sealed()), ("asice", sealed(b"\r\n"))])
    place %= len(body)
    damaged = body[:place] + damage + body[place + len(damage) :]
    with suppress(MalformedRequestError):
        await read(cut(damaged, at))


@given(st.integers(0, 3000))
async def test_every_cut_body_is_malformed(length):
    body = multipart([("bekymringsmelding", sealed()), ("asice", sealed(bytes(2000)))])
    cut_short = body[: length % (len(body) - 4)]  # with the closing dashes it would be whole
    with pytest.raises(MalformedRequestError):
        await read([cut_short])


@given(st.text(max_size=200))
def test_any_content_type_ends_in_the_error_tree(text):
    with suppress(MalformedRequestError, UnsupportedMediaError):
        assert boundary_of(text)


async def test_a_part_that_is_not_read_is_passed_over():
    reader = MultipartReader(Pieces([multipart([("a", bytes(900)), ("b", b"2")])]), b"frontier")
    assert [part.name async for part in reader.parts()] == ["a", "b"]


async def test_text_before_the_first_and_after_the_last_boundary_is_passed_over():
    assert await read([b"preamble\r\n", multipart([("a", b"1")]), b"epilogue"]) == [("a", b"1")]


def headed(*lines, content=b"x"):
    """A body with one right part and one whose header lines these are."""
    return multipart([("bekymringsmelding", sealed()), (b"\r\n".join(lines), content)])


NAMED = b'Content-Disposition: form-data; name="asice"'
CORPUS = {
    "nested multipart": headed(
        NAMED, b"Content-Type: multipart/mixed; boundary=inner", content=multipart([("a", b"")])
    ),
    "nested multipart in capitals": headed(NAMED, b"CONTENT-TYPE: Multipart/Form-Data; boundary=inner"),
    "base64 part": headed(NAMED, b"Content-Transfer-Encoding: base64"),
    "quoted-printable part": headed(NAMED, b"Content-Transfer-Encoding: quoted-printable"),
    "gzip part": headed(NAMED, b"Content-Encoding: gzip"),
    "missing end": report()[: -len(b"--frontier--\r\n")],
    "missing closing dashes": report()[:-4],
    "10 000 parts": multipart([("note", b"")] * 10_000),
    "huge part header": headed(NAMED, b"X-Filler: " + b"a" * 9000),
    "endless part header": b"--frontier\r\n" + b"a" * 100_000,
    "many part headers": headed(NAMED, *(b"X-%d: y" % number for number in range(2000))),
    "folded part header": headed(b"Content-Disposition: form-data;", b' name="asice"'),
    "repeated part header": headed(NAMED, NAMED),
    "repeated name": headed(b'Content-Disposition: form-data; name="asice"; name="note"'),
    "no name": headed(b"Content-Disposition: form-data"),
    "empty name": headed(b'Content-Disposition: form-data; name=""'),
    "long name": headed(b'Content-Disposition: form-data; name="%s"' % (b"n" * 101)),
    "attachment": headed(b'Content-Disposition: attachment; name="asice"'),
    "no headers": multipart([("bekymringsmelding", sealed()), (b"", b"x")]),
    "bare line feeds": report().replace(b"\r\n", b"\n"),
    "control character in a header": headed(NAMED, b"X-A: \x07"),
    "part header not UTF-8": headed(NAMED, b"X-A: \xff"),
    "boundary with a tail": report().replace(b"--frontier\r\n", b"--frontier-tail\r\n"),
    "preamble without end": b"x" * 100_000,
    "only a preamble": b"hello",
}


@pytest.mark.proves("S30")
async def test_corpus():
    async with partner() as here:
        for name, body in CORPUS.items():
            head = "".join(f"{key}: {value}\r\n" for key, value in (here.headers() | MULTIPART).items())
            head = (
                f"POST {mottak()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}Content-Length: {len(body)}\r\n\r\n"
            )
            answer = await one(here.port, head.encode() + body)
            assert answer.startswith(b"HTTP/1.1 400 "), (name, answer[:200])
            assert here.intake.stored == {}, name
        control = report()
        head = head.replace(f"Content-Length: {len(body)}", f"Content-Length: {len(control)}")
        assert (await one(here.port, head.encode() + control)).startswith(b"HTTP/1.1 201 ")  # the control


BOUNDARIES = {
    "none": "multipart/form-data",
    "empty": 'multipart/form-data; boundary=""',
    "71 characters": "multipart/form-data; boundary=" + "b" * 71,
    "ending in a space": 'multipart/form-data; boundary="b "',
    "twice": "multipart/form-data; boundary=a; boundary=b",
    "with a line end": 'multipart/form-data; boundary="a\r\nb"',
    "not ASCII": "multipart/form-data; boundary=å",
}


@pytest.mark.parametrize("content_type", BOUNDARIES.values(), ids=BOUNDARIES.keys())
def test_an_unusable_boundary_is_malformed(content_type):
    with pytest.raises(MalformedRequestError):
        boundary_of(content_type)


def test_control_boundaries_as_clients_write_them():
    assert (
        boundary_of("multipart/form-data; boundary=JettyHttpClient.boundary.1a2b") == b"JettyHttpClient.boundary.1a2b"
    )
    assert boundary_of('Multipart/Form-Data; charset=UTF-8; boundary="----=_Part 1"') == b"----=_Part 1"


@pytest.mark.proves("S29")
async def test_hostile_names_are_only_names():
    names = ["../../etc/passwd", "C:\\x", 'asice\\"; name=\\"x', "%2e%2e%2f", "a" * 100, "asice.zip", "ASICE"]
    async with partner() as here:
        sent = multipart([*((name, b"x") for name in names), ("bekymringsmelding", sealed()), ("asice", sealed())])
        head = "".join(f"{key}: {value}\r\n" for key, value in (here.headers() | MULTIPART).items())
        head = f"POST {mottak()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}Content-Length: {len(sent)}\r\n\r\n"
        assert (await one(here.port, head.encode() + sent)).startswith(b"HTTP/1.1 201 ")
        ((_, _, _, parts, _),) = here.intake.stored.values()
        assert parts.keys() == {"bekymringsmelding", "asice"}


class Flood:
    """A request whose body never ends."""

    def __init__(self):
        self.headers, self.content_length, self.content = {}, None, self

    async def readany(self):
        return bytes(65536)


async def test_a_body_above_its_bound_is_stopped_while_it_streams():
    body = Body(Flood(), bytes_max=1_000_000, idle_s=30)
    with pytest.raises(TooLargeError):
        await body.read_all()
    assert body.read_bytes < 1_000_000 + 65536 + 1
