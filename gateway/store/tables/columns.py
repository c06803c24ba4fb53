"""Columns are *evidence* (an edit is a lie that ``verify`` finds) or *operational* (an edit can only delay)."""

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData
from sqlalchemy.types import TypeEngine

metadata = MetaData()

RowId = BigInteger().with_variant(Integer, "sqlite")


def evidence(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *, null: bool = False, **more: Any
) -> Column[Any]:
    """A column that is never changed after it was written."""
    return Column(name, kind, nullable=null, info={"kind": "evidence"}, **more)


def operational(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *, null: bool = False, **more: Any
) -> Column[Any]:
    """A column that the engine changes, and can rebuild from the journal."""
    return Column(name, kind, nullable=null, info={"kind": "operational"}, **more)


def row_id() -> Column[Any]:
    """A number that the database gives: nothing commits to it, but to the order of rows that came together."""
    column = evidence("id", RowId, primary_key=True, autoincrement=True)
    column.info["given"] = True
    return column
