"""What a road brings is taken: several at once, each committed before it is acknowledged.

When the store cannot be written, the road is closed, so that its partner keeps what waits; it is opened again once a
trial write has gone through (the safe mode of fiks.md 4.5). What fails for another reason is given back, slowly: a
partner may count how often something was given back, and give up.
"""

import asyncio
import contextlib
from typing import Final

from gateway import limits
from gateway.crashpoints import Point
from gateway.errors import GatewayError, StoreError
from gateway.pipeline.accept import Intake
from gateway.pipeline.backoff import backoff_s
from gateway.pipeline.environment import Environment
from gateway.spi import Delivery, Inbound, Receipt
from gateway.store import partners

_PROBES_MAX: Final = 6  # of which the pauses grow


async def run_inbound(env: Environment, adapter: str, inbound: Inbound, stop: asyncio.Event) -> None:
    """Take what a road brings until told to stop."""
    running = asyncio.create_task(_run(env, adapter, inbound))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (running, stopping):
        task.cancel()
    await asyncio.gather(running, stopping, return_exceptions=True)


async def _run(env: Environment, adapter: str, inbound: Inbound) -> None:
    intake = Intake(env, adapter)
    while True:
        try:
            await _take_all(env, intake, inbound)
        except* StoreError as errors:
            env.log.warning("inbound.safe_mode", adapter=adapter, code=_code(errors))
            await _until_writable(env, adapter)
            env.log.info("inbound.resumed", adapter=adapter)
        except* Exception as errors:  # an adapter's: it is opened again after a while
            env.log.warning("inbound.failed", adapter=adapter, exc_info=errors)
        await env.clock.sleep(env.settings.engine.poll_idle_s)


async def _take_all(env: Environment, intake: Intake, inbound: Inbound) -> None:
    room = asyncio.Semaphore(limits.INBOUND_AT_ONCE)
    async with contextlib.aclosing(inbound.deliveries()) as coming, asyncio.TaskGroup() as group:
        async for brought in coming:
            await room.acquire()
            task = group.create_task(_take(env, intake, brought))
            task.add_done_callback(lambda _: room.release())


async def _take(env: Environment, intake: Intake, brought: Delivery | Receipt) -> None:
    """Raises StoreError: then nobody knows whether it is stored, and it must come again."""
    if isinstance(brought, Receipt):
        await intake.receipt(brought)
        await brought.acknowledge()
        return
    try:
        await intake.accept(brought)
    except StoreError:
        raise
    except Exception as error:
        code = error.code if isinstance(error, GatewayError) else "internal"
        env.log.warning("delivery.refused", road=brought.road, code=code, exc_info=error)
        await env.clock.sleep(limits.GIVE_BACK_AFTER_S)
        await brought.give_back()


async def _until_writable(env: Environment, adapter: str) -> None:
    """Try to write, with growing pauses, until it goes through."""
    tries = 0
    while True:
        tries = min(tries + 1, _PROBES_MAX)
        await env.clock.sleep(backoff_s(env, tries))
        try:
            await env.store.write(lambda conn: partners.touch(conn, adapter), Point.ADMIN)
        except StoreError:
            continue
        return


def _code(errors: BaseExceptionGroup[StoreError]) -> str:
    first = errors.exceptions[0]
    return first.code if isinstance(first, StoreError) else StoreError.code
