"""Everybody that a letter needs on one machine: the cast of the reports, Digipost, both registers of people, and the letters.

Each letter is to another made-up person, has two people's approval stated, as a case system would that has four eyes of its
own, and brings its PDFs. The gateway asks, looks and sends as it would anywhere.
"""

import itertools
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bench.slow_digipost import SlowDigipost
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import KeyFile, SoftwareKey, read_key
from gateway.demo.cast import Cast, assembled
from gateway.domain.guards import GUARDS
from gateway.domain.identity_number import is_identity_number
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.program import DIGIPOST
from gateway.simulators.digipost.signing import Broker
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.registers.freg import SCOPE, FregServer
from gateway.simulators.registers.krr import CONTACT_SCOPE, MAIL_SCOPE, KrrServer
from gateway.simulators.registers.people import PersonOfRegisters
from gateway.simulators.registers.server import ISSUER
from gateway.testing.site import BYDELSNUMMER, KOMMUNENUMMER, ORGANISATION, Site, free_port

TYPE: Final = "plan"
DATA: Final = "plan.json"
ADAPTER: Final = "digipost"
ROAD: Final = f"{ADAPTER}:fodselsnummer"
_CHILD: Final = "06851660060"
_NAME: Final = ("Kari", "Prøvesen")
APPROVED_BY: Final = ("anne", "bjarne")
_BROKER, _SENDER = 9999, 7777
_CLIENT: Final = "prove-budstikke"
_WEIGHTS: Final = ((3, 7, 6, 1, 8, 9, 4, 5, 2), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
"""What the digits count for in each control digit (Skatteetaten)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The players; ``people`` are the recipients, one for each letter."""

    cast: Cast
    digipost: SlowDigipost
    people: Sequence[str]


@asynccontextmanager
async def staged(
    folder: Path, recipients: int, *, sections: str = "", answer_after_s: float = 0.0
) -> AsyncIterator[Stage]:
    """Set everybody up on a fresh folder; the gateway is prepared and not started.

    ``sections`` are further tables of ``gateway.toml``; Digipost takes ``answer_after_s`` for each letter.
    """
    ports = {name: free_port() for name in ("digipost", "krr", "freg")}
    own = _SECTIONS.format(audience=ISSUER, client=_CLIENT, **ports) + sections
    people = tuple(itertools.islice(numbers(), recipients))
    lines = f"guards = {json.dumps(list(GUARDS))}"
    async with assembled(folder, lines=lines, sections=own, adapters=("fiks", *ports)) as cast:
        digipost = _digipost(cast.site, people, answer_after_s)
        krr, freg = KrrServer(_issuer(cast.site)), FregServer(_issuer(cast.site))
        first, last = _NAME
        for register in (krr, freg):
            known = (PersonOfRegisters(number=one, first_name=first, last_name=last) for one in (*people, _CHILD))
            register.add(*(person.registered() for person in known))
        _tell_gateway(cast.site, ports)
        async with (
            digipost.serve(port=ports["digipost"]),
            krr.serve(port=ports["krr"]),
            freg.serve(port=ports["freg"]),
        ):
            yield Stage(cast, digipost, people)
            await cast.gateway.stop()


def numbers() -> Iterator[str]:
    """Numbers of nobody, born from 1980 on: 80 is added to the month."""
    for year, month, day, individual in itertools.product(range(80, 100), range(1, 13), range(1, 29), range(1, 499, 7)):
        number = f"{day:02}{month + 80}{year}{individual:03}"
        for weights in _WEIGHTS:
            number += str(-sum(weight * int(digit) for weight, digit in zip(weights, number, strict=False)) % 11)
        if is_identity_number(number):  # a control digit of ten is none
            yield number


def envelope(recipient: str, names: Iterable[str]) -> dict[str, Any]:
    """A letter's envelope with every fact that the rules need. ``names``: its PDFs, the letter itself first."""
    now = datetime.now(UTC).isoformat()
    name = " ".join(_NAME)
    return {
        "meldingId": str(uuid.uuid4()),
        "meldingstype": TYPE,
        "meldingstypeVersjon": "v1",
        "sendtTidspunkt": now,
        "avsender": {
            "orgnr": ORGANISATION,
            "navn": "Bergen kommune",
            "kommunenummer": KOMMUNENUMMER,
            "bydelsnummer": BYDELSNUMMER,
            "aktortype": "A27",
        },
        "mottaker": {"fodselsnummer": recipient, "navn": name, "aktortype": "A05", "rolle": "MOR"},
        "avsendersRef": f"SAK-{recipient[:6]}",
        "fagsystem": {"leverandor": "Prøve AS", "navn": "Prøvesystem", "versjon": "1.0"},
        "hjemmel": [{"lov": "BVL2021", "paragraf": "8-1"}],
        "formal": "Tiltaksplan til part",
        "konfidensialitet": "S",
        "melder": {"type": "INGEN"},
        "foreldresituasjon": "SAMMEN",
        "godkjenninger": [{"person": person, "tidspunkt": now} for person in APPROVED_BY],
        "brev": {"sprak": "nb", "apningskvittering": False},
        "parter": [_party("MOR", recipient, name), _party("HOVEDPERSON", _CHILD, name)],
        "vedlegg": [_document(one) for one in (DATA, *names)],
    }


def plan(recipient: str) -> bytes:
    """What the letter is made of: an action plan from today, to each another one."""
    today = datetime.now(UTC).date()
    return json.dumps(
        {
            "plantype": "1",
            "gjelder": " ".join(_NAME),
            "mal": f"Oppdiktet mål nummer {int(recipient) % 999_983}.",
            "delmal": [{"id": "d1", "beskrivelse": "Noen følger til treningen.", "ansvarlig": "Støttekontakten"}],
            "startdato": f"{today}",
            "sluttdato": f"{today + timedelta(days=180)}",
            "evalueringsdato": f"{today + timedelta(days=90)}",
            "medvirkning": "Vi laget planen sammen på møtet.",
            "dato": f"{today}",
            "kontaktperson": {"navn": "Saksbehandler Prøve", "telefon": "55 00 00 01"},
        }
    ).encode()


def _party(role: str, number: str, name: str) -> dict[str, Any]:
    return {
        "rolle": role,
        "fodselsnummer": number,
        "navn": name,
        "adressegradering": "UGRADERT",
        "reservert": False,
        "adresseSkjultFor": [],
        "partsrett": True,
    }


def _document(name: str) -> dict[str, Any]:
    stated = {"sladdet": False, "taushetsniva": "S", "inneholder": ["INGEN"]}
    return {"filnavn": name, "mimeType": media_type(name), "dokumenttype": "PLAN", **stated}


def media_type(name: str) -> str:
    """Of the data, or of a PDF."""
    return "application/json" if name == DATA else "application/pdf"


def _digipost(site: Site, people: Sequence[str], answer_after_s: float) -> SlowDigipost:
    own = site.pki.organisation(DIGIPOST, "Prøve Digipost").write_pem(site.folder / "keys" / "digipost.pem")
    server = SlowDigipost(read_key(KeyFile(own)), answer_after_s)
    server.register(Broker(_BROKER, facts_of(_signing(site).certificate), frozenset({_SENDER})))
    server.post.add(*(Person(number, Kind.USER) for number in people))
    return server


def _issuer(site: Site) -> TokenIssuer:
    known = frozenset({facts_of(_signing(site).certificate).sha256})
    scopes = frozenset({SCOPE, CONTACT_SCOPE, MAIL_SCOPE})
    return TokenIssuer(ISSUER, [RegisteredClient(_CLIENT, ORGANISATION, scopes, certificates=known)])


def _signing(site: Site) -> SoftwareKey:
    return read_key(KeyFile(site.folder / "keys" / "signing.pem"))


def _tell_gateway(site: Site, ports: dict[str, int]) -> None:
    """Its partners' files, the road of plans, and that the case system's four eyes count."""
    pin = facts_of(read_key(KeyFile(site.folder / "keys" / "digipost.pem")).certificate).sha256.hex()
    fields = {"kommunenummer": KOMMUNENUMMER, "bydelsnummer": BYDELSNUMMER, "broker": _BROKER, "sender": _SENDER}
    files = {"digipost": _DIGIPOST.format(pin=pin, **fields), "krr": "", "freg": "ungraded_when_absent = true\n"}
    (site.folder / "partners").mkdir()
    for name, content in files.items():
        api = f'api_url = "http://127.0.0.1:{ports[name]}"\n'
        (site.folder / "partners" / f"{name}.toml").write_text(api + content)
    (site.folder / "brev.toml").write_text("godkjenning_fra_fagsystem = true\n")
    with (site.folder / "routes.toml").open("a", encoding="utf-8") as routes:
        routes.write(f'"{TYPE}.v1" = ["{ROAD}"]\n')


_SECTIONS: Final = """
[signing.digipost]
key = {{ key = "file:keys/signing.pem" }}
[maskinporten.krr]
audience = "{audience}"
token_endpoint = "http://127.0.0.1:{krr}/token"
client_id = "{client}"
key = {{ key = "file:keys/signing.pem" }}
[maskinporten.freg]
audience = "{audience}"
token_endpoint = "http://127.0.0.1:{freg}/token"
client_id = "{client}"
key = {{ key = "file:keys/signing.pem" }}
"""

# The account's own bound is 25 MiB; what it counts in is for us to say, and a letter of 100 MB is to leave.
_DIGIPOST: Final = """\
broker_id = {broker}
pins = ["{pin}"]
file_size_unit_bytes = 1000
[[senders]]
kommunenummer = "{kommunenummer}"
bydelsnummer = "{bydelsnummer}"
sender_id = {sender}
"""
