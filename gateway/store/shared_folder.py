"""Several hosts keep large payloads in one folder. Each start proves that it is the one that the database means.

The folder holds a mark of its own, and the database the mark of the folder that it was first used with. A host whose share
is not mounted would else store reports where no other host finds them.
"""

import asyncio
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from gateway.crashpoints import Point
from gateway.errors import ConfigError
from gateway.store.database import Store
from gateway.store.payloads import PayloadFolder, disk, sync_folder
from gateway.store.tables import log_state

_MARK: Final = "mark"
_FILE_MODE: Final = 0o600


async def prove_shared(store: Store, folder: PayloadFolder) -> None:
    """Raises ConfigError when the payload folder is not the database's own."""
    mark = await asyncio.to_thread(_mark_of, folder.root)

    def known(conn: Connection) -> str:
        query = select(log_state.c.payload_mark).where(log_state.c.id == 1).with_for_update()
        found = conn.execute(query).scalar_one()
        if found is None:
            conn.execute(log_state.update().where(log_state.c.id == 1).values(payload_mark=mark))
        return found or mark

    if await store.write(known, Point.ADMIN) != mark:
        message = (
            "data_dir/payloads is not the folder that this database's messages lie in: is the shared folder mounted? "
            "The mark in it differs from the database's"
        )
        raise ConfigError(message)


def _mark_of(root: Path) -> str:
    """The folder's mark, made the first time. Whoever comes second finds the first one's."""
    with disk():
        beside = root / f".{uuid.uuid4().hex}"
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "w") as file:
            file.write(str(uuid.uuid4()))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(beside, root / _MARK)  # never over another's
        beside.unlink()
        sync_folder(root)
        return (root / _MARK).read_text()
