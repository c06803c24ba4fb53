"""The kinds of columns that the steps make, equal on both stores."""

import sqlalchemy as sa
from alembic import op


def row_id() -> sa.Column[int]:
    """The row's number, given by the database."""
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True)


def of_message() -> tuple[sa.Column[int], sa.Column[str], sa.Column[str]]:
    """How every row that hangs on a message begins."""
    return row_id(), tenant(), text("message_id", 36)


def tenant(*, default: str | None = None) -> sa.Column[str]:
    """Whose row it is; ``*`` for the installation's own. Never empty: empty is what a transaction for nobody says."""
    return sa.Column("tenant", sa.String(7), sa.CheckConstraint("tenant <> ''"), nullable=False, server_default=default)


def text(name: str, length: int, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    """A bounded text."""
    return sa.Column(name, sa.String(length), nullable=null, server_default=default)


def key(name: str, length: int) -> sa.Column[str]:
    """A text that is the primary key."""
    return sa.Column(name, sa.String(length), primary_key=True)


def long_text(name: str) -> sa.Column[str]:
    """A text without bound."""
    return sa.Column(name, sa.Text(), nullable=False)


def integer(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[int]:
    """A small number."""
    return sa.Column(name, sa.Integer(), nullable=null, server_default=default)


def big(name: str, *, null: bool = False) -> sa.Column[int]:
    """A number of 64 bits."""
    return sa.Column(name, sa.BigInteger(), nullable=null)


def octets(name: str, *, null: bool = False) -> sa.Column[bytes]:
    """Sealed bytes and digests."""
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def index_where(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    """An index over some rows, on both stores."""
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
