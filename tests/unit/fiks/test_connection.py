"""How often the broker is dialled, counted against a port that nobody listens on. Time is turned by hand."""

import asyncio
import io
import uuid
from contextlib import suppress

import pytest

from adapters.fiks.connection import BACKOFF_MAX_S, REFUSED_S, Backoff, Connector
from adapters.fiks.health import Health
from adapters.fiks.settings import FiksAccount, FiksIo
from gateway.egress import client_context
from gateway.observability import logging
from gateway.spi import ConfigError, Context, PartnerRefusedError, PartnerUnavailableError, Trouble
from gateway.testing.clock import HandClock
from gateway.testing.site import free_port

ACCOUNT = str(uuid.uuid4())


class RememberingClock(HandClock):
    def __init__(self):
        super().__init__()
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await super().sleep(seconds)


class Tokens:
    def __init__(self, error=None):
        self.error, self.given, self.thrown = error, 0, []

    async def token(self):
        self.given += 1
        if self.error is not None:
            raise self.error
        return f"hemmelig-{self.given}"

    def refused(self, token):
        self.thrown.append(token)


class Bench:
    def __init__(self, error=None, secret=lambda reference: "passord", jitter=1.0):
        self.clock, self.tokens, self.health, self.logged = RememberingClock(), Tokens(error), Health(), io.StringIO()
        account = FiksAccount(id=ACCOUNT, kommunenummer="4601", protocols=("no.ks.fiks.bekymringsmelding.v2",))
        settings = FiksIo(
            api_url="https://localhost",
            amqp_host="127.0.0.1",
            amqp_port=free_port(),
            integration_id=ACCOUNT,
            integration_password="file:x",
            accounts=(account,),
        )
        context = Context(
            clock=self.clock,
            session=None,
            log=logging.to(self.logged),
            tokens=lambda name, scope: self.tokens,
            secret=secret,
            tls=client_context,
        )
        self.connector = Connector(settings, context, self.health, lambda: jitter)

    async def until(self, pauses):
        connecting = asyncio.create_task(self.connector.connect())
        async with asyncio.timeout(20):
            while len(self.clock.slept) < pauses:
                await asyncio.sleep(0)
        connecting.cancel()
        with suppress(asyncio.CancelledError):
            await connecting
        return self.clock.slept[:pauses]


def test_pauses_double_up_to_a_minute_and_are_a_random_share_of_that():
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, BACKOFF_MAX_S, BACKOFF_MAX_S]
    assert Backoff(lambda: 0.25).next_s() == 0.25
    backoff.tries = 10_000
    assert backoff.next_s() == BACKOFF_MAX_S


async def test_a_broker_that_is_away_is_tried_with_a_new_token_after_each_pause_and_rings():
    bench = Bench()
    assert await bench.until(4) == [1, 2, 4, 8]
    assert bench.tokens.given == 4
    assert bench.health.news()[-1].trouble is Trouble.UNREACHABLE
    assert "hemmelig" not in bench.logged.getvalue()
    assert "passord" not in bench.logged.getvalue()


async def test_the_broker_is_dialled_five_times_in_ten_seconds_and_not_oftener():
    bench = Bench(jitter=0.0)  # the luckiest dice: no pauses of its own
    await bench.until(6)
    assert [seconds for seconds in bench.clock.slept if seconds] == [10.0]


@pytest.mark.parametrize("error", [PartnerRefusedError("MP-110"), None])
async def test_no_token_or_no_password_is_a_refusal_that_a_person_must_mend(error):
    def missing(reference):
        raise ConfigError(reference)

    bench = Bench(error, missing if error is None else lambda reference: "passord")
    assert await bench.until(2) == [REFUSED_S, REFUSED_S]
    assert [(one.trouble, one.well) for one in bench.health.news()] == [(Trouble.REFUSED, False)]


async def test_an_issuer_that_is_away_is_no_refusal():
    bench = Bench(PartnerUnavailableError(""))
    assert await bench.until(3) == [1, 2, 4]
    assert [one.trouble for one in bench.health.news()] == [Trouble.UNREACHABLE]
