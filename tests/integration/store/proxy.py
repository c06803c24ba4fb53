"""A relay before PostgreSQL that can cut a connection at its COMMIT: before or after the server has seen it."""

import asyncio
import contextlib
from enum import Enum
from pathlib import Path
from typing import Self

_PORT = 5432
_COMMIT = b"COMMIT\x00"
_PIECE = 65536


class Cut(Enum):
    """When to cut."""

    NEVER = "never"
    UNSEEN = "the server never sees it"
    ANSWERED = "the server has committed, and its answer is kept back"


class Relay:
    """Listens on a socket in ``folder``. Set ``cut`` and the next COMMIT gets it, once."""

    def __init__(self, folder: Path, server_folder: Path) -> None:
        self.folder, self._server_folder = folder, server_folder
        self.cut = Cut.NEVER
        self.cuts = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._relay, self.folder / f".s.PGSQL.{_PORT}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        reader, writer = await asyncio.open_unix_connection(self._server_folder / f".s.PGSQL.{_PORT}")
        answers = asyncio.create_task(self._answers(reader, client_writer))
        try:
            while piece := await client_reader.read(_PIECE):
                if piece.endswith(_COMMIT) and self.cut is not Cut.NEVER:
                    await self._cut(piece, reader, writer, answers)
                    return
                writer.write(piece)
                await writer.drain()
        finally:
            answers.cancel()
            for end in (client_writer, writer):
                end.transport.abort()
            self._tasks.discard(asyncio.current_task())

    async def _cut(self, piece, reader, writer, answers) -> None:
        cut, self.cut = self.cut, Cut.NEVER
        self.cuts += 1
        answers.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answers
        if cut is Cut.ANSWERED:
            writer.write(piece)
            await writer.drain()
            assert b"COMMIT" in await reader.read(_PIECE)  # it is done, and nobody hears of it

    async def _answers(self, reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            client_writer.write(piece)
            await client_writer.drain()
        client_writer.transport.abort()
