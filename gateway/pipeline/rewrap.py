"""A new key-encryption key takes over: what an earlier one wrapped is wrapped anew, while everything goes on.

Only wrapped keys change, never what they open. The index key of an office is wrapped anew and stays itself for ever.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, select

from gateway.crashpoints import Point
from gateway.crypto.at_rest import IndexKey, key_context
from gateway.pipeline.environment import Environment
from gateway.pipeline.offices import Office
from gateway.pipeline.webhooks import secret_context
from gateway.store import journal
from gateway.store.database import change_rows
from gateway.store.tables import payload_key, tenant_key, webhook

_BATCH: Final = 100
_WRAPPED: Final = {payload_key: "message_id", webhook: "client_id", tenant_key: "purpose"}
"""Every table with a wrapped key, and what names its row beside the tenant."""


async def rewrap(env: Environment, person: str) -> int:
    """Wrap anew whatever an earlier key wrapped. Returns how many keys; may be run again at any time.

    Raises DecryptionError when the key that wrapped something is not configured any more.
    """
    total, now = 0, env.now()
    for office in env.offices.all():
        count = sum([await _rewrap(env, office, table) for table in _WRAPPED])
        entry = journal.Entry(journal.KEYS_REWRAPPED, str(office.tenant), now, person, refs={"keys": count})
        if count:
            await env.store.write(partial(journal.write, entry=entry), Point.ADMIN)
        total += count
    return total


async def _rewrap(env: Environment, office: Office, table: Table) -> int:
    def stale(conn: Connection) -> Sequence[Row[Any]]:
        others = (table.c.tenant == str(office.tenant), table.c.kek_id != office.kek.key_id)
        return conn.execute(select(table).where(*others).limit(_BATCH)).all()

    count = 0
    while rows := await env.store.read(stale):
        anew = await asyncio.to_thread(_all_wrapped_anew, office, table, rows)
        await env.store.write(partial(_put, table=table, kek_id=office.kek.key_id, anew=anew), Point.ADMIN)
        count += len(rows)
    return count


def _put(conn: Connection, table: Table, kek_id: str, anew: Sequence[tuple[Row[Any], bytes]]) -> None:
    """Only where the earlier key still stands: a row that was shredded or wrapped anew meanwhile is left alone."""
    name = _WRAPPED[table]
    for row, wrapped in anew:
        found = {"tenant": row.tenant, name: getattr(row, name), "kek_id": row.kek_id}
        change_rows(conn, table, found, kek_id=kek_id, wrapped=wrapped)


def _all_wrapped_anew(office: Office, table: Table, rows: Sequence[Row[Any]]) -> list[tuple[Row[Any], bytes]]:
    """Blocks: a key may be in a token."""
    return [(row, _wrapped_anew(office, table, row)) for row in rows]


def _wrapped_anew(office: Office, table: Table, row: Row[Any]) -> bytes:
    earlier = office.kek_of(row.kek_id)
    if table is tenant_key:
        return IndexKey.unwrap(earlier, row.wrapped, row.tenant).wrap(office.kek, row.tenant)
    name = row.message_id if table is payload_key else secret_context(row.client_id)
    context = key_context(row.tenant, name)
    return office.kek.wrap(earlier.unwrap(row.wrapped, context), context)
