"""What happens in the case and moves its clocks; and what a case system may ask about the past."""

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.deadlines import Outcome
from gateway.errors import ConflictError, MalformedRequestError, UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, CaseSystemClient, clock_view, note, visible
from gateway.store import journal, messages
from gateway.store.database import locked_state
from gateway.store.tables import clock

_CONCLUSION: Final = "konklusjon"
CASE_EVENTS: Final = frozenset(
    {_CONCLUSION, "undersokelse_startet", "undersokelse_utvidet", "undersokelse_avsluttet", "tilbakemelding_sendt"}
)


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """What a case system tells: ``at`` in UTC microseconds, the ``outcome`` of a conclusion, its own ``reference``."""

    kind: str
    at: int
    outcome: str | None = None
    reference: str | None = None


async def event(env: Environment, client: CaseSystemClient, message_id: str, told: CaseEvent) -> None:
    """Something in the case that moves clocks; idempotent by (type, at).

    Raises MalformedRequestError, UnknownResourceError, ConflictError ``event-conflict`` for another outcome.
    """
    _check(told)

    def work(conn: Connection) -> None:
        locked_state(conn, message_id)
        row = visible(conn, client, message_id)
        known = messages.find_case_event(conn, message_id, told.kind, told.at)
        if known is not None and known.outcome != told.outcome:
            detail = "this conclusion was told with another outcome; tell a changed one with the time of the change"
            raise ConflictError(detail, code="event-conflict")
        if known is None:
            note(env, conn, client, row, journal.CASE_EVENT, _refs(env, row.tenant, told))
            move_clocks(env, conn, row, told.kind, told.at, client.id, told.outcome)

    await env.store.write(work, Point.CASE_EVENT)


def _check(told: CaseEvent) -> None:
    if told.kind not in CASE_EVENTS:
        detail = f"type must be one of {', '.join(sorted(CASE_EVENTS))}"
        raise MalformedRequestError(detail)
    if told.kind == _CONCLUSION and told.outcome not in set(Outcome):
        detail = f"a konklusjon needs its outcome, one of {', '.join(Outcome)}: without it no deadline of F04 is known"
        raise MalformedRequestError(detail)
    if told.kind != _CONCLUSION and told.outcome is not None:
        detail = "only a konklusjon has an outcome; leave it out"
        raise MalformedRequestError(detail)


def _refs(env: Environment, tenant: str, told: CaseEvent) -> dict[str, str | int]:
    mac = env.vault.mac(tenant, "reference", told.reference.encode())[:32] if told.reference else ""
    return {"type": told.kind, "outcome": told.outcome or "", "at": journal.rfc3339(told.at), "reference": mac}


def move_clocks(
    env: Environment, conn: Connection, row: Row[Any], kind: str, at: int, actor: str, outcome: str | None = None
) -> None:
    """Keep an event that moves clocks, and read them again."""
    messages.add_case_event(conn, row.tenant, row.id, kind, at, actor, outcome)
    reread_clocks(env, conn, row)


def reread_clocks(env: Environment, conn: Connection, row: Row[Any]) -> None:
    """Compute a message's clocks anew from its facts and events."""
    facts = messages.facts(conn, row.id)
    if facts is not None:
        readings = env.clocks(env.types.type(row.type), facts)
        messages.replace_clocks(conn, row.tenant, row.id, readings, env.now())


async def clocks_due(env: Environment, client: CaseSystemClient, due_before: int | None) -> list[dict[str, Any]]:
    """Clocks that run, the soonest due first."""

    def work(conn: Connection) -> list[dict[str, Any]]:
        query = (
            select(clock)
            .where(clock.c.tenant.in_(client.tenants), clock.c.due.is_not(None), clock.c.stopped.is_(None))
            .order_by(clock.c.due, clock.c.message_id)
            .limit(limits.LIST_MAX)
        )
        if due_before is not None:
            query = query.where(clock.c.due <= due_before)
        return [{"messageId": row.message_id, **clock_view(env, row)} for row in conn.execute(query)]

    return await env.store.read(work)


async def receipts(env: Environment, client: CaseSystemClient, message_id: str) -> list[dict[str, Any]]:
    """Three ticks, never merged: transport, application, case system."""

    def work(conn: Connection) -> list[dict[str, Any]]:
        if messages.find(conn, message_id, client.tenants) is None:
            raise UnknownResourceError(NO_SUCH)
        return [
            {"kind": r.kind, "value": r.value, "at": journal.rfc3339(r.at), "evidence": r.entry_id}
            for r in messages.receipts(conn, message_id)
        ]

    return await env.store.read(work)


async def feed(env: Environment, client: CaseSystemClient, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """Numbered events of this client's tenants after a leaf number, at least once, in order."""

    def work(conn: Connection) -> list[tuple[int, dict[str, Any]]]:
        rows = journal.feed(conn, list(client.tenants), after, limit)
        return [(row[0], json.loads(row.entry)) for row in rows]

    return await env.store.read(work)
