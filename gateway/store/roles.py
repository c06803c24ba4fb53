"""What the service's database role may do, worked out from how each column is declared (requirement S93).

It may add rows, change operational columns, and delete where work is done or is made anew. It may neither change
evidence, nor delete a journal row, nor alter a table: for that there is the owner, whom the service never logs in as.
"""

import re
from typing import Final

from sqlalchemy import Connection

from gateway.errors import ConfigError
from gateway.store import tables

_ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")

DELETED: Final = frozenset(
    {
        tables.queue_item.name,  # done
        tables.leaf_pending.name,  # numbered
        tables.payload_key.name,  # shredded
        # made anew when a message is opened again
        tables.payload.name,
        tables.document.name,
        tables.warning.name,
        tables.signer.name,
        tables.clock_fact.name,
        tables.clock.name,
        tables.webhook.name,  # removed by its client
        tables.parcel.name,  # written anew with the key that it was sealed for
    }
)


def grant(conn: Connection, role: str) -> None:
    """Give the service's role exactly its rights. Raises ConfigError for a name that needs quoting."""
    if not _ROLE.fullmatch(role):
        message = "a role's name is lower-case letters, digits and underscores"
        raise ConfigError(message)
    for statement in (
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"GRANT SELECT ON alembic_version TO {role}",
        *(right for table in tables.metadata.sorted_tables for right in _rights(table.name, role)),
    ):
        conn.exec_driver_sql(statement)


def _rights(name: str, role: str) -> list[str]:
    columns = [column.name for column in tables.metadata.tables[name].c if column.info["kind"] == "operational"]
    rights = ["SELECT", "INSERT", *(["DELETE"] if name in DELETED else [])]
    statements = [f'GRANT {", ".join(rights)} ON "{name}" TO {role}']
    if columns:
        changed = ", ".join(f'"{column}"' for column in columns)
        statements.append(f'GRANT UPDATE ({changed}) ON "{name}" TO {role}')
    return statements
