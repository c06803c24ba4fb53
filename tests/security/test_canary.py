"""An address that somebody must not learn leaves on no road, in no form, whoever releases what."""

import asyncio
import base64
from dataclasses import replace

import pytest
from sqlalchemy import update

from gateway import config
from gateway.app import environment
from gateway.crashpoints import Point
from gateway.domain.guards import GUARDS
from gateway.domain.lifecycle import State
from gateway.domain.persons import Grading
from gateway.domain.routing import Road
from gateway.errors import ConflictError
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.open_registers import ResidentMemory
from gateway.pipeline.roads import Roads
from gateway.spi import Adapter, TryLater
from gateway.store.tables import queue_item
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.integration.outbound.kit import KIND, RECIPIENT, OwnDirectory, Scripted, hand_in
from tests.integration.outbound.letters import (
    CHILD,
    DIGITAL,
    FATHER,
    MOTHER,
    PAPER,
    LetterRoad,
    letter,
    part,
    pdf,
    release,
    with_letters,
)
from tests.postgres import settings_for
from tests.work import state_of, work_off

STREET, SCHOOL, TELEPHONE = "Hemmeligheten 17", "Skjulested skole", "99887766"
MARKS = (STREET, SCHOOL, TELEPHONE)
STRICT = {"adressegradering": "STRENGT_FORTROLIG"}
PERSONS = ("kari", "ola", "per")


def forms(mark):
    """The mark as it could leave: in the encodings of texts, hexadecimal, base64 at each of its three places."""
    raw = [mark.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
    inner = [base64.b64encode(b"x" * shift + raw[0])[4:-4] for shift in range(3)]
    return [*raw, raw[0].hex().encode(), *inner]


def told(octets):
    """The marks that stand in it."""
    return [mark for mark in MARKS if any(form in octets for form in forms(mark))]


def given(letters, bodies):
    """Everything that a road was given, with the words around it."""
    found = [repr(one).encode() for one in letters.sent] + letters.octets
    found += [str(one.letter).encode() for one in letters.sent]
    return found + [raw for _, raw in bodies.sent]


class Outside:
    """A gateway with a road to people, one to paper and one to an organisation, and all that left over them."""

    def __init__(self, env, people, letters, bodies, client):
        self.env, self.people, self.letters, self.bodies, self.client = env, people, letters, bodies, client

    async def try_everything(self, envelope):
        """Submit it, and let three people release it again and again, to every road. Returns its state."""
        documents = {"brev.pdf": pdf(f"Barnet bor i {STREET},", f"går på {SCHOOL}, telefon {TELEPHONE}.")}
        message_id = await hand_in(self.env, self.client, envelope, documents)
        await work_off(self.env)
        for road in (None, DIGITAL, PAPER, None):
            for person in PERSONS[: 1 if road == DIGITAL else None]:
                try:
                    await release(self.env, message_id, person, road=road)
                except ConflictError:
                    continue
                await work_off(self.env)
        return await state_of(self.env, message_id)


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    return make_site(
        tmp_path_factory.mktemp("office"),
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        adapters=("loopback",),
    )


@pytest.fixture
async def outside(office, tmp_path):
    quick = {"BUDSTIKKE__ENGINE__BACKOFF_FIRST_S": "0"}
    async with environment(config.load(office.configuration, settings_for("sqlite", tmp_path) | quick)) as bare:
        letters, bodies = LetterRoad(), Scripted()
        env, people = await with_letters(bare, letters, DIGITAL, PAPER, "etat")
        env.roads.open("etat", Adapter(outbound=bodies, directory=OwnDirectory(env, office.tenant)))
        yield Outside(env, people, letters, bodies, CaseSystemClient("fagsystem-1", (office.tenant,)))


def parties(of, **stated):
    return [part(person, **(stated if person == of else {})) for person in (MOTHER, FATHER, CHILD)]


SCHOOL_UNIT = {"orgnr": RECIPIENT, "navn": "Prøveskolen", "aktortype": "A31"}
LETTERS = {
    "of the child, to a parent": letter(parter=parties(CHILD, **STRICT)),
    "of the other parent": letter(parter=parties(FATHER, **STRICT)),
    "of the reader": letter(parter=parties(MOTHER, **STRICT)),
    "of a party without a number": letter(
        parter=[*parties(None), part(CHILD, rolle="ANNEN", fodselsnummer=None, **STRICT)]
    ),
    "in a word that nobody knows": letter(parter=parties(CHILD, adressegradering="KODE6")),
    "confidential, to the other parent": letter(parter=parties(FATHER, adressegradering="FORTROLIG")),
    "hidden from this reader by decision": letter(parter=parties(CHILD, adresseSkjultFor=["MOR"])),
    "that nobody stated to be hidden or not": letter(parter=parties(CHILD, adresseSkjultFor=None)),
    "to a school": letter(parter=parties(CHILD, **STRICT)) | {"mottaker": SCHOOL_UNIT},
}


@pytest.mark.proves("S77")
@pytest.mark.parametrize("envelope", LETTERS.values(), ids=LETTERS)
async def test_a_graded_or_hidden_address_leaves_on_no_road_whoever_releases_it(outside, envelope, capfd):
    if envelope["mottaker"] == SCHOOL_UNIT:
        outside = to_bodies(outside)
    assert await outside.try_everything(envelope) == State.HELD
    assert given(outside.letters, outside.bodies) == []
    out, err = capfd.readouterr()
    assert told((out + err).encode()) == []


def to_bodies(outside):
    """The type's only road is the one to an organisation."""
    road = Road.parse("etat")
    assert road is not None
    roads = Roads({KIND: (road,)}, tuple(GUARDS), outside.env.roads.bases)
    roads.open("etat", Adapter(outbound=outside.bodies, directory=OwnDirectory(outside.env, outside.client.tenants[0])))
    outside.env = replace(outside.env, roads=roads)
    return outside


@pytest.mark.proves("S77")
@pytest.mark.parametrize("person", [MOTHER, FATHER, CHILD])
@pytest.mark.parametrize("grading", [Grading.STRICTLY_CONFIDENTIAL, Grading.CONFIDENTIAL])
async def test_a_grading_that_only_the_register_knows_holds_as_well(outside, person, grading):
    outside.people.residents[person] = {"grading": grading}
    assert await outside.try_everything(letter()) == State.HELD
    assert given(outside.letters, outside.bodies) == []


@pytest.mark.proves("S77")
async def test_an_address_that_is_graded_between_two_attempts_stops_the_second(outside):
    outside.letters.answers = [TryLater("busy")]
    message_id = await hand_in(outside.env, outside.client, letter(), {"brev.pdf": pdf(STREET)})
    slow = outside.env.settings.engine.model_copy(update={"backoff_first_s": 3600.0})
    env = replace(outside.env, settings=outside.env.settings.model_copy(update={"engine": slow}))
    await work_off(env)
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert (await state_of(env, message_id), len(outside.letters.sent)) == (State.CLEARED, 1)
    env.roads.registers.remembered = ResidentMemory()  # a day later
    outside.people.residents[CHILD] = {"grading": Grading.STRICTLY_CONFIDENTIAL}
    await env.store.write(lambda conn: conn.execute(update(queue_item).values(run_at=0)), Point.SWEEP)
    await work_off(env)
    assert (await state_of(env, message_id), len(outside.letters.sent)) == (State.HELD, 1)


@pytest.mark.proves("S77")
async def test_what_is_stored_beside_the_seals_tells_nothing_of_it(outside, tmp_path):
    await outside.try_everything(LETTERS["of the child, to a parent"])
    files = [file for file in (tmp_path / "var").rglob("*") if file.is_file()]
    assert len(files) > 0
    found = await asyncio.to_thread(lambda: [file.name for file in files if told(file.read_bytes())])
    assert found == []


@pytest.mark.proves("S77")
async def test_control_the_same_letter_leaves_where_nobodys_address_is_graded_and_the_marks_are_found(outside):
    assert await outside.try_everything(letter()) == State.DELIVERED
    assert len(outside.letters.sent) == 1
    assert told(text_of(outside.letters.octets[0])) == list(MARKS)
    assert [told(b"<" + form + b">") for form in forms(STREET)] == [[STREET]] * len(forms(STREET))


def text_of(octets):
    """What a reader of the PDF reads."""
    import pypdfium2

    document = pypdfium2.PdfDocument(octets)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document).encode()
    finally:
        document.close()
