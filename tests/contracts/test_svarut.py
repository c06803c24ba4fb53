"""SvarUt keeps every promise of a road for letters, before a SvarUt of our own. It signs nothing and prints nothing."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from adapters.svarut import ADAPTER
from gateway.simulators.digipost.people import Kind
from gateway.simulators.svarut.faults import SvarUtFault
from gateway.spi import Awaited
from gateway.testing.letter_contract import OFFICE, READER, LetterContract
from tests.svarut_kit import Office, lent, settings_for, simulator


class Carrier:
    """The simulator as the contract wants it."""

    def __init__(self, server, base):
        self.server, self.base = server, base

    @property
    def taken(self):
        found = {}
        for one in self.server.post.letters.values():
            found.setdefault(one.reference, []).extend(each.content for each in one.documents)
        return found

    @property
    def printed(self):
        return sum(one.printed for one in self.server.post.letters.values())

    @property
    def requests(self):
        return len(self.server.requests)

    def lose_answer(self):
        self.server.faults.arm(SvarUtFault.LOST_ANSWER)

    def open(self, key):
        (found,) = (one for one in self.server.post.letters.values() if one.reference == key)
        self.server.post.happen(found.id, "LEST")


class TestSvarUt(LetterContract):
    spec = ADAPTER
    signs = False
    prints = False

    @asynccontextmanager
    async def partner(self):
        server = simulator()
        server.post.people[READER] = Kind.USER
        async with server.serve() as base:
            self.carrier = Carrier(server, base)
            yield self.carrier

    def settings(self, partner):
        return settings_for(partner.base, ask_every_s=0.05)

    def context(self, context):
        own = lent((context.clock, context.session, context.log), self.carrier.base, Office())

        async def awaiting():
            found = self.carrier.server.post.letters.values()
            return [Awaited(one.reference, OFFICE, "pseudonym", one.id, datetime.now(UTC)) for one in found]

        return replace(own, told=context.told, awaiting=awaiting)
