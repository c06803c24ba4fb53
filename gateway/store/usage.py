"""How much of each client's is stored here."""

from sqlalchemy import Connection, and_, func, select

from gateway.domain.lifecycle import FINAL, State
from gateway.limits import MESSAGE_OVERHEAD_BYTES
from gateway.store.tables import message, message_state, payload


def unfinished_bytes(conn: Connection) -> dict[str, int]:
    """Per client the octets stored of its messages that are not finished, and for each message what it counts beside."""
    unfinished = [state.value for state in State if state not in FINAL]
    size = func.coalesce(func.sum(payload.c.size), 0) + MESSAGE_OVERHEAD_BYTES * func.count(message.c.id.distinct())
    query = (
        select(message.c.client, size)
        .join(message_state, message_state.c.message_id == message.c.id)
        .join(payload, and_(payload.c.tenant == message.c.tenant, payload.c.message_id == message.c.id))
        .where(message_state.c.state.in_(unfinished), message.c.client.is_not(None))
        .group_by(message.c.client)
    )
    return {client: int(total) for client, total in conn.execute(query)}
