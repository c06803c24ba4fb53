"""Digipost that takes its time for each letter, and knows what it was given by its digest."""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.crypto.keys import SigningKey
from gateway.simulators.digipost.server import DigipostServer


class SlowDigipost(DigipostServer):
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
