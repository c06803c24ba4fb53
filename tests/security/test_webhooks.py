"""S57: a bell is proven by a challenge, signed, and says nothing but that something waits; others cannot ring it again."""

import dataclasses
import json
from base64 import b64encode
from datetime import timedelta
from functools import partial

import pytest
from aiohttp import web

from gateway.crashpoints import Point
from gateway.errors import MalformedRequestError, UnauthenticatedError
from gateway.http.webhooks import WebhookOrder
from gateway.pipeline import webhooks
from gateway.pipeline.clients import Clients
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.webhooks import Bell
from gateway.ports import SystemClock
from gateway.simulators.serving import serving
from gateway.simulators.webhook import WebhookReceiver
from gateway.store import webhooks as stored
from gateway.testing.site import ORGANISATION
from tests.work import work_off

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()


@pytest.fixture
def client(site):
    return CaseSystemClient("fagsystem-1", (site.tenant,))


OF_HTTP = {"host", "accept", "accept-encoding", "user-agent", "content-length", "connection"}


class Receiver:
    """The reference receiver, keeping what came, octet for octet."""

    def __init__(self, secret=SECRET):
        self.came = []
        self.rung = 0
        self.inner = WebhookReceiver(secret, self._ring)

    def _ring(self):
        self.rung += 1

    def routes(self):
        (inner,) = self.inner.routes()

        async def keep(request):
            self.came.append((dict(request.headers), await request.read()))
            return await inner.handler(request)

        return [web.post("/webhook", keep)]


class LaterClock(SystemClock):
    """This machine's time and some more."""

    def __init__(self):
        self.more = timedelta()

    def now(self):
        return super().now() + self.more


@pytest.mark.proves("S57")
async def test_an_address_is_set_only_when_it_answers_a_challenge_signed_with_its_own_secret(env, client):
    receiver, other = Receiver(), Receiver("whsec_" + b64encode(bytes(32)).decode())
    async with serving(receiver.routes()) as right, serving(other.routes()) as wrong:
        with pytest.raises(MalformedRequestError):
            await webhooks.put(env, client, f"{wrong}/webhook", SECRET)
        assert await env.store.read(lambda conn: stored.find(conn, client.id)) is None
        assert other.inner.refused == 1
        await webhooks.put(env, client, f"{right}/webhook", SECRET)
    hook = await env.store.read(lambda conn: stored.find(conn, client.id))
    assert hook.url.startswith(right)
    assert bytes(range(32)) not in hook.secret


@pytest.mark.proves("S57")
async def test_a_bell_carries_type_and_id_only(env, client, intake, sender):
    receiver = Receiver()
    register = Clients(env.store, env.clock)
    await register.add_fagsystem(
        client.id, organisations=[ORGANISATION], tenants=client.tenants, certificate=None, actor="kari"
    )
    async with serving(receiver.routes()) as base:
        await webhooks.put(env, client, f"{base}/webhook", SECRET)
        accepted = await intake.accept(sender.delivery())
        await work_off(env)
    headers, body = receiver.came[-1]
    assert json.loads(body) == {"type": "message.ready", "data": {"id": accepted.id}}
    ours = {name.lower() for name in headers} - OF_HTTP
    assert ours == {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}


@pytest.mark.proves("S45")
async def test_a_bell_rings_only_at_those_who_may_see_the_message_and_not_at_a_revoked_client(
    env, client, intake, sender
):
    register = Clients(env.store, env.clock)
    receivers = {"fagsystem-1": Receiver(), "next-door": Receiver(), "revoked": Receiver()}
    for client_id, receiver in receivers.items():
        tenants = ("4601-03",) if client_id == "next-door" else client.tenants
        await register.add_fagsystem(
            client_id, organisations=[ORGANISATION], tenants=tenants, certificate=None, actor="kari"
        )
        async with serving(receiver.routes()) as base:
            await webhooks.put(env, CaseSystemClient(client_id, tenants), f"{base}/webhook", SECRET)
    await register.revoke("revoked", actor="kari")
    accepted = await intake.accept(sender.delivery())
    hooks = await env.store.read(lambda conn: stored.of_tenant(conn, "4601-02"))
    assert [hook.client_id for hook in hooks] == ["fagsystem-1"]
    rung = []
    async with serving([web.post("/webhook", partial(note, rung))]) as base:
        for hook in await env.store.read(lambda conn: [stored.find(conn, name) for name in receivers]):
            moved = dataclasses.replace(hook, url=f"{base}/webhook?{hook.client_id}")
            await env.store.write(lambda conn, moved=moved: stored.put(conn, moved.client_id, [moved]), Point.ADMIN)
        await work_off(env)
    assert rung == [("fagsystem-1", accepted.id)]


async def note(rung, request):
    rung.append((request.query_string, json.loads(await request.read())["data"]["id"]))
    return web.Response(status=204)


@pytest.mark.proves("S57")
@pytest.mark.proves("S26")
async def test_replay_and_tampering(env, client):
    receiver = Receiver()
    async with serving(receiver.routes()) as base:
        await webhooks.put(env, client, f"{base}/webhook", SECRET)
        hook = await env.store.read(lambda conn: stored.find(conn, client.id))
        await webhooks.ring_one(env, hook, Bell("bell-1", webhooks.READY, {"id": "x"}))
    headers, body = receiver.came[-1]
    fresh = WebhookReceiver(SECRET, lambda: None)
    wrong = [
        headers | {"webhook-id": "bell-2"},
        headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
        headers | {"webhook-signature": "v1," + b64encode(bytes(32)).decode()},
        headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")},
        {name: value for name, value in headers.items() if name != "webhook-signature"},
        headers | {"webhook-timestamp": "9" * 13},
        headers | {"webhook-timestamp": "-1"},
    ]
    for changed in wrong:
        with pytest.raises(UnauthenticatedError):
            fresh.accept(changed, body)
    with pytest.raises(UnauthenticatedError):
        fresh.accept(headers, body.replace(b'"x"', b'"y"'))
    assert fresh.accept(headers, body) is True  # the control
    assert fresh.accept(headers, body) is False  # the same again rings nobody


@pytest.mark.proves("S57")
@pytest.mark.parametrize("skew_s", [-301, 301])
async def test_five_minutes_skew_is_too_much(env, client, skew_s):
    receiver = Receiver()
    async with serving(receiver.routes()) as base:
        await webhooks.put(env, client, f"{base}/webhook", SECRET)
        headers, body = receiver.came[-1]
    clock = LaterClock()
    late = WebhookReceiver(SECRET, lambda: None, clock.now)
    clock.more = timedelta(seconds=skew_s)
    with pytest.raises(UnauthenticatedError):
        late.accept(headers, body)
    clock.more = timedelta(seconds=skew_s * 0.9)
    assert late.accept(headers, body)


@pytest.mark.proves("S57")
async def test_a_retry_keeps_its_id_and_renews_its_time(env, client):
    receiver, clock = Receiver(), LaterClock()
    later = dataclasses.replace(env, clock=clock)
    bell = Bell("bell-1", webhooks.READY, {"id": "x"})
    async with serving(receiver.routes()) as base:
        await webhooks.put(later, client, f"{base}/webhook", SECRET)
        hook = await env.store.read(lambda conn: stored.find(conn, client.id))
        await webhooks.ring_one(later, hook, bell)
        clock.more = timedelta(seconds=100)
        await webhooks.ring_one(later, hook, bell)
    (first, one), (second, two) = receiver.came[-2:]
    assert (first["webhook-id"], one) == (second["webhook-id"], two)
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) in {99, 100, 101}
    assert first["webhook-signature"] != second["webhook-signature"]
    assert (receiver.rung, receiver.inner.repeated) == (2, 1)  # the challenge, the first ring; not its retry


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_a", "whsec_å", "whsec_" + "A" * 20, "whsec_" + "A" * 200, "A" * 44, "whsec_ " + "A" * 44],
)
async def test_a_secret_that_is_none_is_a_refusal_and_never_a_fault(env, client, secret):
    with pytest.raises(MalformedRequestError):
        await webhooks.put(env, client, "http://127.0.0.1:9/", secret)


@pytest.mark.proves("S80")
def test_an_order_does_not_show_its_secret_when_it_is_printed():
    assert SECRET not in repr(WebhookOrder(url="https://a.example/", secret=SECRET))
