"""Digipost that takes its time for each letter, and both registers of people, in a process of their own.

What they cost is the machine's and theirs: no report that is timed waits in their process, and they are less urgent than both
the gateway and its senders.
"""

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from bench.letters_stage import Stage, known
from gateway.crypto.keys import SigningKey
from gateway.demo.letter_partners import LetterPartners, digipost_with_account
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.server import DigipostServer

_READY_S: Final = 60
_NICENESS: Final = 10


class _SlowDigipost(DigipostServer):
    """The simulator; a letter is answered ``answer_after_s`` seconds later than it could be."""

    def __init__(self, key: SigningKey, answer_after_s: float) -> None:
        super().__init__(key)
        self.answer_after_s = answer_after_s

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call; the one that sends is slow."""
        for route in super().routes():
            slow = route.path == "/messages"
            yield web.post(route.path, self._slowly(route.handler)) if slow else route

    def _slowly(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(self.answer_after_s)
            return await handler(request)

        return answer


@asynccontextmanager
async def slowly_served(stage: Stage, answer_after_s: float) -> AsyncIterator[None]:
    """The partners answer for as long as the block runs. Raises TimeoutError."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    arguments = (stage.cast.site.folder, stage.partners, stage.people, answer_after_s, ready)
    process = context.Process(target=_run, args=arguments, daemon=True)
    process.start()
    try:
        if not await asyncio.to_thread(ready.wait, _READY_S):
            raise TimeoutError
        yield
        await stage.cast.gateway.stop()
    finally:
        process.terminate()
        await asyncio.to_thread(process.join)


def _run(folder: Path, partners: LetterPartners, people: Sequence[str], answer_after_s: float, ready: Event) -> None:
    os.nice(_NICENESS)
    asyncio.run(_serve(folder, partners, people, answer_after_s, ready))


async def _serve(
    folder: Path, partners: LetterPartners, people: Sequence[str], answer_after_s: float, ready: Event
) -> None:
    digipost = digipost_with_account(folder, partial(_SlowDigipost, answer_after_s=answer_after_s))
    digipost.post.add(*(Person(number, Kind.USER) for number in people))
    async with partners.serve(digipost, known(people), folder):
        ready.set()
        await asyncio.Event().wait()
