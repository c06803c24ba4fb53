"""Where a gateway's data lies: its folder, and its database when that is PostgreSQL.

While a backup or a restore is under way, what is not finished lies in a folder of its own inside the data folder.
"""

import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from gateway.errors import ConfigError
from gateway.store.database import Store
from gateway.store.migrate import SQLITE_FILE
from gateway.store.payloads import disk
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore

RESTORING: Final = "restoring"
PAYLOADS: Final = "payloads"
_COPYING: Final = "backup-"
_LOCK: Final = "backup.lock"
_PATIENCE_S: Final = 10.0
_FOLDER_MODE: Final = 0o700


@dataclass(frozen=True, slots=True)
class Place:
    """``database``: where PostgreSQL is and as whom to log in there; None is SQLite in ``data_dir``."""

    data_dir: Path
    database: URL | None = None

    @property
    def store(self) -> str:
        """The kind of store, as manifests name it."""
        return "sqlite" if self.database is None else "postgresql"

    @property
    def payloads(self) -> Path:
        """The folder of payload files."""
        return self.data_dir / PAYLOADS


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Store]:
    """The store of this place, unchecked."""
    if place.database is not None:
        store: Store = PostgresStore(place.database, timeout_s=_PATIENCE_S)
    else:
        store = SqliteStore(place.data_dir / SQLITE_FILE, busy_timeout_s=_PATIENCE_S)
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def copying(place: Place) -> Iterator[Path]:
    """A folder for one backup's unfinished parts, gone afterwards. Raises ConfigError while another backup is made."""
    with disk(), (place.data_dir / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = "another backup is being made of this data folder"
            raise ConfigError(message) from None
        for left in place.data_dir.glob(f"{_COPYING}*"):  # of one that was killed
            if left.is_dir():
                shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=_COPYING, dir=place.data_dir) as folder:
            yield Path(folder)


@contextmanager
def restoring(place: Place) -> Iterator[Path]:
    """A folder for what is being restored. A failure leaves the data folder as empty as it was.

    A process that is killed leaves it there, and no gateway starts beside it (``require_whole``).
    """
    folder = place.data_dir / RESTORING
    with disk():
        place.data_dir.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if not_empty(place.data_dir):
            message = "a backup is restored into an empty data_dir only; this one holds something"
            raise ConfigError(message)
        folder.mkdir(mode=_FOLDER_MODE)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def not_empty(folder: Path) -> bool:
    """Whether anything lies there but what a new file system has."""
    return any(path.name != "lost+found" for path in folder.iterdir())


def require_whole(data_dir: Path) -> None:
    """Raises ConfigError where a restore was begun and never finished."""
    if (data_dir / RESTORING).exists():
        message = (
            f"a restore was cut off here ({RESTORING} is left in data_dir): empty data_dir and database, restore again"
        )
        raise ConfigError(message)
