"""Lists for people, in turns: of each sender and kind the oldest first, then the second of each, and so on.

A sender that floods, with broken seals or otherwise, fills its own turns and hides nobody else's report (S103).
"""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, select

from gateway.store.tables import alarm, message, message_state

_ID_CHARS: Final = 36


def messages(
    conn: Connection, states: Collection[str], *, tenant: str | None, limit: int
) -> tuple[list[Row[Any]], int]:
    """Messages in these states, and how many there are in all. Who sends, state and cause make a kind."""
    kind = (message.c.client, message.c.sender, message_state.c.state, message_state.c.cause)
    turn = func.row_number().over(partition_by=kind, order_by=message.c.id).label("turn")
    query = (
        select(message_state, message.c.arrived_at, turn)
        .join(message, message.c.id == message_state.c.message_id)
        .where(message_state.c.state.in_(list(states)))
    )
    if tenant is not None:
        query = query.where(message_state.c.tenant == tenant)
    listed = query.subquery()
    return _page(conn, select(listed).order_by(listed.c.turn, listed.c.message_id), limit)


def alarms(conn: Connection, *, limit: int) -> tuple[list[Row[Any]], int]:
    """Open alarms, and how many there are in all: in each turn the gravest first. Code, level and sender make a kind."""
    of_message = func.substr(alarm.c.subject, 1, _ID_CHARS)  # a clock's subject goes on behind it
    kind = (alarm.c.code, alarm.c.level, message.c.client, message.c.sender)
    turn = func.row_number().over(partition_by=kind, order_by=alarm.c.id).label("turn")
    query = select(alarm, turn).outerjoin(message, message.c.id == of_message).where(alarm.c.closed_at.is_(None))
    listed = query.subquery()
    return _page(conn, select(listed).order_by(listed.c.turn, listed.c.level.desc(), listed.c.id), limit)


def _page(conn: Connection, query: Select[Any], limit: int) -> tuple[list[Row[Any]], int]:
    count = conn.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
    return list(conn.execute(query.limit(limit))), count
