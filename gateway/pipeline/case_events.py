"""What happens in the case and moves its clocks; and what a case system may ask about the past."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from gateway import limits
from gateway.crashpoints import Point
from gateway.domain.deadlines import ClockFacts, ClockReading, Outcome
from gateway.errors import ConflictError, MalformedRequestError, UnknownMessageTypeError, UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import NO_SUCH, CaseSystemClient, clock_view, note, visible
from gateway.pipeline.open_letters import OpenLetter, letters_are_open, open_letters, tell_of_letters
from gateway.store import journal, messages
from gateway.store.database import locked_state
from gateway.store.tables import clock

_CONCLUSION: Final = "konklusjon"
_CLOSED: Final = "sak_avsluttet"
_COMPLAINT: Final = "klage"
CASE_EVENTS: Final = frozenset(
    {
        _CONCLUSION,
        "undersokelse_startet",
        "undersokelse_utvidet",
        "undersokelse_avsluttet",
        "tilbakemelding_sendt",
        _COMPLAINT,
        _CLOSED,
    }
)
_ENDINGS: Final = frozenset({_CONCLUSION, "undersokelse_avsluttet", _CLOSED})
"""What somebody may take for the end of a case: letters of it that are still on their way are told of."""


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """What a case system tells: ``at`` in UTC microseconds, the ``outcome`` of a conclusion, its own ``reference``.

    ``acknowledged``: it closes the case although letters of it are not delivered, and knows that.
    """

    kind: str
    at: int
    outcome: str | None = None
    reference: str | None = None
    acknowledged: bool = False


async def event(env: Environment, client: CaseSystemClient, message_id: str, told: CaseEvent) -> tuple[OpenLetter, ...]:
    """Something in the case that moves clocks; idempotent by (type, at). Returns the letters of a case that seems to end.

    Raises MalformedRequestError, UnknownResourceError, ConflictError: ``event-conflict`` for another outcome, ``letters-open``
    for a case that is closed over letters which are not delivered.
    """
    _check(told)

    def work(conn: Connection) -> tuple[OpenLetter, ...] | ConflictError:
        locked_state(conn, message_id)
        row = visible(conn, client, message_id)
        _check_complaint(env, row, told)
        known = messages.find_case_event(conn, message_id, told.kind, told.at)
        if known is not None and known.outcome != told.outcome:
            detail = "this conclusion was told with another outcome; tell a changed one with the time of the change"
            raise ConflictError(detail, code="event-conflict")
        found = open_letters(env, conn, row, told.reference) if told.kind in _ENDINGS else ()
        if found and known is None:
            tell_of_letters(env, conn, row, client.id, len(found), acknowledged=told.acknowledged)
            if told.kind == _CLOSED and not told.acknowledged:
                return letters_are_open(found)
        if known is None:
            note(env, conn, client, row, journal.CASE_EVENT, _refs(env, row.tenant, told))
            move_clocks(env, conn, row, told.kind, told.at, client.id, told.outcome)
        return found

    answer = await env.store.write(work, Point.CASE_EVENT)
    if isinstance(answer, ConflictError):  # that it was told is committed
        raise answer
    return answer


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
    if told.kind != _CLOSED and told.acknowledged:
        detail = "only a sak_avsluttet is acknowledged; leave it out"
        raise MalformedRequestError(detail)


def _check_complaint(env: Environment, row: Row[Any], told: CaseEvent) -> None:
    """A complaint is told of the decision: of a message that has a clock which it stops."""
    clocks = env.types.type(row.type).frister if told.kind == _COMPLAINT else ()
    if told.kind == _COMPLAINT and not any(_COMPLAINT in env.rules[name].stop for name in clocks):
        detail = "a klage is told of the decision that it is about: give the id of the vedtak"
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
        messages.replace_clocks(conn, row.tenant, row.id, _readings(env, row, facts), env.now())


def _readings(env: Environment, row: Row[Any], facts: ClockFacts) -> Sequence[ClockReading]:
    try:
        return env.clocks(env.types.type(row.type), facts)
    except UnknownMessageTypeError:  # its clocks left the configuration, and the type with them
        return ()


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
    """The ticks so far, never merged: transport, application, posted, opened, shredded, case system."""

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
