"""What the demo's case system writes: made-up people, and the envelope and content of an action plan for one of them."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.testing.site import BYDELSNUMMER, KOMMUNENUMMER, ORGANISATION

TYPE: Final = "plan"


@dataclass(frozen=True, slots=True)
class Reader:
    """A made-up person who gets a letter, as the case system knows her or him: it knows of no protected address."""

    number: str
    name: str
    role: str
    aktortype: str


MOTHER: Final = Reader("04838510065", "Kari Prøvesen", "MOR", "A05")
FATHER: Final = Reader("09878320031", "Ola Prøvesen", "FAR", "A06")
HIDDEN: Final = Reader("03828830014", "Ida Prøvesen", "MOR", "A05")
CHILD: Final = Reader("06851660060", "Lise Prøvesen", "HOVEDPERSON", "A01")


def make_envelope(reader: Reader) -> dict[str, Any]:
    """Every fact that the rules need, stated as a case system would: here is nothing of a protected address."""
    return {
        "meldingId": str(uuid.uuid4()),
        "meldingstype": TYPE,
        "meldingstypeVersjon": "v1",
        "sendtTidspunkt": datetime.now(UTC).isoformat(),
        "avsender": {
            "orgnr": ORGANISATION,
            "navn": "Bergen kommune",
            "kommunenummer": KOMMUNENUMMER,
            "bydelsnummer": BYDELSNUMMER,
            "aktortype": "A27",
        },
        "mottaker": {
            "fodselsnummer": reader.number,
            "navn": reader.name,
            "aktortype": reader.aktortype,
            "rolle": reader.role,
        },
        "avsendersRef": "SAK-77",
        "fagsystem": {"leverandor": "Prøve AS", "navn": "Prøvesystem", "versjon": "1.0"},
        "hjemmel": [{"lov": "BVL2021", "paragraf": "8-1"}],
        "formal": "Tiltaksplan til part",
        "konfidensialitet": "S",
        "melder": {"type": "INGEN"},
        "foreldresituasjon": "SAMMEN",
        "brev": {"sprak": "nb", "apningskvittering": True},
        "parter": [_party(one) for one in (reader, CHILD)],
        "vedlegg": [
            {
                "filnavn": "plan.json",
                "mimeType": "application/json",
                "dokumenttype": "PLAN",
                "sladdet": False,
                "taushetsniva": "S",
                "inneholder": ["INGEN"],
            }
        ],
    }


def _party(one: Reader) -> dict[str, Any]:
    return {
        "rolle": one.role,
        "fodselsnummer": one.number,
        "navn": one.name,
        "adressegradering": "UGRADERT",
        "reservert": False,
        "adresseSkjultFor": [],
        "partsrett": True,
    }


def make_plan(goal: str) -> dict[str, Any]:
    """An action plan from today; ``goal`` makes it a document of its own."""
    today = datetime.now(UTC).date()
    return {
        "plantype": "1",
        "gjelder": CHILD.name,
        "mal": goal,
        "delmal": [{"id": "d1", "beskrivelse": "Noen følger til treningen hver uke.", "ansvarlig": "Støttekontakten"}],
        "startdato": f"{today}",
        "sluttdato": f"{today + timedelta(days=180)}",
        "evalueringsdato": f"{today + timedelta(days=90)}",
        "medvirkning": "Vi laget planen sammen på møtet.",
        "dato": f"{today}",
        "kontaktperson": {"navn": "Saksbehandler Prøve", "telefon": "55 00 00 01"},
    }
