"""S48 through the running gateway: what a stranger gets where every query forgets its tenant, and what each step sees."""

import json
import re
from contextlib import contextmanager
from functools import partial

import pytest
from aiohttp import web
from sqlalchemy import Engine, event

from gateway import config
from gateway.app import environment
from gateway.crashpoints import Point
from gateway.errors import UnknownResourceError
from gateway.pipeline import webhooks
from gateway.pipeline.accept import Intake
from gateway.pipeline.clients import Clients
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.simulators.serving import serving
from gateway.spi import Address, Caller
from gateway.store import alarms, journal
from gateway.store import webhooks as stored
from gateway.store.postgres import PostgresStore
from gateway.testing.site import ORGANISATION
from tests.edge_kit import Client
from tests.integration.http.conftest import case_system_listener
from tests.postgres import settings_for
from tests.reports import SENDER_FIKS_ORG_ID, Sender, TestDelivery
from tests.security.test_tenants import READBACK, STRANGER, WITH_ID, path_of
from tests.security.test_webhooks import SECRET
from tests.work import state_of, work_off

A, B = "4601-02", "4601-03"


@contextmanager
def forgetful():
    """Every tenant condition of every query is taken out on its way to the database; yields what was taken out."""
    taken = []

    def forget(_conn, _cursor, statement, parameters, _context, _executemany):
        def out(found):
            taken.append(found[0])
            return f"({found[0]} OR true)"

        return re.sub(r"\w+\.tenant (IN \([^)]*\)|= [$:?][\w:]*)", out, statement), parameters

    event.listen(Engine, "before_cursor_execute", forget, retval=True)
    try:
        yield taken
    finally:
        event.remove(Engine, "before_cursor_execute", forget)


@pytest.fixture(params=["postgresql", "sqlite"])
async def env(request, site, tmp_path):
    configuration = config.load(site.configuration, settings_for(request.param, tmp_path))
    async with environment(configuration) as made:
        yield made


on_postgresql = pytest.mark.parametrize("env", ["postgresql"], indirect=True)


@pytest.fixture
async def report(env, site):
    """A report to office A, opened and numbered, and its sender."""
    sender = Sender(site, env)
    accepted = await Intake(env).accept(sender.delivery())
    await work_off(env)
    while await env.store.write(journal.number_pending, Point.NUMBER):
        pass
    return accepted.id


@pytest.mark.proves("S48")
async def test_a_stranger_gets_nothing_over_http_where_every_query_forgets_its_tenant(env, site, report):
    before = await env.store.read(lambda conn: [one.entry for one in journal.of_message(conn, report)])
    async with case_system_listener(env, site.tenant) as case_system:
        case_system.directory[STRANGER] = Client(id=STRANGER, kind="fagsystem", tenants=frozenset({B}))
        with forgetful() as taken:
            lists = [await case_system.call("GET", path, STRANGER) for path in ("/messages", "/events", "/clocks")]
            if env.store.for_tenants([B]) is env.store:  # SQLite: the control that the conditions are really gone
                assert all(report in repr(body) for _, body, _ in lists)
                return
            order = {"max": 50, "leaseSeconds": 60}
            lists.append(await case_system.call("POST", "/messages/claim", STRANGER, json=order))
            batch = {"items": [{"id": report} | READBACK]}
            lists.append(await case_system.call("POST", "/messages/confirm", STRANGER, json=batch))
            one = [
                (await case_system.call(method, path_of(path, report), STRANGER, **({"json": body} if body else {})))[0]
                for (method, path), (body, _) in WITH_ID.items()
            ]
            own = [await case_system.call("GET", path) for path in ("/messages", "/events", "/clocks")]
    assert taken
    assert {status for status, _, _ in lists} == {200}
    assert lists[4][1]["results"][0]["problem"]["code"] == "not-found"
    assert [body[name] for (_, body, _), name in zip(lists, ("messages", "events", "clocks", "claims"), strict=False)] == [
        [], [], [], []
    ]  # fmt: skip
    assert set(one) == {404}
    assert all(report in repr(body) for _, body, _ in own)  # the control
    assert await state_of(env, report) == "READY"
    assert await env.store.read(lambda conn: [one.entry for one in journal.of_message(conn, report)]) == before


@pytest.mark.proves("S48")
@on_postgresql
async def test_each_step_of_a_report_sees_its_own_office_and_claiming_and_sweeping_see_all(env, site, monkeypatch):
    seen = {}

    async def noting(self, scope, work, point, lane, write=PostgresStore.write_as):
        seen.setdefault(point, set()).add(scope)
        return await write(self, scope, work, point, lane)

    monkeypatch.setattr(PostgresStore, "write_as", noting)
    accepted = await Intake(env).accept(Sender(site, env).delivery())
    await work_off(env)
    async with case_system_listener(env, site.tenant) as case_system:
        await case_system.call("POST", "/messages/claim", json={"max": 1, "leaseSeconds": 60})
        await case_system.call("GET", f"/messages/{accepted.id}")
        await case_system.call("POST", f"/messages/{accepted.id}/reject", json={"reason": "wrong-office", "text": ""})
    own = {Point.ACCEPT, Point.BEGIN_ATTEMPT, Point.OPENED, Point.RUNG, Point.OFFER, Point.SHOW, Point.REJECT}
    assert {point for point, scopes in seen.items() if scopes == {A}} == own
    assert {point for point, scopes in seen.items() if scopes == {"*"}} == seen.keys() - own == {Point.CLAIM_WORK}


@pytest.mark.proves("S48")
@on_postgresql
async def test_a_sender_reads_of_its_own_messages_at_every_office_and_of_no_other_sender_s(env, site, report):
    parts = Sender(site, env).parts(Sender(site, env).report(2))
    second = await Intake(env).accept(TestDelivery(parts, address=Address("4601", "03")))
    own, other = (
        Caller(client_id="x", organisation_number="987654325", fiks_org_id=fiks)
        for fiks in (SENDER_FIKS_ORG_ID, SENDER_FIKS_ORG_ID.replace("1", "9"))
    )
    for message_id in (report, second.id):
        assert [each.status for each in await Intake(env).history(message_id, own)] == ["AKSEPTERT"]
        with pytest.raises(UnknownResourceError):
            await Intake(env).history(message_id, other)


@on_postgresql
async def test_a_client_of_two_offices_is_rung_for_each_and_a_silent_one_rings_at_each(env, site):
    tenants, rung = (A, B), []

    async def bell(request):
        rung.append(json.loads(await request.read())["data"].get("id"))
        return web.Response(status=204)

    await Clients(env.store, env.clock).add_fagsystem(
        "both", organisations=[ORGANISATION], tenants=tenants, certificate=None, actor="kari"
    )
    own = env.for_tenants(*tenants)
    async with serving([web.post("/webhook", bell)]) as base:
        await webhooks.put(own, CaseSystemClient("both", tenants), f"{base}/webhook", SECRET)
        first = await Intake(env).accept(Sender(site, env).delivery())
        parts = Sender(site, env).parts(Sender(site, env).report(2))
        second = await Intake(env).accept(TestDelivery(parts, address=Address("4601", "03")))
        await work_off(env)
    assert sorted(rung[1:]) == sorted([first.id, second.id])  # before them the challenge
    code = alarms.AlarmCode.WEBHOOK_FAILING
    for tenant in tenants:
        silent = partial(alarms.ring, tenant=tenant, code=code, subject="both", at=1)
        assert await env.for_tenants(tenant).store.write(silent, Point.RUNG)
    heard = partial(alarms.close, tenant=A, code=code, subject="both", at=2, actor="gateway")
    assert await env.for_tenants(A).store.write(heard, Point.RUNG)
    assert [each.tenant for each in await env.store.read(alarms.open_alarms)] == [B]
    await webhooks.remove(own, CaseSystemClient("both", tenants))
    assert await env.store.read(lambda conn: stored.find(conn, "both")) is None
