"""Everybody that a letter needs on one machine: the cast of the reports, Digipost, both registers of people, and the letters.

Each letter is to another made-up person, has two people's approval stated, as a case system would that has four eyes of its
own, and brings its PDFs. The gateway asks, looks and sends as it would anywhere.
"""

import itertools
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.database import Database
from gateway.demo.cast import Cast, assembled
from gateway.demo.letter_partners import LetterPartners, digipost_with_account
from gateway.domain.guards import GUARDS
from gateway.domain.identity_number import is_identity_number
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.server import DigipostServer
from gateway.simulators.registers.people import Registered
from gateway.store.migrate import SQLITE_FILE
from gateway.testing.site import BYDELSNUMMER, KOMMUNENUMMER, ORGANISATION

TYPE: Final = "plan"
DATA: Final = "plan.json"
_CHILD: Final = "06851660060"
_NAME: Final = ("Kari", "Prøvesen")
APPROVED_BY: Final = ("anne", "bjarne")
_WEIGHTS: Final = ((3, 7, 6, 1, 8, 9, 4, 5, 2), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
"""What the digits count for in each control digit (Skatteetaten)."""
_LARGE: Final = "file_size_unit_bytes = 1000"
"""The account's own bound is 25 MiB; what it counts in is for us to say, and a letter of 100 MB is to leave."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The players; ``people`` are the recipients, one for each letter. ``rows`` asks the gateway's database, not the gateway."""

    cast: Cast
    partners: LetterPartners
    people: Sequence[str]
    rows: Callable[[str], list[tuple[Any, ...]]]

    def states(self) -> dict[str, int]:
        """How many letters are in each state."""
        query = "SELECT state, count(*) FROM message_state WHERE direction = 'ut' GROUP BY state"
        return {state: int(count) for state, count in self.rows(query)}


@asynccontextmanager
async def prepared(
    folder: Path, recipients: int, sections: str = "", database: Database | None = None
) -> AsyncIterator[Stage]:
    """Set everybody up on a fresh folder; neither the gateway nor its letters' partners are started.

    ``sections`` are further tables of ``gateway.toml``. ``database``: PostgreSQL in place of the embedded file.
    """
    partners = LetterPartners()
    async with assembled(
        folder,
        lines=f"guards = {json.dumps(list(GUARDS))}",
        sections=partners.sections() + sections,
        adapters=("fiks", *partners.adapters),
        environment=database.environment if database else None,
    ) as cast:
        partners.tell_gateway(cast.site, TYPE, _LARGE)
        (cast.site.folder / "brev.toml").write_text("godkjenning_fra_fagsystem = true\n")
        rows = database.rows if database else partial(_rows_of, cast.site.folder / "var" / SQLITE_FILE)
        yield Stage(cast, partners, tuple(itertools.islice(numbers(), recipients)), rows)
        await cast.gateway.stop()


def _rows_of(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


@asynccontextmanager
async def served(stage: Stage) -> AsyncIterator[DigipostServer]:
    """The letters' partners in this process; gives Digipost, to be asked what it has."""
    digipost = digipost_with_account(stage.cast.site.folder)
    digipost.post.add(*(Person(number, Kind.USER) for number in stage.people))
    async with stage.partners.serve(digipost, known(stage.people), stage.cast.site.folder):
        yield digipost
        await stage.cast.gateway.stop()


def known(people: Iterable[str]) -> Iterator[Registered]:
    """Whom the registers know: the recipients, and the child that it is about."""
    first, last = _NAME
    return (Registered(number, first_name=first, last_name=last) for number in (*people, _CHILD))


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
