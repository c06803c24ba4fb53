"""The whole engine through what befalls its host: a database that is away, a clock that jumps."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway import config
from gateway.app import engine, environment, incarnate
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Effect, State
from gateway.errors import StoreError
from gateway.pipeline import hand_over
from gateway.pipeline.accept import Intake
from gateway.store import alarms, consistency, journal, outbox
from gateway.store.tables import journal as journal_table
from gateway.store.tables import message_state, queue_item
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.postgres import mortal_server, settings_for
from tests.reports import Sender
from tests.work import state_of, work_off

AWAY_S = 4
UP_S = 40


async def until(condition, timeout_s=UP_S):
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture
def mortal():
    with mortal_server() as found:
        yield found


@pytest.fixture
def configuration(race_site, mortal, tmp_path):
    return config.load(race_site.configuration, settings_for("postgresql", tmp_path, mortal))


async def test_a_gateway_outlives_its_database_s_absence_and_takes_up_its_work_again(env, sender, mortal):
    before, after = sender.delivery(1), sender.delivery(2)
    async with engine(env, await incarnate(env.store)):
        first = await Intake(env).accept(before)
        await asyncio.to_thread(mortal.stop, signal.SIGQUIT)
        try:
            with pytest.raises(StoreError):
                await Intake(env).accept(after)
            assert after.acknowledged == 0
            await asyncio.sleep(AWAY_S)  # every worker and the sweeper meet the absence
        finally:
            await asyncio.to_thread(mortal.start)
        second = await Intake(env).accept(after)
        assert second.repeated is False

        async def both_ready():
            return {await state_of(env, one.id) for one in (first, second)} == {State.READY}

        await until(both_ready)
    assert await env.store.read(consistency.faults) == []


def faketime() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        if os.environ.get("CI"):
            pytest.fail("CI must prove what a clock that jumps does, and libfaketime is missing")
        pytest.skip("libfaketime is not installed here")
    return found[0]


@pytest.mark.proves("S99")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("jump", ["+3600", "-3600"])
async def test_a_clock_that_jumps_an_hour_fires_nothing_early_and_rings(tmp_path, jump):
    """The real process under libfaketime: its wall clock is set while it runs, its monotonic clock is not."""
    library = faketime()
    site = make_site(
        tmp_path / "site", defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )
    settings = settings_for("sqlite", tmp_path)
    async with environment(config.load(site.configuration, settings)) as env:
        offered, waiting = await prepare(env, site)
        stamp = tmp_path / "faketime"
        stamp.write_text("+0")
        clock = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(stamp),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        process = start(site, settings | clock)
        try:
            before = await times(env)
            await until(lambda: asyncio.to_thread(answers, site))

            async def rings():
                codes = await env.store.read(alarms.open_alarms)
                return alarms.AlarmCode.CLOCK_JUMP in {row.code for row in codes}

            assert not await rings()  # the control: the clock has not been set yet
            stamp.write_text(jump)
            await until(rings)
            after = await times(env)
            shift = int(jump) * 1_000_000
            for moved, stood in zip(after, before, strict=True):
                assert abs(moved - stood - shift) < 2_000_000
            assert await state_of(env, offered) == State.OFFERED, "the claim lapsed though its time had not come"
            assert await state_of(env, waiting) == State.RECEIVED, "what waits in back-off ran before its time"
            jumped = select(func.count()).where(journal_table.c.event == journal.CLOCK_JUMPED)
            assert await env.store.read(lambda conn: conn.execute(jumped).scalar_one()) == 1
        finally:
            process.terminate()
            process.wait(UP_S)
    assert process.returncode == 0


async def prepare(env, site):
    """A claimed report, and one whose opening waits in back-off."""
    sender = Sender(site, env)
    offered = await Intake(env).accept(sender.delivery(1))
    await work_off(env)
    await hand_over.claim(env, hand_over.CaseSystemClient("fagsystem-1", (site.tenant,)), 1, 900, ())
    waiting = await Intake(env).accept(sender.delivery(2))

    def back_off(conn):
        item = conn.execute(select(queue_item.c.id).where(queue_item.c.effect == Effect.OPEN.value)).scalar_one()
        outbox.delay(conn, item, 1800)

    await env.store.write(back_off, Point.FAILED)
    return offered.id, waiting.id


async def times(env) -> tuple[int, int]:
    """When the claim lapses and the back-off ends."""

    def work(conn):
        claims = conn.execute(select(message_state.c.claim_until).where(message_state.c.claim_until.is_not(None)))
        opening = select(queue_item.c.run_at).where(queue_item.c.effect == Effect.OPEN.value)
        return claims.scalar_one(), conn.execute(opening).scalar_one()

    return await env.store.read(work)


def start(site, settings):
    command = [sys.executable, "-m", "gateway", "run", "--config", str(site.configuration)]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | settings | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )


def answers(site) -> bool:
    trust = ssl.create_default_context(cafile=site.ca)
    try:
        url = f"{site.operations_url}/health/live"
        with urllib.request.urlopen(url, context=trust, timeout=5) as answer:  # noqa: S310  https, our own address
            return answer.status == 200
    except OSError:
        return False
