"""What partners say of our accounts with them: how much waits there, as they said last."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from gateway.spi import Figures
from gateway.store.database import change_rows, insert_new, rows_by
from gateway.store.tables import partner_figure


def keep(conn: Connection, tenant: str, adapter: str, figures: Figures, at: int) -> None:
    """Remember the newest."""
    of = {"tenant": tenant, "adapter": adapter, "account": figures.account}
    values = {"waiting": figures.waiting, "consumers": figures.consumers, "at": at}
    if not insert_new(conn, partner_figure, of | values, ["tenant", "adapter", "account"]):
        change_rows(conn, partner_figure, of, **values)


def all_of(conn: Connection) -> Sequence[Row[Any]]:
    """The newest of every account."""
    return rows_by(conn, partner_figure)
