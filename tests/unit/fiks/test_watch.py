"""What the watch rings for, when, and that each trouble ends by itself. Time is turned by hand."""

import asyncio
import uuid
from contextlib import aclosing

import pytest
import structlog

from adapters.fiks.catalogue import Status
from adapters.fiks.health import Health
from adapters.fiks.settings import FiksAccount, FiksIo
from adapters.fiks.watch import CATALOGUE, KEYS_EVERY_S, FiksWatch
from gateway.errors import CertificateError
from gateway.spi import Context, Figures, Observation, PartnerUnavailableError, Trouble, UnknownResourceError
from gateway.testing.clock import HandClock

ACCOUNT = str(uuid.uuid4())
OURS, ANOTHERS = "vår", "en annens"


class Catalogue:
    """Says what the test wrote on it."""

    def __init__(self):
        self.now, self.certificate, self.asked = Status(1, 0), OURS, 0

    async def status(self, account):
        assert account == ACCOUNT
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    async def published_certificate(self, account):
        self.asked += 1
        if isinstance(self.certificate, Exception):
            raise self.certificate
        return self.certificate


class Bench:
    def __init__(self, **more):
        self.io = FiksIo(
            api_url="https://localhost",
            amqp_host="localhost",
            integration_id=ACCOUNT,
            integration_password="file:x",
            accounts=(FiksAccount(id=ACCOUNT, kommunenummer="4601", protocols=("no.ks.fiks.bekymringsmelding.v2",)),),
            **more,
        )
        self.clock, self.health, self.catalogue = HandClock(), Health(), Catalogue()
        context = Context(
            clock=self.clock,
            session=None,
            log=structlog.get_logger(),
            opens=lambda address, certificate: certificate == OURS,
        )
        self.watch = FiksWatch(self.io, context, self.health, self.catalogue)
        self.figures = []

    async def minutes(self, number):
        """Let so many probes pass; what was observed meanwhile."""
        observed, end = [], self.clock.monotonic() + 60 * number
        async with aclosing(self.watch.observations()) as seeing:
            while self.clock.monotonic() < end:
                seen = await anext(seeing)
                (self.figures if isinstance(seen, Figures) else observed).append(seen)
        return observed

    async def rings(self, minutes=1):
        return {(o.trouble, o.subject) for o in await self.minutes(minutes) if not o.well}


@pytest.fixture
def bench():
    return Bench()


async def test_figures_come_with_every_probe(bench):
    bench.catalogue.now = Status(2, 7)
    await bench.minutes(3)
    assert [(f.account, f.consumers, f.waiting) for f in bench.figures][:3] == [(ACCOUNT, 2, 7)] * 3


async def test_what_is_well_is_said_once_to_each_who_begins_to_listen_so_that_no_alarm_stays_open(bench):
    for _ in range(2):  # the second one could not write what the first one heard
        observed = await bench.minutes(5)
        assert observed.count(Observation(Trouble.NOT_CONSUMING, ACCOUNT, well=True)) == 1
        assert all(one.well for one in observed)


async def test_nobody_consuming_rings_only_when_we_believe_we_do_and_ends_by_itself(bench):
    bench.catalogue.now = Status(0, 0)
    assert await bench.rings() == set()
    bench.health.subscribed_at[ACCOUNT] = bench.clock.monotonic()
    assert await bench.rings() == set()  # the platform's count may follow later
    assert await bench.rings(2) == {(Trouble.NOT_CONSUMING, ACCOUNT)}
    bench.catalogue.now = Status(1, 0)
    assert Observation(Trouble.NOT_CONSUMING, ACCOUNT, well=True) in await bench.minutes(1)


async def test_what_waits_and_grows_for_five_minutes_rings_and_ends_when_it_shrinks(bench):
    for waiting in range(1, 6):
        bench.catalogue.now = Status(1, waiting)
        assert await bench.rings() == set()
    bench.catalogue.now = Status(1, 6)
    assert await bench.rings(1) == {(Trouble.BACKLOG, ACCOUNT)}
    bench.catalogue.now = Status(1, 5)
    assert Observation(Trouble.BACKLOG, ACCOUNT, well=True) in await bench.minutes(1)


async def test_what_waits_and_comes_and_goes_does_not_ring(bench):
    for waiting in [3, 9, 2, 8, 1, 7, 0, 6, 5, 9]:
        bench.catalogue.now = Status(1, waiting)
        assert await bench.rings() == set()


@pytest.mark.parametrize(
    "published", [ANOTHERS, CertificateError("unreadable"), UnknownResourceError("no key is there")]
)
async def test_a_published_key_that_is_not_ours_rings_until_it_is(bench, published):
    bench.catalogue.certificate = published
    assert await bench.rings() == {(Trouble.KEY_DIFFERS, ACCOUNT)}
    bench.catalogue.certificate = OURS
    assert Observation(Trouble.KEY_DIFFERS, ACCOUNT, well=True) in await bench.minutes(1)


async def test_the_published_key_is_looked_at_once_a_day(bench):
    await bench.minutes(KEYS_EVERY_S / 60 + 5)
    assert bench.catalogue.asked == 2


async def test_a_catalogue_that_cannot_be_asked_rings_after_three_probes_and_says_nothing_of_keys(bench):
    bench.catalogue.now = bench.catalogue.certificate = PartnerUnavailableError("")
    assert await bench.rings() == {(Trouble.UNREACHABLE, CATALOGUE)}
    assert bench.clock.monotonic() == 2 * bench.io.probe_s
    bench.catalogue.now = Status(1, 0)
    assert Observation(Trouble.UNREACHABLE, CATALOGUE, well=True) in await bench.minutes(1)


async def test_silence_rings_after_the_hours_that_the_operator_named_and_ends_with_the_next_message():
    bench = Bench(silence_hours=1)
    assert await bench.rings(60) == set()
    assert await bench.rings(2) == {(Trouble.SILENT, ACCOUNT)}
    bench.health.arrived_at[ACCOUNT] = bench.clock.monotonic()
    assert Observation(Trouble.SILENT, ACCOUNT, well=True) in await bench.minutes(1)


async def test_what_somebody_else_sees_is_told_at_once_and_again_with_every_probe(bench):
    await bench.minutes(1)
    async with aclosing(bench.watch.observations()) as seeing:
        bench.health.tell(Trouble.REFUSED, "fiks-io", well=False)
        refused = Observation(Trouble.REFUSED, "fiks-io", well=False)
        seen = [await anext(seeing) for _ in range(12)]
        assert seen.count(refused) > 2
    await asyncio.sleep(0)
