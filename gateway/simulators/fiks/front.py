"""The broker's front door: octets pass as they are, and can be cut, as a network does between a client and the broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

_HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 256 * 1024


class Front:
    """Passes TCP connections on to ``broker_port``. ``port`` is what clients dial while it is open."""

    def __init__(self, broker_port: int) -> None:
        self.port = 0
        self.refusing = False
        self._broker_port = broker_port
        self._lines: set[asyncio.StreamWriter] = set()
        self._calls: set[asyncio.Task[None]] = set()

    def cut(self) -> int:
        """Cut every connection that stands now, without a word; returns how many."""
        cut = list(self._lines)
        for line in cut:
            line.transport.abort()
        return len(cut) // 2

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator[None]:
        """Pass on for as long as the block lasts."""
        server = await asyncio.start_server(self._answer, _HOST, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self.cut()
            await asyncio.gather(*self._calls)
            await server.wait_closed()

    def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(self._pass_on(reader, writer))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.refusing:
                raise ConnectionRefusedError
            far_reader, far_writer = await asyncio.open_connection(_HOST, self._broker_port)
        except OSError:  # the broker is down: the caller sees a door that shuts
            writer.transport.abort()
            return
        self._lines |= {writer, far_writer}
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._lines -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until either end is gone; then the other end is told."""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    writer.close()
