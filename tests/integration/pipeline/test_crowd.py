"""What one sender's crowd does to quotas and to people's lists, on both stores (S43, S103)."""

from dataclasses import replace

import pytest

from gateway import limits
from gateway.domain.lifecycle import State
from gateway.pipeline import people, quotas
from gateway.pipeline.people import Decision
from gateway.store import alarms, turns
from tests.edge_kit import sealed
from tests.reports import TestDelivery
from tests.work import work_off

MESSAGE = limits.MESSAGE_OVERHEAD_BYTES


@pytest.mark.proves("S43")
async def test_a_client_over_its_quota_rings_once_and_closes_when_its_messages_are_finished(env, intake):
    small = env.settings.intake.model_copy(update={"unfinished_bytes_max": 3 * MESSAGE})
    env = replace(env, settings=env.settings.model_copy(update={"intake": small}))

    async def accept(number):
        return (await intake.accept(TestDelivery({"asice": sealed(b"%d" % number)}))).id

    ids = [await accept(number) for number in range(4)]
    await work_off(env)
    for _ in range(2):
        await quotas.measure(env)
    assert env.over_quota == {"produsent-1"}
    rung = [(row.code, row.subject) for row in await env.store.read(alarms.open_alarms)]
    assert rung.count(("client-over-quota", "produsent-1")) == 1
    ids.append(await accept(4))  # a concern report comes in all the same
    await work_off(env)
    for message_id in ids:
        await people.decide(env, message_id, Decision("refuse", "kari", "ikke lesbar"))
    await work_off(env)
    await quotas.measure(env)
    assert env.over_quota == set()
    assert "client-over-quota" not in {row.code for row in await env.store.read(alarms.open_alarms)}


@pytest.mark.proves("S103")
async def test_a_sender_takes_one_turn_in_each_list_however_much_it_sends(env, intake, client):
    async def accept(number, client_id):
        headers = {"client-id": client_id}
        delivery = TestDelivery({"asice": sealed(b"%d" % number)}, headers=headers, sender=client_id)
        return (await intake.accept(delivery)).id

    crowd = [await accept(number, "crowd") for number in range(5)]
    single = await accept(5, "single")
    await work_off(env)
    states = [State.QUARANTINED.value]
    tenant = client.tenants[0]
    rows, count = await env.store.read(lambda conn: turns.messages(conn, states, tenant=tenant, limit=3))
    assert ([row.message_id for row in rows], count) == ([crowd[0], single, crowd[1]], 6)
    rows, count = await env.store.read(lambda conn: turns.alarms(conn, limit=3))
    assert ([row.subject for row in rows], count) == ([crowd[0], single, crowd[1]], 6)
