"""What a road says of its own health, and what the platform says waits."""

from sqlalchemy import select

from gateway.pipeline.road_watch import take
from gateway.spi import Address, Figures, Observation, Trouble
from gateway.store import alarms, partner_figures
from gateway.store.alarms import AlarmCode
from gateway.store.tables import alarm

ACCOUNT = Address("4601", "02")


async def open_alarms(env, code):
    return await env.store.read(lambda conn: alarms.open_subjects(conn, code))


async def test_trouble_rings_once_and_closes_when_it_is_well_again(env):
    for trouble in Trouble:
        for _ in range(2):
            await take(env, "fiks", Observation(trouble, "konto-1", well=False))
        query = select(alarm.c.code).where(alarm.c.closed_at.is_(None))
        rung = await env.store.read(lambda conn, query=query: conn.execute(query).scalars().all())
        assert rung == [trouble.value]
        await take(env, "fiks", Observation(trouble, "konto-1", well=True))
        assert await open_alarms(env, AlarmCode(trouble.value)) == set()


async def test_what_the_platform_says_waits_is_kept_as_it_said_last(env):
    for waiting in (3, 1):
        await take(env, "fiks", Figures(ACCOUNT, "konto-1", waiting, 1))
    [row] = await env.store.read(partner_figures.all_of)
    assert (row.tenant, row.account, row.waiting, row.consumers) == ("4601-02", "konto-1", 1, 1)
