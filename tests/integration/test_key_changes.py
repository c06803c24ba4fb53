"""Every kind of key runs out aloud and is changed as docs/operations has it, on the real parts and while reports come in."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway import cli, config
from gateway.app import environment, running
from gateway.app.doors import expiries
from gateway.crashpoints import Point
from gateway.domain.lifecycle import State
from gateway.evidence import verify
from gateway.pipeline import proofs
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.watch import watch_certificates
from gateway.spi import Address
from gateway.store import alarms, consistency, journal, log, migrate
from gateway.testing.pki import Make, receive_key, write_evidence_key
from gateway.testing.site import BYDELSNUMMER, KOMMUNENUMMER, make_site
from tests.conftest import ROOT
from tests.integration.pipeline.test_journey import read_all
from tests.production_kit import change, copied
from tests.reports import Sender
from tests.work import state_of, work_off

CLIENT = CaseSystemClient("fagsystem-1", ("4601-02",))
TENANT = f"tenants/{KOMMUNENUMMER}.toml"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_site(
        tmp_path_factory.mktemp("site"),
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
    )


@pytest.fixture
def site(template, tmp_path):
    made = copied(template, tmp_path / "site")
    migrate.create_sqlite(made.folder / "var", origin="test")
    return made


@asynccontextmanager
async def gateway(site):
    """The whole gateway, and what takes a changed configuration in, as SIGHUP does."""
    async with running(config.load(site.configuration, {})) as started:
        yield started.env, lambda: started.renew(config.load(site.configuration, {}))


async def arrived(env, sender, number, *, state=State.READY):
    """A report, opened by the gateway's own workers."""
    message_id = (await Intake(env).accept(sender.delivery(number))).id
    async with asyncio.timeout(30):
        while await state_of(env, message_id) is State.RECEIVED:
            await asyncio.sleep(0.01)
    assert await state_of(env, message_id) is state
    return message_id


async def test_each_certificate_rings_as_its_end_comes_near_and_is_silent_once_renewed(site):
    keys, now = site.folder / "keys", datetime.now(UTC)

    def ends(days):
        return Make(not_after=now + timedelta(days=days, hours=1))

    receive_key("Mottak", ends(59)).write_pem(keys / "receive.pem")
    receive_key("Utskrift", ends(29)).write_pem(keys / "print.pem")
    site.pki.organisation("964338531", "Bergen kommune", ends(13)).write_pem(keys / "signing.pem")
    receive_key("localhost", ends(0.5)).write_pem(keys / "tls.pem")
    async with environment(config.load(site.configuration, {})) as env:

        async def rung(clock_days=0):
            configuration = config.load(site.configuration, {})
            moved = replace(env, clock=Moved(env.clock, clock_days)) if clock_days else env
            await watch_certificates(moved, lambda: expiries(configuration, env.offices))
            rows = await env.store.read(alarms.open_alarms)
            return {(row.subject.split("/")[1] if "/" in row.subject else row.subject, row.level) for row in rows}

        doors = {(f"listen.{name}", 5) for name in ("partner", "case_system", "operations")}
        assert await rung() == {("receive", 1), ("print", 2), ("signing", 3)} | doors
        assert await rung(7) == {("receive", 1), ("print", 2), ("signing", 4)} | doors, "louder as it comes nearer"
        assert await rung(13) == {("receive", 1), ("print", 2), ("signing", 5)} | doors
        assert await rung(60) == {("receive", 5), ("print", 5), ("signing", 5)} | doors, "and after it has ended"
    receive_key("Mottak").write_pem(keys / "receive.pem")
    receive_key("Utskrift", ends(61)).write_pem(keys / "print.pem")
    site.pki.organisation("964338531", "Bergen kommune").write_pem(keys / "signing.pem")
    site.pki.tls_server().write_pem(keys / "tls.pem")
    async with environment(config.load(site.configuration, {})) as env:
        configuration = config.load(site.configuration, {})
        await watch_certificates(env, lambda: expiries(configuration, env.offices))
        assert await env.store.read(alarms.open_alarms) == []


class Moved:
    """The gateway's clock, some days on."""

    def __init__(self, clock, days):
        self.now = lambda: clock.now() + timedelta(days=days)
        self.monotonic, self.sleep = clock.monotonic, clock.sleep


async def test_a_receive_key_is_changed_while_reports_come_in_and_none_is_lost(site):
    new = receive_key("Mottak, ny")
    async with gateway(site) as (env, renew):
        before = Sender(site, env)
        await arrived(env, before, 1)
        old_serial = before.office.receive.decryption_keys()[0].certificate.serial_number
        new.write_pem(site.folder / "keys" / "new.pem")
        both = 'receive_keys = [{ key = "file:keys/new.pem" }, { key = "file:keys/receive.pem" }]'
        change(site.folder / TENANT, 'receive_keys = [{ key = "file:keys/receive.pem" }]', both)
        under_way = asyncio.gather(*(arrived(env, before, number) for number in range(2, 6)))
        renew()
        await under_way
        after = Sender(site, env)
        published = Intake(env).certificates(Address(KOMMUNENUMMER, BYDELSNUMMER)).container
        assert int(published.serial) == new.certificate.serial_number != old_serial
        await arrived(env, after, 6)
        change(site.folder / TENANT, ', { key = "file:keys/receive.pem" }]', "]")
        renew()
        await arrived(env, after, 7)
        late = await arrived(env, Stale(after, before), 8, state=State.QUARANTINED)
        codes = {(row.code, row.subject) for row in await env.store.read(alarms.open_alarms)}
        assert ("quarantined", late) in codes, "who sealed to the old key after all is seen by a person"


class Stale:
    """A sender that never fetched the new certificate."""

    def __init__(self, now, then):
        self._now, self._then = now, then

    def delivery(self, number):
        found = self._now.delivery(number)
        found.part_bytes["asice"] = self._then.delivery(number).part_bytes["asice"]
        return found


async def test_a_municipality_s_key_encryption_key_is_changed_by_rewrapping_and_the_old_one_destroyed(site, capsys):
    old, new = site.folder / "keys" / "kek", site.folder / "keys" / "kek-new"
    new.touch(mode=0o600)
    new.write_bytes(bytes(range(32)))
    async with gateway(site) as (env, renew):
        sender = Sender(site, env)
        first = await arrived(env, sender, 1)
        content = await read_all(env, CLIENT, first)
        both = 'key_encryption_key = "file:keys/kek-new"\nearlier_key_encryption_keys = ["file:keys/kek"]'
        change(site.folder / TENANT, 'key_encryption_key = "file:keys/kek"', both)
        renew()
        second = await arrived(env, sender, 2)
        command = ["keys", "rewrap", "--person", "kari", "-c", str(site.configuration)]
        assert await asyncio.to_thread(cli.run, command) == 0
        assert (
            capsys.readouterr().out.splitlines()[-1].startswith("3 keys wrapped anew")
        )  # first, two offices' index keys
        assert await read_all(env, CLIENT, first) == content
    change(site.folder / TENANT, 'earlier_key_encryption_keys = ["file:keys/kek"]\n', "")
    old.unlink()
    async with gateway(site) as (env, _):
        assert await read_all(env, CLIENT, first) == content
        assert await read_all(env, CLIENT, second)
        await arrived(env, Sender(site, env), 3)


async def test_the_key_of_the_evidence_log_is_changed_and_old_proofs_hold(site, tmp_path, capsys):
    async def proven(message_id):
        async with environment(config.load(site.configuration, {})) as env:
            while await env.store.write(journal.number_pending, Point.NUMBER):
                pass
            await env.heads.publish(env.store, env.now())
            found = await proofs.prove(env, message_id, proofs.Wish("kari"))
            return found, str(env.heads.signer.public)

    def verdict(found, key):
        (tmp_path / "proof").write_text(found.text(), encoding="utf-8")
        code = verify.main(["proof", str(tmp_path / "proof"), "--key", key])
        return code, capsys.readouterr().out.splitlines()[-1]

    async with environment(config.load(site.configuration, {})) as env:
        message_id = (await Intake(env).accept(Sender(site, env).delivery(1))).id
        await work_off(env)
    before, old_key = await proven(message_id)
    write_evidence_key(site.folder / "keys" / "evidence-new.pem")
    renamed = f'key = "file:keys/evidence-new.pem"\nearlier_keys = ["{old_key}"]'
    change(site.configuration, 'key = "file:keys/evidence.pem"', renamed)
    async with gateway(site) as (env, _):  # a start with a key that nobody announced signs nothing; this one does
        await arrived(env, Sender(site, env), 2)
        async with asyncio.timeout(30):
            while (await env.store.read(log.newest_head)).note.startswith(before.head.rpartition("\n\n")[0]):
                await asyncio.sleep(0.02)
        assert await env.store.read(alarms.open_alarms) == []
        assert await env.store.read(consistency.faults) == []
    after, new_key = await proven(message_id)
    assert new_key != old_key
    assert verdict(before, old_key) == (0, "ok, content not checked")
    assert verdict(after, new_key) == (0, "ok, content not checked")
    assert verdict(after, old_key) == (1, "failed: test has not signed this head")
