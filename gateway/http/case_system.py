"""The case system's API: routes over the verbs of ``gateway.pipeline`` (see ``openapi/case_system.yaml``).

Nothing is decided here. Each route reads its request within strict bounds, calls one verb, and writes JSON in
camelCase. No digest, ETag or Content-Digest of a document leaves before its confirmation (decisions 1.3).
"""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web

from gateway import limits
from gateway.domain.identifiers import is_uuid
from gateway.domain.lifecycle import State
from gateway.errors import MalformedRequestError, RequestError, UnknownResourceError
from gateway.http import wire
from gateway.http.admission import Admission
from gateway.http.authentication import CaseSystemDoor
from gateway.http.caps import CaseSystemCaps
from gateway.http.description import description_route
from gateway.http.documents import serve
from gateway.http.outgoing import OutgoingApi
from gateway.http.problems import Problem
from gateway.http.registrations import RegistrationApi
from gateway.http.server import HttpRoute
from gateway.http.webhooks import WebhookApi
from gateway.observability import metrics
from gateway.pipeline import case_events, confirm, hand_over
from gateway.pipeline.case_events import CaseEvent
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, CaseSystemClient
from gateway.store.journal import rfc3339
from gateway.store.messages import micros

BASE: Final = "/api/v1"
LISTED: Final = (State.READY, State.OFFERED, State.HELD, State.CONFIRMED, State.RECEIPTED)
"""What a case system may ask a list of."""

_FEED_STEP_S: Final = 1.0  # entries get their numbers within a second

A = TypeVar("A")
Verb = Callable[[A, web.Request, CaseSystemClient], Awaitable[web.StreamResponse]]
"""A method of a part of the API; the part is made for each request, over the rows of the client's tenants alone."""


def case_system_routes(env: Environment, door: CaseSystemDoor) -> list[HttpRoute]:
    """Every route of the case systems' listener: behind the door, within the client's places, over its tenants' rows."""
    caps = CaseSystemCaps.of(env)
    api, bells = partial(CaseSystemApi, caps=caps), partial(WebhookApi, caps=caps)
    out, by_hand = partial(OutgoingApi, caps=caps), partial(RegistrationApi, caps=caps)
    admission = Admission(
        concurrent_max=limits.CASE_SYSTEM_REQUESTS_MAX, per_client_max=limits.CASE_SYSTEM_REQUESTS_PER_CLIENT_MAX
    )

    def mounted(method: str, path: str, part: Callable[[Environment], A], verb: Verb[A]) -> HttpRoute:
        async def handle(request: web.Request) -> web.StreamResponse:
            client = await door.enter(request)
            with admission.admit(client.id, concern=True):
                return await verb(part(env.for_tenants(*client.tenants)), request, client)

        return HttpRoute(method, BASE + path, handle)

    return [
        description_route(BASE),
        mounted("GET", "/messages", api, CaseSystemApi.messages),
        mounted("POST", "/messages", out, OutgoingApi.submit),
        mounted("POST", "/messages/claim", api, CaseSystemApi.claim),
        mounted("POST", "/messages/confirm", api, CaseSystemApi.confirm_batch),
        mounted("GET", "/messages/{id}", api, CaseSystemApi.head),
        mounted("GET", "/messages/{id}/documents/{name}", api, CaseSystemApi.document),
        mounted("POST", "/messages/{id}/confirm", api, CaseSystemApi.confirm),
        mounted("POST", "/messages/{id}/reject", api, CaseSystemApi.reject),
        mounted("POST", "/messages/{id}/events", api, CaseSystemApi.event),
        mounted("POST", "/messages/{id}/withdraw", out, OutgoingApi.withdraw),
        mounted("GET", "/messages/{id}/receipts", api, CaseSystemApi.receipts),
        mounted("POST", "/registrations", by_hand, RegistrationApi.post),
        mounted("GET", "/events", api, CaseSystemApi.events),
        mounted("GET", "/clocks", api, CaseSystemApi.clocks),
        mounted("PUT", "/webhook", bells, WebhookApi.put),
        mounted("GET", "/webhook", bells, WebhookApi.show),
        mounted("DELETE", "/webhook", bells, WebhookApi.remove),
        mounted("POST", "/test/echo", api, CaseSystemApi.echo),
    ]


class CaseSystemApi:
    """One method per route."""

    def __init__(self, env: Environment, caps: CaseSystemCaps) -> None:
        self._env = env
        self._caps = caps

    async def messages(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """GET /messages: what waits, oldest first."""
        query = wire.Query(request, "state", "type", "after", "limit")
        state = query.text("state", State.READY.value)
        if state not in {listed.value for listed in LISTED}:
            message = f"state is one of {', '.join(listed.value for listed in LISTED)}."
            raise MalformedRequestError(message)
        after = query.text("after")
        if "after" in request.query and not is_uuid(after):
            message = "after is the value of next in an earlier answer."
            raise MalformedRequestError(message)
        limit = query.number("limit", limits.LIST_MAX, 1, limits.LIST_MAX)
        types = query.texts("type", count_max=limits.LIST_MAX)
        rows = await hand_over.waiting(self._env, client, State(state), types, after, limit)
        metrics.POLLS.labels("messages").inc()
        return _json({"messages": rows, "next": rows[-1]["id"] if len(rows) == limit else None})

    async def claim(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /messages/claim: take messages for a while."""
        order = await wire.read_json(request, wire.ClaimOrder)
        claims = await hand_over.claim(self._env, client, order.max, order.lease_seconds, order.types)
        return _json({"claims": [{"id": one.message_id, "claimUntil": rfc3339(one.until)} for one in claims]})

    async def head(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """GET /messages/{id}: everything but the documents' bytes."""
        wire.Query(request)
        return _json(await hand_over.head(self._env, client, _id(request)))

    async def document(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """GET /messages/{id}/documents/{name}: the bytes as they came. The name is looked up, never a path (S29)."""
        wire.Query(request)
        self._caps.octets.take(client.id)
        found = await hand_over.fetch(self._env, client, _id(request), request.match_info["name"])
        return await serve(request, found, partial(self._caps.octets.spend, client.id))

    async def confirm(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /messages/{id}/confirm: stored and read back."""
        message_id = _id(request)
        confirmation = await wire.read_json(request, wire.Confirmation)
        at = await confirm.confirm(self._env, client, message_id, _readback(confirmation))
        return _json({"id": message_id, "confirmedAt": rfc3339(at)})

    async def confirm_batch(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /messages/confirm: each item judged alone (S51)."""
        batch = await wire.read_json(request, wire.Batch)
        return _json({"results": [await self._confirm_item(client, item) for item in batch.items]})

    async def _confirm_item(self, client: CaseSystemClient, item: wire.BatchItem) -> dict[str, Any]:
        try:
            at = await confirm.confirm(self._env, client, item.id, _readback(item))
        except RequestError as error:
            problem = Problem.of(error)
            told = {"status": problem.status, "code": problem.code, "detail": problem.detail}
            return {"id": item.id, "confirmedAt": None, "problem": told}
        return {"id": item.id, "confirmedAt": rfc3339(at), "problem": None}

    async def reject(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /messages/{id}/reject: it goes to a person, never away."""
        message_id = _id(request)
        rejection = await wire.read_json(request, wire.Rejection)
        await confirm.reject(self._env, client, message_id, rejection.reason, rejection.text)
        return web.Response(status=204)

    async def event(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /messages/{id}/events: what moves clocks; idempotent by type and time. 200 where letters are still open."""
        message_id = _id(request)
        sent = await wire.read_json(request, wire.CaseEvent)
        told = CaseEvent(sent.type, micros(sent.at), sent.outcome, sent.reference, sent.acknowledged)
        found = await case_events.event(self._env, client, message_id, told)
        if not found:
            return web.Response(status=204)
        return _json({"openLetters": [{"id": one.id, "type": one.type, "state": one.state} for one in found]})

    async def receipts(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """GET /messages/{id}/receipts: the ticks, never merged."""
        wire.Query(request)
        return _json({"receipts": await case_events.receipts(self._env, client, _id(request))})

    async def events(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """GET /events: what happened to my messages, in order; waits up to ``wait`` seconds for something."""
        query = wire.Query(request, "after", "wait")
        after = query.number("after", -1, 0, 2**53) if "after" in request.query else -1
        wait_s = query.number("wait", 0, 0, limits.LONG_POLL_S_MAX)
        metrics.POLLS.labels("events").inc()
        with self._caps.polls.admit(client.id, concern=True) if wait_s else nullcontext():
            rows = await self._fed(request, client, after, wait_s)
        return _json(
            {"events": [_told(number, entry) for number, entry in rows], "next": rows[-1][0] if rows else after}
        )

    async def _fed(
        self, request: web.Request, client: CaseSystemClient, after: int, wait_s: int
    ) -> list[tuple[int, dict[str, Any]]]:
        until = self._env.clock.monotonic() + wait_s
        while not (rows := await case_events.feed(self._env, client, after, limits.LIST_MAX)):
            if self._env.clock.monotonic() >= until or request.transport is None:
                break
            await self._env.clock.sleep(_FEED_STEP_S)
        return rows

    async def clocks(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """GET /clocks: clocks that run, the soonest due first."""
        due_before = wire.Query(request, "due_before").time("due_before")
        metrics.POLLS.labels("clocks").inc()
        limit = None if due_before is None else micros(due_before)
        return _json({"clocks": await case_events.clocks_due(self._env, client, limit)})

    async def echo(self, request: web.Request, client: CaseSystemClient) -> web.StreamResponse:
        """POST /test/echo: who the caller is to us. Changes nothing."""
        del request
        return _json({"clientId": client.id, "tenants": list(client.tenants)})


def _id(request: web.Request) -> str:
    """The message id of the path; a malformed one is answered like an unknown one (S45)."""
    message_id = request.match_info["id"]
    if not is_uuid(message_id):
        raise UnknownResourceError(NO_SUCH)
    return message_id


def _readback(confirmation: wire.Confirmation) -> confirm.Readback:
    return confirm.Readback(
        confirmation.reference, tuple((document.name, document.sha256) for document in confirmation.documents)
    )


def _told(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    """An evidence entry as the feed tells it: what and when, no commitments."""
    return {
        "number": number,
        "id": entry["id"],
        "at": entry["at"],
        "messageId": entry["message_id"],
        "event": entry["event"],
        "code": entry["code"],
    }


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
