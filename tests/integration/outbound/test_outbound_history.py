"""What went out before counts, on each store: the same document to another, the same once more, what was taken back."""

from gateway.domain.lifecycle import State
from tests.integration.outbound.kit import cause_of, hand_in
from tests.integration.outbound.letters import (
    FATHER,
    MOTHER,
    LetterRoad,
    documents,
    letter,
    release,
    stopped_by,
    submitted,
    with_letters,
)
from tests.work import state_of, work_off


async def test_parents_apart_do_not_get_the_same_document(env, client):
    env, _ = await with_letters(env, LetterRoad())
    apart = {"foreldresituasjon": "ADSKILT"}
    first = await hand_in(env, client, letter(MOTHER, **apart), documents())
    second = await hand_in(env, client, letter(FATHER, **apart), documents())
    await work_off(env)
    assert {await cause_of(env, one) for one in (first, second)} == {"r09-same-document"}
    other = await submitted(env, client, letter(FATHER, **apart), "Skrevet til far alene.")
    assert await cause_of(env, other) == "r18-four-eyes"


async def test_the_same_letter_again_within_a_month_is_held_and_the_first_is_not(env, client):
    env, _ = await with_letters(env, LetterRoad())
    first, second = await submitted(env, client), await submitted(env, client)
    assert [await cause_of(env, one) for one in (first, second)] == ["r18-four-eyes"] * 2
    await release(env, first, "kari", "ola")
    await release(env, second, "kari", "ola")
    await work_off(env)
    assert await state_of(env, first) == State.DELIVERED
    assert await stopped_by(env, second) == (State.HELD, "r24-repeated")


async def test_a_letter_that_was_taken_back_by_a_later_one_leaves_no_more(env, client):
    env, _ = await with_letters(env, LetterRoad())
    envelope = letter()
    first = await submitted(env, client, envelope)
    taking_back = letter(meldingsforbindelse="Trukket", oppfolgingAvMeldingId=envelope["meldingId"])
    await submitted(env, client, taking_back, "Trukket.")
    await release(env, first, "kari", "ola")
    await work_off(env)
    assert await stopped_by(env, first) == (State.HELD, "r25-retracted")
