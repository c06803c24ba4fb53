"""Where a party is who is hidden from a letter's reader: the documents are searched for it, as the envelope and Folkeregisteret have it."""

import json

import pytest

from gateway.domain.lifecycle import State
from gateway.domain.persons import Residence
from gateway.pipeline.envelope import without_addresses
from gateway.store import journal, payloads
from tests.integration.outbound.kit import Scripted, hand_in, melding, opened, with_roads
from tests.integration.outbound.letters import (
    CHILD,
    FATHER,
    MOTHER,
    LetterRoad,
    letter,
    part,
    pdf,
    release,
    stopped_by,
    with_letters,
)
from tests.work import work_off

STREET = "Løvetannveien 12 B"
HOME = {"adresselinjer": ["c/o Naboheim", STREET], "postnummer": "5097", "poststed": "Bergen"}
HIDDEN = {"adresseSkjultFor": ["MOR"]}
PLAIN = letter()["vedlegg"][0]
MASKED = PLAIN | {"sladdet": True, "sladdingBekreftetAv": "kari"}

pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: what leaves is no matter of SQL."""


def to_mother(**of_child):
    return letter(parter=[part(MOTHER), part(FATHER), part(CHILD, **of_child)], vedlegg=[MASKED])


async def judged(env, client, envelope, *lines):
    """Hand it in, and let two people release what they may."""
    message_id = await hand_in(env, client, envelope, {"brev.pdf": pdf(*lines)})
    await work_off(env)
    for person in ("kari", "ola", "kari", "ola"):
        if (await stopped_by(env, message_id))[0] == State.HELD:
            await release(env, message_id, person)
            await work_off(env)
    return message_id


@pytest.mark.proves("S77")
async def test_a_hidden_address_that_the_envelope_states_holds_the_letter_however_it_is_written(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    written = [
        (f"Barnet bor i {STREET}.",),
        ("Barnet bor i løvetann-", "veien 12b nå."),
        ("LØVETANNVEIEN", "12   B"),
        ("Barnet bor i 5097", "Bergen."),
        ("Barnet er hos C/O NABOHEIM",),
    ]
    for lines in written:
        message_id = await judged(env, client, to_mother(adresse=HOME, **HIDDEN), *lines)
        assert (lines, await stopped_by(env, message_id)) == (lines, (State.HELD, "r07-address-found"))
    assert road.sent == []


async def test_control_other_addresses_of_the_same_street_and_what_is_hidden_from_nobody_leave(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    other = await judged(env, client, to_mother(adresse=HOME, **HIDDEN), "Møtet er i Løvetannveien 2, 5003 Bergen.")
    told = await judged(env, client, to_mother(adresse=HOME), f"Barnet bor i {STREET}.")
    own = letter(parter=[part(MOTHER, adresse=HOME), part(CHILD)], vedlegg=[MASKED])
    herself = await judged(env, client, own, f"Du bor i {STREET}, sier du.")
    found = {await stopped_by(env, one) for one in (other, told, herself)}
    assert found == {(State.DELIVERED, None)}


async def test_who_is_named_by_number_learns_no_more_than_who_is_named_by_role(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    for hidden_from, stands in ((MOTHER, (State.HELD, "r07-address-found")), (FATHER, (State.DELIVERED, None))):
        envelope = to_mother(adresse=HOME, adresseSkjultFor=[hidden_from])
        message_id = await judged(env, client, envelope, f"Barnet bor i {STREET}. {hidden_from[:2]}")
        assert await stopped_by(env, message_id) == stands


async def test_a_hidden_address_that_nobody_gave_waits_for_two_people_who_read(env, client):
    road = LetterRoad()
    env, _ = await with_letters(env, road)
    message_id = await hand_in(env, client, to_mother(**HIDDEN), {"brev.pdf": pdf()})
    await work_off(env)
    await release(env, message_id, "kari")
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r07-address-not-given")
    for person in ("ola", "kari", "ola"):
        if (await stopped_by(env, message_id))[0] == State.HELD:  # by four eyes, now
            await release(env, message_id, person)
            await work_off(env)
    assert await stopped_by(env, message_id) == (State.DELIVERED, None)


@pytest.mark.proves("S77")
async def test_an_address_that_folkeregisteret_tells_later_is_looked_for_though_the_letter_was_looked_at(env, client):
    road = LetterRoad()
    env, people = await with_letters(env, road)
    message_id = await hand_in(env, client, to_mother(**HIDDEN), {"brev.pdf": pdf(f"Barnet bor i {STREET}.")})
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r07-address-not-given")
    people.residents[CHILD] = {"residence": Residence((STREET,), "5097", "Bergen")}
    env.roads.registers.remembered = type(env.roads.registers.remembered)()  # a day later
    await release(env, message_id, "kari", "ola")
    await work_off(env)
    assert await stopped_by(env, message_id) == (State.HELD, "r07-address-found")
    rows = await env.store.read(lambda conn: journal.of_message(conn, message_id))
    assert sum(row.event == journal.LOOKED_AT for row in rows) == 2  # what is sought changed once: no look in vain
    kept = await env.store.read(lambda conn: payloads.all_of(conn, message_id, "screening:"))
    assert len(kept) == 2
    assert not any("vetann" in purpose or "vetann" in json.dumps(row.entry) for purpose in kept for row in rows)


@pytest.mark.proves("S77")
async def test_where_the_parties_are_is_not_in_the_envelope_that_leaves(env, site, client):
    partner = Scripted()
    env = await with_roads(env, site.tenant, partner=partner)
    envelope = melding(parter=[part(CHILD, adresse=HOME), part(MOTHER)])
    await hand_in(env, client, envelope)
    await work_off(env)
    ((_, raw),) = partner.sent
    assert envelope["parter"][0].pop("adresse") == HOME
    assert json.loads(opened(env, site, raw)["melding.json"]) == envelope


def test_an_envelope_without_addresses_leaves_octet_by_octet_as_it_came(env):
    raw = json.dumps(to_mother(), indent=1).encode()
    assert without_addresses(raw) is raw
