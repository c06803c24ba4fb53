"""How much of each client's rests here unfinished, measured now and then, and what follows from too much (S43).

A concern report is never refused for it: whoever is over its quota is slowed at the edge, and it rings. What is no
concern report waits outside.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.message_type import Lane
from gateway.errors import ThrottledError
from gateway.pipeline.environment import Environment
from gateway.store import alarms, usage
from gateway.store.alarms import AlarmCode

_ROOM_AGAIN: Final = 0.9  # a client is over until a tenth of its quota is free, so that the alarm does not flutter
_RETRY_S: Final = 300


def require_quota(env: Environment, lane: Lane, client_id: str | None) -> None:
    """Of a client over its quota only concern reports are taken. Raises ThrottledError."""
    if lane is not Lane.CONCERN and client_id in env.over_quota:
        message = "Too much that you sent waits here unfinished. Send this when some of it has been taken."
        raise ThrottledError(message, code="quota", retry_after_s=_RETRY_S)


async def measure(env: Environment) -> None:
    """Look at what is stored. Rings once for each client that is over, and closes when there is room again."""
    bound = env.settings.intake.unfinished_bytes_max
    stored = await env.store.read(usage.unfinished_bytes)
    rung = await env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.CLIENT_OVER_QUOTA))
    over = {client for client, size in stored.items() if size > (bound * _ROOM_AGAIN if client in rung else bound)}
    env.over_quota.clear()
    env.over_quota.update(over)
    if over != rung:
        at = env.now()
        await env.store.write(lambda conn: _judge(conn, over - rung, rung - over, at), Point.SWEEP)


def _judge(conn: Connection, begun: AbstractSet[str], ended: AbstractSet[str], at: int) -> None:
    code = AlarmCode.CLIENT_OVER_QUOTA
    for client in sorted(begun):
        alarms.ring(conn, tenant="*", code=code, subject=client, at=at)
    for client in sorted(ended):
        alarms.close(conn, tenant="*", code=code, subject=client, at=at, actor="gateway")
