"""Who reported is in nothing that a party gets: not in the text, the properties, the names of files, or around the letter."""

import base64
import io

import pikepdf
import pytest

from gateway.domain.lifecycle import State
from tests.integration.outbound.kit import hand_in
from tests.integration.outbound.letters import LetterRoad, letter, pdf, release, stopped_by, with_letters
from tests.work import state_of, work_off

NAME, TELEPHONE, RELATION = "Nina Naboheim", "99887766", "nabo i andre etasje"
MARKS = (NAME, "Naboheim", TELEPHONE, RELATION)
REPORTER = {"type": "PRIVAT", "navn": NAME}
PLAIN = letter()["vedlegg"][0]
MASKED = PLAIN | {"sladdet": True, "sladdingBekreftetAv": "kari"}


pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: what leaves is no matter of SQL."""


def with_property(value):
    """A letter with a property of its own, as office programs write them."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as document:
        document.docinfo["/Subject"] = value
        document.save(out)
    return out.getvalue()


async def sent(env, client, envelope, content):
    """Hand it in, and let one person and then another release it, twice. Returns the road and where it stands."""
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    message_id = await hand_in(env, client, envelope, {envelope["vedlegg"][0]["filnavn"]: content})
    await work_off(env)
    for person in ("kari", "ola", "kari", "ola"):
        if await state_of(env, message_id) == State.HELD:
            await release(env, message_id, person)
            await work_off(env)
    return road, await stopped_by(env, message_id)


def traces(road):
    """The marks in all that the road was given, as text and in what carriers make of text."""
    found = [text.encode() for one in road.sent for text in (repr(one), str(one.letter), *shown(one))]
    given = b"\n".join(found + road.octets)
    return [mark for mark in MARKS if any(form in given for form in forms(mark))]


def shown(parcel):
    """What a record's repr leaves out."""
    return [part for document in parcel.letter.documents for part in (document.subject, document.file_name)]


def forms(mark):
    raw = [mark.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
    return [*raw, raw[0].hex().encode(), *(base64.b64encode(b"x" * shift + raw[0])[4:-4] for shift in range(3))]


HELD = {
    "nobody looked through it": ({"melder": REPORTER}, pdf(), "r04-not-masked"),
    "anonymous by wish": ({"melder": {"type": "OFFENTLIG", "onskerAnonymitet": True}}, pdf(), "r04-not-masked"),
    "it is said to hold it": (
        {"melder": REPORTER, "vedlegg": [MASKED | {"inneholder": ["MELDER"]}]},
        pdf(),
        "r04-tells-reporter",
    ),
    "nothing is said of what it holds": (
        {"melder": REPORTER, "vedlegg": [{name: value for name, value in MASKED.items() if name != "inneholder"}]},
        pdf(),
        "r04-contents-not-stated",
    ),
    "nothing is said of who reported": ({"melder": None}, pdf(), "r04-reporter-not-stated"),
    "a property of the PDF": ({"melder": REPORTER, "vedlegg": [MASKED]}, with_property(NAME), "pdf-metadata-names"),
}


@pytest.mark.proves("S78")
async def test_a_letter_that_may_show_a_hidden_reporter_is_released_by_nobody(env, client):
    stands = {}
    for case, (changes, content, _) in HELD.items():
        envelope = {name: value for name, value in letter(**changes).items() if value is not None}
        road, stands[case] = await sent(env, client, envelope, content)
        assert road.sent == []
    assert stands == {case: (State.HELD, code) for case, (_, _, code) in HELD.items()}


@pytest.mark.proves("S78")
async def test_the_reporters_name_in_the_text_holds_it_until_two_people_say_that_it_is_somebody_else(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    for line in (NAME, "NABOHEIM, Nina", "Nina\u00ad Nabo\u00adheim", "Nina  Naboheim ringte"):
        content = pdf("Saken ble meldt av", line)
        message_id = await hand_in(env, client, letter(melder=REPORTER, vedlegg=[MASKED]), {"brev.pdf": content})
        await work_off(env)
        await release(env, message_id, "kari", "kari")
        await work_off(env)
        assert (line, await stopped_by(env, message_id)) == (line, (State.HELD, "r04-reporter-named"))
    assert road.sent == []


@pytest.mark.proves("S78")
async def test_nothing_around_a_letter_tells_what_its_envelope_knows_of_the_reporter(env, client):
    named = MASKED | {"filnavn": f"{NAME} {TELEPHONE}.pdf"}
    envelope = letter(
        melder=REPORTER, vedlegg=[named], formal=f"Svar etter melding fra {NAME}, {RELATION}", avsendersRef=TELEPHONE
    )
    road, (state, _) = await sent(env, client, envelope, pdf())
    assert (state, len(road.sent), traces(road)) == (State.DELIVERED, 1, [])


@pytest.mark.proves("S78")
async def test_control_a_public_reporters_name_leaves_and_the_marks_are_found(env, client):
    envelope = letter(melder={"type": "OFFENTLIG", "navn": NAME})
    road, (state, _) = await sent(env, client, envelope, pdf() + f"\n% {NAME} {TELEPHONE} {RELATION}\n".encode())
    assert (state, traces(road)) == (State.DELIVERED, list(MARKS))
