"""RabbitMQ under the platform: who gets in, and what becomes of a message that nobody takes (fiks.md 4)."""

import asyncio
import sys
from datetime import timedelta

import aio_pika
import aiormq
import pytest
import pytest_asyncio

from gateway.simulators.fiks.dispatch import Outgoing
from gateway.simulators.issuer import IssuerFault
from tests.broker import broker, running_fiks
from tests.conftest import ROOT
from tests.integration.simulators.fiks_kit import connected, consuming, post, receive, send

FORBIDDEN = aiormq.exceptions.ChannelAccessRefused
REFUSED = aio_pika.exceptions.ProbableAuthenticationError


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def fiks(tmp_path_factory):
    """One platform for the file; each test makes members of its own."""
    async with running_fiks(tmp_path_factory.mktemp("fiks")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def pair(fiks):
    return await fiks.member("Avsender"), await fiks.member("Mottaker")


async def reason_of_death(fiks, receiver):
    """Why the account's one message left its queue undelivered, once the platform has read that."""
    async with asyncio.timeout(5):
        while True:
            for letter in fiks.platform.dispatch.dead:
                if letter.konto_id == receiver.konto_id:
                    return letter.reason
            await asyncio.sleep(0.01)


async def test_a_message_sent_over_rest_comes_over_amqp_with_the_headers_of_the_platform(fiks, pair):
    sender, receiver = pair
    accepted = await send(
        fiks, sender, receiver, ttl=60_000, svarPaMelding=sender.konto_id, headere={"klientMeldingId": "abc"}
    )
    message = await receive(fiks, receiver)
    assert message.body == b"innhold"
    assert message.routing_key == f"fiksio.konto.{receiver.konto_id}"
    assert message.expiration == 60.0  # as a number of seconds; on the wire "60000"
    assert {name: value for name, value in message.headers.items() if not name.startswith("x-")} == {
        "melding-id": accepted["meldingId"],
        "type": "no.prove.v1",
        "avsender-id": sender.konto_id,
        "avsender-navn": "Avsender",
        "svar-til": sender.konto_id,
        "egendefinert-header.klientMeldingId": "abc",
    }


async def test_an_expired_token_opens_no_connection_and_a_live_one_does(fiks, pair):
    _, receiver = pair
    fiks.platform.issuer.faults.add(IssuerFault.EXPIRED_TOKENS)
    await receiver.tokens.token()
    fiks.platform.issuer.faults.clear()
    with pytest.raises(REFUSED):
        async with connected(fiks, receiver):
            pass
    receiver.tokens.forget()
    async with connected(fiks, receiver):
        pass


@pytest.mark.parametrize("password", ["{passord}", "feil {token}", "{passord} feil", "{passord}  {token}", " {token}"])
async def test_a_password_that_is_not_password_space_token_opens_nothing(fiks, pair, password):
    _, receiver = pair
    made = password.format(passord=receiver.passord, token=await receiver.tokens.token())
    with pytest.raises(REFUSED):
        async with connected(fiks, receiver, made):
            pass


async def test_an_integration_reads_its_own_queue_and_no_other(fiks, pair):
    sender, receiver = pair
    async with connected(fiks, sender) as channel:
        with pytest.raises(FORBIDDEN):
            async with consuming(channel, receiver) as messages:
                await anext(messages)


async def test_an_integration_declares_binds_publishes_and_deletes_nothing(fiks, pair):
    _, receiver = pair
    own = f"fiksio.konto.{receiver.konto_id}"

    async def refused(act) -> bool:
        async with connected(fiks, receiver) as channel:
            try:
                await act(channel)
            except FORBIDDEN:
                return True
            return False

    assert await refused(lambda channel: channel.declare_queue("annet"))
    assert await refused(lambda channel: channel.declare_exchange("annet"))
    assert await refused(lambda channel: channel.queue_delete(own))
    assert await refused(lambda channel: channel.default_exchange.publish(aio_pika.Message(b""), own))

    async def bind(channel):
        await (await channel.get_queue(own, ensure=False)).bind("amq.topic", "x")

    assert await refused(bind)


async def test_the_third_failed_attempt_takes_a_message_away_and_tells_its_sender(fiks, pair):
    sender, receiver = pair
    accepted = await send(fiks, sender, receiver)
    redelivered = []
    async with connected(fiks, receiver) as channel, consuming(channel, receiver) as messages:
        for _ in range(3):
            message = await anext(messages)
            redelivered.append(message.redelivered)
            await message.nack(requeue=True)
        told = await receive(fiks, sender)
    assert redelivered == [False, True, True]
    assert told.headers["type"] == "no.ks.fiks.kvittering.serverfeil.v1"
    assert told.headers["svar-til"] == accepted["meldingId"]
    assert (await fiks.platform.mail.counts(receiver.konto_id)).waiting == 0


async def test_a_lost_connection_counts_as_an_attempt(fiks, pair):
    sender, receiver = pair
    await send(fiks, sender, receiver)
    for attempt in range(3):
        async with connected(fiks, receiver) as channel, consuming(channel, receiver) as messages:
            assert (await anext(messages)).redelivered == (attempt > 0)
            fiks.platform.front.cut()
            await asyncio.wait_for(channel.closed(), 5)
    assert (await receive(fiks, sender)).headers["type"] == "no.ks.fiks.kvittering.serverfeil.v1"


async def test_while_the_door_is_shut_nobody_comes_in(fiks, pair):
    _, receiver = pair
    fiks.platform.front.refusing = True
    with pytest.raises((aio_pika.exceptions.AMQPConnectionError, OSError)):
        async with connected(fiks, receiver):
            pass
    fiks.platform.front.refusing = False
    async with connected(fiks, receiver):
        pass


async def test_a_message_whose_time_ran_out_is_told_once_it_stands_at_the_head(fiks, pair):
    sender, receiver = pair
    first = await send(fiks, sender, receiver)
    second = await send(fiks, sender, receiver, ttl=1000)
    async with connected(fiks, receiver) as channel:
        await channel.set_qos(1)
        async with consuming(channel, receiver) as messages:
            message = await anext(messages)
            assert message.headers["melding-id"] == first["meldingId"]
            await asyncio.sleep(1.2)  # the second one's time is over, and the first one is in its way no more
            await message.ack()
        told = await receive(fiks, sender)
    assert told.headers["type"] == "no.ks.fiks.kvittering.tidsavbrudd"
    assert told.headers["svar-til"] == second["meldingId"]
    assert told.headers["svar-til-type"] == "no.prove.v1"
    assert not told.body


async def test_a_nack_without_requeue_throws_a_message_away_and_tells_nobody(fiks, pair):
    sender, receiver = pair
    await send(fiks, sender, receiver)
    async with connected(fiks, receiver) as channel, consuming(channel, receiver) as messages:
        await (await anext(messages)).nack(requeue=False)
        assert await reason_of_death(fiks, receiver) == "rejected"
    assert (await fiks.platform.mail.counts(receiver.konto_id)).waiting == 0
    assert (await fiks.platform.mail.counts(sender.konto_id)).waiting == 0


async def test_a_receipt_that_runs_out_makes_no_further_receipt(fiks, pair):
    sender, receiver = pair
    kind = "no.ks.fiks.kvittering.serverfeil.v1"
    message = Outgoing(sender.konto_id, receiver.konto_id, kind, ttl=timedelta(milliseconds=1))
    await fiks.platform.send(message)
    assert await reason_of_death(fiks, receiver) == "expired"
    assert (await fiks.platform.mail.counts(sender.konto_id)).waiting == 0


async def test_the_brokers_log_holds_no_password_and_no_token(fiks, pair):
    _, receiver = pair
    token = await receiver.tokens.token()
    async with connected(fiks, receiver):
        pass
    with pytest.raises(REFUSED):
        async with connected(fiks, receiver, f"feil-{receiver.passord} {token}"):
            pass
    async with asyncio.timeout(10):
        while receiver.integrasjon_id not in (log := _log(broker().folder / "node" / "log")):
            await asyncio.sleep(0.05)
    assert receiver.passord not in log
    assert token not in log


def _log(folder):
    return "".join(path.read_text() for path in folder.iterdir())


async def test_what_a_guard_watches_does_not_outlive_the_process_that_started_it():
    script = (
        "import subprocess, time\n"
        "from gateway.simulators.fiks.broker import _guard\n"
        "_guard(subprocess.Popen(['sleep', '60']).pid)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert await owner.stdout.readline() == b"ready\n"
    owner.kill()
    await owner.wait()
    assert await asyncio.wait_for(owner.stdout.read(), 20) == b""  # its end: nobody holds the pipe any more


async def test_what_was_accepted_is_there_after_the_broker_was_killed(fiks, pair):
    sender, receiver = pair
    node = broker().node
    accepted = await send(fiks, sender, receiver)
    await broker().on_disk(receiver.konto_id)
    await asyncio.to_thread(node.kill)
    about = {"avsenderKontoId": sender.konto_id, "mottakerKontoId": receiver.konto_id, "meldingType": "no.prove.v1"}
    assert (await post(fiks, sender, about))[0] == 503
    await asyncio.to_thread(node.start)
    assert (await receive(fiks, receiver)).headers["melding-id"] == accepted["meldingId"]
    await fiks.platform.mail.ready()
    again = await send(fiks, sender, receiver)
    assert (await receive(fiks, receiver)).headers["melding-id"] == again["meldingId"]
