"""Sending and receiving at the Fiks simulator as a client does: REST by hand, AMQP by aio-pika."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import aiohttp

CONSUMED_S = 10


@asynccontextmanager
async def connected(fiks, member, password: str | None = None) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel as the account's owner, or with another password."""
    connection = await aio_pika.connect(
        host="localhost",
        port=fiks.platform.amqp_port,
        ssl=True,
        ssl_context=fiks.trust,
        login=member.integrasjon_id,
        password=password or await member.broker_password(),
    )
    async with connection:
        yield await connection.channel()


@asynccontextmanager
async def consuming(channel, member, **arguments) -> AsyncIterator[aio_pika.abc.AbstractQueueIterator]:
    """The account's messages, as they come."""
    queue = await channel.get_queue(f"fiksio.konto.{member.konto_id}", ensure=False)
    async with queue.iterator(timeout=CONSUMED_S, **arguments) as messages:
        yield messages


async def receive(fiks, member) -> aio_pika.abc.AbstractIncomingMessage:
    """Take the next message and ack it."""
    async with connected(fiks, member) as channel, consuming(channel, member) as messages:
        message = await anext(messages)
        await message.ack()
        return message


async def post(fiks, sender, metadata: object, data: bytes | None = None, *, typed: bool = True) -> tuple[int, dict]:
    """The send call with any metadata; the status and the body of the answer."""
    form = aiohttp.MultipartWriter("form-data")
    part = form.append(json.dumps(metadata), {"Content-Type": "application/json; charset=UTF-8"})
    part.set_content_disposition("form-data", name="metadata")
    if data is not None:
        part = form.append(data, {"Content-Type": "application/octet-stream"})
        if not typed:
            del part.headers["Content-Type"]
        part.set_content_disposition("form-data", name="data", filename="5f1a8c7e")
    url = f"{fiks.platform.base_url}/fiks-io/api/v1/send"
    async with fiks.session.post(url, data=form, headers=await sender.headers()) as answer:
        return answer.status, await answer.json()


async def send(fiks, sender, receiver, data: bytes | None = b"innhold", *, typed: bool = True, **metadata) -> dict:
    """Send a message that is accepted; the answer's body."""
    about = {
        "avsenderKontoId": sender.konto_id,
        "mottakerKontoId": receiver.konto_id,
        "meldingType": "no.prove.v1",
        "svarPaMelding": None,
        "ttl": None,
        "headere": {},
    }
    status, body = await post(fiks, sender, about | metadata, data, typed=typed)
    assert status == 202, body
    return body
