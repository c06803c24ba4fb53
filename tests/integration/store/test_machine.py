"""Whatever happens to reports in whatever order, none is lost, none is confirmed twice, none is shown to another."""

import asyncio
import hashlib
import shutil
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select, text

from gateway import config
from gateway.app import environment
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Event, State
from gateway.domain.message_type import Lane
from gateway.errors import ConflictError, UnknownResourceError
from gateway.pipeline import confirm, hand_over, people, sweeper
from gateway.pipeline.accept import Intake
from gateway.pipeline.confirm import Readback
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.people import Decision
from gateway.pipeline.worker import Incarnation, perform, run_suspects
from gateway.store import consistency, journal, messages, outbox
from gateway.store.tables import confirmation, message, message_state
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.postgres import settings_for
from tests.reports import Sender
from tests.work import work_off

OPEN_TO_DECISION = [Event.PERSON_HELD, Event.PERSON_RELEASED, Event.PERSON_REFUSED, Event.PERSON_ACCEPTED]
CONFIRMING = {"read-back-right", "person-confirmed"}
END_ROUNDS = 20


class Reports(RuleBasedStateMachine):
    """One gateway on SQLite. Steps are what senders, case systems, people, time and crashes do."""

    site = None
    accepted = Bundle("accepted")

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="machine"))
        self.runner = asyncio.Runner()
        self.configuration = config.load(self.site.configuration, settings_for("sqlite", self.folder))
        self.client = CaseSystemClient("fagsystem-1", (self.site.tenant,))
        self.stranger = CaseSystemClient("fagsystem-2", ("4601-03",))
        self.ids: set[str] = set()
        self.deliveries: dict[str, object] = {}
        self.confirmed: dict[str, str] = {}
        self.lives = 0
        self.runner.run(self._open())

    def teardown(self):
        if hasattr(self, "runner"):
            try:
                self.runner.run(self._to_the_end())
            finally:
                self.runner.run(self.stack.aclose())
                self.runner.close()
                shutil.rmtree(self.folder)

    async def _open(self):
        self.stack = AsyncExitStack()
        self.env = await self.stack.enter_async_context(environment(self.configuration))
        self.sender = Sender(self.site, self.env)
        self.lives += 1
        self.me = Incarnation(f"life-{self.lives}")
        await self.env.store.write(lambda conn: sweeper.take_up_orphans(self.env, conn, owner=self.me.id), Point.SWEEP)

    # --- what happens --------------------------------------------------------------------------------------------

    @rule(target=accepted, number=st.integers(0, 3))
    def accept(self, number):
        delivery = self.sender.delivery(number)
        found = self.runner.run(Intake(self.env).accept(delivery))
        assert not found.repeated
        self.ids.add(found.id)
        self.deliveries[found.id] = delivery
        return found.id

    @rule(target=accepted)
    def accept_broken(self):
        delivery = self.sender.delivery(9)
        delivery.part_bytes["asice"] = delivery.part_bytes["asice"][:-40] + bytes(40)
        found = self.runner.run(Intake(self.env).accept(delivery))
        self.ids.add(found.id)
        self.deliveries[found.id] = delivery
        return found.id

    @rule(message_id=accepted)
    def repeat(self, message_id):
        found = self.runner.run(Intake(self.env).accept(self.deliveries[message_id]))
        assert (found.id, found.repeated) == (message_id, True)

    @rule()
    def work(self):
        self.runner.run(work_off(self.env, self.me.id))

    @rule(count=st.integers(1, 3))
    def work_some(self, count):
        async def some():
            for item in await self._claim(count):
                await perform(self.env, item)

        self.runner.run(some())

    @rule(begin=st.booleans())
    def crash_in_work(self, begin):
        async def dying():
            for item in await self._claim(2):
                if begin:
                    await self.env.store.write(
                        lambda conn, item=item: outbox.begin(conn, item, self.env.now()), Point.BEGIN_ATTEMPT
                    )
            await self.stack.aclose()
            await self._open()
            await run_suspects(self.env, self.me)

        self.runner.run(dying())

    async def _claim(self, count):
        def work(conn):
            return outbox.claim(
                conn, owner=self.me.id, lanes=[lane.value for lane in Lane], limit=count, lease_s=60, suspects=False
            )

        return await self.env.store.write(work, Point.CLAIM_WORK)

    @rule(count=st.integers(1, 3))
    def claim(self, count):
        claims = self.runner.run(hand_over.claim(self.env, self.client, count, 60, ()))
        assert {claim.message_id for claim in claims} <= self.ids

    @rule()
    def lapse(self):
        over = message_state.update().where(message_state.c.claim_until.is_not(None)).values(claim_until=1)

        async def later():
            await self.env.store.write(lambda conn: conn.execute(over), Point.SWEEP)
            await sweeper.sweep(self.env, self.me)

        self.runner.run(later())

    @rule(message_id=accepted, reference=st.sampled_from(["SAK-1", "SAK-2"]), right=st.booleans())
    def confirm(self, message_id, reference, right):
        async def read_back():
            head = await hand_over.head(self.env, self.client, message_id)
            digests = {}
            for document in head["documents"]:
                one = await hand_over.fetch(self.env, self.client, message_id, document["name"])
                digests[document["name"]] = hashlib.sha256(b"".join(one.pieces(0, one.size))).hexdigest()
            found = digests if right else dict.fromkeys(digests, "00" * 32)
            return await confirm.confirm(self.env, self.client, message_id, Readback(reference, tuple(found.items())))

        try:
            self.runner.run(read_back())
        except (ConflictError, UnknownResourceError):
            return
        assert right, "a wrong read-back was believed"
        assert self.confirmed.setdefault(message_id, reference) == reference, "two references were accepted"

    @rule(message_id=accepted)
    def reject(self, message_id):
        try:
            self.runner.run(confirm.reject(self.env, self.client, message_id, "wrong-office"))
        except (ConflictError, UnknownResourceError):
            return

    @rule(message_id=accepted, verb=st.sampled_from(["hold", "release", "accept", "refuse", "confirm"]))
    def decide(self, message_id, verb):
        decision = Decision(verb, "kari", "grunn", "SAK-hånd" if verb == "confirm" else None)
        try:
            after = self.runner.run(people.decide(self.env, message_id, decision))
        except ConflictError:
            return
        if verb == "confirm" and after is State.CONFIRMED:
            assert message_id not in self.confirmed
            self.confirmed[message_id] = "SAK-hånd"

    @precondition(lambda self: self.ids)
    @rule(message_id=accepted)
    def look_as_a_stranger(self, message_id):
        async def look():
            with pytest.raises(UnknownResourceError):
                await hand_over.head(self.env, self.stranger, message_id)
            assert await hand_over.claim(self.env, self.stranger, 10, 60, ()) == []
            with pytest.raises(UnknownResourceError):
                await confirm.confirm(self.env, self.stranger, message_id, Readback("SAK-9", ()))

        self.runner.run(look())

    # --- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def tells_one_story(self):
        if not hasattr(self, "stack"):
            return

        def work(conn):
            kept = set(conn.execute(select(message.c.id)).scalars())
            states = {row.message_id: row.state for row in conn.execute(select(message_state))}
            confirmations = Counter(conn.execute(select(confirmation.c.message_id)).scalars())
            receipts = {one: [r.value for r in messages.receipts(conn, one) if r.kind == "application"] for one in kept}
            return kept, states, confirmations, receipts, consistency.faults(conn)

        kept, states, confirmations, receipts, faults = self.runner.run(self.env.store.read(work))
        assert kept == set(states) == self.ids, "a report was lost, or one came from nowhere"
        assert faults == []
        assert set(self.confirmed) == set(confirmations)
        assert all(count == 1 for count in confirmations.values())
        for message_id, values in receipts.items():
            assert len(values) <= 1
            assert bool(values) == (states[message_id] == State.RECEIPTED)
            if message_id in self.confirmed:
                assert values in ([], ["delivered"])

    async def _to_the_end(self):
        """Everything that was accepted can still be brought to its end, by the doors that people and systems have."""
        query = select(message_state.c.message_id, message_state.c.state)
        for _ in range(END_ROUNDS):
            await work_off(self.env, self.me.id)
            await run_suspects(self.env, self.me)
            rows = await self.env.store.read(lambda conn: conn.execute(query).all())
            waiting = [row for row in rows if row.state != State.RECEIPTED]
            if not waiting:
                break
            for row in waiting:
                verb = "refuse" if row.state == State.QUARANTINED else "confirm"
                if row.state in {State.READY, State.OFFERED, State.HELD, State.QUARANTINED}:
                    decision = Decision(verb, "kari", "slutt", "SAK-slutt")
                    await people.decide(self.env, row.message_id, decision)
        else:
            pytest.fail(f"no end for {waiting}")
        while await self.env.store.write(journal.number_pending, Point.NUMBER):
            pass
        assert await self.env.store.read(consistency.faults) == []
        numbers = 'SELECT count(*) = (SELECT count(*) FROM journal) AND max("index") = count(*) - 1 FROM leaf'
        whole = await self.env.store.read(lambda conn: conn.execute(text(numbers)).scalar_one())
        assert whole or not self.ids


@pytest.mark.timeout(180)
def test_no_order_of_events_loses_or_doubles_a_report(tmp_path_factory):
    Reports.site = make_site(
        tmp_path_factory.mktemp("site"),
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
    )
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Reports,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a step costs too much to look for the shortest tale
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
