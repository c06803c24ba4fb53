"""The daily balance: every way a message can stand is counted once, and what is not accounted for is found."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from gateway.crypto import notes
from gateway.domain.deadlines import OSLO
from gateway.pipeline import balance
from gateway.pipeline.certificate import certify
from gateway.pipeline.people import Decision, decide
from gateway.store import alarms
from gateway.store.tables import message
from tests.work import work_off


@pytest.fixture
def today(env):
    return env.clock.now().astimezone(OSLO).date()


@pytest.fixture
async def reports(env, intake, sender):
    """One that waits, one confirmed, one refused, one in quarantine, and one not opened yet."""
    waiting = await intake.accept(sender.delivery(1))
    confirmed = await intake.accept(sender.delivery(2))
    refused = await intake.accept(sender.delivery(3))
    await work_off(env)
    await decide(env, confirmed.id, Decision("confirm", "kari", "registered on paper", "2026/1"))
    await decide(env, refused.id, Decision("hold", "kari", "looks odd"))
    await decide(env, refused.id, Decision("refuse", "kari", "not for us"))
    await work_off(env)
    fresh = await intake.accept(sender.delivery(4))
    return waiting.id, confirmed.id, refused.id, fresh.id


@pytest.mark.proves("promise-3")
async def test_each_message_is_counted_once_by_what_became_of_it(env, reports, today):
    (line,) = await balance.judge(env, today)
    assert (line.received, line.difference) == (4, 0)
    assert (line.fates["confirmed"], line.fates["refused"], line.fates["waiting"]) == (1, 1, 2)
    assert dict(line.waiting) == {"READY": 1, "RECEIVED": 1}


async def test_a_refused_message_that_was_released_before_waits_and_is_not_refused(env, reports, today):
    await decide(env, reports[0], Decision("hold", "kari", "wait"))
    (line,) = await balance.judge(env, today)
    assert line.waiting["HELD person"] == 1 or line.waiting["HELD"] == 1
    assert line.received == sum(line.fates.values())


@pytest.mark.proves("promise-3")
@pytest.mark.parametrize(
    ("edit", "unexplained"),
    [
        ("DELETE FROM confirmation", "unexplained"),
        ("DELETE FROM message_state WHERE state = 'READY'", "unexplained"),
        ("UPDATE message_state SET state = 'RECEIPTED' WHERE state = 'READY'", "unexplained"),
        ("DELETE FROM journal WHERE event = 'arrived' AND id = (SELECT min(id) FROM journal WHERE event = 'arrived')", "unjournalled"),
    ],
)  # fmt: skip
async def test_a_message_that_nothing_accounts_for_is_a_difference_and_rings_until_it_is_right(
    env, reports, today, administrator, edit, unexplained
):
    administrator(edit)
    (line,) = await balance.judge(env, today)
    assert (line.difference, line.fates[unexplained]) == (1, 1)
    assert ("balance-differs", today.isoformat()) in {
        (row.code, row.subject) for row in await env.store.read(alarms.open_alarms)
    }


async def test_the_alarm_closes_when_the_day_is_accounted_for_again(env, reports, today, administrator):
    administrator("UPDATE message_state SET state = 'RECEIPTED' WHERE state = 'READY'")
    await balance.judge(env, today)
    administrator(f"UPDATE message_state SET state = 'READY' WHERE message_id = '{reports[0]}'")  # noqa: S608  our id
    await balance.judge(env, today)
    assert "balance-differs" not in {row.code for row in await env.store.read(alarms.open_alarms)}


async def test_a_day_holds_what_arrived_on_it_in_norway(env, reports, today):
    low, high = balance.span(today)
    at = await env.store.read(lambda conn: conn.execute(select(message.c.arrived_at)).scalars().all())
    assert all(low <= one < high for one in at)
    assert high - low == 24 * 3600 * 1_000_000
    summer = datetime(2026, 3, 29, tzinfo=UTC).date()
    low, high = balance.span(summer)
    assert high - low == 23 * 3600 * 1_000_000


async def test_the_certificate_is_signed_under_a_name_that_signs_no_head(env, reports, today):
    signed = await certify(env, today)
    signer = env.heads.signer.under("test/daily")
    text = notes.verified(signed.text, [signer.public])[0]
    assert signer.public.id != env.heads.signer.public.id
    assert f"day {today.isoformat()}\n" in text
    assert text.endswith("total 4 difference 0\n")
    counts = "received 4 stored 4 offered 0 confirmed 1 refused 1 duplicate 0 waiting 2 receipted 2 difference 0"
    assert f"4601-02 fiks-produsent - {counts}\n" in text
