"""Two writers, one message: whatever order they come in, it has one outcome and one story."""

import asyncio
import hashlib
from collections import Counter

import pytest
from sqlalchemy import func, select

from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Lane
from gateway.errors import ConflictError
from gateway.pipeline import case_events, confirm, hand_over, people, sweeper
from gateway.pipeline.accept import Intake
from gateway.pipeline.case_events import CaseEvent
from gateway.pipeline.confirm import Readback
from gateway.pipeline.people import Decision
from gateway.pipeline.vault import Vault
from gateway.store import alarms, consistency, journal, messages, outbox
from gateway.store.alarms import AlarmCode
from gateway.store.database import now_us
from gateway.store.tables import alarm, confirmation, history, leaf, message_state, queue_item
from tests.integration.races.conftest import overlap
from tests.work import state_of, work_off


async def served(env, client, message_id) -> dict[str, str]:
    """The digest of each document as it is served."""
    head = await hand_over.head(env, client, message_id)
    found = {}
    for document in head["documents"]:
        one = await hand_over.fetch(env, client, message_id, document["name"])
        found[document["name"]] = hashlib.sha256(b"".join(one.pieces(0, one.size))).hexdigest()
    return found


class Offered:
    """An offered report whose claim is over: everything may happen to it now."""

    def __init__(self, client, message_id, digests):
        self.client, self.id = client, message_id
        self.readback = tuple(digests.items())

    async def confirm(self, env):
        return await confirm.confirm(env, self.client, self.id, Readback("SAK-1", self.readback))

    async def confirm_otherwise(self, env):
        return await confirm.confirm(env, self.client, self.id, Readback("SAK-2", self.readback))

    async def confirm_wrongly(self, env):
        wrong = tuple((name, "00" * 32) for name, _ in self.readback)
        return await confirm.confirm(env, self.client, self.id, Readback("SAK-1", wrong))

    async def confirm_by_hand(self, env):
        decision = Decision("confirm", "kari", "registrert fra før", "SAK-3")
        return await people.decide(env, self.id, decision)

    async def lapse(self, env):
        return await env.store.write(lambda conn: sweeper._lapse_claims(env, conn, now_us(conn)), Point.SWEEP)

    async def hold(self, env):
        return await people.decide(env, self.id, Decision("hold", "kari", "må ses på"))

    async def reject(self, env):
        return await confirm.reject(env, self.client, self.id, "wrong-office")

    async def claim(self, env):
        return await hand_over.claim(env, self.client, 10, 600, ())


@pytest.fixture
async def offered(env, sender, client):
    accepted = await Intake(env).accept(sender.delivery())
    await work_off(env)
    await hand_over.claim(env, client, 1, 60, ())
    digests = await served(env, client, accepted.id)
    over = message_state.update().values(claim_until=1)
    await env.store.write(lambda conn: conn.execute(over), Point.SWEEP)
    return Offered(client, accepted.id, digests)


VERBS = ["confirm", "confirm_otherwise", "confirm_by_hand", "confirm_wrongly", "lapse", "hold", "reject", "claim"]
NEVER_WAIT = {"lapse", "claim"}  # they pass over rows that others hold
CONFIRMING = {"confirm", "confirm_otherwise", "confirm_by_hand"}


@pytest.mark.proves("promise-10")
@pytest.mark.parametrize("second", VERBS)
@pytest.mark.parametrize("first", VERBS)
async def test_two_at_once_leave_one_outcome_and_one_story(pair, env, client, offered, first, second):
    outcome = await overlap(pair, getattr(offered, first), getattr(offered, second))
    for result in (outcome.first, outcome.second):
        assert not isinstance(result, BaseException) or isinstance(result, ConflictError), repr(result)
    if second in NEVER_WAIT:
        assert not outcome.waited
    elif first != "claim":  # there was nothing to claim, so it held nothing
        assert outcome.waited, "the two did not overlap"
    assert await env.store.read(consistency.faults) == []
    won = {first, second} & CONFIRMING
    confirmed = await state_of(env, offered.id) == State.CONFIRMED
    assert confirmed == bool(won), "a confirmation was answered and lost, or never made and kept"
    if not confirmed:
        assert not isinstance(await offered.confirm(env), BaseException)
    await work_off(env)
    assert await state_of(env, offered.id) == State.RECEIPTED
    await assert_one_end(env, offered.id)


async def assert_one_end(env, message_id):
    def work(conn):
        kept = conn.execute(select(func.count()).select_from(confirmation)).scalar_one()
        told = Counter(row.status for row in messages.all_history(conn, message_id))
        values = [row.value for row in messages.receipts(conn, message_id) if row.kind == "application"]
        return kept, told, values, consistency.faults(conn)

    kept, told, values, faults = await env.store.read(work)
    assert kept == 1
    assert told == {"AKSEPTERT": 1, "SENDT_FAGSYSTEM": 1, "LEVERT": 1}
    assert values == ["delivered"]
    assert faults == []


async def test_the_same_confirm_at_once_gets_the_same_answer_twice(pair, offered):
    outcome = await overlap(pair, offered.confirm, offered.confirm)
    assert outcome.waited
    assert outcome.first == outcome.second


async def test_of_two_confirms_with_two_references_one_is_told_of_the_conflict(pair, offered):
    outcome = await overlap(pair, offered.confirm, offered.confirm_otherwise)
    assert isinstance(outcome.second, ConflictError)
    assert outcome.second.instance_code == "confirm-conflict"


async def test_the_same_bytes_twice_at_once_are_one_message(pair, env, sender):
    delivery, again = sender.delivery(), None
    again = type(delivery)(delivery.part_bytes, message_type=delivery.message_type)
    outcome = await overlap(pair, lambda one: Intake(one).accept(delivery), lambda one: Intake(one).accept(again))
    assert outcome.waited
    assert outcome.first.id == outcome.second.id
    assert (outcome.first.repeated, outcome.second.repeated) == (False, True)
    assert await env.store.read(consistency.faults) == []


async def test_the_same_bytes_twice_at_once_are_kept_when_the_first_is_undone(pair, env, sender):
    delivery = sender.delivery()
    again = type(delivery)(delivery.part_bytes, message_type=delivery.message_type)
    entered = asyncio.Event()

    async def failing(one):
        write = one.store.write_as

        async def broken(seen, work, point, lane):
            def undone(conn):
                work(conn)
                entered.set()
                raise ConflictError("undone")

            return await write(seen, undone, point, lane)

        one.store.write_as = broken
        return await Intake(one).accept(delivery)

    outcome = await overlap(pair, lambda one: Intake(one).accept(again), failing)
    assert outcome.first.repeated is False
    assert entered.is_set()
    assert await env.store.read(consistency.faults) == []
    assert await state_of(env, outcome.first.id) == State.RECEIVED


@pytest.mark.parametrize("order", ["confirm first", "open first"])
async def test_a_duplicate_opened_while_its_first_is_confirmed_gets_its_receipt(
    pair, env, offered, sender, client, order
):
    again = await Intake(env).accept(type(sender.delivery())(sender.parts(sender.report())))
    verbs = [offered.confirm, work_off]
    outcome = await overlap(pair, *verbs) if order == "confirm first" else await overlap(pair, *verbs[::-1])
    assert not isinstance(outcome.first, BaseException)
    assert not isinstance(outcome.second, BaseException)
    await work_off(env)
    assert await state_of(env, again.id) == State.RECEIPTED
    assert await env.store.read(consistency.faults) == []


@pytest.mark.proves("promise-5")
@pytest.mark.parametrize("order", ["event first", "ring first"])
async def test_a_clock_that_rings_while_the_case_moves_forgets_nothing(pair, env, offered, client, order):
    due = "UPDATE clock SET next_ring = 1 WHERE clock_id = 'F01'"
    await env.store.write(lambda conn: conn.exec_driver_sql(due), Point.SWEEP)

    async def event(one):
        await case_events.event(one, client, offered.id, CaseEvent("konklusjon", one.now(), "henlagt"))

    async def ring(one):
        return await one.store.write(lambda conn: sweeper._ring_clocks(one, conn), Point.SWEEP)

    verbs = [event, ring] if order == "event first" else [ring, event]
    outcome = await overlap(pair, *verbs)
    assert outcome.waited
    assert not isinstance(outcome.second, BaseException)
    clocks = {row.clock_id: row for row in await env.store.read(lambda conn: messages.clocks(conn, offered.id))}
    assert clocks["F01"].status == "NADD"


async def test_two_workers_never_hold_one_item(pair, env, sender):
    for number in range(6):
        await Intake(env).accept(sender.delivery(number))

    def claiming(owner):
        def work(conn):
            return outbox.claim(conn, owner=owner, lanes=[Lane.CONCERN.value], limit=4, lease_s=60, suspects=False)

        return lambda one: one.store.write(work, Point.CLAIM_WORK)

    outcome = await overlap(pair, claiming("a"), claiming("b"))
    assert not outcome.waited
    taken = [{item.id for item in items} for items in (outcome.first, outcome.second)]
    assert [len(ids) for ids in taken] == [4, 2]
    assert not taken[0] & taken[1]


async def test_two_case_systems_never_get_one_report(pair, env, sender, client):
    for number in range(4):
        await Intake(env).accept(sender.delivery(number))
    await work_off(env)
    other = hand_over.CaseSystemClient("fagsystem-2", client.tenants)
    outcome = await overlap(
        pair,
        lambda one: hand_over.claim(one, client, 3, 60, ()),
        lambda one: hand_over.claim(one, other, 3, 60, ()),
    )
    first, second = ({claim.message_id for claim in claims} for claims in (outcome.first, outcome.second))
    assert (len(first), len(second)) == (3, 1)
    assert not first & second


async def test_two_sequencers_at_once_number_every_entry_once(pair, env, sender):
    await Intake(env).accept(sender.delivery())
    outcome = await overlap(
        pair,
        lambda one: one.store.write(journal.number_pending, Point.NUMBER),
        lambda one: one.store.write(journal.number_pending, Point.NUMBER),
    )
    assert outcome.first > 0
    assert outcome.second == 0


async def test_entries_that_commit_out_of_order_are_all_numbered_without_a_gap(pair, env):
    async def write(one, start):
        for number in range(start, start + 60):
            entry = journal.Entry(journal.ARRIVED, "4601-02", number, "x")
            await one.store.write(lambda conn, entry=entry: journal.write(conn, entry), Point.ACCEPT)

    async def number(one, done):
        while not done.is_set():
            await one.store.write(journal.number_pending, Point.NUMBER)

    count = 360 + await env.store.read(journal.unnumbered)
    done = asyncio.Event()
    sequencers = [asyncio.create_task(number(one, done)) for one in pair]
    await asyncio.gather(*(write(one, start) for one in pair for start in (0, 100, 200)))
    done.set()
    await asyncio.gather(*sequencers)
    while await env.store.write(journal.number_pending, Point.NUMBER):
        pass
    rows = await env.store.read(lambda conn: conn.execute(select(leaf.c.index, leaf.c.journal_id)).all())
    assert sorted(row.index for row in rows) == list(range(count))
    assert len({row.journal_id for row in rows}) == count


async def test_the_same_alarm_rung_twice_at_once_is_one_alarm(pair, env):
    def ring(one):
        return one.store.write(
            lambda conn: alarms.ring(conn, tenant="*", code=AlarmCode.DISK_FLOOR, subject="host", at=1), Point.SWEEP
        )

    outcome = await overlap(pair, ring, ring)
    assert (outcome.first, outcome.second) == (True, False)
    assert await env.store.read(lambda conn: conn.execute(select(func.count()).select_from(alarm)).scalar_one()) == 1


async def test_two_gateways_that_start_at_once_make_one_index_key(pair, env):
    forget = "TRUNCATE tenant_key"
    from tests.postgres import server

    name = await env.store.read(lambda conn: conn.exec_driver_sql("SELECT current_database()").scalar_one())
    await asyncio.to_thread(server().sql, forget, name)
    vaults = [Vault(env.offices, env.vault.folder) for _ in range(2)]
    outcome = await overlap(pair, lambda one: vaults[0].load(one.store), lambda one: vaults[1].load(one.store))
    assert (outcome.first, outcome.second) == (None, None)
    assert outcome.waited
    tenant = str(env.offices.all()[0].tenant)
    assert vaults[0].mac(tenant, "x", b"y") == vaults[1].mac(tenant, "x", b"y")


async def test_a_jump_of_the_clock_that_two_gateways_notice_is_made_good_once(pair, env, sender):
    await Intake(env).accept(sender.delivery())
    hour = 3_600_000_000
    before = await env.store.read(lambda conn: conn.execute(select(queue_item.c.run_at)).scalar_one())

    def shift(one):
        seen = before - hour  # the clock stood there, and jumped an hour ahead
        return one.store.write(lambda conn: sweeper.make_good(one, conn, seen, hour), Point.SWEEP)

    outcome = await overlap(pair, shift, shift)
    assert outcome.waited
    assert (outcome.first, outcome.second) == (True, False)
    after = await env.store.read(lambda conn: conn.execute(select(queue_item.c.run_at)).scalar_one())
    assert after - before == hour


async def test_a_status_comes_once_however_often_it_is_written(pair, env, offered):
    def work(conn):
        messages.add_history(conn, "4601-02", offered.id, "LEVERT", 1)
        journal.write(conn, journal.Entry(journal.SHOWN, "4601-02", 1, "x", offered.id))

    def add(one):
        return one.store.write(work, Point.RECEIPT)

    outcome = await overlap(pair, add, add)
    assert (outcome.first, outcome.second) == (None, None)
    rows = select(func.count()).select_from(history).where(history.c.status == "LEVERT")
    assert await env.store.read(lambda conn: conn.execute(rows).scalar_one()) == 1
