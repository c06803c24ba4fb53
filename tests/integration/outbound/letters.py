"""Letters to made-up people: their numbers, what registers say of them, envelopes, and a road that keeps all it is given."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from gateway.domain.guards import GUARDS
from gateway.domain.identity_number import is_identity_number
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Audience, LetterForm
from gateway.domain.persons import Contact, Grading, Resident, Standing
from gateway.domain.routing import Road
from gateway.letters.reader import Reader
from gateway.pipeline.environment import Environment
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.roads import Roads
from gateway.pipeline.traffic import prepare
from gateway.spi import Adapter, Outcome, Parcel, Seal, Taken
from tests.integration.outbound.kit import KIND, cause_of, hand_in, melding
from tests.work import state_of, work_off

DIGITAL, PAPER = "brevvei:fodselsnummer", "brevvei:post"
LANGUAGES = LetterForm({"nb": "Brev fra kommunen", "nn": "Brev frå kommunen"})


def number(born: date, individual: int) -> str:
    """A made-up person's number (80 added to the month), with right control digits."""
    stem = f"{born:%d}{born.month + 80:02}{born:%y}"
    made = (f"{stem}{one:03}{last:02}" for one in range(individual, individual + 20) for last in range(100))
    return next(text for text in made if is_identity_number(text))


MOTHER = number(date(1985, 3, 4), 100)
FATHER = number(date(1983, 7, 9), 200)
CHILD = number(date(2016, 5, 6), 600)
STRANGER = number(date(1999, 1, 2), 300)
NAMES = {MOTHER: "Kari Nordmann", FATHER: "Ola Nordmann", CHILD: "Lise Nordmann", STRANGER: "Per Fremmed"}
ROLES = {MOTHER: "MOR", FATHER: "FAR", CHILD: "HOVEDPERSON"}
AKTOR = {MOTHER: "A05", FATHER: "A06"}
READER = Reader()
"""One process for the PDFs of all tests: starting it takes longer than any of them."""
ADDRESS = {"adresselinjer": ["Testgata 1"], "postnummer": "0460", "poststed": "Oslo"}


def pdf(*lines: str) -> bytes:
    """A letter as a case system makes it: A4, margins free, its font in it."""
    if "Vera" not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595.28, 841.89), invariant=1)
    canvas.setFont("Vera", 11)
    for step, line in enumerate(lines or ("Vi viser til møtet. Planen er lagt ved.",)):
        canvas.drawString(72, 500 - 20 * step, line)
    canvas.save()
    return out.getvalue()


def part(person: str, **changes: Any) -> dict[str, Any]:
    """A party of the case with everything stated."""
    stated = {
        "rolle": ROLES[person],
        "fodselsnummer": person,
        "navn": NAMES[person],
        "adressegradering": "UGRADERT",
        "reservert": False,
        "adresseSkjultFor": [],
        "partsrett": True,
    }
    return {name: value for name, value in (stated | changes).items() if value is not None}


def letter(to: str = MOTHER, **changes: Any) -> dict[str, Any]:
    """An envelope of a letter to a party, with every fact that the rules need."""
    document = {"filnavn": "brev.pdf", "mimeType": "application/pdf", "dokumenttype": "BREV"}
    stated = {
        "mottaker": {
            "fodselsnummer": to,
            "navn": NAMES[to],
            "aktortype": AKTOR.get(to, "A05"),
            "rolle": ROLES.get(to, "MOR"),
            "postadresse": ADDRESS,
        },
        "parter": [part(MOTHER), part(FATHER), part(CHILD)],
        "barn": [{"fodselsnummer": CHILD}],
        "melder": {"type": "INGEN"},
        "foreldresituasjon": "SAMMEN",
        "vedlegg": [document | {"sladdet": False, "taushetsniva": "T", "inneholder": ["INGEN"]}],
    }
    return melding(**(stated | changes))


@dataclass
class People:
    """Both registers of people, as a test tells them; ``None`` for somebody who is not there. Everybody else is plain."""

    env: Environment
    contacts: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    residents: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def contact(self, person: str) -> Contact:
        self.asked.append(person)
        plain = Contact(False, True, True, True, self.env.clock.now())
        return replace(plain, **(self.contacts.get(person) or {}))

    async def resident(self, person: str) -> Resident | None:
        self.asked.append(person)
        told = self.residents.get(person, {})
        plain = Resident(Standing.RESIDENT, Grading.UNGRADED, self.env.clock.now(), NAMES.get(person, "Ukjent Person"))
        return None if told is None else replace(plain, **told)


@dataclass
class LetterRoad:
    """Takes every letter, and keeps all that it was given."""

    sent: list[Parcel] = field(default_factory=list)
    octets: list[bytes] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=lambda: [Taken("brev-1", final=True)])
    idempotent: bool = True

    async def send(self, parcel: Parcel) -> Outcome:
        assert parcel.letter is not None
        self.sent.append(parcel)
        for document in parcel.letter.documents:
            self.octets.append(b"".join([chunk async for chunk in document.content()]))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def status(self, parcel: Parcel) -> Outcome | None:
        return None


class WrittenToParties:
    """The catalogue, with the trial type written to parties."""

    def __init__(self, types: Any) -> None:
        self._types = types

    def type(self, key: str) -> Any:
        kind = self._types.type(key)
        return replace(kind, audience=Audience.PARTY, letter=LANGUAGES) if key == KIND else kind

    def flaws(self, key: str, document: object) -> Any:
        return self._types.flaws(key, document)


async def with_letters(
    bare: Environment, road: LetterRoad, *texts: str, notices: tuple[str, ...] = ("Du har fått brev fra kommunen.",)
) -> tuple[Environment, People]:
    """The same gateway with a road to people under every rule, and registers that know them."""
    roads = tuple(found for text in texts or (DIGITAL, PAPER) if (found := Road.parse(text)) is not None)
    guarded = Roads({KIND: roads}, tuple(GUARDS), bare.roads.bases)
    env = replace(bare, roads=guarded, types=WrittenToParties(bare.types), pdfs=READER)
    people = People(env)
    await prepare(env, "brevvei")
    env.roads.open("brevvei", Adapter(outbound=road, seal=Seal.LETTER, notices=notices))
    env.roads.open("registre", Adapter(contacts=people, population=people))
    return env, people


def documents(*lines: str) -> Mapping[str, bytes]:
    """The letter's only document."""
    return {"brev.pdf": pdf(*lines)}


async def release(env: Environment, message_id: str, *persons: str, road: str | None = None) -> list[State]:
    """What people do, one after the other; the state after each."""
    return [await decide(env, message_id, Decision("release", person, "gjennomgått", road=road)) for person in persons]


async def submitted(env: Environment, client: Any, envelope: dict[str, Any] | None = None, *lines: str) -> str:
    """A letter that was submitted and judged."""
    message_id = await hand_in(env, client, envelope or letter(), documents(*lines))
    await work_off(env)
    return message_id


async def stopped_by(env: Environment, message_id: str) -> tuple[State, str | None]:
    """Its state, and what it is held by."""
    return await state_of(env, message_id), await cause_of(env, message_id)
