"""What asyncpg and SQLAlchemy raise, and what it says about the transaction it befell."""

from typing import Final

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import GatewayError, RowRefusedError, StoreError, StoreFullError

ANY: Final[tuple[type[Exception], ...]] = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,  # TimeoutError is one
)
"""Everything by which a driver says that something went wrong."""

_REPEATED: Final = frozenset(
    {
        "40001",  # serialisation
        "40P01",  # deadlock
        "23505",  # two units inserted one key at once: the second run finds the first one's row
    }
)
_FULL: Final = "53100"
_SHUTDOWN: Final = frozenset({"57P01", "57P02", "57P03", "57P05"})
_CONNECTION: Final = "08"
_ROW_REFUSED: Final = ("22", "23")


def sqlstate(error: BaseException) -> str | None:
    """The server's code for it; None when the server did not speak."""
    found = getattr(getattr(error, "orig", error), "sqlstate", None)
    return found if isinstance(found, str) else None


def may_repeat(error: BaseException) -> bool:
    """Whether the same unit of work can succeed when it is run again."""
    return sqlstate(error) in _REPEATED


def server_answered(error: BaseException) -> bool:
    """Whether the server itself refused, and will go on speaking: then the transaction is surely undone."""
    code = sqlstate(error)
    return code is not None and not code.startswith(_CONNECTION) and code not in _SHUTDOWN


def named(error: BaseException) -> GatewayError:
    """The error of ours for one that befell a transaction whose COMMIT was never sent."""
    code = sqlstate(error)
    if code == _FULL:
        return StoreFullError("the disk is full")
    if code is not None and code[:2] in _ROW_REFUSED:
        return RowRefusedError(f"the database refused a row ({code})")
    return StoreError("the database cannot be used" if code is None else f"the database cannot be used ({code})")
