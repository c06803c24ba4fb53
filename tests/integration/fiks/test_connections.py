"""The connection to the broker lives through all that ends one: dead tokens, cut lines, new passwords, queues that move."""

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import aio_pika
import aiormq.channel
import pytest
from aiormq.abc import ChannelFrame
from pamqp import body, commands, frame, header

from adapters.fiks.connection import Connector
from gateway.simulators.issuer import IssuerFault
from gateway.spi import Trouble
from tests.broker import broker
from tests.fiks_kit import counted, make_office, take, until


async def test_every_connection_has_a_token_of_its_own_and_a_refused_one_is_thrown_away(office):
    issuer = office.fiks.platform.issuer
    issuer.faults.add(IssuerFault.EXPIRED_TOKENS)
    dead = await office.tokens.source.token()  # in the source's memory, as one that ran out since
    issuer.faults.clear()
    await office.send()
    async with office.open() as coming:
        await take(coming)
        assert office.tokens.thrown == [dead]
        assert office.told(Trouble.REFUSED, "fiks-io")
        assert 60 not in office.clock.slept  # the second try was made at once
        office.fiks.platform.front.cut()
        await counted(office, consumers=1, waiting=0)  # subscribed again, and given what was unfinished
        await take(coming)
    assert len(office.tokens.given) == 3
    assert office.lines("connection-closed") != []


async def test_who_is_not_let_in_says_so_and_tries_again_after_a_minute(office):
    office.secrets["file:passord"] = "galt-passord"
    async with office.open() as coming:
        waiting = asyncio.ensure_future(anext(coming))
        await until(lambda: office.told(Trouble.REFUSED, "fiks-io") is False)
        assert len(office.tokens.thrown) == 1
        office.secrets["file:passord"] = "prove-passord"
        await office.send()
        async with asyncio.timeout(10):
            await waiting
    assert office.told(Trouble.REFUSED, "fiks-io")
    assert 60 in office.clock.slept
    assert "passord" not in office.logged.getvalue()
    assert not any(token in office.logged.getvalue() for token in office.tokens.given)


async def test_a_broker_that_is_away_is_tried_with_growing_pauses_until_it_is_back(office):
    front = office.fiks.platform.front
    front.refusing = True
    async with office.open() as coming:
        waiting = asyncio.ensure_future(anext(coming))
        await until(lambda: office.told(Trouble.UNREACHABLE, "fiks-io") is False)
        front.refusing = False
        await office.send()
        async with asyncio.timeout(10):
            await waiting
    assert office.told(Trouble.UNREACHABLE, "fiks-io")
    assert office.clock.slept[:3] == [0.5, 1.0, 2.0]  # halves of 1, 2 and 4 seconds: the jitter is turned to a half


async def test_a_new_password_is_taken_on_a_new_connection_before_the_old_one_goes(fiks):
    office = await make_office(fiks, probe_s=0.05)
    await office.send()
    async with office.open() as coming:
        [first] = await take(coming)
        office.secrets["file:passord"] = "nytt-passord"
        await until(lambda: office.lines("amqp.new_password_failed"))  # not known there yet: the old connection stays
        assert (await office.counts()).consumers == 1
        assert not first._arrived.headers.fault
        integration = fiks.platform.register.find_integration(office.io.integration_id)
        fiks.platform.add_integration(replace(integration, passord="nytt-passord"))
        await until(lambda: len(office.lines("amqp.connected")) == 2)
        [again] = await take(coming)  # the old channel was closed, so it comes over the new one
        assert again.remote_id == first.remote_id
        await again.acknowledge()
        await counted(office, consumers=1, waiting=0)
        assert list(office.health.subscribed_at) == [office.account]
    assert office.health.subscribed_at == {}


async def test_a_consumer_that_the_broker_cancels_subscribes_again(office):
    async with office.open() as coming, operator(office) as channel:
        waiting = asyncio.ensure_future(anext(coming))
        await until(lambda: office.lines("amqp.subscribed"))
        await channel.queue_delete(f"fiksio.konto.{office.account}")
        await until(lambda: office.lines("consumer-cancelled"))
        await declare(channel, office)
        await office.send()
        async with asyncio.timeout(10):
            await waiting
    assert office.lines("connection-closed") == []


async def test_a_message_whose_wait_runs_out_before_it_is_read_never_comes(office):
    await office.send(ttl=timedelta(milliseconds=1))
    await until(lambda: office.fiks.platform.dispatch.dead)
    [good] = await office.send()
    async with office.open() as coming:
        assert [brought.remote_id for brought in await take(coming)] == [good]


async def test_what_the_library_cannot_read_costs_the_others_on_the_queue_one_attempt(office):
    """A property that is no UTF-8 ends the connection; from then on one message at a time is asked for."""
    async with operator(office) as channel:
        await channel.queue_delete(f"fiksio.konto.{office.account}")
        await declare(channel, office)  # the platform's reader of dead letters would fall over it: here it ends
        await publish_unreadable(await channel.get_underlay_channel(), f"fiksio.konto.{office.account}")
    sent = await office.send(3)
    async with office.open() as coming:
        brought = []
        while set(brought) != set(sent):
            [delivery] = await take(coming)
            await delivery.acknowledge()
            brought.append(delivery.remote_id)
        await counted(office, consumers=1, waiting=0)
    assert max(brought.count(one) for one in sent) <= 2  # an acknowledgement may be lost with its connection
    assert len(office.lines("amqp.connected")) <= 4  # the first, and one after each of the three attempts
    assert office.lines("connection-closed") != []


@asynccontextmanager
async def operator(office):
    """A channel that may do everything."""
    platform = office.fiks.platform
    connection = await aio_pika.connect(
        host="localhost",
        port=platform.amqp_port,
        login=platform.access.operator,
        password=platform.access.operator_password,
        ssl=True,
        ssl_context=office.fiks.trust,
    )
    async with connection, connection.channel(publisher_confirms=False) as channel:
        yield channel


async def declare(channel, office):
    """The account's queue: three attempts, and nobody hears of what is dropped then."""
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 2}
    await channel.declare_queue(f"fiksio.konto.{office.account}", durable=True, arguments=arguments)


async def publish_unreadable(channel, queue):
    """A message as no client of KS's makes one."""
    properties = commands.Basic.Properties(app_id="??", delivery_mode=2)
    broken = header.ContentHeader(body_size=1, properties=properties).marshal().replace(b"??", b"\xff\xfe")
    frames = [
        frame.marshal(commands.Basic.Publish(exchange="", routing_key=queue), channel.number),
        struct.pack(">BHI", 2, channel.number, len(broken)) + broken + b"\xce",
        frame.marshal(body.ContentBody(b"x"), channel.number),
    ]
    await channel.write_queue.put(ChannelFrame(payload=b"".join(frames), should_close=False))


@pytest.mark.timeout(120)
async def test_a_broker_that_is_stopped_and_started_again_gives_what_was_not_acknowledged(office):
    sent = await office.send(2)
    async with office.open() as coming:
        first, _ = await take(coming, 2)
        await first.acknowledge()
        await asyncio.to_thread(broker().node.restart)
        await office.fiks.platform.mail.ready()
        [again] = await take(coming)
        assert again.remote_id == sent[1]
        await again.acknowledge()
        await counted(office, consumers=1, waiting=0)


async def test_a_cancellation_that_comes_together_with_a_refusal_is_still_a_cancellation(fiks, monkeypatch):
    """The library makes an error of its own of both, and who was told to stop would go on for ever."""
    office, stranger = await make_office(fiks), await fiks.member()
    connector = Connector(office.io, office.context, office.health)
    told = aiormq.channel.exception_by_code

    async def cancel(subscribing, turns):
        for _ in range(turns):
            await asyncio.sleep(0)
        subscribing.cancel()

    for turns in range(8):  # of the loop, from when the refusal is read to when whoever waits for it hears it
        line = await connector.connect()
        subscribing = asyncio.create_task(line.subscribe(f"fiksio.konto.{stranger.konto_id}", 1, None))
        cancelling = []

        def refused(frame, cancelling=cancelling, subscribing=subscribing, turns=turns):
            cancelling.append(asyncio.create_task(cancel(subscribing, turns)))
            return told(frame)

        monkeypatch.setattr(aiormq.channel, "exception_by_code", refused)
        await asyncio.wait({subscribing}, timeout=10)
        await cancelling[0]
        assert subscribing.cancelled() or not subscribing.cancelling(), turns
        await line.close()
