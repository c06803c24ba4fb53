"""KRR and Folkeregisteret over HTTP with real tokens: what is told of people of every kind, and that a fault is no fact."""

import json

import aiohttp
import pytest

from gateway.domain.persons import Contact, Grading, Residence, Resident, Standing
from gateway.errors import DocumentError, PartnerRefusedError, PartnerUnavailableError
from gateway.simulators.issuer import TokenIssuer
from gateway.simulators.registers.faults import RegisterFault
from gateway.simulators.registers.freg import PATH, SCOPE
from gateway.simulators.registers.people import ContactKind, Home
from gateway.testing.contract import texts
from tests.registers_kit import (
    KARI,
    NAMES,
    PEOPLE,
    PER,
    RESERVERT,
    SCOPES,
    SPERRET,
    UKJENT,
    graded,
    person,
    register,
    standing,
)

REFUSED, UNAVAILABLE, UNREADABLE = PartnerRefusedError, PartnerUnavailableError, DocumentError
FAULTS = {
    RegisterFault.DOWN: UNAVAILABLE,
    RegisterFault.SERVER_ERROR: UNAVAILABLE,
    RegisterFault.THROTTLED: UNAVAILABLE,
    RegisterFault.CUT: UNAVAILABLE,
    RegisterFault.HANGING: UNAVAILABLE,
    RegisterFault.WRONG_PERSON: UNREADABLE,
    RegisterFault.UNKNOWN_WORDS: UNREADABLE,
    RegisterFault.INCOMPLETE: UNREADABLE,
    RegisterFault.GARBAGE: UNREADABLE,
    RegisterFault.HUGE: UNREADABLE,
}


@pytest.fixture
async def krr():
    async with register("krr") as here:
        yield here


@pytest.fixture
async def freg():
    async with register("freg", ungraded_when_absent=True) as here:
        yield here


def told(contact: Contact) -> tuple[bool, bool, bool, bool]:
    return contact.reserved, contact.registered, contact.notifiable, contact.mailbox


async def test_krr_tells_apart_users_reserved_deleted_unknown_and_those_without_mailbox_or_notice(krr):
    krr.server.add(person(UKJENT, contact=ContactKind.DELETED), person(SPERRET, contact=ContactKind.NOT_NOTIFIABLE))
    ask = krr.adapter.contacts.contact
    assert told(await ask(KARI)) == (False, True, True, True)
    assert told(await ask(PER)) == (False, True, True, False)
    assert told(await ask(RESERVERT)) == (True, True, True, False)
    assert told(await ask(UKJENT)) == (False, False, False, False)
    assert told(await ask("31127012345")) == (False, False, False, False)
    assert told(await ask(SPERRET)) == (False, True, False, False)
    found = await ask(KARI)
    assert (found.language, found.asked_at) == ("nb", krr.clock.now())


async def test_krr_gives_the_address_of_whoever_can_be_notified_and_of_nobody_else(krr):
    krr.server.add(person(email="kari@example.no"), person(SPERRET, contact=ContactKind.NOT_NOTIFIABLE))
    ask = krr.adapter.contacts.contact
    assert (await ask(KARI)).email == "kari@example.no"
    assert "example" not in repr(await ask(KARI))
    assert {(await ask(number)).email for number in (SPERRET, RESERVERT, UKJENT)} == {None}


async def test_where_somebody_lives_is_asked_of_folkeregisteret_only_where_the_operator_says_so(freg):
    home = Home(adressenavn="Løvetannveien", husnummer="12", husbokstav="B", postnummer="5097", poststedsnavn="BERGEN")
    async with register("freg", ungraded_when_absent=True, residences=True) as asking:
        for here in (freg, asking):
            here.server.add(person(home=home))
        found = await asking.adapter.population.resident(KARI)
        assert found.residence == Residence(("Løvetannveien 12 B",), "5097", "BERGEN")
        assert "vetann" not in repr(found)
    assert (await freg.adapter.population.resident(KARI)).residence is None
    assert not any("bostedsadresse" in question for question in freg.server.questions)


async def test_folkeregisteret_tells_standing_name_and_the_grading_of_an_address(freg):
    ask = freg.adapter.population.resident
    assert await ask(KARI) == Resident(Standing.RESIDENT, Grading.UNGRADED, freg.clock.now(), f"{NAMES[0]} Prøvesen")
    assert (await ask(SPERRET)).grading is Grading.STRICTLY_CONFIDENTIAL
    assert await ask(UKJENT) is None
    for status, expected in (
        ("utflyttet", "UTFLYTTET"),
        ("doed", "DOED"),
        ("forsvunnet", "ANNEN"),
        ("inaktiv", "ANNEN"),
    ):
        freg.server.add(standing(status))
        assert (await ask(KARI)).standing is Standing(expected)
    for protection, expected in (
        ("ugradert", "UGRADERT"),
        ("klientadresse", "FORTROLIG"),
        ("fortrolig", "FORTROLIG"),
        ("strengtFortrolig", "STRENGT_FORTROLIG"),
        ("strengtFortroligUtland", "STRENGT_FORTROLIG"),
    ):
        freg.server.add(graded(protection))
        assert (await ask(KARI)).grading is Grading(expected)


async def test_a_changed_name_is_seen_with_the_next_question(freg):
    freg.server.add(person(last_name="Nyås"))
    assert (await freg.adapter.population.resident(KARI)).name == "Prøve Nyås"


async def test_without_a_grading_in_the_answer_nobody_is_ungraded_unless_the_operator_says_that_it_comes():
    async with register("freg") as here:
        with pytest.raises(DocumentError):
            await here.adapter.population.resident(KARI)
        assert (await here.adapter.population.resident(SPERRET)).grading is Grading.STRICTLY_CONFIDENTIAL


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["krr", "freg"])
async def test_a_fault_is_an_error_and_the_next_answer_is_good(kind, fault):
    async with register(kind, session_s=0.3 if fault is RegisterFault.HANGING else 5) as here:
        ask = here.adapter.contacts.contact if kind == "krr" else here.adapter.population.resident
        here.server.faults.arm(fault, 2 if fault is RegisterFault.CUT else 1)
        with pytest.raises(FAULTS[fault]):
            await ask(SPERRET)
        assert await ask(SPERRET) is not None


async def test_a_line_that_is_cut_once_is_tried_once_more(krr):
    krr.server.faults.arm(RegisterFault.CUT)
    assert (await krr.adapter.contacts.contact(KARI)).mailbox


async def test_nobody_in_the_answer_is_an_error_of_krr_and_nobody_in_folkeregisteret(krr, freg):
    for here in (krr, freg):
        here.server.faults.arm(RegisterFault.NOBODY)
    with pytest.raises(DocumentError):
        await krr.adapter.contacts.contact(KARI)
    assert await freg.adapter.population.resident(KARI) is None


@pytest.mark.parametrize("kind", ["krr", "freg"])
async def test_a_token_that_is_not_taken_is_replaced_once(kind):
    async with register(kind, **({"ungraded_when_absent": True} if kind == "freg" else {})) as here:
        ask = here.adapter.contacts.contact if kind == "krr" else here.adapter.population.resident
        here.server.faults.arm(RegisterFault.UNAUTHORISED)
        assert await ask(KARI) is not None
        assert len(here.server._issuer._used) == 2  # another one was bought
        here.server.faults.arm(RegisterFault.UNAUTHORISED, 2)
        with pytest.raises(PartnerRefusedError):
            await ask(KARI)


async def test_without_the_right_to_contacts_an_answer_of_krr_is_none():
    async with register("krr", scopes=["krr:global/digitalpost.read"]) as here:
        with pytest.raises(DocumentError):
            await here.adapter.contacts.contact(KARI)


@pytest.mark.parametrize("kind", ["krr", "freg"])
async def test_a_client_without_the_scope_gets_no_answer(kind):
    async with register(kind, granted=frozenset({"noe:annet"})) as here:
        ask = here.adapter.contacts.contact if kind == "krr" else here.adapter.population.resident
        with pytest.raises(PartnerRefusedError):
            await ask(KARI)


@pytest.mark.proves("S88")
@pytest.mark.parametrize("kind", ["krr", "freg"])
async def test_no_number_and_no_name_stands_in_an_address_a_log_or_an_error(kind):
    said = []
    async with register(kind, session_s=0.3) as here:
        ask = here.adapter.contacts.contact if kind == "krr" else here.adapter.population.resident
        for fault in (None, *FAULTS):
            if fault is not None:
                here.server.faults.arm(fault)
            try:
                said.append(repr(await ask(SPERRET)))
            except (PartnerRefusedError, PartnerUnavailableError, DocumentError) as error:
                said.append(texts(error))
        said += [here.log.getvalue(), *here.server.questions]
    assert len(here.server.questions) > len(FAULTS)  # the control: they were asked
    everything = "\n".join(said)
    for one in PEOPLE:
        for word in (one.number, one.first_name, one.last_name):
            assert word not in everything


@pytest.mark.parametrize("kind", ["krr", "freg"])
async def test_the_simulators_refuse_what_no_register_takes(kind):
    field = {"krr": "personidentifikatorer", "freg": "foedselsEllerDNummer"}[kind]
    async with register(kind) as here, aiohttp.ClientSession() as session:
        (route,) = (one for one in here.server.routes()[:1])
        token = await here.tokens(" ".join(sorted(SCOPES))).token()
        foreign = TokenIssuer("https://andre.example/", [])._answer(here.client, None, "x", None, 0)["access_token"]

        async def status(data, given=token):
            headers = {"Authorization": f"Bearer {given}", "Content-Type": "application/json"} if given else {}
            async with session.post(here.base + route.path, data=data, headers=headers) as answer:
                return answer.status

        assert await status(json.dumps({field: [KARI]})) == 200  # the control
        for wrong in (None, "x", foreign):
            assert await status(json.dumps({field: [KARI]}), wrong) == 401
        for wrong in (
            b"{",
            b"[]",
            json.dumps({field: []}),
            json.dumps({field: [1]}),
            json.dumps({field: [KARI] * 1001}),
        ):
            assert await status(wrong) == 400


async def test_folkeregisteret_answers_the_parts_that_were_asked_for_and_the_basis_without_any():
    async with register("freg") as here, aiohttp.ClientSession() as session:
        token = await here.tokens(SCOPE).token()

        async def parts(query):
            call = session.post(
                f"{here.base}{PATH}{query}",
                json={"foedselsEllerDNummer": [SPERRET]},
                headers={"Authorization": f"Bearer {token}"},
            )
            async with call as answer:
                return set((await answer.json())["oppslag"][0]["folkeregisterperson"])

        number = {"identifikasjonsnummer"}
        assert await parts("?part=status") == number | {"status"}
        assert await parts("/?part=navn&part=adressebeskyttelse") == number | {"navn", "adressebeskyttelse"}
        basis = number | {"status", "navn", "adressebeskyttelse", "bostedsadresse"}
        assert await parts("") == await parts("?part=person-basis") == basis
