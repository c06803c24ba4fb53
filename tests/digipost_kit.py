"""What several tests of Digipost share: the simulator with our road to it, and a reader of sealed documents of its own."""

import base64
import hashlib
import io
import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import aiohttp
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from adapters.digipost import open_road
from adapters.digipost.settings import DigipostSettings
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.digipost import DigipostSigner
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.trust import read_roots
from gateway.egress import client_context
from gateway.observability import logging
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.server import DigipostServer
from gateway.simulators.digipost.signing import Broker
from gateway.spi import Address, Awaited, Context, Letter, LetterDocument, Parcel
from gateway.testing.clock import HandClock
from gateway.testing.pki import Credential, Pki, certificate_pem, receive_key

SCHEMAS = ("api_v8.xsd", "api_v8.java-client.xsd")
"""Both that are published."""


def schema_of(reference: Path, file: str) -> etree.XMLSchema:
    """Digipost's schema together with that of the data types, which stand inside it."""
    folder = reference / "digipost" / "xsd"
    both = etree.Element("{http://www.w3.org/2001/XMLSchema}schema")
    for namespace, name in (("v8", file), ("datatypes", "datatypes.xsd")):
        place = {"namespace": f"http://api.digipost.no/schema/{namespace}", "schemaLocation": (folder / name).as_uri()}
        etree.SubElement(both, "{http://www.w3.org/2001/XMLSchema}import", place)
    return etree.XMLSchema(both)


@dataclass(frozen=True)
class Opened:
    """An envelope's form and content. ``recipient``: version, and how the key is named."""

    plain: bytes
    version: int
    recipient: tuple[int, bytes]
    algorithms: tuple[str, str, int]


def decrypted(sealed, private):
    info = cms.ContentInfo.load(sealed)
    assert info["content_type"].native == "enveloped_data"
    enveloped = info["content"]
    (recipient,) = enveloped["recipient_infos"]
    transport = recipient.chosen
    named = transport["rid"]
    name = named.chosen.native if named.name == "subject_key_identifier" else named.chosen.dump()
    content = enveloped["encrypted_content_info"]
    cipher = content["content_encryption_algorithm"]
    key = private.decrypt(transport["encrypted_key"].native, padding.PKCS1v15())
    decryptor = Cipher(AES(key), CBC(cipher["parameters"].native)).decryptor()
    clear = decryptor.update(content["encrypted_content"].native) + decryptor.finalize()
    unpadder = block_padding.PKCS7(128).unpadder()
    return Opened(
        unpadder.update(clear) + unpadder.finalize(),
        int(enveloped["version"]),
        (int(transport["version"]), name),
        (transport["key_encryption_algorithm"]["algorithm"].native, cipher["algorithm"].native, len(key)),
    )


KARI, PER, UKJENT = "01818010083", "02828110023", "03838210073"
RESERVERT, SPERRET = "04848310013", "05858410063"
OFFICE = Address("4601", "02")
BROKER, SENDER = 9999, 7777
PDF = b"%PDF-1.7\n" + b"brev " * 5000


@dataclass(frozen=True)
class Keys:
    """Of Digipost, of us, of a user and of the printer; made once."""

    digipost: Credential
    renewed: Credential
    ours: Credential
    user: Credential
    printer: Credential

    @staticmethod
    def make():
        pki = Pki()
        digipost = (pki.organisation("984661185", "Prove Digipost") for _ in range(2))
        return Keys(*digipost, pki.organisation("974760673"), receive_key(), receive_key())


def software(credential):
    return SoftwareKey(credential.key, credential.chain)


def pin(credential):
    return credential.certificate.fingerprint(hashes.SHA256()).hex()


def public_key(credential):
    return credential.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def simulator(keys, clock):
    """A server that knows our broker and people of every kind."""
    server = DigipostServer(software(keys.digipost), certificate_pem(keys.printer.certificate).decode(), clock.now)
    server.register(Broker(BROKER, facts_of(keys.ours.certificate), frozenset({SENDER})))
    server.post.add(
        Person(KARI, Kind.USER, public_key(keys.user), "keyhash-1"),
        Person(PER, Kind.NOT_USER),
        Person(RESERVERT, Kind.RESERVED),
        Person(SPERRET, Kind.BLOCKED),
    )
    return server


@asynccontextmanager
async def digipost(keys, session_s=5.0, signing=None, **settings):
    """The server and our road to it, at one clock.

    ``awaited``: what the gateway says that it waits for; ``known``: what it knows already, by the partner's reference.
    """
    clock, log, awaited, known = HandClock(), io.StringIO(), [], {}
    server = simulator(keys, clock)

    async def awaiting():
        return [Awaited(one, OFFICE, KARI, one, clock.now()) for one in awaited]

    async def known_of(references):
        return {name: stages for name, stages in known.items() if name in references}

    def signs(_name, believed):
        roots = read_roots(believed.roots)
        key = software(signing or keys.ours)
        return DigipostSigner(lambda: key, TrustPolicy(roots, pins=believed.pins), believed.organisation_number)

    timeout = aiohttp.ClientTimeout(total=session_s, connect=2)
    async with server.serve() as base, aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        told = {
            "api_url": base,
            "broker_id": BROKER,
            "pins": [pin(keys.digipost)],
            "senders": [{"kommunenummer": "4601", "bydelsnummer": "02", "sender_id": SENDER}],
        }
        context = Context(
            clock=clock,
            session=session,
            log=logging.to(log),
            tls=client_context,
            signs=signs,
            awaiting=awaiting,
            told=known_of,
        )
        async with open_road(DigipostSettings(**(told | settings)), context) as road:
            yield SimpleNamespace(
                server=server, road=road, clock=clock, log=log, awaited=awaited, known=known, context=context
            )


def signed_path(piece):
    """The path that a piece of evidence is about, checked as an auditor would, with the certificate in it."""
    told = json.loads(piece)
    certificate = x509.load_pem_x509_certificate(told["certificate"].encode())
    signature, signed = base64.b64decode(told["signature"]), told["signed"].encode()
    certificate.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    status, path, *headers = told["signed"].splitlines()
    assert status.isdecimal()
    body = base64.b64encode(hashlib.sha256(base64.b64decode(told["body"])).digest()).decode()
    assert f"x-content-sha256: {body}" in headers
    return path


def document(content=PDF, subject="Informasjon", **other):
    async def stream():
        for start in range(0, len(content), 4096):
            yield content[start : start + 4096]

    fields = {
        "uuid": str(uuid.uuid4()),
        "subject": subject,
        "file_name": "brev.pdf",
        "file_type": "pdf",
        "media_type": "application/pdf",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "content": stream,
    }
    return LetterDocument(**(fields | other))


def letter(*documents, person=KARI, **other):
    """A parcel that carries a letter."""
    carried = Letter(person, "Kari Nordmann", documents or (document(),), **other)
    return Parcel(str(uuid.uuid4()), "prove.brev.v1", "pseudonym", 0, _nothing, OFFICE, letter=carried)


def changed(parcel, **fields):
    """Another parcel; of what is not the parcel's own, another letter."""
    own = {name: fields.pop(name) for name in ("office", "key") if name in fields}
    return replace(parcel, **own, letter=replace(parcel.letter, **fields))


def primary(parcel):
    """The uuid that Digipost knows the letter by."""
    return parcel.letter.primary.uuid


async def _nothing():
    return
    yield
