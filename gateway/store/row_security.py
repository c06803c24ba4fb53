"""Row-level security: where a query forgets whose rows it may see, PostgreSQL does not (requirement S48).

Each transaction says in ``bs.tenant`` whose rows it sees and writes: offices with commas between, or ``*`` for the whole
installation. Rows of the installation itself have the tenant ``*``, hold no content, and are seen by all. A transaction
that says nothing sees no office's row. FORCE puts the tables' owner under the rule, too; superusers and roles with
BYPASSRLS escape it, and the start refuses them. SQLite has nothing of the kind.
"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, Executable, text

from gateway.domain.identifiers import TenantId
from gateway.errors import ConfigError, StoreError
from gateway.store import tables

WHOLE: Final = "*"
_POLICY: Final = "own_tenant"
# Unset the setting is NULL, after the first SET LOCAL of a session it is empty: both are nobody (never cast it).
_OWN: Final = (
    f"tenant = '{WHOLE}' OR current_setting('bs.tenant', true) = '{WHOLE}' "
    "OR tenant = ANY (string_to_array(current_setting('bs.tenant', true), ','))"
)
_UNGUARDED: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY (:names) "
    "AND NOT (relrowsecurity AND relforcerowsecurity "
    "AND ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = pg_class.oid) = ARRAY[:policy]) ORDER BY relname"
)


def scope(tenants: Collection[str]) -> str:
    """The setting's value for these offices; empty, and so nobody, for none. Raises StoreError for what is no office."""
    if any(TenantId.parse(tenant) is None for tenant in tenants):
        message = "a unit of work was to run for something that is no tenant"
        raise StoreError(message)
    return ",".join(sorted(set(tenants)))


def begun(begin: str, seen: str) -> str:
    """BEGIN and the setting in one round trip. LOCAL: it ends with the transaction and never stays on a connection."""
    return f"{begin}; SET LOCAL bs.tenant = '{seen}'"


def execute_for_all(conn: Connection, statement: Executable) -> None:
    """Run one statement over every office's rows in a unit that sees one's own only. For the queue: it holds no content."""
    if conn.dialect.name != "postgresql":
        conn.execute(statement)
        return
    put = text("SELECT set_config('bs.tenant', :seen, true)")
    before = conn.execute(text("SELECT current_setting('bs.tenant', true)")).scalar_one()
    conn.execute(put, {"seen": WHOLE})
    conn.execute(statement)  # if it fails, the transaction is lost and the setting with it
    conn.execute(put, {"seen": before})


def enforce(conn: Connection) -> None:
    """Put every table under the rule. By the owner, after each migration: so no new table can be left out."""
    for name in sorted(tables.metadata.tables):
        for statement in (
            f'ALTER TABLE "{name}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
            f'DROP POLICY IF EXISTS {_POLICY} ON "{name}"',
            f'CREATE POLICY {_POLICY} ON "{name}" USING ({_OWN}) WITH CHECK ({_OWN})',
        ):
            conn.exec_driver_sql(statement)


def check(conn: Connection) -> None:
    """Raises ConfigError where the rule is off or another policy stands beside ours, which would only let more through."""
    unguarded = conn.execute(_UNGUARDED, {"names": sorted(tables.metadata.tables), "policy": _POLICY}).scalars().all()
    if unguarded:
        message = (
            f"row-level security is off or widened on {', '.join(unguarded)}: drop foreign policies; budstikke migrate"
        )
        raise ConfigError(message)
