"""The parsers of texts that come with requests: JSON, multipart, tokens, and the configuration."""

import asyncio
import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace

from jwcrypto.jws import JWS

from gateway import config
from gateway.catalogue import Catalogue
from gateway.crypto.jose import KeySet
from gateway.crypto.tokens import TokenVerifier
from gateway.domain.identifiers import TenantId
from gateway.errors import (
    ForbiddenError,
    MalformedRequestError,
    StructureError,
    UnauthenticatedError,
    UnsupportedMediaError,
)
from gateway.http.multipart import MultipartReader, boundary_of
from gateway.http.wire import Batch, CaseEvent, ClaimOrder, Rejection, read_json
from gateway.limits import JSON_VALIDATED_BYTES_MAX, JWKS_BYTES_MAX, MIB, REQUEST_JSON_BYTES_MAX
from gateway.pipeline import validate
from gateway.pipeline.envelope import read_envelope
from tests import crypto_kit as kit
from tests import edge_kit
from tests.conftest import ROOT
from tests.security import fuzz_mutations as damage
from tests.security.fuzz import Target

HEADER_BYTES_MAX = 8190  # aiohttp's own bound of a field
TENANT = TenantId("4601", "02")


def text_targets() -> list[Target]:
    """All of them, with fresh keys."""
    malformed, media = (MalformedRequestError,), (MalformedRequestError, UnsupportedMediaError)
    return [
        Target("report-json", _report_reader(), _samples("bekymringsmelding*"), JSON, (), 240, _large_reports()),
        Target("request-json", _request_reader(), _orders(), JSON, malformed, 240, _dear(REQUEST_JSON_BYTES_MAX)),
        Target("envelope-json", read_envelope, _samples("prove.*"), JSON, malformed, 240, _dear(MIB)),
        Target("multipart", _read_multipart, _multiparts(), (MIME, damage.octets), malformed, 420, _long_multiparts()),
        Target("content-type", _read_content_type, CONTENT_TYPES, (MIME, damage.octets), media, 420),
        Target("token", *_tokens(), (UnauthenticatedError, ForbiddenError), 300),
        Target("key-set", KeySet.parse, _key_sets(), JSON, (StructureError,), 240, _dear(JWKS_BYTES_MAX)),
        Target("configuration", _read_configuration, _settings(), (TOML, damage.lines), (), 70, ENDLESS),
    ]


# --- JSON ----------------------------------------------------------------------------------------------------------


JSON = (damage.json_tree, damage.json_tree, damage.json_text)


def _dear(size: int) -> list[bytes]:
    """JSON that costs the most for its size: many small values, long numbers, names that are new each time."""
    room = size - 100
    return [
        b"[" + b"[]," * (room // 3) + b"[]]",
        b'{"a":[' + b"{}," * (room // 3) + b"{}]}",
        b"{" + b",".join(b'"%05x":0' % number for number in range(room // 10)) + b"}",
        b"[" + b"0," * (room // 2) + b"0]",
        b'"' + b"\\u00e5" * (room // 6) + b'"',
        b"9" * room,
        b"[" * room,
        b" " * room + b"0",
        b"1 " * (room // 2),
    ]


def _samples(kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "schemas").glob(f"{kind}/*/samples/*.json"))]


def _large_reports() -> list[bytes]:
    full = json.loads((ROOT / "schemas/bekymringsmelding.offentlig/v2/samples/valid-fullstendig.json").read_bytes())
    crowd = [json.dumps(full | {name: [value] * 300}).encode() for name, value in full.items() if value != []]
    fits = [one for one in crowd if len(one) <= JSON_VALIDATED_BYTES_MAX]
    once_found = [full | {"kommunenummer": []}, full | {"sendingstidspunkt": "0001-01-01T00:00:00"}]
    return [*_dear(JSON_VALIDATED_BYTES_MAX), *fits, *(json.dumps(one).encode() for one in once_found)]


def _report_reader() -> Callable[[bytes], None]:
    types = Catalogue.load()
    kinds = [kind for kind in types.types() if kind.name.startswith("bekymringsmelding")]

    def read(data: bytes) -> None:
        kind = kinds[len(data) % len(kinds)]
        reading = validate.validate(data[:JSON_VALIDATED_BYTES_MAX], kind, types, TENANT)
        validate.clock_facts(reading, kind, kit.NOW)

    return read


def _orders() -> list[bytes]:
    uuid, digest = "01890a5d-ac96-774b-bcce-b302099a8057", "0f" * 32
    stored = {"reference": "sak-1", "documents": [{"name": "a.json", "sha256": digest}] * 3}
    orders = [
        {"max": 5, "leaseSeconds": 60, "types": ["a"]},
        {"items": [stored | {"id": uuid}] * 50},
        {"reason": "wrong-office", "text": "flyttet"},
        {"type": "opened", "at": "2026-11-22T12:00:00+01:00", "reference": "x"},
    ]
    return [json.dumps(order).encode() for order in orders]


ORDERS = (ClaimOrder, Batch, Rejection, CaseEvent)


def _request_reader() -> Callable[[bytes], None]:
    async def read_all(data: bytes) -> None:
        refused = []
        for model in ORDERS:
            try:
                await read_json(_request(data), model)
            except MalformedRequestError as error:
                refused.append(error)
        if len(refused) == len(ORDERS):
            raise refused[0]

    return lambda data: asyncio.run(read_all(data))


def _request(data: bytes) -> SimpleNamespace:
    pieces = iter((data, b""))

    async def readany() -> bytes:
        return next(pieces)

    content = SimpleNamespace(readany=readany)
    return SimpleNamespace(content_type="application/json", content_length=len(data), headers={}, content=content)


# --- requests ------------------------------------------------------------------------------------------------------


MIME = damage.tokens(
    *(b"\r\n--frontier", b"\r\n--frontier--", b"\r\n", b"\n", b"\r", b"--", b"\r\n\r\n", b":", b";", b'"', b"\\", b'\\"', b"="),
    *(b'; name="a"', b"; boundary=b", b"multipart/mixed", b"Content-Encoding: gzip\r\n", b"filename*=utf-8''%ff", b"\xff", b" "),
)  # fmt: skip
CONTENT_TYPES = [
    b"multipart/form-data; boundary=frontier",
    b'multipart/form-data; charset="utf-8"; boundary="a \\"b"',
    b"multipart/form-data" + b'; a="' + b"\\" * (8 << 10),
    b"multipart/form-data; boundary=" + b"a " * (4 << 10),
]


def _multiparts() -> list[bytes]:
    parts = [("bekymringsmelding", edge_kit.sealed()), ("asice", edge_kit.sealed(b"\r\n--frontie" * 99))]
    many = [(str(number), b"") for number in range(32)]
    return [edge_kit.multipart(parts), edge_kit.multipart(many)]


def _long_multiparts() -> list[bytes]:
    """Content that looks like a boundary over and over."""
    begin = b'--frontier\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    return [begin + b"\r\n--frontie" * (MIB // 11), begin + b"\r" * MIB, b"\r\n--frontie" * (MIB // 11)]


def _read_multipart(data: bytes) -> None:
    """In pieces of a length that the content chooses, one octet at a time among them."""
    size = (1, 7, 100, 4096, 65536)[sum(data[:64]) % 5] if len(data) < 1 << 14 else 4096
    pieces = iter([*(data[at : at + size] for at in range(0, len(data), size)), b""])

    async def octets() -> bytes:
        return next(pieces)

    async def read() -> None:
        async for part in MultipartReader(SimpleNamespace(read=octets), b"frontier").parts():  # type: ignore[arg-type]  # a body
            async for _ in part.stream:
                pass

    try:
        read().send(None)  # nothing in there ever waits
    except StopIteration:
        return


def _read_content_type(data: bytes) -> None:
    boundary_of(data[:HEADER_BYTES_MAX].decode("utf-8", "surrogateescape"))  # as aiohttp hands headers on


def _tokens() -> tuple[Callable[[bytes], None], list[bytes], tuple[damage.Mutator, ...]]:
    issuer = edge_kit.TokenIssuer(algorithm="ES256")
    verifier = TokenVerifier([issuer.settings()], issuer.fetch, edge_kit.StillClock())
    claims = issuer.claims(
        nbf=0, supplier=edge_kit.organisation(edge_kit.VENDOR), delegation_source=edge_kit.DELEGATION
    )
    header = json.dumps({"alg": "ES256", "kid": "k1", "typ": "JWT"}).encode()

    def signed(payload: bytes) -> bytes:
        jws = JWS(payload)
        jws.add_signature(issuer.key._key, None, header.decode())
        return jws.serialize(compact=True).encode()

    def other_claims(random: Random, _data: bytes) -> bytes:
        return signed(random.choice(JSON)(random, json.dumps(claims).encode())[:6000])

    def other_header(random: Random, data: bytes) -> bytes:
        changed = random.choice(JSON)(random, header)[:4000]
        return base64.urlsafe_b64encode(changed).rstrip(b"=") + b"." + data.split(b".", 1)[-1]

    def read(data: bytes) -> None:
        asyncio.run(verifier.verify(data.decode("utf-8", "surrogateescape"), edge_kit.NOW))

    samples = [signed(json.dumps(claims | more).encode()) for more in ({}, {"exp": 10**400}, {"iat": -(10**400)})]
    return read, samples, (other_claims, other_header, damage.octets)


def _key_sets() -> list[bytes]:
    return [edge_kit.TokenIssuer(algorithm=algorithm).key.jwks() for algorithm in ("RS256", "ES256")]


# --- configuration -------------------------------------------------------------------------------------------------


TOML = damage.tokens(
    *(b"[", b"]", b"[[a]]\n", b"a.b.c = 1\n", b'"', b"'''", b"9" * 5000, b"[" * 3000, b"{a=" * 3000, b"1979-05-27T07:32:00Z"),
    *(b"\\ud800", b"\x00", b"\xff", b"nan", b"-inf", b"= {}\n", b"= []\n", b"= true\n", b"x = 1\n", b"[listen]\n", b"0x", b"1e9999"),
)  # fmt: skip
ENDLESS = [b"a = " + b"[" * 3000, b"a = " + b"9" * 5000]
FILES = ("gateway.toml", "routes.toml", "frister.toml", "hjemler.toml", "tenants/4601.toml", "partners/fiks.toml")


def _settings() -> list[bytes]:
    """Each becomes the content of every file of the folder."""
    tenant = b'kommunenummer = "4601"\nnavn = "Bergen"\norganisasjonsnummer = "964338531"\n'
    return [*((ROOT / "config" / name).read_bytes() for name in FILES[:4]), tenant]


def _read_configuration(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("tenants", "partners"):
            (root / name).mkdir()
        for name in FILES:
            (root / name).write_bytes(data)
        config.read(root / "gateway.toml", {})
