"""Looking up what letters belong to: the report that one answers, and those of a case that are still on their way."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select

from gateway import limits
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Direction, Lane
from gateway.store import dedupe, ledger
from gateway.store.tables import message, message_state

ANSWER: Final = "Svar"
"""The relation of a message to the one that it answers (``meldingsforbindelse``)."""

_AT_REST: Final = (State.DELIVERED.value, State.WITHDRAWN.value)


def report_named(conn: Connection, tenant: str, name: str) -> str | None:
    """Our id of the office's report that an id names: ours, the platform's or the portal's. A copy stands for the first one.

    None where no report has it, or several have: then nobody knows which one is meant.
    """
    found = ledger.named(conn, [tenant], [name]).get(name, [])
    ids = {message_id for message_id, _ in found}
    firsts = {name} if name in ids else {dedupe.first_of(conn, message_id) for message_id in ids}
    reports = select(message.c.id).where(message.c.id.in_(firsts), message.c.lane == Lane.CONCERN.value)
    named = conn.execute(reports).scalars().all()
    return dedupe.first_of(conn, named[0]) if len(named) == 1 else None


def report_answered(conn: Connection, row: Row[Any]) -> str | None:
    """Our id of the report that an outgoing message answers; None where it answers none that is here."""
    return report_named(conn, row.tenant, row.follows) if row.follows and row.relation == ANSWER else None


def under_way(conn: Connection, tenant: str, references: Sequence[str], ids: Sequence[str]) -> list[Row[Any]]:
    """Outgoing messages that are neither delivered nor withdrawn: of these cases (keyed references), or that are or follow these."""
    belongs = [message.c.follows.in_(ids), message.c.id.in_(ids)]
    if references:  # an empty list would cost the others their indexes
        belongs.append(message.c.case_reference.in_(references))
    query = (
        select(message.c.id, message.c.type, message.c.person, message_state.c.state)
        .join(message_state, message_state.c.message_id == message.c.id)
        .where(
            message.c.tenant == tenant,
            message.c.direction == Direction.OUT.value,
            or_(*belongs),
            message_state.c.state.not_in(_AT_REST),
        )
        .order_by(message.c.person.is_(None), message.c.id)  # what goes to people first, should there be too many
        .limit(limits.LIST_MAX)
    )
    return list(conn.execute(query))
