"""Files that no letter can consist of: held with a reason whatever people release, nothing sent and nothing lost."""

import pytest

from gateway.domain.lifecycle import State
from gateway.pipeline import hand_over
from gateway.pipeline.texts import HOLDS
from tests import pdf_kit as kit
from tests.integration.outbound.kit import hand_in
from tests.integration.outbound.letters import DIGITAL, PAPER, LetterRoad, letter, release, stopped_by, with_letters
from tests.work import state_of, work_off

UNFIT = {
    "pdf-password": lambda: kit.with_password(kit.letter(), to_open=True),
    "pdf-broken": lambda: kit.letter()[:-300],
    "pdf-too-many-pages": lambda: kit.letter(*[["Side"]] * 201),
    "pdf-script": lambda: kit.with_root(kit.letter(), OpenAction=kit.script()),
    "pdf-metadata-names": lambda: kit.with_properties(kit.letter(), Title="Vedtak Kari Nordmann"),
}
"""Each is as well a text that may not have been read, so people may have to release that first."""


pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: what a file is, is no matter of SQL."""


async def handed_in(env, client, content, media_type="application/pdf", name="brev.pdf"):
    """Judged, and released by two people as often as it can be."""
    document = letter()["vedlegg"][0] | {"filnavn": name, "mimeType": media_type}
    message_id = await hand_in(env, client, letter(vedlegg=[document]), {name: content})
    await work_off(env)
    for person in ("kari", "ola") * 2:
        if await state_of(env, message_id) == State.HELD:
            await release(env, message_id, person)
            await work_off(env)
    return message_id


async def test_an_unfit_file_is_held_whatever_people_release_and_is_still_here(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    for code, make in UNFIT.items():
        content = make()
        message_id = await handed_in(env, client, content)
        assert await stopped_by(env, message_id) == (State.HELD, code)
        hold = (await hand_over.head(env, client, message_id))["hold"]
        place = "" if code == "pdf-too-many-pages" else " Gjelder dokument 1 (brev.pdf)."
        assert (hold["text"], hold["personsNeeded"]) == (HOLDS[code] + place, 0)
    assert road.sent == []
    message_id = await handed_in(env, client, kit.letter(["Vi viser til møtet."]))  # the control
    assert (await state_of(env, message_id), len(road.sent)) == (State.DELIVERED, 1)


async def test_a_file_of_a_type_that_the_road_does_not_take_is_held(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    message_id = await handed_in(env, client, b"<brev/>", "application/xml", "brev.xml")
    assert await stopped_by(env, message_id) == (State.HELD, "file-type-not-allowed")
    assert road.sent == []


async def test_what_cannot_be_printed_goes_digitally_and_is_held_for_paper(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    narrow = kit.letter(["Vi viser til møtet."], placed=[(5, 100, "12")])
    message_id = await handed_in(env, client, narrow)
    assert await state_of(env, message_id) == State.DELIVERED
    env, _ = await with_letters(env, road, PAPER, DIGITAL)
    held = await handed_in(env, client, kit.letter(["Noe annet."], placed=[(5, 100, "12")]))
    assert await stopped_by(env, held) == (State.HELD, "pdf-margin")
    assert len(road.sent) == 1
