"""An office whose keys lie in a token: a report goes through, and a lost token holds it up and loses nothing."""

import hashlib
import shutil

import pytest

from gateway import config, limits
from gateway.app import environment
from gateway.app.keys import missing_keys
from gateway.cli.check import faults_of
from gateway.crypto.keys import KeyFile, read_key
from gateway.domain.lifecycle import State
from gateway.errors import ConfigError, KeyUnavailableError
from gateway.http.problems import Problem
from gateway.pipeline import confirm, hand_over
from gateway.pipeline.accept import Intake
from gateway.pipeline.confirm import Readback
from gateway.pipeline.key_watch import watch_keys
from gateway.store import alarms, messages
from gateway.store.alarms import AlarmCode
from gateway.store.tables import message
from gateway.testing.site import KOMMUNENUMMER
from tests.postgres import settings_for
from tests.reports import Sender
from tests.token_kit import softhsm
from tests.work import state_of, work_off


@pytest.fixture(scope="module")
def hsm():
    return softhsm()


@pytest.fixture(scope="module")
def site_in_token(hsm, pki_site, tmp_path_factory):
    """The site of the other tests, its keys moved into a token."""
    folder = tmp_path_factory.mktemp("token-site") / "site"
    shutil.copytree(pki_site.folder, folder, ignore=shutil.ignore_patterns("var"))
    token = hsm.token("kontor")
    for use in ("receive", "print", "signing"):
        file = folder / "keys" / f"{use}.pem"
        key = read_key(KeyFile(file))
        token.pem(use, file)
        for one in key.chain:
            token.certificate(use, one)
        file.unlink()
    token.secret("kek", (folder / "keys" / "kek").read_bytes())
    token.store()
    tenant = folder / "tenants" / f"{KOMMUNENUMMER}.toml"
    text = tenant.read_text("utf-8")
    for use in ("receive", "print", "signing"):
        text = text.replace(f"file:keys/{use}.pem", token.reference(use))
    tenant.write_text(text, encoding="utf-8")
    with (folder / "gateway.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[pkcs11]\nmodule = "{hsm.module}"\nraw_rsa = true\n')
    return folder, token


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A lost key is asked for again at once, and not after some seconds."""
    monkeypatch.setattr(limits, "TOKEN_RETRY_S", 0.0)


def loaded(folder, tmp_path):
    return config.load(folder / "gateway.toml", settings_for("sqlite", tmp_path))


async def rung(env):
    return await env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.KEY_UNAVAILABLE))


async def read_back(env, client, message_id):
    await hand_over.claim(env, client, 10, 600, ())
    digests = []
    for document in (await hand_over.head(env, client, message_id))["documents"]:
        served = await hand_over.fetch(env, client, message_id, document["name"])
        raw = b"".join(served.pieces(0, served.size))
        digests.append((document["name"], hashlib.sha256(raw).hexdigest()))
    await confirm.confirm(env, client, message_id, Readback("SAK-1", tuple(digests)))


async def test_a_report_waits_for_a_lost_token_rings_and_goes_on_when_it_is_back(
    hsm, site_in_token, pki_site, tmp_path, client
):
    async with environment(loaded(site_in_token[0], tmp_path)) as env:
        sender, intake = Sender(pki_site, env), Intake(env)
        before = await intake.accept(sender.delivery(1))
        await work_off(env)
        assert await state_of(env, before.id) == State.READY
        with hsm.away():
            delivery = sender.delivery(2)
            lost = await intake.accept(delivery)  # stored all the same
            assert delivery.acknowledged == 1
            await work_off(env)
            assert await state_of(env, lost.id) == State.RECEIVED
            await watch_keys(env, lambda: missing_keys(env.offices))
            assert await rung(env) == {"kontor/receive"}
            await watch_keys(env, lambda: missing_keys(env.offices))
            assert await work_off(env) == 0  # it waits for its back-off
        await watch_keys(env, lambda: missing_keys(env.offices))
        assert await rung(env) == set()
        assert await work_off(env) > 0  # and is woken before it
        assert await state_of(env, lost.id) == State.READY
        rows = await env.store.read(lambda conn: messages.documents(conn, lost.id))
        assert {row.name for row in rows} == {"bekymringsmelding.json", "bekymringsmelding.pdf"}
        assert not await env.store.read(alarms.open_alarms)
        await read_back(env, client, lost.id)
        assert await state_of(env, lost.id) == State.CONFIRMED


async def test_with_the_key_encryption_key_in_the_token_nothing_is_taken_while_it_is_away(
    hsm, site_in_token, pki_site, tmp_path
):
    folder, token = site_in_token
    copied = tmp_path / "site"
    shutil.copytree(folder, copied)
    tenant = copied / "tenants" / f"{KOMMUNENUMMER}.toml"
    tenant.write_text(tenant.read_text("utf-8").replace("file:keys/kek", token.reference("kek")), encoding="utf-8")
    async with environment(loaded(copied, tmp_path)) as env:
        sender, intake = Sender(pki_site, env), Intake(env)
        with hsm.away():
            delivery = sender.delivery(1)
            with pytest.raises(KeyUnavailableError) as caught:
                await intake.accept(delivery)
            assert delivery.acknowledged == 0
            problem = Problem.of(caught.value)
            assert (problem.status, problem.code) == (503, "key-unavailable")
            assert problem.retry_after_s
        assert not await env.store.read(lambda conn: conn.execute(message.select()).all())
        accepted = await intake.accept(delivery)
        await work_off(env)
        assert await state_of(env, accepted.id) == State.READY


def test_a_renewal_while_the_token_is_away_is_refused(hsm, site_in_token, tmp_path):
    from gateway.app.parts import offices_of

    configuration = loaded(site_in_token[0], tmp_path)
    assert offices_of(configuration).all()
    with hsm.away(), pytest.raises(ConfigError) as caught:
        offices_of(configuration)
    assert len(caught.value.faults) == 3
    assert offices_of(configuration).all()


@pytest.mark.proves("S83")
def test_a_pin_file_that_others_may_read_stops_the_start_and_production_wants_it_outside_data_dir(
    hsm, site_in_token, tmp_path
):
    configuration = loaded(site_in_token[0], tmp_path)
    assert not [fault for fault in faults_of(configuration) if "pkcs11" in fault]  # the control
    hsm.pin.chmod(0o640)
    try:
        assert len([fault for fault in faults_of(configuration) if "others than its owner" in fault]) == 3
    finally:
        hsm.pin.chmod(0o600)
    inside = configuration.model_copy(
        update={"settings": configuration.settings.model_copy(update={"data_dir": hsm.folder, "mode": "production"})}
    )
    assert len([fault for fault in faults_of(inside) if "outside data_dir" in fault]) == 3
    elsewhere = configuration.settings.model_copy(update={"operations_token": f"pkcs11:token=a;object=b?{hsm.pin}"})
    (fault,) = [one for one in faults_of(configuration.model_copy(update={"settings": elsewhere})) if "pkcs11" in one]
    assert fault.startswith("operations_token: pkcs11: only file:")
