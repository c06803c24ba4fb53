"""What the journal needs to vouch for rows: salts, and entries for the rows of no message that are there already.

For rows of messages from before this step nothing vouches: their messages have no salt, and by that they are told apart.
"""

from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
import uuid_utils
from alembic import op

from gateway.store import coverage
from gateway.store.migrations.columns import octets, text

revision = "0005"
down_revision = "0004"

_ENTRY_ROWS = 500
_ROWS = {
    "client": "id tenant kind fiks_org_id organisations rights certificate created_at",
    "client_tenant": "client_id tenant",
    "client_password": "tenant client_id salt digest",
    "tenant_key": "tenant purpose",
    "alarm": "tenant code subject opened_at",
    "closed_log": "origin tenant base size closed_at",
    "time_stamp": "base size tenant response at",
}
_TO_ENTRY = {
    "sqlite": "json_extract(entry, '$.id')",
    "postgresql": "(entry::json ->> 'id')",
}


def upgrade() -> None:
    """Columns and indexes, then what is already there."""
    for table in ("message", "payload_key"):
        op.add_column(table, octets("row_salt", null=True))
    for table in ("dedupe", "idempotency", "taking"):
        op.create_index(f"ix_{table}_message", table, ["message_id"])
    op.add_column("receipt", text("entry_id", 36, null=True))
    entry_id = _TO_ENTRY[op.get_context().dialect.name]
    op.execute(
        f"UPDATE receipt SET entry_id = (SELECT {entry_id} FROM journal WHERE journal.id = receipt.journal_id)"  # noqa: S608  words of ours
    )
    op.execute("ALTER TABLE receipt DROP COLUMN journal_id")
    for table, names in _ROWS.items():
        _cover(table, names.split())


def _cover(table: str, names: list[str]) -> None:
    """One entry for many rows: they are of no message, so their commitments need no salt."""
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    rows = op.get_bind().execute(sa.select(*columns).select_from(sa.table(table)).order_by(*columns)).mappings()
    while some := rows.fetchmany(_ENTRY_ROWS):
        values = [coverage.value(coverage.digest_of(table, {name: row[name] for name in names})) for row in some]
        _append({f"row:{table}:{number}": value for number, value in enumerate(values, start=1)})


def _append(commit: dict[str, str]) -> None:
    now = datetime.now(UTC)
    at, event, tenant = int(now.timestamp() * 1_000_000), "rows-covered", "*"
    body: dict[str, Any] = {
        "v": 1,
        "id": str(uuid_utils.uuid7()),
        "at": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "tenant": tenant,
        "message_id": None,
        "event": event,
        "actor": "gateway",
        "code": None,
        "refs": {},
        "commit": commit,
    }
    entry = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
    append = sa.text(
        "INSERT INTO journal (tenant, event, at, entry) VALUES (:tenant, :event, :at, :entry) RETURNING id"
    )
    conn = op.get_bind()
    row_id = conn.execute(append, {"tenant": tenant, "event": event, "at": at, "entry": entry}).scalar_one()
    pending = sa.text("INSERT INTO leaf_pending (journal_id, tenant) VALUES (:row_id, :tenant)")
    conn.execute(pending, {"row_id": row_id, "tenant": tenant})
