"""Digipost keeps every promise of a road for letters, before a Digipost of our own."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.digipost import ADAPTER
from adapters.digipost.settings import DigipostSettings
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.digipost import DigipostSigner
from gateway.egress import client_context
from gateway.simulators.digipost.faults import DigipostFault
from gateway.simulators.digipost.people import Kind, Person
from gateway.testing.letter_contract import READER, LetterContract
from tests.digipost_kit import BROKER, SENDER, Keys, pin, simulator, software


@pytest.fixture(scope="module")
def keys():
    return Keys.make()


class Now:
    """The wall's clock."""

    def now(self):
        return datetime.now(UTC)


class Carrier:
    """The simulator as the contract wants it."""

    def __init__(self, server, base):
        self.server, self.base = server, base

    @property
    def taken(self):
        found = self.server.post.letters.values()
        return {one.message.message_id: [each.content for each in one.message.documents] for one in found}

    @property
    def printed(self):
        return sum(one.message.printed for one in self.server.post.letters.values())

    @property
    def requests(self):
        return len(self.server.requests)

    def lose_answer(self):
        self.server.faults.arm(DigipostFault.LOST_ANSWER)

    def open(self, key):
        self.server.post.open(self.server.post.letters[SENDER, key].message.documents[0].uuid)


class TestDigipost(LetterContract):
    spec = ADAPTER

    @pytest.fixture(autouse=True)
    def _with_keys(self, keys):
        self.keys = keys

    @asynccontextmanager
    async def partner(self):
        server = simulator(self.keys, Now())
        server.post.add(Person(READER, Kind.USER))
        async with server.serve() as base:
            yield Carrier(server, base)

    def settings(self, partner):
        return DigipostSettings(
            api_url=partner.base,
            broker_id=BROKER,
            pins=[pin(self.keys.digipost)],
            senders=[{"kommunenummer": "4601", "bydelsnummer": "02", "sender_id": SENDER}],
            events_every_s=0.05,
        )

    def context(self, context):
        key = software(self.keys.ours)

        def signs(_name, believed):
            return DigipostSigner(lambda: key, TrustPolicy(pins=believed.pins))

        return replace(context, signs=signs, tls=client_context)
